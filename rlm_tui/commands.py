"""What each command does. Rooms are imported when their command is run, and not before."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rlm_tui.checks import (
    check_breakpoints,
    check_confinement,
    check_models,
    check_runs_dir,
    check_screen,
)
from rlm_tui.config import Settings, user_file
from rlm_tui.inputs import read_context, read_text
from rlm_tui.making import GoingOn, Making, Material
from rlm_tui.usage import ANSWERED, BAD_USAGE, INTERRUPTED, MODEL, NO_ANSWER, UsageError, printable

if TYPE_CHECKING:
    from rlm_tui.debugger.reading import ReadOnlySession
    from rlm_tui.debugger.session import Session
    from rlm_tui.engine.run import EngineRun
    from rlm_tui.llm.pace import Pace


def demo(args: argparse.Namespace, found: Settings) -> int:
    """Play a scenario on the scripted model."""
    from rlm_tui.demo import DEFAULT, NAMES, unknown

    if args.list:
        from rlm_tui.demo.catalogue import SCENARIOS

        for name, scenario in SCENARIOS.items():
            print(f"{name:<14} {scenario.title}")
        return ANSWERED
    name = args.scenario or DEFAULT
    if name not in NAMES:
        raise UsageError(unknown(name))
    return _start(args, found, lambda: scripted(name, args.seed))


def scripted(name: str, seed: int | None = None) -> Material:
    """What a scenario is about.

    Args:
        name: The scenario's, or a variant's.
        seed: Of its data; None for that of every demo.
    """
    from rlm_tui.demo.catalogue import DEFAULT_SEED, PREFIX, scenario

    drawn = DEFAULT_SEED if seed is None else seed
    data = scenario(name).make(drawn)
    limits = data.limits
    return Material(
        data.context,
        data.question,
        f"{PREFIX}{name}",
        {"scenario": name, "scenario_seed": drawn},
        name,
        {
            "max_depth": limits.max_depth,
            "max_iterations": limits.max_iterations,
            "block_timeout": limits.block_timeout_s,
        },
    )


def run(args: argparse.Namespace, found: Settings) -> int:
    """Answer a person's question on a real model."""
    material, remark = asked(args.question, args.context, found)
    if remark:
        print(f"rlm-tui: {remark}", file=sys.stderr)
    return _start(args, found, material)


def asked(question: str, source: str | None, found: Settings) -> tuple[Callable[[], Material], str | None]:
    """Check a question of a person's own.

    Args:
        question: What to answer.
        source: Where the context is, as `read_context` has it.
        found: The settings.

    Returns:
        What makes the run's material, and a remark for the person or None.

    Raises:
        UsageError: When the question, the context or a model won't do.
    """
    model = found.get("model")
    if model is None:
        raise UsageError(f"no model: give --model provider/name, set RLM_TUI_MODEL, or write model in {user_file()}")
    if not question.strip():
        raise UsageError("the question is empty")
    base = found.get("api_base")
    check_models([model, found.get("sub_model"), *found.get("depth_models", {}).values()], base)
    context, remark = read_context(source)
    return lambda: Material(context, question, model, {"api_base": base} if base else {}), remark


def _start(args: argparse.Namespace, found: Settings, material: Callable[[], Material]) -> int:
    """Check what can be checked at once; then run, with a screen or without."""
    pace = _ready(args, found)
    system_prompt = read_text(args.system_prompt) if args.system_prompt else None
    check_runs_dir(found)
    return _go(args, found, Making(found, material, pace, system_prompt, args.breakpoints, hold=args.hold))


def resume(args: argparse.Namespace, found: Settings) -> int:
    """Go on with a run that was left, or whose process was killed."""
    path = _find(args.run, found)
    making = GoingOn(found, path, _ready(args, found), args.breakpoints)
    making.check()
    return _go(args, found, making)


def _ready(args: argparse.Namespace, found: Settings) -> Pace:
    """Check what is the same for every run; the pace of a scripted model."""
    from rlm_tui.llm.pace import Pace

    headless = args.headless or args.json
    check_confinement(found)
    if not headless:
        check_screen(found)
    check_breakpoints(args.breakpoints, holding=not headless)
    try:
        return Pace(getattr(args, "pace", None) or ("instant" if headless else "normal"))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _go(args: argparse.Namespace, found: Settings, making: Making) -> int:
    """Run, with a screen or without."""
    if args.headless or args.json:
        from rlm_tui.headless import run_headless

        return run_headless(making.journal, making.unattended(), as_json=args.json)
    return _farewell(_show(making.session, found, making.pace))


