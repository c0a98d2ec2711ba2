"""A plain sub-call whose answer a person has asked for once more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_tui.journal.events import Edit, LlmEnd, LlmStart, Usage
from rlm_tui.llm.base import Reply
from tests.engine.person import Person, act, edit, nothing, up_to
from tests.engine.scripts import CATCH, Slow, repl
from tests.engine.test_by_hand import ends, id_of, nothing_is_taken, supply


def counting() -> Any:
    """A leaf that says something else each time, and what it cost."""
    times = iter(range(1, 99))

    def leaf(prompt: str) -> Reply:
        return Reply(f"{prompt} {next(times)}", "stop", Usage(prompt=10, completion=5))

    return leaf


def test_an_answer_is_asked_for_again_and_both_are_kept_and_paid() -> None:
    async def script(p: Person) -> None:
        for said in ("q 1", "q 2"):
            _, value, go = await p.at("return")
            assert (value.status, value.text) == ("ok", said)
            go(replace(value, retry=True))
            await p.until(lambda e, said=said: isinstance(e, LlmEnd) and e.reply == said)
        _, value, go = await p.at("return")
        go(value)

    p = act(
        repl("out = llm_query('q')"), repl("FINAL([out, llm_query('r')])"), points=("return",), leaf=counting(),
        script=_then_let_go(script), max_subcalls=2,
    )  # fmt: skip
    call = p.run.calls[id_of(p, "q")]
    assert [(a.attempt, a.reply) for a in call.attempts] == [(1, "q 1"), (2, "q 2"), (3, "q 3")]
    assert ends(p, "q") == [("ok", f"q {k}", None) for k in (1, 2, 3)]
    assert p.run.nodes["root"].data == '["q 3", "r 4"]'
    assert p.run.totals.tokens == 60
    assert (call.status, call.block.open_calls) == ("ok", 0)
    nothing_is_taken(p.engine)


def _then_let_go(script: Any) -> Any:
    async def both(p: Person) -> None:
        await script(p)
        p.points = ()

    return both


def test_a_limit_that_stands_against_asking_again_leaves_the_answer() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("return")
        go(replace(value, retry=True))
        _, hit, go = await p.at("limit")
        assert hit.name == "max_tokens"
        go(hit)
        _, value, go = await p.at("return")
        assert value.text == "q 1"
        go(value)

    p = act(
        repl("out = llm_query('q')\nFINAL(out)"), points=("return", "limit"), leaf=counting(),
        script=_then_let_go(script), max_tokens=15,
    )  # fmt: skip
    assert p.run.nodes["root"].value == "q 1"
    assert ends(p, "q") == [("ok", "q 1", None)]


def test_one_that_is_asked_again_can_be_ended_and_be_cut_short_and_be_gone_on_with(slow: Slow) -> None:
    first_time = [True]

    def leaf(prompt: str) -> str:
        if first_time:
            first_time.clear()
            return "first"
        return slow(prompt)

    async def script(p: Person) -> None:
        _, value, go = await p.at("return")
        go(replace(value, retry=True))
        p.points = ()
        await p.until(lambda e: isinstance(e, LlmStart) and e.attempt == 2)
        assert p.run.calls[id_of(p, "slow")].state == "sampling"
        assert supply(p, "slow", "by hand") is None

    replies = (repl("out = llm_query('slow')"), repl("FINAL(out)"))
    p = act(*replies, points=("return",), script=script, leaf=leaf)
    assert p.run.nodes["root"].value == "by hand"
    assert ends(p, "slow") == [("ok", "first", None), ("supplied", "by hand", "human")]

    left = up_to(p.journal, lambda e: isinstance(e, Edit))
    again = act(*replies, points=(), script=nothing, journal=left, leaf=lambda _: "third")
    assert again.run.nodes["root"].value == "third"
    assert [a.attempt for a in again.run.calls[id_of(again, "slow")].attempts] == [1, 2, 3]


def test_only_a_plain_call_is_asked_again() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("return")
        go(replace(value, retry=True))

    p = act(
        repl("out = rlm_query('sub')"), repl("FINAL(out)"), points=("return",), script=script,
        children={"sub": [repl("FINAL('once')")]}, max_depth=2,
    )  # fmt: skip
    assert (p.run.nodes["root"].value, ends(p, "sub")) == ("once", [("ok", "once", None)])


def test_an_error_that_comes_back_is_asked_again_as_it_was_changed() -> None:
    def leaf(prompt: str) -> str:
        if prompt == "bad":
            raise ValueError("a bad prompt")
        return f"<{prompt}>"

    async def script(p: Person) -> None:
        id, value, go = await p.at("return")
        assert value.status == "error"
        p.journal.append(edit(id, "prompt", "good"))
        p.points = ()
        go(replace(value, retry=True))

    p = act(
        repl(f"{CATCH}\nout = tried(lambda: llm_query('bad'))"), repl("FINAL(out)"), points=("return",), script=script,
        leaf=leaf,
    )  # fmt: skip
    assert p.run.nodes["root"].value == "<good>"
    assert p.run.calls[id_of(p, "bad")].status == "ok"
