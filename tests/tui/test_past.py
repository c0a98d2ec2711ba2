"""A run as it was: every moment of it, there and back, what stays selected, and what goes on behind."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import Chunk, Edit, Event, Hold, LlmEnd, LlmStart, NodeEnd, Obs, RunEnd
from rlm_tui.journal.run import Run
from rlm_tui.tui import past, view
from rlm_tui.tui.past import Moments, Past, is_moment
from rlm_tui.tui.rows.past import happened, meanwhile, where
from rlm_tui.tui.view import View
from tests.journal.build import picture
from tests.journal.strategies import RUNS
from tests.runs import DEADLINE_S
from tests.tui import sample

EVENTS = sample.held_run()
CHILD = sample.log_call(2)


def seen(events: Iterable[Event]) -> View:
    made = View()
    for event in events:
        made.apply(event)
    return made


def moments(events: Sequence[Event]) -> list[int]:
    return [event.seq for event in events if is_moment(event)]


def arrive(shown: View) -> None:
    """Wait until the moment that was asked for is shown."""
    deadline = time.monotonic() + DEADLINE_S
    while shown.past is not None and shown.past.going:
        assert time.monotonic() < deadline and not shown.past.fault, "never there"
        shown.take_past()


def to(shown: View, moment: int | None) -> None:
    assert moment is not None
    shown.look_back(moment)
    arrive(shown)


def back(shown: View, times: int = 1) -> None:
    for _ in range(times):
        to(shown, shown.moment(-1))


def at(shown: View) -> int:
    assert shown.past is not None and shown.past.fold is not None
    return shown.past.fold.at


def test_every_moment_is_the_fold_of_the_events_up_to_it_there_and_back() -> None:
    shown, stops = seen(EVENTS), moments(EVENTS)
    now = picture(shown.run)
    assert stops[-1] == EVENTS[-1].seq, "what the run is at now is no moment before it"
    for stop in reversed(stops[:-1]):
        back(shown)
        assert at(shown) == stop
        assert picture(shown.run) == picture(Run(EVENTS[: stop + 1]))
    assert shown.moment(-1) is None
    for stop in stops[1:]:
        to(shown, shown.moment(1))
        assert picture(shown.run) == picture(Run(EVENTS[: stop + 1]))
    assert shown.moment(1) is None
    shown.go_live()
    assert shown.run is shown.live and picture(shown.run) == now


@given(RUNS, st.lists(st.integers(0, 39), max_size=6))
def test_whatever_happened_and_wherever_one_goes(events: list[Event], ways: list[int]) -> None:
    shown, stops = seen(events), moments(events)
    assert len(shown.moments) == len(stops)
    for way in ways:
        if not stops:
            return
        stop = stops[way % len(stops)]
        to(shown, stop)
        assert picture(shown.run) == picture(Run(events[: stop + 1]))
        assert shown.past is not None
        assert where(shown, shown.past)[0] == f"moment {stops.index(stop) + 1} of {len(stops)}"
        assert isinstance(happened(shown, events[stop]), str)
        assert shown.shown is not None or shown.node == "root"


def test_what_is_no_moment() -> None:
    shown = seen(EVENTS)
    before = len(shown.moments)
    n = EVENTS[-1].seq
    shown.apply(Chunk(id="root/i4", kind="reply", text="a", seq=-1))
    shown.apply(Obs(id="root/i3", text="x", raw_length=1, seq=n + 1))
    shown.apply(Edit(id="root", field="note", value="x", was=None, by="rule:1", seq=n + 2))
    assert len(shown.moments) == before
    shown.apply(Edit(id="root", field="note", value="x", was=None, by="human", seq=n + 3))
    assert len(shown.moments) == before + 1


def test_moments_before_and_after_one_and_how_manieth_it_is() -> None:
    found = Moments()
    for event in EVENTS:
        found.add(event)
        found.add(event)
    stops = moments(EVENTS)
    assert len(found) == len(stops)
    for n, stop in enumerate(stops):
        assert found.number(stop) == n + 1
        assert found.before(stop) == (stops[n - 1] if n else None)
        assert found.after(stop) == (stops[n + 1] if n + 1 < len(stops) else None)


def requests(events: Sequence[Event], *ids: str) -> list[int]:
    return [event.seq for event in events if isinstance(event, LlmStart) and event.id in ids]


def test_iterations_of_the_node_in_view_are_larger_steps() -> None:
    shown = seen(EVENTS)
    shown.select_node("root")
    begun: list[int] = []
    while (moment := shown.moment(-1, turn=True)) is not None:
        to(shown, moment)
        begun.append(at(shown))
    assert begun[::-1] == requests(EVENTS, "root/i1", "root/i2", "root/i3")
    to(shown, shown.moment(1, turn=True))
    assert at(shown) == begun[-2]
    shown.go_live()
    assert shown.moment(1, turn=True) is None


def test_from_the_first_iteration_of_a_child_one_comes_to_that_of_its_parent() -> None:
    shown = seen(EVENTS)
    shown.select_node(CHILD)
    own = requests(EVENTS, f"{CHILD}/i1", f"{CHILD}/i2")
    for wanted in (*reversed(own), *requests(EVENTS, "root/i3")):
        to(shown, shown.moment(-1, turn=True))
        assert at(shown) == wanted


# What is selected ----------------------------------------------------------------------------------------------------


def test_what_is_selected_stays_so_and_comes_back_where_it_is_there_again() -> None:
    shown = seen(EVENTS)
    shown.select_item("root/i2/b1")
    began = next(event.seq for event in EVENTS if event.id == "root/i2/b1")
    to(shown, shown.moments.after(began))
    assert (shown.node, shown.item) == ("root", "root/i2/b1")
    to(shown, requests(EVENTS, "root/i2")[0])
    assert (shown.node, shown.item) == ("root", "root/i2"), "the newest row there is"
    to(shown, requests(EVENTS, "root/i1")[0])
    assert shown.item == "root/i1"
    to(shown, shown.moments.after(began))
    assert shown.item == "root/i2/b1"
    to(shown, requests(EVENTS, "root/i1")[0])
    shown.select_item(None)
    shown.go_live()
    assert shown.item is None, "what was selected in the past, by hand"


def test_before_a_node_there_was_one_sees_who_asked_for_it() -> None:
    shown = seen(EVENTS)
    shown.follow = False
    shown.select_node(CHILD)
    chosen = shown.item
    to(shown, requests(EVENTS, "root/i2")[0])
    assert shown.node == "root"
    shown.go_live()
    assert (shown.node, shown.item) == (CHILD, chosen)


def test_an_observation_and_an_answer_are_selected_only_where_they_are() -> None:
    events = sample.answered_run()
    shown = seen(events)
    shown.select_item("root/i1/obs")
    to(shown, requests(events, "root/i1")[0])
    assert shown.item == "root/i1"
    shown.go_live()
    assert shown.item == "root/i1/obs"
    shown.follow = False
    shown.select_item("root/answer")
    back(shown, 2)
    assert shown.item != "root/answer"
    shown.go_live()
    assert shown.item == "root/answer"


def test_who_follows_sees_the_newest_of_each_moment() -> None:
    shown = seen(EVENTS)
    shown.select_node("root")
    shown.follow_on()
    to(shown, requests(EVENTS, "root/i2")[0])
    assert shown.item == shown.newest() == "root/i2"
    shown.go_live()
    assert shown.item == shown.newest() != "root/i2"


# What goes on behind -------------------------------------------------------------------------------------------------


def test_the_run_goes_on_behind_and_moves_nothing() -> None:
    shown = seen(EVENTS[:-12])
    back(shown, 5)
    then, version, item = picture(shown.run), shown.version, shown.item
    for event in EVENTS[-12:]:
        shown.apply(event)
    assert (picture(shown.run), shown.version, shown.item) == (then, version, item)
    assert picture(shown.live) == picture(Run(EVENTS))
    assert meanwhile(shown) == "Now the run is at i3, 1 value held."
    while (moment := shown.moment(1)) is not None:
        to(shown, moment)
    assert at(shown) == EVENTS[-1].seq
    shown.go_live()
    assert picture(shown.run) == picture(Run(EVENTS))


def test_what_goes_on_is_told_only_of_what_does() -> None:
    shown = seen(sample.answered_run())
    back(shown)
    assert meanwhile(shown) == ""
    running = seen(EVENTS[:4])
    back(running)
    assert meanwhile(running) == "Now the run is at i1, and goes on."


def test_time_stands_still_in_the_past() -> None:
    shown = seen(EVENTS)
    shown.clock = lambda: 100.25
    assert shown.advance(), "a run that goes on"
    back(shown)
    assert shown.still and shown.advance() and shown.frame == 0


def test_errors_and_depth_are_those_of_the_moment() -> None:
    shown = seen(EVENTS)
    assert (shown.deepest, len(shown.errors)) == (2, 1)
    to(shown, requests(EVENTS, "root/i1")[0])
    assert (shown.deepest, len(shown.errors)) == (0, 0)
    shown.go_live()
    assert (shown.deepest, len(shown.errors)) == (2, 1)


@pytest.mark.parametrize(
    ("find", "says"),
    [
        (lambda e: isinstance(e, LlmStart) and e.id == "root/i2", "root · i2 · request sent"),
        (lambda e: isinstance(e, LlmEnd) and e.id == "root/i2", "root · i2 · reply came"),
        (lambda e: e.ev == "exec.start" and e.id == "root/i1/b1", "root · i1 · block 1 began"),
        (lambda e: e.ev == "exec.end" and e.id == "root/i1/b1", "root · i1 · block 1 ended"),
        (lambda e: isinstance(e, Hold), "g-305 · i2 · held before block 1"),
        (lambda e: isinstance(e, Edit), "g-305 · i2 · a person changed the code"),
        (lambda e: isinstance(e, NodeEnd) and e.id == sample.log_call(0), "g-117 · answered"),
        (lambda e: e.ev == "call.end" and e.id == sample.log_call(0), "g-117 · came back"),
    ],
)  # fmt: skip
def test_what_happened_in_a_few_words(find: object, says: str) -> None:
    assert callable(find)
    event = next(event for event in EVENTS if find(event))
    shown = seen(EVENTS)
    shown.look_back(event.seq)
    assert happened(shown, event) == says


# Long runs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run has to be to be long."""
    monkeypatch.setattr(view, "KEPT", 10)
    monkeypatch.setattr(past, "AT_ONCE", 5)


