"""One line about a run, read from the two ends of its journal: a list of a thousand runs opens a thousand files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Literal

from rlm_tui.journal.address import ROOT
from rlm_tui.journal.events import NAME, Blob, Edit, Event, Go, NodeEnd, RunEnd, RunStart, Text, head, parse
from rlm_tui.journal.store import in_use
from rlm_tui.journal.wire import BadLine, decode

TAIL = 1 << 16
LAST = 64
"""Lines at the end among which the run's end is looked for."""
NOTED = b'"field":"note"'
SPAN = 1 << 20
"""Bytes looked through at a time: one look keeps every other thread waiting, the screen's too."""

_TURN = re.compile(rf"{ROOT}/i(\d+)")


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in a list.

    Attributes:
        id: Its id.
        path: Its directory.
        question: The beginning of its task.
        state: How it ended, or that it runs, was left, or can't be read.
        answer: The beginning of its answer.
        model: The root's model.
        scenario: The scenario, when it was one.
        cost: US dollars; None when unknown or scripted.
        tokens: Known tokens; None when unknown.
        started: Seconds since the epoch.
        seconds: From its first event to its last; None when unknown.
        parent: Where it was branched off, as ``run.start`` has it; empty when it is no branch.
        name: What a person named it.
        notes: The beginnings of what people noted by it, oldest first.
        stopped: Of one that ended without an answer, the limit or the error that ended it; empty when there was none.
        iterations: How many the root began; None when its last lines don't tell.
    """

    id: str
    path: Path
    question: str = ""
    state: Literal["final", "exhausted", "limit", "error", "killed", "running", "left", "unreadable"] = "unreadable"
    answer: str | None = None
    model: str = ""
    scenario: str | None = None
    cost: float | None = None
    tokens: int | None = None
    started: float | None = None
    seconds: float | None = None
    parent: Mapping[str, Any] = field(default_factory=dict[str, Any])
    name: str = ""
    notes: tuple[str, ...] = ()
    stopped: str = ""
    iterations: int | None = None


def summarize(path: Path) -> Summary:
    """Read what a list shows of a run; a journal that can't be read is a row too.

    Args:
        path: The run's directory.
    """
    try:
        with (path / "journal.jsonl").open("rb") as file:
            start = parse(json.loads(file.readline()))
            whole = mmap(file.fileno(), 0, access=ACCESS_READ)
    except (OSError, ValueError):
        return Summary(path.name, path)
    if not isinstance(start, RunStart):
        return Summary(path.name, path)
    with whole:
        last = list(_events(whole[max(0, len(whole) - TAIL) :].splitlines()[-LAST:]))
        noted = [event for event in _events(_lines(whole, NOTED)) if isinstance(event, Edit) and event.id == ROOT]
    # What people note afterwards comes after the end.
    end = next((event for event in reversed(last) if isinstance(event, RunEnd)), None)
    if end is not None and any(isinstance(event, Go) for event in last[last.index(end) :]):
        end = None
    totals: dict[str, Any] = end.totals if end else {}
    names = [_line(edit.value) for edit in noted if edit.note == NAME and isinstance(edit.value, str | Blob)]
    notes = [_line(edit.value) for edit in noted if not edit.note and isinstance(edit.value, str | Blob)]
    return Summary(
        id=path.name,
        path=path,
        question=_line(start.task),
        state=end.status if end else "running" if in_use(path) else "left",
        answer=None if end is None or end.value is None else _line(end.value),
        model=str(start.config.get("model", "")),
        scenario=start.config.get("scenario"),
        cost=_cost(totals),
        tokens=totals.get("tokens"),
        started=start.t,
        seconds=max(0.0, last[-1].t - start.t) if last else None,
        parent=start.parent or {},
        name=names[-1] if names else "",
        notes=tuple(notes),
        stopped=_stopped(end, last),
        iterations=_iterations(last),
    )


def _cost(totals: Mapping[str, Any]) -> float | None:
    if totals.get("scripted") or totals.get("unpriced"):
        return None
    cost = totals.get("cost")
    # Journals from before these were counted have a 0 also for what nobody knew the price of.
    return cost if cost or "unpriced" in totals else None


def _stopped(end: RunEnd | None, last: list[Event]) -> str:
    if end is None or end.value is not None:
        return ""
    root = next((event for event in reversed(last) if isinstance(event, NodeEnd) and event.id == ROOT), None)
    error = end.error or (root.error if root is not None else None)
    if error is not None:
        return _line(error.message)
    return (root.limit or "") if root is not None else ""


def _iterations(last: list[Event]) -> int | None:
    # Whatever happens below the root has the root's iteration in its address.
    found = (_TURN.match(event.id) for event in reversed(last))
    return next((int(turn.group(1)) for turn in found if turn is not None), None)


def _lines(whole: mmap, mark: bytes) -> Iterator[bytes]:
    """The lines that have a mark in them; found without reading the others."""
    at = _find(whole, mark, 0)
    while at >= 0:
        end = whole.find(b"\n", at)
        if end < 0:
            return
        yield whole[whole.rfind(b"\n", 0, at) + 1 : end]
        at = _find(whole, mark, end)


def _find(whole: mmap, mark: bytes, start: int) -> int:
    """Where a mark stands first, from a place on; -1 when it does not."""
    for at in range(start, len(whole), SPAN):
        if (found := whole.find(mark, at, at + SPAN + len(mark) - 1)) >= 0:
            return found
    return -1


def _events(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events of lines; what is none is left out."""
    for line in lines:
        try:
            event = decode(line)
        except BadLine:
            continue
        yield event


def _line(text: Text) -> str:
    return " ".join(head(text).split())
