"""Further replies to a request whose reply is held: asked at once, paid for, kept, and decided by nobody but a person."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rlm_tui.engine.ending import Killed
from rlm_tui.engine.resampling import NOT_HELD, UNDER_WAY, UNPRICED
from rlm_tui.journal import address
from rlm_tui.journal.events import LlmEnd, LlmStart, Usage
from rlm_tui.llm.base import ModelError, Reply
from tests.engine.person import Person, act, up_to
from tests.engine.scripts import of_kind, repl
from tests.runs import DEADLINE_S

I1 = "root/i1"


class Saying(list[Any]):
    """A root's replies that are what their number of asking says, whatever the turn."""

    def __init__(self, *said: Any, over: threading.Event | None = None) -> None:
        super().__init__(said)
        self.asked = 0
        self.now = 0
        self.most = 0
        self.over = over
        self._lock = threading.Lock()

    def __getitem__(self, _turn: Any) -> Any:
        with self._lock:
            k, self.asked = self.asked, self.asked + 1
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            said = super().__getitem__(min(k, len(self) - 1))
            if said is SLOW and self.over is not None:
                self.over.wait(DEADLINE_S)
        finally:
            with self._lock:
                self.now -= 1
        return said


SLOW = "it takes its time"


@pytest.fixture
def over() -> Iterator[threading.Event]:
    over = threading.Event()
    yield over
    over.set()


def priced(text: str) -> Reply:
    return Reply(text, "stop", Usage(prompt=10, completion=5, cost=0.5))


def final(k: Any) -> str:
    return repl(f"FINAL({k!r})")


def play(saying: Saying, script: Any, **keywords: Any) -> Person:
    return act(points=keywords.pop("points", ("reply",)), script=script, children={"?": saying}, **keywords)


def samples(p: Person) -> list[tuple[str, str, Any]]:
    return [(s.id, s.status, s.reply) for s in p.run.iterations[I1].samples]


def test_they_have_addresses_of_their_own_and_are_paid_for_and_change_nothing() -> None:
    async def script(p: Person) -> None:
        id, value, go = await p.at("reply")
        assert await p.root.resample(id, 2, None, None) is None
        assert await p.root.resample(id, 1, "other", {"temperature": 1}) is None
        p.points = ()
        go(value)

    p = play(Saying(*(priced(final(k)) for k in range(4))), script)

    assert sorted(samples(p)) == [(address.sample(I1, k), "ok", final(k)) for k in (1, 2, 3)]
    starts = [e for e in of_kind(p.journal, LlmStart) if "+s" in e.id]
    assert [(e.model, e.params) for e in starts] == [("", {}), ("", {}), ("other", {"temperature": 1})]
    assert [e.attempt for e in starts] == [2, 3, 4]
    assert (p.run.nodes["root"].value, p.run.totals.requests, p.run.totals.cost) == ("0", 4, 2.0)
    asked = [messages for messages, _ in p.chat.asked]
    assert asked[0] == asked[1] == asked[2] == asked[3]


def test_a_person_puts_one_in_the_place_of_the_first() -> None:
    async def script(p: Person) -> None:
        id, value, go = await p.at("reply")
        assert await p.root.resample(id, 1, None, None) is None
        p.points = ()
        go(p.change(id, value, ("reply", samples(p)[0][2])))

    p = play(Saying(final("first"), final("second")), script)
    assert p.run.nodes["root"].value == "second"


def test_they_are_asked_at_once_within_the_slots(over: threading.Event) -> None:
    saying = Saying(final(0), *[SLOW] * 5, over=over)

    async def script(p: Person) -> None:
        id, value, go = await p.at("reply")
        asking = asyncio.ensure_future(p.root.resample(id, 5, None, None))
        await p.until(lambda e: isinstance(e, LlmStart) and e.id == address.sample(I1, 5))
        while saying.now < 2:
            await asyncio.sleep(0.001)
        assert await p.root.resample(id, 1, None, None) == UNDER_WAY
        over.set()
        assert await asyncio.wait_for(asking, DEADLINE_S) is None
        p.points = ()
        go(value)

    p = play(saying, script, max_batch_workers=2)
    assert [status for _, status, _ in samples(p)] == ["ok"] * 5
    assert saying.most == 2
    assert p.engine.shared.slots.llm._value == 2