@pytest.mark.usefixtures("long")
def test_a_long_run_is_read_again_in_a_thread() -> None:
    shown, reads = seen(EVENTS), list[int]()

    def journal() -> Iterator[Event]:
        reads.append(len(reads))
        yield from EVENTS

    shown.journal = journal
    stops = moments(EVENTS)
    shown.look_back(stops[-9])
    assert shown.past is not None and (shown.run is shown.live or not shown.past.going)
    arrive(shown)
    assert picture(shown.run) == picture(Run(EVENTS[: stops[-9] + 1]))
    shown.look_back(stops[-8])
    assert not shown.past.going and reads == [0], "what is near is gone forward to at once, from where one is"
    to(shown, stops[-1])
    to(shown, stops[4])
    assert picture(shown.run) == picture(Run(EVENTS[: stops[4] + 1]))


@pytest.mark.usefixtures("long")
def test_who_changes_their_mind_meanwhile_comes_to_what_was_wanted_last() -> None:
    shown = seen(EVENTS)
    shown.journal = lambda: EVENTS
    stops = moments(EVENTS)
    for stop in (stops[-2], stops[-20], stops[-3], stops[3], stops[-12]):
        shown.look_back(stop)
    arrive(shown)
    assert at(shown) == stops[-12]
    assert picture(shown.run) == picture(Run(EVENTS[: stops[-12] + 1]))


