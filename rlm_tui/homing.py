"""Home: what `rlm-tui` opens without a command, and what is behind it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_tui.checks import check_confinement, check_runs_dir, check_screen
from rlm_tui.commands import screen, scripted, tell_of
from rlm_tui.config import Settings
from rlm_tui.making import GoingOn, Making
from rlm_tui.usage import ANSWERED, printable

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike
    from rlm_tui.debugger.session import Session
    from rlm_tui.tui.home import Doors, Shown

COMMAND = 'rlm-tui run "QUESTION" --context FILE'
"""What is typed for a new run where a model is set."""
TOLD = 5
"""Runs that are told of one by one when the screen is gone."""


def home(found: Settings) -> int:
    """Open the screen at home.

    Args:
        found: The settings.

    Returns:
        0, whatever became of the runs that were opened there: each is told of on stderr.

    Raises:
        UsageError: When a screen can't be opened.
    """
    from rlm_tui.llm.pace import Pace
    from rlm_tui.tui.home import HomeApp

    check_screen(found)
    app = HomeApp(doors(found), **screen(found, Pace("normal")))
    app.run()
    if app.fault is not None:
        raise app.fault
    played = [path for path in app.played if path.is_dir()]
    for path in played[-TOLD:]:
        tell_of("A run", path)
    if len(played) > TOLD:
        print(f"{len(played) - TOLD:,} more: rlm-tui runs", file=sys.stderr)
    return ANSWERED


def doors(found: Settings, speed: str = "normal") -> Doors:
    """What is behind home.

    Args:
        found: The settings.
        speed: How fast the scripted model speaks.
    """
    from rlm_tui.tui.home import Doors

    return Doors(partial(_shown, found), partial(_play, found, speed), partial(_go_on, found, speed), _put_away)


def _shown(found: Settings) -> Shown:
    from importlib.metadata import version

    from rlm_tui.demo import DEFAULT
    from rlm_tui.demo.catalogue import SCENARIOS
    from rlm_tui.journal.places import runs_dir
    from rlm_tui.tui.home import Shown

    model = found.get("model")
    return Shown(
        demos=tuple((name, one.title) for name, one in SCENARIOS.items()),
        first=DEFAULT,
        command=COMMAND if model else f"{COMMAND} --model provider/name",
        model=f"{printable(model, 40)}, from {_source(found)}" if model else "no model is set",
        runs=runs_dir(found.get("runs_dir")),
        version=version("rlm-tui"),
    )


def _source(found: Settings) -> str:
    place, name = found.sources["model"]
    return name if place == "environment" else f"the {place}"


def _play(found: Settings, speed: str, name: str) -> Session:
    from rlm_tui.llm.pace import Pace

    check_confinement(found)
    check_runs_dir(found)
    return Making(found, partial(scripted, name), Pace(speed), None).session()


def _go_on(found: Settings, speed: str, path: Path) -> Session:
    from rlm_tui.llm.pace import Pace

    making = GoingOn(found, path, Pace(speed))
    check_confinement(found)
    making.check()
    return making.session()


def _put_away(session: SessionLike) -> None:
    from rlm_tui.debugger.session import Session
    from rlm_tui.headless import forget

    session.close(1.0)
    if isinstance(session, Session) and session.engine.shared.run.start is None:
        forget(session.journal)
