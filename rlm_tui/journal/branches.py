"""The runs of a folder as trees: each run with the branches that were made from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import Edit
from rlm_tui.journal.places import list_runs
from rlm_tui.journal.store import read
from rlm_tui.journal.summary import Summary, summarize


@dataclass(frozen=True, slots=True)
class Branch:
    """A run, and the branches that were made from it.

    Attributes:
        summary: What a list shows of it.
        edit: The first thing a person changed in it, as far as it is a branch.
        children: Its branches, oldest first.
    """

    summary: Summary
    edit: Edit | None = None
    children: tuple[Branch, ...] = ()

    @property
    def parent(self) -> str | None:
        """The id of the run it was made from; None of one that is no branch."""
        return _text(self.summary.parent.get("run")) or None

    @property
    def at(self) -> str:
        """The address it begins at."""
        return _text(self.summary.parent.get("at"))

    @property
    def point(self) -> str:
        """The point there."""
        return _text(self.summary.parent.get("point"))

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Branch]]:
        """Itself and everything below it, each with its depth, parents first."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


def forest(runs: Path) -> list[Branch]:
    """Every run of a folder, newest first, with its branches; one whose origin is gone stands by itself.

    Args:
        runs: Where runs are.
    """
    return _trees(summarize(path) for path in list_runs(runs))


def family(runs: Path, run: str) -> Branch | None:
    """The tree that a run is of, with what was first changed in each branch; None when there is no such run.

    Args:
        runs: Where runs are.
        run: Its id.
    """
    for tree in forest(runs):
        if any(branch.summary.id == run for _, branch in tree.walk()):
            return _with_edits(tree)
    return None


def first_edit(path: Path, kept: int) -> Edit | None:
    """What a person first changed in a branch.

    Args:
        path: Its directory.
        kept: How many events it inherited.
    """
    try:
        own = islice(read(path).events(), kept + 1, None)
        return next((event for event in own if isinstance(event, Edit) and event.field != "note"), None)
    except (JournalError, OSError):
        return None


def _with_edits(tree: Branch) -> Branch:
    kept = tree.summary.parent.get("kept")
    edit = first_edit(tree.summary.path, kept) if isinstance(kept, int) else None
    return replace(tree, edit=edit, children=tuple(_with_edits(child) for child in tree.children))


def _trees(summaries: Iterable[Summary]) -> list[Branch]:
    found = {one.id: one for one in summaries}
    below: dict[str, list[Summary]] = {}
    for one in found.values():
        below.setdefault(_origin(one, found), []).append(one)

    def grow(one: Summary) -> Branch:
        return Branch(one, children=tuple(grow(child) for child in reversed(below.get(one.id, []))))

    return [grow(one) for one in below.get("", [])]


def _origin(one: Summary, found: dict[str, Summary]) -> str:
    """The id of the run it hangs from; none where that is gone, or where a chain of such comes back to itself."""
    first, seen = _text(one.parent.get("run")), {one.id}
    at = first
    while at in found:
        if at in seen:
            return ""
        seen.add(at)
        at = _text(found[at].parent.get("run"))
    return first if first in found else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