@pytest.mark.usefixtures("long")
def test_back_to_now_while_it_is_still_being_read() -> None:
    shown = seen(EVENTS)
    shown.journal = lambda: EVENTS
    shown.look_back(moments(EVENTS)[-2])
    shown.go_live()
    assert shown.past is None and not shown.take_past() and shown.run is shown.live


@pytest.mark.usefixtures("long")
def test_a_journal_that_cannot_be_read_says_why() -> None:
    def gone(first: int) -> Iterator[Event]:
        raise JournalError(f"nothing from {first} on")

    lost = Past(gone)
    assert not lost.go(20)
    deadline = time.monotonic() + DEADLINE_S
    while not lost.fault:
        assert time.monotonic() < deadline
    assert lost.fault == "nothing from 0 on" and not lost.take()


def test_a_journal_that_was_cut_off_ends_where_it_ends() -> None:
    shorter = Past(lambda first: iter(EVENTS[first:20]))
    shorter.go(30)
    assert shorter.fold is not None and shorter.fold.at == 19 and not shorter.going


def test_the_end_of_a_run_is_its_present() -> None:
    events = sample.answered_run()
    assert isinstance(events[-1], RunEnd)
    shown = seen(events)
    back(shown)
    assert shown.run.end is None and at(shown) == len(events) - 2
    assert shown.moment(1) is None
