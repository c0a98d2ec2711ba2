"""Home on a real folder of runs: the app as the front door makes it, and runs that stand in every way there is."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rlm_tui.commands import screen
from rlm_tui.config import Settings
from rlm_tui.homing import doors
from rlm_tui.journal.events import NAME, Edit, ErrorInfo, Event, LlmStart, NodeEnd, NodeStart, RunEnd
from rlm_tui.journal.store import Journal, read
from rlm_tui.llm.pace import Pace
from rlm_tui.tui.home import HomeApp
from rlm_tui.tui.screens.home import HomeScreen
from tests.journal.build import START, context, run_start
from tests.runs import watched
from tests.tui.stage import Stage

NOW = START + 3_600.0
GUST = "Who calibrated the anemometer with the strongest gust at the station founded by the designer of the bridge?"
HOSTILE = "\x1b[2JWhich [b]setting[/b] skips the delay,\n and \u202ewhich one does not?"


class HomeStage(Stage):
    """Home, and the hand on its keys."""

    @property
    def home(self) -> HomeScreen:
        assert isinstance(self.app, HomeApp)
        return self.app.home

    @property
    def rows(self) -> list[str]:
        """The rows of the runs, as they are seen."""
        lines = self.text.split("\n")
        first = next(n for n, line in enumerate(lines) if " 3 recent runs " in line)
        return [line for line in lines[first + 1 : -1] if line.strip()]

    @property
    def footer(self) -> str:
        return self.text.rstrip("\n").split("\n")[-1]

    async def read(self) -> None:
        """Wait until home is on the screen, and every run was read and is shown."""
        app = self.app
        assert isinstance(app, HomeApp)

        def there() -> bool:
            return app._home is not None and app.screen is app.home and app.home.is_mounted and not app.home._reading

        await self.until(there, "home")
        self.home.sync()
        await self.pilot.pause()

    async def inside(self) -> None:
        """Wait until a run is on the screen."""
        await self.until(lambda: self.app._desk is not None and self.app.screen is self.app.main, "a run")
        self.decision.grace = 0.05
        await self.until(lambda: self.run.root is not None, "the root")


@asynccontextmanager
async def at_home(
    runs: Path,
    size: tuple[int, int] = (120, 36),
    clock: Callable[[], float] = time.time,
    **settings: Any,
) -> AsyncIterator[HomeStage]:
    """The app at home over a folder of runs; a scripted model speaks at once."""
    app = home_app(runs, clock, **settings)
    async with app.run_test(size=size, notifications=True) as pilot:
        stage = HomeStage(app, pilot, None)  # type: ignore[arg-type]
        await stage.read()
        try:
            yield stage
        finally:
            for session in app.sessions:
                session.close(5.0)
            for thread in app._putting_away:
                thread.join()


def home_app(runs: Path, clock: Callable[[], float] = time.time, **settings: Any) -> HomeApp:
    found = Settings({"runs_dir": runs, "ascii": False, **settings})
    return HomeApp(doors(found, "instant"), **screen(found, Pace("instant")), clock=clock)


def left(runs: Path, name: str = "needle") -> Path:
    """A run that was left before its first request was sent."""
    with watched(name, hold=True, runs=runs) as one:
        one.session.start(one.sink)
        one.held("llm")
        path = one.session.path
    assert path is not None
    return path


def asked(path: Path) -> int:
    """How many requests a run has sent."""
    return sum(isinstance(event, LlmStart) for event in read(path).events())


def written(runs: Path, id: str, *events: Event, ago: float = 0.0, task: str = GUST, **config: Any) -> Path:
    """A run as its journal might be, begun so many seconds ago."""
    journal = Journal.create(runs, run_id=id, clock=lambda: NOW - ago)
    start = run_start(id, config={"model": "openai/gpt-5-mini", **config}).model_copy(update={"task": task})
    for event in (start, NodeStart(id="root", depth=0, prompt=task, context=context(), model="m"), *events):
        journal.append(event)
    journal.close()
    assert journal.path is not None
    return journal.path


def over(status: Any, turns: int, value: str | None = None, **end: Any) -> tuple[Event, ...]:
    """The last events of a run."""
    totals, error, limit = (end.get(name) for name in ("totals", "error", "limit"))
    return (
        LlmStart(id=f"root/i{turns}", model="m"),
        NodeEnd(id="root", status=status, value=value, error=error, limit=limit),
        RunEnd(id="root", status=status, value=value, totals=totals or {}, error=error),
    )


def every_state(runs: Path) -> None:
    """A run for each way to stand, the newest first by their names."""
    key = ErrorInfo(kind="key", message="the key that OPENAI_API_KEY holds is not valid")
    written(runs, "231114-2259-66b1", LlmStart(id="root/i3", model="m"), ago=20.0, task="How many SKUs end negative?")
    written(runs, "231114-2258-7f3a", *over("final", 4, "A. Quill"), ago=12 * 60.0, scenario="multi-hop")
    named = Edit(id="root", field="note", value="one more degree", note=NAME, by="human")
    written(runs, "231114-2257-b20c", *over("final", 4, "M. Osei", totals={"cost": 0.0123}), named, ago=15 * 60.0)
    hostile = over("final", 5, "RETRY_FLAT\x07 in [red]env/prod.py", totals={"cost": 12.3})
    written(runs, "231114-2256-19de", *hostile, ago=2 * 3600.0, task=HOSTILE)
    limit = over("exhausted", 30, limit="max_iterations", totals={"cost": 0.41})
    written(runs, "231114-2255-f004", *limit, ago=90_000.0, task="Summarise the differences")
    written(runs, "231114-2254-a9c7", *over("error", 1, error=key, totals={"unpriced": 1}), ago=200_000.0)
    written(runs, "231114-2253-c001", *over("killed", 2), ago=4_000_000.0, task="")
    (runs / "231114-2252-dead").mkdir()
    (runs / "231114-2252-dead" / "journal.jsonl").write_text("no journal\n")