def _find(text: str, found: Settings) -> Path:
    from rlm_tui.journal.errors import JournalError
    from rlm_tui.journal.places import find_run, runs_dir

    try:
        return find_run(runs_dir(found.get("runs_dir")), text)
    except JournalError as error:
        raise UsageError(str(error)) from error


def open_run(args: argparse.Namespace, found: Settings) -> int:
    """Look at a run."""
    from rlm_tui.debugger.reading import ReadOnlySession
    from rlm_tui.llm.pace import Pace

    path = _find(args.path, found)
    check_screen(found)
    _show(lambda: ReadOnlySession(path), found, Pace("normal"))
    return ANSWERED


def doctor(args: argparse.Namespace, flags: Mapping[str, Any]) -> int:
    """Say what this machine has for a run, and what it lacks."""
    from rlm_tui.doctor import examine
    from rlm_tui.tui.glyphs import glyphs

    report = examine(flags, sys.stdout, ask=args.ask)
    if args.json:
        print(json.dumps(report.object()))
    else:
        width = min(shutil.get_terminal_size((100, 24)).columns, 100)
        print(report.text(glyphs(_ascii(report.settings)), width))
    if report.failed:
        return MODEL
    return ANSWERED if report.ready else NO_ANSWER


# What they share --------------------------------------------------------------------------------------------------


S = TypeVar("S", "Session", "ReadOnlySession")


def _show(make: Callable[[], S], found: Settings, pace: Pace) -> S:
    """Open the screen on a session that is made while its first frame is looked at."""
    from rlm_tui.tui.app import DebuggerApp

    made: list[S] = []

    def session() -> S:
        made.append(make())
        return made[0]

    app = DebuggerApp(session, **screen(found, pace))
    app.run()
    if app.fault is not None:
        raise app.fault
    if not made:
        raise KeyboardInterrupt
    for other in app.sessions[1:]:
        if other.path is not None:
            tell_of("A branch", other.path)
    return made[0]


def screen(found: Settings, pace: Pace) -> dict[str, Any]:
    """What every app is given.

    Args:
        found: The settings.
        pace: The scripted model's, of branches that are gone on with.
    """
    from rlm_tui.llm.pace import Pace

    def reopen(path: Path) -> Session:
        return GoingOn(found, path, pace).session()

    def unattended(path: Path) -> EngineRun:
        # Nobody watches a scripted model speak there.
        return GoingOn(found, path, Pace("instant")).unattended()

    return {
        "reopen": reopen,
        "unattended": unattended,
        "theme": found.get("theme"),
        "ascii": _ascii(found),
        "mouse": not found.get("no_mouse", False),
    }


def tell_of(what: str, path: Path) -> None:
    """After the screen: where a run is that was on it.

    Args:
        what: What it is, in words.
        path: Its directory.
    """
    from rlm_tui.journal.summary import summarize

    one = summarize(path)
    verb = "resume" if one.state == "left" else "open"
    print(f"{what} is kept, {one.state}: rlm-tui {verb} {one.id}", file=sys.stderr)


def _ascii(found: Settings) -> bool:
    """Whether to draw with ASCII: when asked for, or when the locale can't do better."""
    asked = found.get("ascii")
    if asked is not None:
        return asked
    return "utf" not in (sys.stdout.encoding or "").lower()


def _farewell(session: Session) -> int:
    """After the screen: what became of the run, and how to see it again."""
    from rlm_tui.headless import exit_code, forget, lacking, why_no_answer

    run, journal = session.engine.shared.run, session.journal
    root = run.root
    if missing := lacking(run.environment):
        print(f"rlm-tui: {missing}", file=sys.stderr)
    if run.start is None and session.notices:
        forget(journal)
        print(f"rlm-tui: {printable(' '.join(session.notices), 600)}", file=sys.stderr)
        return BAD_USAGE
    if run.end is None:
        print(f"The run is kept, not ended: rlm-tui resume {journal.id}", file=sys.stderr)
        return INTERRUPTED
    if root is not None and root.value is not None:
        print(printable(journal.text(root.value), 400))
    else:
        print(why_no_answer(run), file=sys.stderr)
    print(f"To look at it again: rlm-tui open {journal.id}", file=sys.stderr)
    return exit_code(run)
