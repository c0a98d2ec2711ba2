"""Make the pictures: the real app on real scripted runs, driven by keys, waited for by state.

    .venv/bin/python screenshots/make.py [NAME…]

Needs `chromium` and the font Fira Code on the machine; neither is a dependency.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests.tui import scenes, test_snapshots  # noqa: E402

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
}
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
        subprocess.run([*CHROMIUM, f"--window-size={width},{height}", f"--screenshot={out}", str(html)], check=True)


def main(names: list[str]) -> None:
    for name in names or list(PICTURES):
        play, size, options = PICTURES[name]
        with scenes.scene(play, **options) as (app, before):
            svg = asyncio.run(_drawn(app, size, before))
        _png(svg, HERE / f"{name}.png")
        print(HERE / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
