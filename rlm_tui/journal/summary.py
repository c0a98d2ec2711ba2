"""One line about a run, read from the two ends of its journal: a list of a thousand runs opens a thousand files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rlm_tui.journal.events import RunEnd, RunStart, Text, Unknown, head, parse
from rlm_tui.journal.store import in_use

TAIL = 1 << 16


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


def summarize(path: Path) -> Summary:
    """Read what a list shows of a run; a journal that can't be read is a row too.

    Args:
        path: The run's directory.
    """
    try:
        with (path / "journal.jsonl").open("rb") as file:
            first = file.readline()
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL))
            last = file.read().rstrip(b"\n").rsplit(b"\n", 1)[-1]
        start = parse(json.loads(first))
    except (OSError, ValueError):
        return Summary(path.name, path)
    if not isinstance(start, RunStart):
        return Summary(path.name, path)
    end = _end(last)
    totals: dict[str, Any] = end.totals if end else {}
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
    )


def _end(line: bytes) -> RunEnd | None:
    try:
        event = parse(json.loads(line))
    except ValueError:
        return None
    return event if isinstance(event, RunEnd) and not isinstance(event, Unknown) else None


def _line(text: Text) -> str:
    return " ".join(head(text).split())
