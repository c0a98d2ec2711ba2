"""Home: what `rlm-tui` opens without a command, and what is behind it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_tui.checks import check_confinement, check_models, check_runs_dir, check_screen
from rlm_tui.commands import asked, screen, scripted, tell_of
from rlm_tui.config import LIMITS, Settings
from rlm_tui.making import GoingOn, Making, options_of
from rlm_tui.usage import ANSWERED, UsageError, printable

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike
    from rlm_tui.debugger.session import Session
    from rlm_tui.tui.home import Doors, Shown

HELD = "held"
"""How a new run begins that asks for nothing until it is told to."""
COMMAND = 'rlm-tui run "QUESTION" --context FILE'
"""What is typed for a new run where a model is set."""
LIMITED = {setting.name.removeprefix("max_").replace("_", " "): setting for setting in LIMITS}
"""The limits, as they are called in the form for a new run."""
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

    return Doors(
        partial(_shown, found),
        partial(_play, found, speed),
        partial(_go_on, found, speed),
        partial(_follows, found),
        partial(_ask, found, speed),
        _put_away,
    )


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
        fields={"model": str(model or ""), "limits": _limits(found)},
        model=f"{printable(model, 40)}{_source(found)}" if model else "no model is set",
        runs=runs_dir(found.get("runs_dir")),
        version=version("rlm-tui"),
    )


def _limits(found: Settings) -> str:
    """The limits that are set, as the form has them."""
    there = {name: found.get(setting.name) for name, setting in LIMITED.items()}
    return ", ".join(f"{name} {value}" for name, value in there.items() if value is not None)


def _source(found: Settings) -> str:
    """Where the model was set."""
    source = found.sources.get("model")
    if source is None:
        return ""
    return f", from {source.name if source.place == 'environment' else f'the {source.place}'}"


def _play(found: Settings, speed: str, name: str) -> Session:
    from rlm_tui.llm.pace import Pace

    check_confinement(found)
    check_runs_dir(found)
    return Making(found, partial(scripted, name), Pace(speed), None).session()


def _of(found: Settings, said: Mapping[str, str]) -> Settings:
    """The settings with what stands in the form; an empty field leaves what is set."""
    values = dict(found.values)
    if model := said.get("model", "").strip():
        values["model"] = model
    for part in filter(None, map(str.strip, said.get("limits", "").split(","))):
        name, _, value = part.rpartition(" ")
        setting = LIMITED.get(name.strip())
        if setting is None:
            raise UsageError(f"{printable(part, 40)!r} is no limit; they are {', '.join(LIMITED)}, each with a number")
        try:
            values[setting.name] = setting.read(value)
        except ValueError as error:
            raise UsageError(f"{name.strip()} {error}") from error
    return replace(found, values=values)


def _follows(found: Settings, said: Mapping[str, str]) -> list[str]:
    """What a run of one's own would be, cheap enough to be said while it is typed."""
    settings = _of(found, said)
    options = options_of(settings, None)
    budget = "no budget" if options.max_budget is None else f"at most ${options.max_budget:g}"
    limits = f"{options.max_iterations} iterations, depth {options.max_depth}, {budget}"
    model = settings.get("model")
    others = (settings.get("sub_model"), *settings.get("depth_models", {}).values())
    check_models([model, *others], settings.get("api_base"))
    whom = f"It asks {printable(model, 60)}" if model else "No model is named yet: provider/name"
    return [_context(said.get("context", "").strip()), f"{whom}; {limits}."]


def _context(source: str) -> str:
    """What a context is, without reading all of it."""
    if not source:
        return "No context."
    path = _path(source)
    if path.is_dir():
        return "A folder: its text files, by their paths."
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            first = file.read(200).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"{printable(source, 60)} can't be read: {error.strerror or error}") from error
    return f"{'JSON' if path.suffix.lower() == '.json' else 'A text'} of {size:,} bytes: {printable(first, 60)!r}."


def _path(source: str) -> Path:
    if source == "-":
        raise UsageError("standard input is the keyboard here; name a file or a folder")
    try:
        return Path(source).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{printable(source, 60)}: {error}") from error


def _ask(found: Settings, speed: str, said: Mapping[str, str]) -> tuple[Callable[[], Session], str]:
    from rlm_tui.llm.pace import Pace

    settings, source = _of(found, said), said.get("context", "").strip()
    material, remark = asked(said["question"], str(_path(source)) if source else None, settings)
    check_confinement(settings)
    check_runs_dir(settings)
    hold = said.get("begins") == HELD
    return Making(settings, material, Pace(speed), None, hold=hold).session, remark or ""


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
