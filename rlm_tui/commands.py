"""What each command does. Rooms are imported when their command is run, and not before."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from rlm_tui.config import PROJECT_BREAKPOINTS, Settings, user_file
from rlm_tui.inputs import Context, read_context, read_text
from rlm_tui.usage import ANSWERED, BAD_USAGE, INSTEAD_OF_BWRAP, INTERRUPTED, MODEL, NO_ANSWER, UsageError, printable

if TYPE_CHECKING:
    from rlm_tui.debugger.reading import ReadOnlySession
    from rlm_tui.debugger.session import Session
    from rlm_tui.engine.gate import Gates
    from rlm_tui.engine.options import Options
    from rlm_tui.engine.run import EngineRun
    from rlm_tui.journal.store import Journal
    from rlm_tui.llm.base import Models
    from rlm_tui.llm.pace import Pace

SCRIPTED = "scripted:"


@dataclass(frozen=True, slots=True)
class Material:
    """What a run is about.

    Attributes:
        context: The value of ``context``.
        task: The question.
        model: The root's model.
        config: What else ``run.start`` keeps.
        scenario: Its name, when it is one.
        defaults: Settings it is meant to run with, where nobody set another.
    """

    context: Context
    task: str
    model: str
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    scenario: str | None = None
    defaults: dict[str, Any] = field(default_factory=dict[str, Any])


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
    return _start(args, found, lambda: _scenario(name, args.seed))


def _scenario(name: str, seed: int | None) -> Material:
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
    model = found.get("model")
    if model is None:
        raise UsageError(f"no model: give --model provider/name, set RLM_TUI_MODEL, or write model in {user_file()}")
    if not args.question.strip():
        raise UsageError("the question is empty")
    _check_models([model, found.get("sub_model")], found.get("api_base"))
    context, remark = read_context(args.context)
    if remark:
        print(f"rlm-tui: {remark}", file=sys.stderr)
    config = {"api_base": found.get("api_base")} if found.get("api_base") else {}
    return _start(args, found, lambda: Material(context, args.question, model, config))


def _start(args: argparse.Namespace, found: Settings, material: Callable[[], Material]) -> int:
    """Check what can be checked at once; then run, with a screen or without."""
    from rlm_tui.llm.pace import Pace

    headless = args.headless or args.json
    _check_confinement(found)
    if not headless:
        _check_screen(found)
    try:
        pace = Pace(getattr(args, "pace", None) or ("instant" if headless else "normal"))
    except ValueError as error:
        raise UsageError(str(error)) from error
    system_prompt = read_text(args.system_prompt) if args.system_prompt else None
    _check_breakpoints(args.breakpoints, holding=not headless)
    _check_runs_dir(found)
    making = Making(found, material, pace, system_prompt, args.breakpoints)
    if headless:
        from rlm_tui.headless import run_headless

        return run_headless(making.journal, making.unattended(), as_json=args.json)
    return _farewell(_show(lambda: making.session(hold=args.hold), found))


class Making:
    """What a run is made of: loaded and built when it is asked for, not before the first frame is painted.

    Args:
        found: The settings.
        material: Makes what the run is about.
        pace: The scripted model's.
        system_prompt: What every node is taught; None for the dialect's own.
        breakpoints: Those given for this run.
    """

    def __init__(
        self,
        found: Settings,
        material: Callable[[], Material],
        pace: Pace,
        system_prompt: str | None,
        breakpoints: Sequence[str] = (),
    ) -> None:
        self._found = found
        self._material = material
        self._pace = pace
        self._system_prompt = system_prompt
        self._breakpoints = breakpoints

    @cached_property
    def material(self) -> Material:
        """What the run is about."""
        made = self._material()
        for name, value in made.defaults.items():
            self._found.values.setdefault(name, value)
        return made

    @cached_property
    def journal(self) -> Journal:
        """The run's journal; it takes the first one asked for to make its directory."""
        from rlm_tui.journal.errors import JournalError
        from rlm_tui.journal.places import runs_dir
        from rlm_tui.journal.store import Journal

        try:
            return Journal.create(runs_dir(self._found.get("runs_dir")))
        except JournalError as error:
            raise UsageError(str(error)) from error

    def engine(self, gates: Gates | None = None) -> EngineRun:
        """The run over its gates."""
        from rlm_tui.engine.run import EngineRun

        one = self.material
        options = _options(self._found, self._system_prompt)
        limit = options.max_timeout
        return EngineRun(
            self.journal, _models(self._found, self._pace).get, context=one.context, task=one.task, model=one.model,
            options=options, gates=gates, time_limits={} if limit is None else {"max_timeout": limit},
            config=one.config,
        )  # fmt: skip

    def unattended(self) -> EngineRun:
        """The run without a screen: breakpoints that hold nothing do what they do."""
        if not self._breakpoints:
            return self.engine()
        from rlm_tui.debugger.breakpoints import Breakpoints
        from rlm_tui.debugger.rules import Rules, UnattendedGates

        gates = UnattendedGates(self.journal)
        engine = self.engine(gates)
        gates.rules = Rules(Breakpoints(None, self._breakpoints), engine.shared.run, self.journal.text)
        return engine

    def session(self, *, hold: bool) -> Session:
        """The run in the debugger."""
        from rlm_tui.debugger.breakpoints import Breakpoints
        from rlm_tui.debugger.session import Session

        scenario = self.material.scenario
        breakpoints = Breakpoints(PROJECT_BREAKPOINTS, self._breakpoints)
        pace = self._pace if scenario else None
        return Session(self.journal, self.engine, hold=hold, scenario=scenario, pace=pace, breakpoints=breakpoints)


