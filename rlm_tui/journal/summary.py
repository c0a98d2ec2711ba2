"""One line about a run, read from the two ends of its journal: a list of a thousand runs opens a thousand files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Literal

from rlm_tui.journal.address import ROOT
from rlm_tui.journal.events import NAME, Blob, Edit, Event, Go, RunEnd, RunStart, Text, head, parse
from rlm_tui.journal.store import in_use
from rlm_tui.journal.wire import BadLine, decode

TAIL = 1 << 16
LAST = 64
"""Lines at the end among which the run's end is looked for."""
NOTED = b'"field":"note"'


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
        cost=None if totals.get("scripted") or totals.get("unpriced") else totals.get("cost"),
        tokens=totals.get("tokens"),
        started=start.t,
        seconds=max(0.0, last[-1].t - start.t) if last else None,
        parent=start.parent or {},
        name=names[-1] if names else "",
        notes=tuple(notes),
    )


def _lines(whole: mmap, mark: bytes) -> Iterator[bytes]:
    """The lines that have a mark in them; found without reading the others."""
    at = whole.find(mark)
    while at >= 0:
        end = whole.find(b"\n", at)
        if end < 0:
            return
        yield whole[whole.rfind(b"\n", 0, at) + 1 : end]
        at = whole.find(mark, end)


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
