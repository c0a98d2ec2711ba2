"""One request, as many attempts as it takes: waits, the error gate, pieces, and what is closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rlm_tui.engine import sampling
from rlm_tui.engine.gate import Failure, apply_edit
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.engine.sampling import wait_before_next
from rlm_tui.journal.events import Chunk, Edit, LlmEnd, LlmStart, NodeEnd
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import ChatModel, ChatRequest, Delta, ModelError, Models, Reply
from tests.engine.scripts import of_kind, repl
from tests.runs import DEADLINE_S

DONE = repl("FINAL(1)")


class Saying:
    """A model that says these things, one a request: a text, an error to raise, or a list of parts to yield."""

    def __init__(self, *says: Any) -> None:
        self.says = list(says)
        self.asked: list[ChatRequest] = []
        self.closed = 0

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        self.asked.append(request)
        says = self.says.pop(0)
        try:
            for part in says if isinstance(says, list) else [says]:
                if isinstance(part, BaseException):
                    raise part
                if isinstance(part, asyncio.Event):
                    part.set()
                    await asyncio.Event().wait()
                else:
                    yield Reply(part) if isinstance(part, str) else part
        finally:
            self.closed += 1


class Hands:
    """Gates at whose ``error`` a person does something, one thing a failure."""

    def __init__(self, journal: Journal, *acts: Any) -> None:
        self.journal = journal
        self.acts = list(acts)
        self.failures: list[Failure] = []

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        if point != "error":
            return value
        self.failures.append(value)
        act = self.acts.pop(0)
        if isinstance(act, tuple):
            self.journal.append(Edit(id=id, field=act[0], value=act[1], by="human"))
            changed = apply_edit(value, *act)
            return changed if act[0] == "answer" else replace(value, action="retry")
        return replace(value, action=act)


def run(model: ChatModel, *acts: Any, **options: Any) -> tuple[NodeEnd, Journal, Hands, list[float]]:
    """A run of a model; the waits before its attempts are only noted."""
    journal, waits = Journal.memory(), list[float]()
    hands = Hands(journal, *acts)
    engine = EngineRun(journal, lambda _: model, context="", task="?", options=Options(**options), gates=hands)

    async def noted(seconds: float) -> None:
        waits.append(seconds)

    engine.shared.asking.sleep = noted
    end = asyncio.run(asyncio.wait_for(engine.go(), DEADLINE_S))
    return end, journal, hands, waits


def error(retry: Any = False, **keywords: Any) -> ModelError:
    return ModelError("server", "it is down", retry=retry, **keywords)


@pytest.mark.parametrize(
    ("failure", "attempt", "least", "most"),
    [
        (error(), 1, None, None),
        (error("once"), 1, 0.8, 1.2),
        (error("once"), 2, None, None),
        (error(True), 1, 0.8, 1.2),
        (error(True), 3, 3.2, 4.8),
        (error(True), 4, None, None),
        (error(True, retry_after=7.5), 1, 7.5, 7.5),
        (error(True, retry_after=3600), 1, None, None),
    ],
)
def test_how_long_is_waited(failure: ModelError, attempt: int, least: float | None, most: float | None) -> None:
    wait = wait_before_next(failure, attempt)

    assert wait is None if least is None or most is None else wait is not None and least <= wait <= most


def test_what_may_pass_is_tried_again_by_itself() -> None:
    model = Saying(error(True), error(True, retry_after=9), DONE)
    end, journal, hands, waits = run(model)

    assert end.value == "1"
    assert (hands.failures, waits[1]) == ([], 9)
    assert [(e.attempt, e.status, e.wait) for e in of_kind(journal, LlmEnd)] == [
        (1, "error", waits[0]), (2, "error", 9), (3, "ok", None),
    ]  # fmt: skip
    assert [request.attempt for request in model.asked] == [1, 2, 3]
    # The same messages were sent: a later attempt adds none.
    assert [(e.base, len(e.add)) for e in of_kind(journal, LlmStart)] == [(0, 2), (2, 0), (2, 0)]


def test_what_may_not_pass_goes_to_a_person_who_retries_with_other_messages() -> None:
    model = Saying(error(), DONE)
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    end, journal, hands, _ = run(model, ("messages", messages))

    assert end.value == "1"
    assert [failure.error.kind for failure in hands.failures] == ["server"]
    assert list(model.asked[1].messages) == messages
    assert [(e.base, len(e.add)) for e in of_kind(journal, LlmStart)] == [(0, 2), (0, 2)]


def test_or_supplies_the_reply() -> None:
    model = Saying(error())
    end, journal, _, _ = run(model, ("answer", DONE))

    assert end.value == "1"
    assert len(model.asked) == 1
    assert [(e.status, e.by) for e in of_kind(journal, LlmEnd)] == [("error", None), ("ok", "human")]


def test_or_lets_it_apply() -> None:
    end, _, hands, _ = run(Saying(error()), "apply")

    assert (end.status, end.error and end.error.message) == ("error", "it is down")
    assert len(hands.failures) == 1


def test_a_leafs_prompt_can_be_changed_where_it_failed() -> None:
    model = Saying(repl('FINAL(llm_query("long"))'), error(), "short enough")
    end, _, _, _ = run(model, ("prompt", "short"))

    assert end.value == "short enough"
    assert [request.messages[0]["content"] for request in model.asked[1:]] == ["long", "short"]
    assert [request.stream for request in model.asked] == [True, False, False]


def test_an_unknown_model_is_a_failed_request() -> None:
    journal = Journal.memory()
    engine = EngineRun(journal, Models().get, context="", task="?", model="nobody")
    end = asyncio.run(engine.go())

    assert (end.status, end.error and end.error.kind) == ("error", "model")
    assert "'nobody'" in (end.error.message if end.error else "")


def test_a_fault_of_an_adapter_is_a_failed_request() -> None:
    end, _, hands, _ = run(Saying(ZeroDivisionError("ours")), "apply")

    assert (end.status, hands.failures[0].error.message) == ("error", "ZeroDivisionError: ours")


def test_a_stream_without_a_reply_is_tried_once_more() -> None:
    end, journal, _, waits = run(Saying([Delta("half")], DONE))

    assert (end.value, len(waits)) == ("1", 1)
    first = next(of_kind(journal, LlmEnd))
    assert (first.status, first.reply, first.error.kind) == ("error", "half", "empty")


def test_pieces_are_told_as_they_come_thoughts_apart() -> None:
    parts = [Delta("Hm. ", "reasoning"), Delta("so", "reasoning"), Delta(DONE[:5]), Delta(DONE[5:]), Reply(DONE)]
    _, journal, _, _ = run(Saying(parts))

    told = [(e.kind, e.text) for e in of_kind(journal, Chunk) if e.id == "root/i1"]
    assert told == [("reasoning", "Hm. so"), ("reply", DONE)]


def test_a_stream_that_is_left_is_closed_before_the_run_ends() -> None:
    async def main() -> None:
        begun = asyncio.Event()
        model, journal = Saying([Delta("begun"), begun]), Journal.memory()
        engine = EngineRun(journal, lambda _: model, context="", task="?")
        task = asyncio.ensure_future(engine.go())
        await asyncio.wait_for(begun.wait(), DEADLINE_S)
        assert model.closed == 0
        engine.kill()
        await asyncio.wait_for(task, DEADLINE_S)
        assert model.closed == 1
        (end,) = of_kind(journal, LlmEnd)
        assert (end.status, end.reply) == ("cancelled", "begun")

    asyncio.run(main())


def test_the_time_to_load_a_library_is_not_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(sampling, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Loading(Saying):
        async def load(self) -> None:
            now[0] += 5

        async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
            now[0] += 0.25
            async for part in super().stream(request):
                yield part

    _, journal, _, _ = run(Loading(DONE))

    assert [e.ms for e in of_kind(journal, LlmEnd)] == [250.0]


def test_at_most_so_many_requests_are_on_their_way() -> None:
    class Crowded(Saying):
        now = most = 0

        async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
            if not request.leaf:
                yield Reply(repl("FINAL(len(llm_query_batched([str(i) for i in range(30)])))"))
                return
            Crowded.now += 1
            Crowded.most = max(Crowded.most, Crowded.now)
            await asyncio.sleep(0)
            Crowded.now -= 1
            yield Reply("leaf")

    end, _, _, _ = run(Crowded(), max_batch_workers=3)

    assert end.value == "30"
    assert 1 < Crowded.most <= 3


def test_any_iterator_is_closed_also_when_it_failed() -> None:
    class Plain:
        closed = 0

        def stream(self, request: ChatRequest) -> Any:
            return self

        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> Any:
            raise error()

        async def aclose(self) -> None:
            self.closed += 1

    model: Any = Plain()
    end, _, _, _ = run(model, "apply")

    assert (end.status, model.closed) == ("error", 1)
