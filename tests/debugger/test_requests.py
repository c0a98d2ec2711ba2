"""A request on its way: the wait before its next attempt ended by hand, and what has come taken for the whole."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rlm_tui.debugger.reading import ReadOnlySession
from rlm_tui.demo.scenario import Data, Limits
from rlm_tui.journal.events import Go, LlmEnd, LlmStart
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import ChatRequest, Delta, ModelError, Reply
from tests.debugger.small import QUESTION, code, events
from tests.runs import Watched, done, refused, running
from tests.tui.branched import gone_on

BUSY = ModelError("rate", "rate limited by the provider", retry=True, retry_after=100.0)
END = code('FINAL("end")')
HALF = "Let me look.\n```repl\nprint(len(context))\n```\nAnd then I w"


class Slow:
    """A model that says what it is told to, attempt by attempt: an error, a reply, or pieces that never come to an end."""

    def __init__(self, *told: ModelError | str | list[str]) -> None:
        self.told = list(told)
        self.asked = 0
        self.closed = threading.Event()

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        said = self.told[min(self.asked, len(self.told) - 1)]
        self.asked += 1
        if isinstance(said, ModelError):
            raise said
        if isinstance(said, str):
            yield Reply(said)
            return
        try:
            for piece in said:
                yield Delta(piece)
            await asyncio.Future[None]()
        finally:
            self.closed.set()


@contextmanager
def asking(*told: ModelError | str | list[str], **options: object) -> Iterator[tuple[Watched, Slow]]:
    model = Slow(*told)
    data = Data("some context", QUESTION, Limits(max_depth=3), "")
    with running(model=model, data=data, **options) as run:  # type: ignore[arg-type]
        yield run, model


def waiting(run: Watched, id: str = "root/i1") -> None:
    run.until(lambda _: any(e.id == id and e.wait for e in events(run, "llm.end")), "the wait")


def written(run: Watched, id: str = "root/i1") -> None:
    run.until(lambda _: any(e.id == id for e in events(run, "chunk")), "a piece")


def attempts(run: Watched, id: str = "root/i1") -> list[tuple[int, str, str | None]]:
    ends = [event for event in run.events if isinstance(event, LlmEnd) and event.id == id]
    return [(event.attempt, event.status, event.by) for event in ends]


def verbs(run: Watched) -> list[tuple[str, str, str | None]]:
    return [(event.id, event.verb, event.by) for event in run.events if isinstance(event, Go)]


# The wait before the next attempt ---------------------------------------------------------------------------------------


def test_the_next_attempt_is_made_at_once() -> None:
    with asking(BUSY, END) as (run, model):
        waiting(run)
        done(run.session.try_now("root/i1"))
        run.ended()
        assert model.asked == 2
        assert attempts(run) == [(1, "error", None), (2, "ok", None)]
        assert verbs(run) == [("root/i1", "try now", "human")]


def test_a_wait_that_is_given_up_is_held_at_what_went_wrong() -> None:
    with asking(BUSY, END) as (run, model):
        waiting(run)
        done(run.session.give_up("root/i1"))
        held = run.held("error")
        assert (held.id, held.value["kind"], model.asked) == ("root/i1", "rate", 1)
        assert "waits" in refused(run.session.give_up("root/i1"))
        done(run.session.retry("root/i1"))
        run.ended()
        assert [verb for _, verb, _ in verbs(run)] == ["give up", "retry"]
        assert model.asked == 2


def test_a_plain_call_is_meant_by_its_own_address() -> None:
    with asking(code('print(llm_query("q"))'), BUSY, "leaf", END) as (run, _):
        run.until(
            lambda fold: any(call.attempts and call.attempts[-1].wait for call in fold.calls.values()), "the wait"
        )
        (call,) = run.run.calls
        assert "waits" in refused(run.session.try_now("root/i1"))
        done(run.session.try_now(call))
        run.ended()
        assert run.run.calls[call].value == "leaf"


def test_who_waits_holds_no_slot() -> None:
    code_of_two = code('print(llm_query_batched(["a", "b"]))')
    with asking(code_of_two, BUSY, "one", "two", END, max_batch_workers=1) as (run, model):
        run.until(
            lambda fold: any(call.attempts and call.attempts[-1].wait for call in fold.calls.values()), "the wait"
        )
        # There is one slot for requests: while the first waits, the root could ask. The second waits for a seat.
        slots = run.session.engine.shared.slots.llm
        assert not slots.locked() and model.asked == 2
        (call,) = [id for id, call in run.run.calls.items() if call.attempts]
        done(run.session.try_now(call))
        run.ended()


def test_a_wait_that_was_left_asks_again_when_the_run_goes_on(tmp_path: Path) -> None:
    with asking(BUSY, END, runs=tmp_path) as (run, _):
        waiting(run)
        run.session.leave()
        path = run.session.path
    assert path is not None
    gone_on(path, model=Slow(END))
    journal = Journal.open(path)
    folded = Run(journal.events())
    journal.close()
    assert folded.root is not None and folded.root.value == "end"
    assert [attempt.status for attempt in folded.root.iterations[0].attempts] == ["error", "ok"]
    session = ReadOnlySession(path)
    try:
        for verb in (session.try_now, session.give_up, session.take):
            assert "read-only" in refused(verb("root/i1"))
    finally:
        session.close()


# What has come ------------------------------------------------------------------------------------------------------------


def test_what_has_come_is_taken_and_the_request_is_closed() -> None:
    with asking([HALF[:20], HALF[20:]], END) as (run, model):
        written(run)
        run.until(lambda fold: "".join(fold.root.iterations[0].attempts[-1].stream) == HALF, "all of it")
        done(run.session.take("root/i1"))
        assert model.closed.wait(20)
        run.ended()
        assert attempts(run) == [(1, "partial", "human")]
        first = run.run.root.iterations[0]  # type: ignore[union-attr]
        assert first.reply == HALF and first.mark == "edited"
        assert [iteration.mark for iteration in first.node.iterations] == ["edited", "downstream"]
        # It is a reply like any other: its block ran, and the model was shown what came of it.
        assert [block.stdout for block in first.blocks] == ["12\n"]
        assert verbs(run) == [("root/i1", "take", "human")]
        assert model.asked == 2


def test_a_block_that_was_cut_off_in_its_middle_does_not_run() -> None:
    with asking(["```repl\nimport os\nos.remo"], END) as (run, _):
        written(run)
        done(run.session.take("root/i1"))
        run.ended()
        assert run.run.root is not None and run.run.root.iterations[0].blocks == []


@pytest.mark.parametrize("verb", ["try_now", "give_up", "take"])
def test_where_there_is_nothing_it_is_refused_in_words(verb: str) -> None:
    with asking([], END) as (run, model):
        run.until(lambda _: events(run, "llm.start"), "the request")
        words = refused(getattr(run.session, verb)("root/i1"))
        assert words in ("No request waits here for its next attempt.", "Nothing of the reply has come yet.")
        assert refused(getattr(run.session, verb)("root/i9")).startswith("No re")
        assert model.asked == 1 and not model.closed.is_set()


def test_of_a_reply_that_broke_off_what_came_is_taken_at_its_gate() -> None:
    cut = ModelError("cut", "the reply broke off after 57 characters", partial=HALF)
    with asking(cut, END) as (run, model):
        run.held("error")
        done(run.session.take("root/i1"))
        run.ended()
        assert run.run.root is not None and run.run.root.iterations[0].reply == HALF
        assert [event.field for event in events(run, "edit")] == ["answer"]
        assert verbs(run) == [("root/i1", "take", "human")]
        assert attempts(run) == [(1, "error", None), (2, "ok", "human")] and model.asked == 2


def test_of_an_error_with_nothing_there_is_nothing_to_take() -> None:
    with asking(ModelError("server", "server error 500")) as (run, _):
        run.held("error")
        assert "Nothing came" in refused(run.session.take("root/i1"))


def test_a_part_that_was_taken_is_remembered(tmp_path: Path) -> None:
    with asking([HALF], [], runs=tmp_path) as (run, _):
        written(run)
        done(run.session.take("root/i1"))
        run.until(lambda _: any(e.id == "root/i2" for e in run.events if isinstance(e, LlmStart)), "the next request")
        run.session.leave()
        path = run.session.path
    assert path is not None
    again = Slow(END)
    gone_on(path, model=again)
    assert again.asked == 1
