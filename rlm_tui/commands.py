"""What each command does. Rooms are imported when their command is run, and not before."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from rlm_tui.config import Settings
from rlm_tui.inputs import Context, read_context, read_text
from rlm_tui.usage import ANSWERED, INTERRUPTED, MODEL, UsageError

if TYPE_CHECKING:
    from rlm_tui.debugger.session import Session
    from rlm_tui.engine.options import Options
    from rlm_tui.engine.run import EngineRun
    from rlm_tui.journal.store import Journal
    from rlm_tui.llm.base import Models
    from rlm_tui.llm.scripted import Pace


def demo(args: argparse.Namespace, found: Settings) -> int:
    """Play a scenario on the scripted model."""
    from rlm_tui.demo import catalogue

    if args.list:
        for name, scenario in catalogue.SCENARIOS.items():
            print(f"{name:<14} {scenario.title}")
        return ANSWERED
    try:
        scenario = catalogue.scenario(args.scenario or catalogue.DEFAULT)
    except LookupError as error:
        raise UsageError(str(error.args[0])) from error
    name = args.scenario or catalogue.DEFAULT
    data = scenario.make(catalogue.DEFAULT_SEED if args.seed is None else args.seed)
    found.values.setdefault("max_depth", data.limits.max_depth)
    found.values.setdefault("max_iterations", data.limits.max_iterations)
    found.values.setdefault("block_timeout", data.limits.block_timeout_s)
    model = f"{catalogue.PREFIX}{name}"
    seed = {} if args.seed is None else {"scenario_seed": args.seed}
    return _start(args, found, data.context, data.question, model, {"scenario": name, **seed}, name)


def run(args: argparse.Namespace, found: Settings) -> int:
    """Answer a person's question on a real model."""
    model = found.get("model")
    if model is None:
        from rlm_tui.config import user_file

        raise UsageError(f"no model: give --model provider/name, set RLM_TUI_MODEL, or write model in {user_file()}")
    if not args.question.strip():
        raise UsageError("the question is empty")
    context, remark = read_context(args.context)
    if remark:
        print(f"rlm-tui: {remark}", file=sys.stderr)
    return _start(args, found, context, args.question, model, {}, None)


def _start(
    args: argparse.Namespace,
    found: Settings,
    context: Context,
    task: str,
    model: str,
    config: dict[str, Any],
    scenario: str | None,
) -> int:
    headless = args.headless or args.json
    if not headless:
        _check_screen(found)
    system_prompt = read_text(args.system_prompt) if args.system_prompt else None
    pace = _pace(args, headless)
    models = _models(found, pace)
    options = _options(found, system_prompt)
    _check_models(models, [model, found.get("sub_model")], found.get("api_base"))
    journal = _new_journal(found)
    if found.get("api_base"):
        config = {**config, "api_base": found.get("api_base")}

    def engine(gates: Any = None) -> EngineRun:
        from rlm_tui.engine.run import EngineRun

        limit = options.max_timeout
        return EngineRun(
            journal, models.get, context=context, task=task, model=model, options=options, gates=gates,
            time_limits={} if limit is None else {"max_timeout": limit}, config=config,
        )  # fmt: skip

    if headless:
        from rlm_tui.headless import run_headless

        return run_headless(journal, engine(), as_json=args.json)
    from rlm_tui.debugger.session import Session

    session = Session(journal, engine, hold=args.hold, scenario=scenario, pace=pace)
    _show(session, found)
    return _farewell(session)


def open_run(args: argparse.Namespace, found: Settings) -> int:
    """Look at a run."""
    from rlm_tui.debugger.reading import ReadOnlySession
    from rlm_tui.journal.errors import JournalError
    from rlm_tui.journal.places import find_run, runs_dir

    try:
        session = ReadOnlySession(find_run(runs_dir(found.get("runs_dir")), args.path))
    except JournalError as error:
        raise UsageError(str(error)) from error
    _check_screen(found)
    _show(session, found)
    return ANSWERED


def runs(args: argparse.Namespace, found: Settings) -> int:
    """List the runs, newest first."""
    from rlm_tui.headless import printable
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


# What they share --------------------------------------------------------------------------------------------------


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


def _pace(args: argparse.Namespace, headless: bool) -> Pace:
    from rlm_tui.llm.scripted import Pace

    try:
        return Pace(getattr(args, "pace", None) or ("instant" if headless else "normal"))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _models(found: Settings, pace: Pace) -> Models:
    from rlm_tui.llm.base import ChatModel, Models

    def real(name: str) -> ChatModel:
        from rlm_tui.llm.litellm import LiteLLMModel

        return LiteLLMModel(name, api_base=found.get("api_base"))

    def scripted(name: str) -> ChatModel:
        from rlm_tui.demo.catalogue import model_for

        return model_for(name, pace)

    models = Models(real)
    models.register("scripted:", scripted)
    return models


def _check_models(models: Models, names: list[str | None], api_base: str | None) -> None:
    """What can be known of a model before anything begins, without a request."""
    from rlm_tui.llm.base import UnknownModelError
    from rlm_tui.llm.providers import check

    for name in names:
        if name is None:
            continue
        if name.startswith("scripted:"):
            try:
                models.get(name)
            except UnknownModelError as error:
                raise UsageError(str(error)) from error
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
    if system_prompt is not None:
        given["system_prompt"] = system_prompt
    return Options(params={name: value for name, value in params.items() if value is not None}, **given)


def _new_journal(found: Settings) -> Journal:
    from rlm_tui.journal.errors import JournalError
    from rlm_tui.journal.places import runs_dir
    from rlm_tui.journal.store import Journal

    try:
        return Journal.create(runs_dir(found.get("runs_dir")))
    except JournalError as error:
        raise UsageError(str(error)) from error


def _show(session: Any, found: Settings) -> None:
    from rlm_tui.tui.app import DebuggerApp

    DebuggerApp(session, theme=found.get("theme"), ascii=_ascii(found), mouse=not found.get("no_mouse", False)).run()


def _ascii(found: Settings) -> bool:
    """Whether to draw with ASCII: when asked for, or when the locale can't do better."""
    asked = found.get("ascii")
    if asked is not None:
        return asked
    return "utf" not in (sys.stdout.encoding or "").lower()


def _farewell(session: Session) -> int:
    """After the screen: what became of the run, and how to see it again."""
    from rlm_tui.headless import exit_code, printable, why_no_answer

    run, journal = session.engine.shared.run, session.journal
    root = run.root
    if run.end is None:
        print(f"The run is kept, not ended: rlm-tui open {journal.id}", file=sys.stderr)
        return INTERRUPTED
    if root is not None and root.value is not None:
        print(printable(journal.text(root.value), 400))
    else:
        print(why_no_answer(run), file=sys.stderr)
    print(f"To look at it again: rlm-tui open {journal.id}", file=sys.stderr)
    return exit_code(run)