def open_run(args: argparse.Namespace, found: Settings) -> int:
    """Look at a run."""
    from rlm_tui.debugger.reading import ReadOnlySession
    from rlm_tui.journal.errors import JournalError
    from rlm_tui.journal.places import find_run, runs_dir

    try:
        path = find_run(runs_dir(found.get("runs_dir")), args.path)
    except JournalError as error:
        raise UsageError(str(error)) from error
    _check_screen(found)
    _show(lambda: ReadOnlySession(path), found)
    return ANSWERED


def runs(args: argparse.Namespace, found: Settings) -> int:
    """List the runs, newest first."""
    from rlm_tui.journal.places import list_runs, runs_dir
    from rlm_tui.journal.summary import summarize

    where = runs_dir(found.get("runs_dir"))
    paths = list_runs(where)
    if not paths:
        print(f"No runs yet in {where}. rlm-tui demo makes one.", file=sys.stderr)
        return ANSWERED
    print(f"{'run':<17} {'state':<10} {'cost':>9}  {'question':<44} answer")
    for path in paths[: args.most]:
        one = summarize(path)
        cost = "scripted" if one.scenario else "?" if one.cost is None else f"${one.cost:.4f}"
        question, answer = printable(one.question, 44), printable(one.answer or "–", 60)
        print(f"{one.id:<17} {one.state:<10} {cost:>9}  {question:<44} {answer}")
    if len(paths) > args.most:
        print(f"{len(paths) - args.most:,} more: --most N", file=sys.stderr)
    return ANSWERED


def doctor(args: argparse.Namespace, flags: Mapping[str, Any]) -> int:
    """Say what this machine has for a run, and what it lacks."""
    from rlm_tui.doctor import examine
    from rlm_tui.tui.glyphs import glyphs

    report = examine(flags, sys.stdout)
    if args.json:
        print(json.dumps(report.object()))
    else:
        width = min(shutil.get_terminal_size((100, 24)).columns, 100)
        print(report.text(glyphs(_ascii(report.settings)), width))
    return ANSWERED if report.ready else NO_ANSWER


# What they share --------------------------------------------------------------------------------------------------


def _check_breakpoints(given: Sequence[str], *, holding: bool) -> None:
    """Whether what was given are breakpoints; without a screen, whether they hold nothing."""
    if not given:
        return
    from rlm_tui.debugger.language import BreakpointError, parse

    for line in given:
        try:
            rule = parse(line)
        except BreakpointError as error:
            place = printable(line[error.at :], 40)
            at = f", at {place!r}" if place else ", at its end"
            raise UsageError(f"--break {printable(line)!r}{at}: {error}") from None
        if rule.act == "hold" and not holding:
            raise UsageError(
                f"--break {printable(line)!r}: nobody can let it go without a screen; "
                'leave --headless out, or end it with: do log "…" (or answer, set, skip)'
            )


def _check_confinement(found: Settings) -> None:
    """Whether REPLs can be shut in with bubblewrap, when that was asked for: it is had, or nothing begins."""
    if found.get("confine") != "bwrap":
        return
    from rlm_tui.repl.policy import bwrap_refusal

    if (refusal := bwrap_refusal()) is not None:
        raise UsageError(f"--confine bwrap can't be had: {printable(refusal, 300).rstrip('.')}; {INSTEAD_OF_BWRAP}")


