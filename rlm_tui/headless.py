"""A run without a screen: progress on stderr, the answer (or one JSON object) on stdout."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from rlm_tui.engine.run import EngineRun
from rlm_tui.journal import address
from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import CallEnd, Edit, Event, ExecEnd, LlmEnd, NodeEnd, NodeStart, Rebuild, RunStart, head
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.repl.policy import ConfinementError
from rlm_tui.repl.results import ReplDied
from rlm_tui.usage import ANSWERED, INTERRUPTED, MODEL, NO_ANSWER, UsageError, printable


def run_headless(journal: Journal, engine: EngineRun, *, as_json: bool) -> int:
    """Run to the end without a screen.

    Args:
        journal: The run's journal; closed when this returns.
        engine: The run.
        as_json: Print one JSON object instead of the answer.

    Returns:
        The exit code.

    Raises:
        UsageError: When REPLs can't be started, or not be shut in as far as was asked for; nothing is left behind then.
    """
    run = engine.shared.run
    journal.subscribe(lambda event: _remark(event, sys.stderr))
    if not as_json:
        journal.subscribe(Progress(run, sys.stderr).hear)
    try:
        end = asyncio.run(_go(engine))
        if as_json:
            print(json.dumps(summary(run, journal)))
        elif run.root is not None and run.root.value is not None:
            _print(journal.text(run.root.value))
        if end is None:
            print(f"interrupted; the run is kept: rlm-tui resume {journal.id}", file=sys.stderr)
        elif run.root is not None and run.root.value is None and not as_json:
            print(why_no_answer(run), file=sys.stderr)
        return exit_code(run)
    except JournalError as error:
        # A full disk, for one. What was written is whole, and what could not be was not done.
        kept = f"; the run is kept as far as it came: rlm-tui resume {journal.id}" if run.start is not None else ""
        print(f"rlm-tui: {printable(str(error), 300)}{kept}", file=sys.stderr)
        return INTERRUPTED
    except (OSError, ReplDied) as error:
        if run.start is not None:
            raise
        forget(journal)
        what = "shut in as far as asked for" if isinstance(error, ConfinementError) else "started"
        raise UsageError(f"REPLs can't be {what}: {printable(str(error), 300)} (see rlm-tui doctor)") from error
    finally:
        journal.close()


def forget(journal: Journal) -> None:
    """Remove the directory of a run in which nothing ever happened."""
    journal.close()
    if journal.path is not None and next(iter(journal.events()), None) is None:
        shutil.rmtree(journal.path, ignore_errors=True)


def _remark(event: Event, out: TextIO) -> None:
    """Say at a run's start what its confinement lacks."""
    if isinstance(event, RunStart) and (missing := lacking(event.environment)):
        print(f"rlm-tui: {missing}", file=out, flush=True)


def lacking(environment: Mapping[str, Any]) -> str:
    """What the confinement of a run's REPLs lacks, in one line; empty when they are shut in as far as was asked for.

    Args:
        environment: What ``run.start`` keeps of the machine.
    """
    notices = _notices(environment)
    return printable(f"confinement: {environment.get('confinement')}. {' '.join(notices)}", 600) if notices else ""


def _notices(environment: Mapping[str, Any]) -> list[str]:
    said: list[Any] = environment.get("confinement_notices") or []
    return [str(notice) for notice in said]


async def _go(engine: EngineRun) -> NodeEnd | None:
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and sys.platform != "win32":
            loop.add_signal_handler(number, engine.leave)
    try:
        return await engine.go()
    except asyncio.CancelledError:
        return None


def exit_code(run: Run) -> int:
    """How a run ended, as an exit code."""
    if run.end is None or run.root is None:
        return INTERRUPTED
    if run.root.value is not None:
        return ANSWERED
    return MODEL if run.root.status == "error" else NO_ANSWER


def summary(run: Run, journal: Journal) -> dict[str, Any]:
    """A run as the one JSON object of ``--json``."""
    root = run.root
    usage = run.totals.usage()
    error = root.error if root else None
    return {
        "run_id": journal.id,
        "final_answer": journal.text(root.value) if root and root.value is not None else None,
        "status": root.status if root and root.status != "open" else "left",
        "via": root.via if root else None,
        "iterations": len(root.iterations) if root else 0,
        "usage": None if usage is None else usage.model_dump(exclude={"cost"}),
        "cost": None if usage is None else usage.cost,
        "error": None if error is None else {"kind": error.kind, "message": error.message},
        "confinement": run.environment.get("confinement"),
        "confinement_notices": _notices(run.environment),
    }


def why_no_answer(run: Run) -> str:
    """One line for a run that ended without an answer."""
    root = run.root
    if root is None:
        return "no answer: the run did not begin"
    if root.error is not None:
        return f"no answer: {printable(root.error.message)}"
    return f"no answer: the run ended ({root.status}{f', {root.limit}' if root.limit else ''})"


class Progress:
    """One line for each act of the root and for each child that ended.

    Args:
        run: The fold, up to date before an event is heard here.
        out: Where the lines go.
    """

    def __init__(self, run: Run, out: TextIO) -> None:
        self._run = run
        self._out = out

    def hear(self, event: Event) -> None:
        """Take one event."""
        line = self._line(event)
        if line:
            print(line, file=self._out, flush=True)

    def _line(self, event: Event) -> str | None:
        indent = "  " * max(0, event.id.count("~") - (1 if isinstance(event, CallEnd) else 0))
        match event:
            case NodeStart():
                return f"{indent}{_name(event.id)} begins"
            case LlmEnd(status="ok") if not address.is_node(event.id):
                return f"{indent}  {event.id.rsplit('/', 1)[-1]}  replied in {event.ms / 1000:.1f}s"
            case LlmEnd(status="error", error=error) if error is not None:
                again = f"; again in {event.wait:.0f}s" if event.wait is not None else ""
                return f"{indent}  {printable(error.message)}{again}"
            case ExecEnd(status=status) if status not in ("ok", "skipped"):
                return f"{indent}    block: {status}"
            case CallEnd(status=status) if address.is_node(event.id) and event.id not in self._run.nodes:
                return f"{indent}    {_name(event.id)}  {status}  {printable(head(event.value))}"
            case Rebuild() if event.differs:
                # What is done once more is named before it is done.
                return f"{indent}    rebuilding its REPL: {printable(head(event.differs), 300)}"
            case Edit(field="note", value=str(said)):
                return f"{indent}    {printable(said, 200)}"
            case NodeEnd():
                return f"{indent}{_name(event.id)}  {event.status}  {printable(head(event.value))}"
            case _:
                return None


def _name(id: str) -> str:
    return id if id == address.ROOT else id.rsplit("~", 1)[-1]


def _print(answer: str) -> None:
    """Write an answer to stdout: as it is into a file or a pipe, without control characters onto a terminal."""
    keep: Callable[[str], bool] = lambda c: c.isprintable() or c in "\n\t"  # noqa: E731
    text = "".join(c if keep(c) else "\N{REPLACEMENT CHARACTER}" for c in answer) if sys.stdout.isatty() else answer
    sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass") + b"\n")
    sys.stdout.flush()
