"""A run that is only read, while another writes it or when nobody does."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from rlm_tui.debugger.likeness import Ladder
from rlm_tui.debugger.reading import READ_ONLY, ReadOnlySession
from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import Event
from rlm_tui.journal.run import Run
from tests.debugger.small import QUESTION, Table, code, do, small
from tests.runs import DEADLINE_S, refused, running

TWO: Table = {QUESTION: [code('print("a" * 9000)'), code('FINAL("b")')]}


class Sink:
    """Gathers events and can be waited on."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def until(self, kind: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: any(e.ev == kind for e in self.events), DEADLINE_S), kind


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """The directory of a run that has ended."""
    with small(TWO, runs=tmp_path) as run:
        run.ended()
        path = run.session.journal.path
    assert path is not None
    return path


def test_an_ended_run_is_read_whole_with_its_long_texts(ended: Path) -> None:
    session = ReadOnlySession(ended)
    fold = Run(session.events())
    assert fold.end is not None and fold.root is not None and fold.root.value == "b"
    assert session.text(fold.blocks["root/i1/b1"].stdout).strip() == "a" * 9000
    assert session.read_only and session.wants("root") is None and not session.pausing("root")
    session.close()


def test_every_verb_is_refused_with_one_sentence(ended: Path) -> None:
    session = ReadOnlySession(ended)
    for verb in ("step", "next", "into", "release", "pause", "revert", "skip", "retry", "force_final", "harder"):
        assert refused(getattr(session, verb)("root")) == READ_ONLY
    assert refused(session.edit("root/i1", "reply", "x")) == READ_ONLY
    assert refused(session.evaluate("root", "1")) == refused(session.look("root", "1")) == READ_ONLY
    assert refused(session.page("root", "x", 0, 1)) == READ_ONLY
    assert session.ladder("root") == Ladder()
    assert refused(session.release_all()) == READ_ONLY
    assert not session.paced
    before = (ended / "journal.jsonl").read_bytes()
    session.leave()
    session.kill()
    session.close()
    session.close()
    assert (ended / "journal.jsonl").read_bytes() == before


def test_what_another_writes_is_followed_each_event_once(tmp_path: Path) -> None:
    with small(TWO, hold=True, runs=tmp_path) as run:
        held = run.held("llm")
        assert run.session.journal.path is not None
        session = ReadOnlySession(run.session.journal.path)
        past, sink = list(session.events()), Sink()
        assert Run(past).held.keys() == {held.id}
        session.start(sink)
        do(run, "release", held)
        run.ended()
        sink.until("run.end")
        session.close()
        assert past + sink.events == run.events


def test_the_past_may_be_read_after_the_start(tmp_path: Path) -> None:
    with small(TWO, hold=True, runs=tmp_path) as run:
        held = run.held("llm")
        assert run.session.journal.path is not None
        session, sink = ReadOnlySession(run.session.journal.path), Sink()
        past = session.events()
        session.start(sink)
        seen = [next(past)]
        do(run, "release", held)
        run.ended()
        seen += past
        while seen[-1].ev != "run.end" and not any(event.ev == "run.end" for event in sink.events):
            sink.until("run.end")
        session.close()
        assert seen + sink.events == run.events


def test_without_asking_for_the_past_the_sink_gets_everything(ended: Path) -> None:
    session, sink = ReadOnlySession(ended), Sink()
    session.start(sink)
    sink.until("run.end")
    session.close()
    assert [event.seq for event in sink.events] == list(range(len(sink.events)))
    assert Run(session.events()).seen == len(sink.events)


def test_closing_stops_the_following(ended: Path) -> None:
    before = set(threading.enumerate())
    session = ReadOnlySession(ended)
    session.events()
    session.start(Sink())
    session.close(DEADLINE_S)
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "rlm-follow"]


def test_damage_is_told_and_what_is_before_it_is_shown(ended: Path) -> None:
    lines = (ended / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (ended / "journal.jsonl").write_bytes(b"".join([*lines[:4], b"not an event\n", *lines[5:]]))
    session, sink = ReadOnlySession(ended), Sink()
    assert len(list(session.events())) == 4
    session.start(sink)
    ends = time.monotonic() + DEADLINE_S
    while not session.notices and time.monotonic() < ends:
        threading.Event().wait(0.01)
    assert "line 5 is damaged" in session.notices[0]
    session.close()
    assert not sink.events


def test_a_scenario_that_the_run_names_is_its_name(tmp_path: Path, ended: Path) -> None:
    assert ReadOnlySession(ended, scenario="mine").scenario == "mine"
    assert ReadOnlySession(ended).scenario is None


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError):
        ReadOnlySession(tmp_path)


def test_the_header_is_the_same_from_both_sides(tmp_path: Path) -> None:
    with running("multi-hop", runs=tmp_path) as run:
        run.ended()
        assert run.session.journal.path is not None
        fold = Run(ReadOnlySession(run.session.journal.path).events())
        for name in ("seen", "errors", "subcalls", "children", "totals", "state"):
            assert getattr(fold, name) == getattr(run.run, name), name