def _check_screen(found: Settings) -> None:
    """Whether a screen can be opened, and the keys be read; before anything is made."""
    if not sys.stdout.isatty():
        raise UsageError("this is not a terminal; use --headless (and --json) to run without a screen")
    _check_theme(found.get("theme"))
    if sys.stdin.isatty():
        return
    # The context may have come from a pipe: the keys then come from the terminal itself.
    try:
        os.dup2(os.open("/dev/tty", os.O_RDWR), 0)
    except OSError as error:
        raise UsageError("there is no keyboard to read from; use --headless to run without a screen") from error


def _check_theme(name: str | None) -> None:
    from textual.theme import BUILTIN_THEMES

    from rlm_tui.tui.theme import THEMES

    known = sorted({theme.name for theme in THEMES} | set(BUILTIN_THEMES))
    if name is not None and name not in known:
        raise UsageError(f"there is no theme {name!r}; there are {', '.join(known)}")


def _models(found: Settings, pace: Pace) -> Models:
    from rlm_tui.llm.base import ChatModel, Models

    def real(name: str) -> ChatModel:
        from rlm_tui.llm.litellm import LiteLLMModel

        return LiteLLMModel(name, api_base=found.get("api_base"))

    def scripted(name: str) -> ChatModel:
        from rlm_tui.demo.catalogue import model_for

        return model_for(name, pace)

    models = Models(real)
    models.register(SCRIPTED, scripted)
    return models


def _check_models(names: list[str | None], api_base: str | None) -> None:
    """What can be known of a model before anything begins, without a request."""
    from rlm_tui.demo import NAMES, unknown
    from rlm_tui.llm.providers import check

    for name in names:
        if name is None:
            continue
        if name.startswith(SCRIPTED):
            if name.removeprefix(SCRIPTED) not in NAMES:
                raise UsageError(unknown(name.removeprefix(SCRIPTED)))
        elif (problem := check(name, api_base)) is not None:
            raise UsageError(problem.message, MODEL)


def _options(found: Settings, system_prompt: str | None) -> Options:
    from rlm_tui.engine.options import Options

    names = {"block_timeout": "block_timeout_s", "per_child_timeout": "per_child_timeout_s"}
    fields = (
        "max_depth", "max_iterations", "max_budget", "max_tokens", "max_timeout", "max_errors", "max_subcalls",
        "max_batch_workers", "sub_model", "block_timeout", "per_child_timeout",
    )  # fmt: skip
    given = {names.get(name, name): found.values[name] for name in fields if name in found.values}
    params = {"temperature": found.get("temperature"), "max_tokens": found.get("max_tokens_per_reply")}
    given["stream"] = not found.get("no_stream", False)
    given["confine"] = found.get("confine", "auto")
    given["allow_site"] = found.get("allow_imports") == "site"
    given["allow_network"] = found.get("allow_network", False)
    if system_prompt is not None:
        given["system_prompt"] = system_prompt
    return Options(params={name: value for name, value in params.items() if value is not None}, **given)


def _check_runs_dir(found: Settings) -> None:
    """Whether runs can be kept where they are to be; cheap, so that it is known before a screen opens."""
    from rlm_tui.journal.places import runs_dir

    where = runs_dir(found.get("runs_dir"))
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"runs can't be kept in {where}: {error.strerror or error}") from error
    if not os.access(where, os.W_OK):
        raise UsageError(f"runs can't be kept in {where}: it may not be written")


S = TypeVar("S", "Session", "ReadOnlySession")


def _show(make: Callable[[], S], found: Settings) -> S:
    """Open the screen on a session that is made while its first frame is looked at."""
    from rlm_tui.tui.app import DebuggerApp

    made: list[S] = []

    def session() -> S:
        made.append(make())
        return made[0]

    app = DebuggerApp(session, theme=found.get("theme"), ascii=_ascii(found), mouse=not found.get("no_mouse", False))
    app.run()
    if app.fault is not None:
        raise app.fault
    if not made:
        raise KeyboardInterrupt
    return made[0]


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
        print(f"The run is kept, not ended: rlm-tui open {journal.id}", file=sys.stderr)
        return INTERRUPTED
    if root is not None and root.value is not None:
        print(printable(journal.text(root.value), 400))
    else:
        print(why_no_answer(run), file=sys.stderr)
    print(f"To look at it again: rlm-tui open {journal.id}", file=sys.stderr)
    return exit_code(run)
