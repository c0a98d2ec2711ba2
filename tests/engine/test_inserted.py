"""Code that a person puts in before a block: it runs, is remembered, and is a part of the REPL's state."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from rlm_tui.engine.blocks import REBUILT
from rlm_tui.engine.gate import Code
from rlm_tui.journal.events import CallStart, ExecStart
from tests.engine.person import LOOP, Person, act, nothing, up_to
from tests.engine.scripts import of_kind, repl
from tests.runs import DEADLINE_S

B1 = "root/i1/b1"


def put(code: str, say: bool = False) -> tuple[str, Any]:
    """A change that puts code in."""
    return "insert", {"code": code, "say": say}


def inserting(*changes: tuple[str, Any], block: str = B1) -> Any:
    """A person who puts something in before one block and lets every other go."""

    async def script(p: Person) -> None:
        while True:
            id, value, go = await p.at("block")
            go(p.change(id, value, *changes) if id == block else value)
            if id == block:
                p.points = ()
                return

    return script


def starts(p: Person) -> list[tuple[str, str]]:
    """Every piece of code that began, and whose it is."""
    return [(e.id, e.origin) for e in of_kind(p.journal, ExecStart)]


def seen(p: Person, turn: int = 1) -> str:
    """What the model was told after a turn."""
    return p.chat.asked[turn][0][-1]["content"]


def test_it_runs_before_its_block_in_the_order_it_was_put_in_and_has_rows_there() -> None:
    p = act(
        repl("print(x)"),
        repl("FINAL(x)"),
        points=("block",),
        script=inserting(put("x = 1"), put("x += 1\nprint('h2')")),
    )

    assert starts(p)[:3] == [(f"{B1}+h1", "human"), (f"{B1}+h2", "human"), (B1, "model")]
    assert [(e.by, e.status) for k in (1, 2) for e in p.ends(f"{B1}+h{k}")] == [("human", "ok")] * 2
    assert (p.ends(B1)[0].stdout, p.run.nodes["root"].value) == ("2\n", "2")
    assert [block.id for block in p.run.iterations["root/i1"].blocks] == [f"{B1}+h1", f"{B1}+h2", B1]
    assert p.run.nodes["root"].edited


@pytest.mark.parametrize("say", [True, False])
def test_the_model_is_shown_it_as_run_code_or_not_at_all(say: bool) -> None:
    p = act(repl("print('own')"), repl("FINAL(1)"), points=("block",), script=inserting(put("print('put in')", say)))

    told = seen(p)
    assert "own" in told
    assert ("put in" in told) is say
    if say:
        assert told.index("Code executed:\n```python\nprint('put in')\n```") < told.index("print('own')")


def test_one_that_fails_stops_nothing_and_is_no_error_of_the_models() -> None:
    p = act(
        repl("print('on')"), repl("FINAL(1)"), points=("block",), script=inserting(put("1 / 0", True), put("y = 2")),
        max_errors=1,
    )  # fmt: skip

    assert [p.ends(id)[0].status for id in (f"{B1}+h1", f"{B1}+h2", B1)] == ["error", "ok", "ok"]
    assert "ZeroDivisionError" in seen(p)
    assert p.run.nodes["root"].status == "final"


def test_it_runs_also_when_its_block_is_skipped() -> None:
    script = inserting(put("x = 'by hand'"), ("skip", {"say": False}))
    p = act(repl("x = 'own'"), repl("FINAL(x)"), points=("block",), script=script)

    assert (p.ends(B1)[0].status, p.run.nodes["root"].value) == ("skipped", "by hand")


def test_it_is_no_step_of_the_limit_on_executed_blocks() -> None:
    p = act(
        repl("a = 1"), repl("FINAL(a)"), points=("block",), script=inserting(put("b = 1"), put("c = 1")),
        max_iterations=2, env_max_iterations_multiplier=1,
    )  # fmt: skip

    assert p.run.nodes["root"].value == "1"


def test_a_final_in_it_is_an_answer_and_a_call_of_it_has_its_address() -> None:
    p = act(repl("x = 1"), points=("block",), script=inserting(put("FINAL(llm_query('q'))")))

    assert p.run.nodes["root"].value == "<q>"
    (call,) = of_kind(p.journal, CallStart)
    assert call.id.startswith(f"{B1}+h1~llm:")
    assert p.run.blocks[f"{B1}+h1"].calls[0].value == "<q>"


def test_the_later_blocks_of_a_reply_are_seen_at_the_gate() -> None:
    held: list[Code] = []

    async def script(p: Person) -> None:
        for _ in range(3):
            _, value, go = await p.at("block")
            held.append(value)
            go(value)

    act("\n".join(map(repl, ("a = 1", "b = 2", "FINAL(3)"))), points=("block",), script=script)

    assert [value.after for value in held] == [("b = 2", "FINAL(3)"), ("FINAL(3)",), ()]


# What is remembered ---------------------------------------------------------------------------------------------------


def test_a_repl_that_is_made_anew_has_what_it_did() -> None:
    die = "import os\nos._exit(3)"
    p = act(
        repl("x += 1"), repl(die), repl("FINAL(x)"), points=("block",), script=inserting(put("x = 40"), put("x += 1"))
    )

    assert p.run.nodes["root"].value == "42"
    assert [r[0] for r in p.rebuilds() if r[1]] == [f"{B1}+h1", f"{B1}+h2", B1]
    assert {r[3] for r in p.rebuilds() if r[1]} == {"same"}


@pytest.mark.parametrize("left_at", [f"{B1}+h2", B1, "root/i2/b1"])
def test_a_run_that_is_gone_on_with_runs_only_what_had_not_run(left_at: str) -> None:
    replies = (repl("print(x)"), repl("FINAL(x)"))
    first = act(*replies, points=("block",), script=inserting(put("x = 1", True), put("x += 1")))
    left = up_to(first.journal, lambda e: isinstance(e, ExecStart) and e.id == left_at)
    before = len(list(left.events()))
    p = act(*replies, points=(), script=nothing, journal=left)

    begun = [e.id for e in list(p.journal.events())[before:] if isinstance(e, ExecStart)]
    everything = [f"{B1}+h1", f"{B1}+h2", B1, "root/i2/b1"]
    assert begun == everything[everything.index(left_at) :]
    assert p.run.nodes["root"].value == "2"
    if p.chat.asked and left_at != "root/i2/b1":
        assert p.chat.asked[-1][0] == first.chat.asked[-1][0]


def test_a_block_that_was_aborted_runs_again_with_what_was_put_in_before_it() -> None:
    async def script(p: Person) -> None:
        id, value, go = await p.at("block")
        go(p.change(id, value, put("base = 5")))
        p.points = ("error",)
        await p.printed()
        assert await p.root.abort_block() is None
        id, value, go = await p.at("error")
        p.change(id, Code(""), ("code", "y = base + 1"))
        p.points = ()
        go(replace(value, action="retry"))

    p = act(repl(f"base += 1\n{LOOP}"), repl("FINAL(y)"), points=("block",), script=script)

    assert p.run.nodes["root"].value == "6"
    assert [id for id, _ in starts(p)].count(f"{B1}+h1") == 1
    assert [r[0] for r in p.rebuilds() if r[1]] == [f"{B1}+h1"]


def test_one_that_ends_the_repl_passes_the_error_gate_and_the_model_is_told_with_its_own_block() -> None:
    async def script(p: Person) -> None:
        await inserting(put("import os\nos._exit(3)"))(p)
        p.points = ("error",)
        id, value, go = await p.at("error")
        assert (id, value.error.kind) == (f"{B1}+h1", "died")
        p.points = ()
        go(value)

    p = act(repl("z = 1"), repl("print(z)"), repl("FINAL(z)"), points=("block",), script=script)

    assert [e.status for e in (*p.ends(f"{B1}+h1"), *p.ends(B1))] == ["died", "ok"]
    assert f"NOTE: {REBUILT}" in seen(p)
    assert REBUILT not in seen(p, 2)


def test_one_that_is_aborted_can_be_run_again() -> None:
    async def script(p: Person) -> None:
        await inserting(put(LOOP))(p)
        p.points = ("error",)
        await p.printed()
        assert await p.root.abort_block() is None
        id, value, go = await p.at("error")
        assert (id, value.error.kind) == (f"{B1}+h1", "aborted")
        p.change(id, Code(""), ("code", "n = 7"))
        go(replace(value, action="retry"))

    p = act(repl("m = n"), repl("FINAL(m)"), points=("block",), script=script)

    assert [e.status for e in p.ends(f"{B1}+h1")] == ["aborted", "ok"]
    assert p.run.nodes["root"].value == "7"


def test_one_that_stands_can_be_looked_at_and_goes_on() -> None:
    async def script(p: Person) -> None:
        await inserting(put("def f(k):\n    print('begun')\n    while k: pass\n    return 3\nx = f(1)"))(p)
        await p.printed()
        p.points = ("line",)
        assert await p.root.break_in() is None
        id, value, go = await p.at("line")
        assert id == f"{B1}+h1"
        assert await p.root.evaluate("k = 0") is None
        p.points = ()
        go(value)

    p = act(repl("x += 1"), repl("FINAL(x)"), points=("block",), script=script)

    assert p.ends(f"{B1}+h1+e1")[0].status == "ok"
    assert p.run.nodes["root"].value == "4"


def test_the_computing_clock_stands_while_a_call_of_it_is_held() -> None:
    async def script(p: Person) -> None:
        await inserting(put("x = llm_query('q')"))(p)
        p.points = ("call",)
        _, value, go = await p.at("call")
        assert p.root.blocks.current == f"{B1}+h1"
        assert p.root.blocks._keeping.held
        go(value)

    p = act(repl("x"), repl("FINAL(x)"), points=("block",), script=script)
    assert p.run.nodes["root"].value == "<q>"


def test_one_that_was_cut_short_with_its_child_runs_when_the_child_goes_on() -> None:
    asked, goes_on = threading.Event(), threading.Event()

    def leaf(prompt: str) -> str:
        if prompt == "slow" and not asked.is_set():
            asked.set()
            goes_on.wait(DEADLINE_S)
        return f"<{prompt}>"

    async def script(p: Person) -> None:
        _, value, go = await p.at("block")
        go(value)
        id, value, go = await p.at("block")
        p.points = ("error",)
        go(p.change(id, value, put("v = llm_query('slow')")))
        await p.until(lambda e: e.ev == "llm.start" and "+h1~llm" in e.id)
        assert await p.root.abort_block() is None
        _, value, go = await p.at("error")
        p.points = ()
        go(replace(value, action="retry"))

    try:
        p = act(
            repl("out = rlm_query('sub')"), repl("FINAL(out)"), points=("block",), script=script, leaf=leaf,
            children={"sub": [repl("FINAL(v)")]}, max_depth=2,
        )  # fmt: skip
    finally:
        goes_on.set()
    (id,) = {id for id, _ in starts(p) if id.endswith("+h1")}
    assert [(e.status, e.by) for e in p.ends(id)] == [("aborted", None), ("ok", "human")]
    assert p.run.nodes["root"].value == "<slow>"
