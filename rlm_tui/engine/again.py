"""Going on with a run that somebody left: what it is made of, as its journal keeps it, and what is not as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast, get_args

from pydantic import TypeAdapter

from rlm_tui.engine.dialect import dialect
from rlm_tui.engine.options import Options
from rlm_tui.engine.values import Context, context_value
from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import Event, Go, Point, RunStart
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, Reader
from rlm_tui.journal.wire import resolved

OF_THE_MACHINE = frozenset({"confine", "allow_site", "allow_network", "stream"})
"""Options that are never taken from a journal: it may come from anywhere, and they say what it may do here."""


@dataclass(frozen=True, slots=True)
class Again:
    """What a run is made of.

    Attributes:
        task: The question.
        context: The value of ``context``.
        model: The root's model.
        options: What it may do, but for what `OF_THE_MACHINE` names.
        config: Everything ``run.start`` keeps of its configuration.
        environment: What it keeps of the machine.
    """

    task: str
    context: Context
    model: str
    options: Options
    config: Mapping[str, Any]
    environment: Mapping[str, Any]


def beginning(run: Run, events: Iterable[Event]) -> tuple[Point, str] | None:
    """Where a branch opens: the point and the address it was made at, until somebody went on from there.

    Args:
        run: The fold of its journal.
        events: The same.
    """
    if run.parent is None:
        return None
    point, at, kept = run.parent.get("point"), run.parent.get("at"), run.parent.get("kept")
    if point not in get_args(Point) or not isinstance(at, str) or not isinstance(kept, int):
        return None
    gone = any(event.seq > kept and isinstance(event, Go) and event.id == at for event in events)
    return None if gone else (cast(Point, point), at)


def material(journal: Journal | Reader, **here: Any) -> Again:
    """What a run needs to be gone on with.

    Args:
        journal: The run's journal.
        here: The options `OF_THE_MACHINE`, as they are to be now.

    Raises:
        JournalError: When the journal does not hold it, in words that say what is missing.
    """
    start = next(iter(journal.events()), None)
    if not isinstance(start, RunStart):
        raise JournalError("nothing of this run was written, so there is nothing to go on with")
    config = cast(dict[str, Any], resolved(start.config, lambda text: journal.text(text, strict=True)))
    known = {field.name for field in fields(Options)} - OF_THE_MACHINE
    chosen = {name: value for name, value in config.items() if name in known} | here
    try:
        options = TypeAdapter(Options).validate_python(chosen)
        dialect(options.dialect)
        context = context_value(start.context, journal.text(start.context.text, strict=True))
    except (LookupError, ValueError) as error:
        raise JournalError(f"this run can't be gone on with: {error}") from error
    return Again(
        journal.text(start.task), context, str(config.get("model", "")), options, config, start.environment
    )  # fmt: skip


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What of the machine is not as it was when a run began, a sentence each.

    Args:
        recorded: The environment of its ``run.start``.
        now: The same fields, of this process.
    """
    for name, words in (("python", "Python"), ("platform", "platform"), ("time_zone", "time zone")):
        yield from _told(words, recorded.get(name), now.get(name))
    then, here = _packages(recorded), _packages(now)
    for name in sorted(then.keys() & here.keys()):
        yield from _told(name, then[name], here[name])
    yield from _told("confinement", recorded.get("confinement_level"), now.get("confinement_level"))


def _told(what: str, then: Any, now: Any) -> Iterator[str]:
    if then and now and then != now:
        yield f"It was begun with {what} {str(then)[:40]}; now it is {str(now)[:40]}."


def _packages(environment: Mapping[str, Any]) -> dict[str, Any]:
    packages = environment.get("packages")
    return cast(dict[str, Any], packages) if isinstance(packages, dict) else {}
