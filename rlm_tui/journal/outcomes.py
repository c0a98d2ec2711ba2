"""What came of the branches of one point: a table of their answers, for one run of a random process proves nothing.

It is read from the journals beside each other. Nothing else is kept of it: branches of the same point with the same
changes there are trials of the same thing, whoever made them and however they were run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rlm_tui.journal.events import Blob, Edit, Point, RunStart, Text
from rlm_tui.journal.follow import Follower
from rlm_tui.journal.fork import changed_at
from rlm_tui.journal.places import JOURNAL, list_runs
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import in_use
from rlm_tui.journal.totals import Totals
from rlm_tui.journal.wire import BadLine, decode, encode


@dataclass(frozen=True, slots=True)
class Place:
    """One point of one run.

    Attributes:
        run: The id of the run that came to it first, of all branches that were made there.
        at: The address of what passes the point.
        point: The point.
    """

    run: str
    at: str
    point: Point


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run.

    Attributes:
        path: Its directory.
        run: Its fold, as far as it was read.
        changes: What is otherwise at the point.
        state: Whether it ended, goes on in some process, or was left before its end.
        by_hand: Whether a person had a hand in it beyond that point, so that it is no trial of what was changed there.
    """

    path: Path
    run: Run
    changes: tuple[Edit, ...]
    state: Literal["ended", "going", "left"]
    by_hand: bool

    @property
    def answer(self) -> Text | None:
        """Its answer; None where there is none."""
        return self.run.root.value if self.run.root is not None and self.state == "ended" else None

    @property
    def took(self) -> Totals:
        """What it asked for itself."""
        return self.run.own

    @property
    def result(self) -> tuple[str, ...]:
        """Equal for two runs that came to the same: the same answer, else the same end without one."""
        answer, root = self.answer, self.run.root
        if isinstance(answer, Blob):
            return "answer", answer.sha256
        if answer is not None:
            return "answer", answer.strip()
        if root is None:
            return "none", ""
        return "none", root.status, root.limit or "", root.error.kind if root.error is not None else ""


@dataclass(frozen=True, slots=True)
class Arm:
    """The branches with the same changes at the point.

    Attributes:
        changes: What is otherwise there; none is the point as it came.
        groups: Those that ended, with the same result together: the most frequent first.
        unended: Those that go on, or were left.
        by_hand: Those that a person had a further hand in; they count for nothing.
    """

    changes: tuple[Edit, ...]
    groups: tuple[tuple[Outcome, ...], ...]
    unended: tuple[Outcome, ...] = ()
    by_hand: tuple[Outcome, ...] = ()

    @property
    def ended(self) -> int:
        """How many count."""
        return sum(len(group) for group in self.groups)


@dataclass(frozen=True, slots=True)
class Table:
    """What came of a point.

    Attributes:
        place: The point.
        origin: The run that came to it first, which is counted in no group: it was not drawn, it was chosen. None when
            it is gone.
        arms: The point as it came, and each other thing that was tried there.
    """

    place: Place
    origin: Outcome | None
    arms: tuple[Arm, ...]


class Outcomes:
    """Reads the branches of one point, and keeps up with those that go on.

    Args:
        runs: Where runs are.
        run: The id of a run that came to the point: the first, or any branch that was made there.
        at: The address of what passes the point.
        point: The point.
    """

    def __init__(self, runs: Path, run: str, at: str, point: Point) -> None:
        self._runs = runs
        self._known: dict[str, tuple[Follower, Run]] = {}
        self._parents: dict[str, Mapping[str, Any]] = {}
        self._asked = (run, at, point)

    def read(self) -> Table:
        """What there is now. Reads what is new since the last time; takes a while where that is long.

        Raises:
            JournalError: When a journal is there and can't be read.
        """
        paths = {path.name: path for path in list_runs(self._runs)}
        self._parents = {name: self._parents.get(name) or _parent(path) for name, path in paths.items()}
        run, at, point = self._asked
        place = self._place(run, at, point)
        found = [name for name in sorted(paths) if name != place.run and self._is_at(name, place)]
        origin = self._outcome(paths[place.run], place) if place.run in paths else None
        # The fold of a run that is here no more is not kept.
        self._known = {name: kept for name, kept in self._known.items() if name in found or name == place.run}
        return Table(place, origin, tuple(_arms([self._outcome(paths[name], place) for name in found])))

    def _place(self, run: str, at: str, point: Point) -> Place:
        """The point of the oldest run that it was inherited from."""
        seen = {run}
        while (parent := self._parents.get(run, {})) and (parent.get("at"), parent.get("point")) == (at, point):
            above = str(parent.get("run"))
            if above in seen:
                break
            seen.add(above)
            run = above
        return Place(run, at, point)

    def _is_at(self, name: str, place: Place) -> bool:
        parent = self._parents[name]
        if (parent.get("at"), parent.get("point")) != (place.at, place.point):
            return False
        return self._place(name, place.at, place.point) == place

    def _outcome(self, path: Path, place: Place) -> Outcome:
        follower, run = self._known.setdefault(path.name, (Follower(path), Run()))
        # Asked before it is read: what ends in between has ended the next time.
        busy = in_use(path)
        while events := follower.poll(10_000):
            for event in events:
                run.apply(event)
        changes = tuple(changed_at(run, place.at, place.point))
        state = "ended" if run.end is not None else "going" if busy else "left"
        return Outcome(path, run, changes, state, _by_hand(run, changes))


def _parent(path: Path) -> Mapping[str, Any]:
    """Where a run was branched off; empty of one that was not."""
    try:
        with (path / JOURNAL).open("rb") as file:
            start = decode(file.readline())
    except (OSError, BadLine):
        return {}
    return start.parent or {} if isinstance(start, RunStart) else {}


def _arms(found: Sequence[Outcome]) -> Iterator[Arm]:
    arms: dict[tuple[bytes, ...], list[Outcome]] = {(): []}
    for one in found:
        arms.setdefault(tuple(_key(edit) for edit in one.changes), []).append(one)
    for changes, members in arms.items():
        if not members and not changes:
            continue
        counted = [one for one in members if not one.by_hand]
        groups: dict[tuple[str, ...], list[Outcome]] = {}
        for one in counted:
            if one.state == "ended":
                groups.setdefault(one.result, []).append(one)
        yield Arm(
            members[0].changes,
            tuple(tuple(group) for group in sorted(groups.values(), key=len, reverse=True)),
            tuple(one for one in counted if one.state != "ended"),
            tuple(one for one in members if one.by_hand),
        )


def _key(edit: Edit) -> bytes:
    """The same for the same change, whoever made it and whatever was there before."""
    return encode(Edit(id=edit.id, field=edit.field, value=edit.value))


def _by_hand(run: Run, changes: Sequence[Edit]) -> bool:
    """Whether a person did something in a branch that is not what was changed at its point."""
    began, at_point = run.started or 0.0, {(edit.id, edit.field) for edit in changes}
    edited = any(
        edit.t >= began and edit.by == "human" and edit.field != "note" and (edit.id, edit.field) not in at_point
        for edit in run.edits
    )
    killed = run.root is not None and run.root.status == "killed"
    return edited or killed or any(
        block.started is not None and block.started >= began
        and ("human" in (block.stopped_by, block.by if block.origin == "eval" else None))
        for block in run.blocks.values()
    )  # fmt: skip