def test_one_that_fails_holds_nothing_and_is_an_end() -> None:
    async def script(p: Person) -> None:
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        p.engine.shared.asking.sleep = sleep
        id, value, go = await p.at("reply")
        assert await p.root.resample(id, 1, None, None) is None
        assert await p.root.resample(id, 1, None, None) is None
        assert len(waits) == 1
        p.points = ()
        go(value)

    refused, busy = ModelError("key", "no such key", retry=False), ModelError("overloaded", "later", retry="once")
    p = play(Saying(final(0), refused, busy, final(1)), script, points=("reply", "error"))

    assert [(id, status) for id, status, _ in samples(p)] == [
        (f"{I1}+s1", "error"), (f"{I1}+s2", "error"), (f"{I1}+s2", "ok")
    ]  # fmt: skip
    assert p.run.nodes["root"].value == "0"


@pytest.mark.parametrize(
    ("options", "cost", "words"),
    [
        ({"max_tokens": 10}, 0.5, "max_tokens is reached; raise it first."),
        ({"max_budget": 0.4}, 0.5, "max_budget is reached; raise it first."),
        ({"max_budget": 9.0}, None, UNPRICED),
    ],
)
def test_a_limit_on_money_or_tokens_refuses_them(options: dict[str, Any], cost: float | None, words: str) -> None:
    async def script(p: Person) -> None:
        id, value, go = await p.at("reply")
        assert await p.root.resample(id, 2, None, None) == words
        p.points = ()
        go(value)

    first = Reply(final(0), "stop", Usage(prompt=10, completion=5, cost=cost))
    p = play(Saying(first), script, **options)
    assert samples(p) == []


def test_only_where_a_reply_is_held() -> None:
    async def script(p: Person) -> None:
        id, value, go = await p.at("llm")
        assert await p.root.resample(id, 1, None, None) == "There is no request here that could be sent again."
        p.points = ("block",)
        go(value)
        _, value, go = await p.at("block")
        assert await p.root.resample("root/i1", 1, None, None) == NOT_HELD
        p.points = ()
        go(value)

    play(Saying(final(0)), script, points=("llm",))


@pytest.mark.parametrize("how", ["let go", "killed"])
def test_what_is_still_under_way_is_cancelled_when_the_reply_is_decided_or_the_node_ends(
    how: str, over: threading.Event
) -> None:
    async def script(p: Person) -> None:
        id, value, go = await p.at("reply")
        asking = asyncio.ensure_future(p.root.resample(id, 2, None, None))
        await p.until(lambda e: isinstance(e, LlmStart) and e.id == address.sample(I1, 2))
        p.points = ()
        if how == "killed":
            p.engine.stop("root", Killed())
        else:
            go(value)
        assert await asyncio.wait_for(asking, DEADLINE_S) == "The reply was handed on before these were here."

    p = play(Saying(final(0), SLOW, SLOW, over=over), script)
    root = p.run.nodes["root"]
    assert [status for _, status, _ in samples(p)] == ["cancelled"] * 2
    assert (root.status, root.value) == (("killed", None) if how == "killed" else ("final", "0"))
    ends = [e.seq for e in p.journal.events() if isinstance(e, LlmEnd)]
    assert max(ends) < next(e.seq for e in p.journal.events() if e.ev == "node.end")
    assert p.engine.shared.slots.llm._value == 8


def test_they_are_still_there_when_the_run_is_gone_on_with_and_more_go_on_from_them() -> None:
    async def script(p: Person) -> None:
        id, value, go = await p.at("reply")
        assert await p.root.resample(id, 2, None, None) is None
        go(value)
        p.points = ()

    first = play(Saying(*map(final, range(3))), script)
    left = up_to(first.journal, lambda e: e.ev == "exec.start")

    async def more(p: Person) -> None:
        id, value, go = await p.at("reply")
        assert [k for k, *_ in samples(p)] == [f"{I1}+s1", f"{I1}+s2"]
        assert await p.root.resample(id, 1, None, None) is None
        p.points = ()
        go(value)

    p = play(Saying(final("more")), more, journal=left)
    assert [k for k, *_ in samples(p)] == [f"{I1}+s{k}" for k in (1, 2, 3)]
    assert len(p.chat.asked) == 1
    assert p.run.nodes["root"].value == "0"


def test_the_default_answer_has_them_too() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("reply")
        go(value)
        id, value, go = await p.at("reply")
        assert id == "root/default"
        assert await p.root.resample(id, 1, None, None) is None
        p.points = ()
        go(p.change(id, value, ("reply", "FINAL(2)")))

    p = play(Saying(repl("1"), "FINAL(1)", "FINAL(2)"), script, max_iterations=1)
    default = p.run.nodes["root"].default
    assert default is not None
    assert [s.reply for s in default.samples] == ["FINAL(2)"]
    assert (p.run.nodes["root"].value, p.run.nodes["root"].via) == ("2", "default")
