from __future__ import annotations

import threading
from concurrent.futures import Future

from rlm_tui.journal.events import Chunk
from rlm_tui.tui.bridge import Bridge


def chunk(seq: int) -> Chunk:
    return Chunk(id="root/i1", seq=seq, kind="reply", text=str(seq))


def test_the_past_comes_first_and_nothing_comes_twice() -> None:
    bridge = Bridge(chunk(n) for n in range(3))
    for n in (2, 3, 4):
        bridge.put(chunk(n))
    assert bridge.loading
    assert [event.seq for event in bridge.drain()] == [0, 1, 2, 3, 4]
    assert not bridge.loading


def test_a_share_is_bounded_and_the_rest_waits_its_turn() -> None:
    bridge = Bridge()
    for n in range(25):
        bridge.put(chunk(n))
    assert [event.seq for event in bridge.drain(10)] == list(range(10))
    assert bridge.waiting == 15
    assert [event.seq for event in bridge.drain(100)] == list(range(10, 25))
    assert list(bridge.drain()) == []


def test_nothing_is_lost_while_another_thread_puts() -> None:
    bridge = Bridge()
    thread = threading.Thread(target=lambda: [bridge.put(chunk(n)) for n in range(5000)])
    thread.start()
    taken: list[int] = []
    while thread.is_alive() or bridge.waiting:
        taken += [event.seq for event in bridge.drain(100)]
    assert taken == list(range(5000))


def test_answers_are_handed_out_once_when_they_are_there() -> None:
    bridge, heard = Bridge(), []
    slow: Future[str | None] = Future()
    quick: Future[str | None] = Future()
    bridge.ask(slow, lambda answer: heard.append(("slow", answer)))
    bridge.ask(quick, lambda answer: heard.append(("quick", answer)))
    assert bridge.answer() == 0
    quick.set_result("Nothing is held here.")
    assert (bridge.answer(), heard) == (1, [("quick", "Nothing is held here.")])
    slow.set_result(None)
    assert (bridge.answer(), heard[1:]) == (1, [("slow", None)])
    assert bridge.answer() == 0


def test_an_answer_may_lead_to_the_next_question() -> None:
    bridge, heard = Bridge(), []
    first: Future[str | None] = Future()
    second: Future[str | None] = Future()
    first.set_result(None)
    second.set_result(None)
    bridge.ask(first, lambda _: bridge.ask(second, heard.append))
    bridge.answer()
    bridge.answer()
    assert heard == [None]


def test_a_verb_that_broke_or_was_cancelled_is_told_in_words() -> None:
    bridge, heard = Bridge(), []
    broken: Future[str | None] = Future()
    broken.set_exception(OSError("no space left"))
    gone: Future[str | None] = Future()
    gone.cancel()
    for future in (broken, gone):
        bridge.ask(future, heard.append)
    assert bridge.answer() == 2
    assert heard == ["This failed: OSError: no space left", "The run was closed before this could be done."]
