"""Make the pictures: the real app on real scripted runs, driven by keys, waited for by state.

    .venv/bin/python screenshots/make.py [NAME…]

Needs `chromium` and the font Fira Code on the machine; neither is a dependency.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests.tui import branched, scenes, test_branches_snapshots, test_snapshots  # noqa: E402

WIDE, MEDIUM, NARROW = (160, 45), (120, 36), (80, 24)
PICTURES: dict[str, tuple[Any, tuple[int, int], dict[str, Any]]] = {
    "running": (test_snapshots.running, WIDE, {"silent": test_snapshots.SLOW}),
    "held": (scenes.edited, WIDE, {}),
    "answered": (scenes.answered, MEDIUM, {}),
    "force-final": (test_snapshots.forcing_the_root, MEDIUM, {}),
    "editor": (test_snapshots.wrong_code, MEDIUM, {}),
    "narrow": (scenes.held_block, NARROW, {}),
    "light": (scenes.edited, MEDIUM, {"theme": "rlm-light"}),
    "stops": (scenes.inbox, MEDIUM, {"breakpoints": scenes.BREAKPOINTS, "options": scenes.IN_TURN}),
    "replies": (scenes.resampled, WIDE, {}),
    "console": (scenes.console, MEDIUM, {}),
    "difference": (scenes.difference, MEDIUM, {}),
    "standing": (scenes.evaluated, MEDIUM, {"replies": [scenes.WAITS], "hold": False}),
    "past": (test_snapshots.then(scenes.edited, *["left_parenthesis"] * 6), MEDIUM, {}),
}
KEPT: dict[str, tuple[Any, int, Any, tuple[int, int]]] = {
    "compare": (branched.family, 1, test_branches_snapshots.compared, WIDE),
    "branches": (branched.family, 1, test_branches_snapshots.listed, MEDIUM),
    "outcomes": (branched.tried, 0, test_branches_snapshots.all_tried, MEDIUM),
}
"""Pictures of runs that nobody runs: what makes them, which is looked at, and what happens."""
CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--force-device-scale-factor=2",
)  # fmt: skip


async def _drawn(app: Any, size: tuple[int, int], before: Callable[[Any], Any]) -> str:
    async with app.run_test(size=size) as pilot:
        await before(pilot)
        return app.export_screenshot(title="rlm-tui")


def _png(svg: str, out: Path) -> None:
    """The picture as a browser draws it, with the machine's own Fira Code instead of a downloaded one."""
    svg = re.sub(r"@font-face\s*\{[^}]*\}", "", svg)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None
    width, height = (round(float(side)) for side in box.groups())
    page = f"<style>body{{margin:0}}svg{{display:block;width:{width}px;height:{height}px}}</style>{svg}"
    with tempfile.TemporaryDirectory() as folder:
        html = Path(folder) / "page.html"
        html.write_text(page, encoding="utf-8")
        command = [*CHROMIUM, f"--window-size={width},{height}", f"--screenshot={out}", str(html)]
        # A browser without a desktop complains of that, page after page.
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def _of_kept(make: Callable[[Path], Any], at: int, play: Any, size: tuple[int, int]) -> str:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        paths = branched.as_elsewhere(make(Path("made")))
        app, before = test_branches_snapshots.pictured(paths[at], play)
        return asyncio.run(_drawn(app, size, before))


def main(names: list[str]) -> None:
    for name in names or [*PICTURES, *KEPT]:
        if name in KEPT:
            svg = _of_kept(*KEPT[name])
        else:
            play, size, options = PICTURES[name]
            with scenes.scene(play, **options) as (app, before):
                svg = asyncio.run(_drawn(app, size, before))
        _png(svg, HERE / f"{name}.png")
        print(HERE / f"{name}.png")


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    time.tzset()
    main(sys.argv[1:])
