"""What a person asks of a REPL, through gates of a test: evaluate, look, open a variable."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rlm_tui.journal.events import ExecStart, NodeEnd
from rlm_tui.journal.store import Journal
from rlm_tui.repl.process import ReplDied
from tests.engine.person import LOOP, Person, act, edit
from tests.engine.scripts import of_kind, repl
from tests.runs import DEADLINE_S

# Evaluate ---------------------------------------------------------------------------------------------------------


def test_what_is_evaluated_while_held_is_recorded_and_a_part_of_the_state() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("block")
        assert await p.root.evaluate("x = 1\nprint('by the way')\nx") is None
        assert await p.root.evaluate("y = llm_query('q')\n1 / 0") is None
        go(value)
        _, value, go = await p.at("observe")
        assert await p.root.evaluate("z = x + 1") is None
        assert "by the way" not in value.text
        go(value)
        _, value, go = await p.at("block")
        go(value)

    p = act(repl("print(x, y)"), repl("z\nFINAL(z)"), points=("block", "observe"), script=script)
    starts = [e for e in of_kind(p.journal, ExecStart) if e.origin == "eval"]
    assert [(e.id, e.by, e.reasons) for e in starts] == [
        (id, "human", ()) for id in ("root/i1/b1+e1", "root/i1/b1+e2", "root/i1+e1")
    ]
    (one,), (two,) = p.ends("root/i1/b1+e1"), p.ends("root/i1/b1+e2")
    assert (one.status, one.by, one.stdout, one.value) == ("ok", "human", "by the way\n", "1")
    assert (two.status, [row.name for row in two.changed]) == ("error", ["y"])
    assert p.ends("root/i1/b1")[0].stdout == "1 <q>\n"
    root = p.run.nodes["root"]
    assert (root.value, root.variables["z"].brief) == ("2", "2")
    assert [block.j for block in root.iterations[0].blocks] == [0, 0, 1, 0]


def test_what_was_evaluated_is_run_again_in_its_place_when_the_repl_is_made_anew() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("block")
        await p.root.evaluate("x = 1")
        go(value)
        _, value, go = await p.at("block")
        await p.root.evaluate("x *= 10")
        go(value)
        for _ in range(2):
            _, value, go = await p.at("block")
            go(value)

    p = act(
        repl("x += 1"), repl("y = x"), repl("import os\nos._exit(3)"), repl("FINAL([x, y])"), points=("block",), script=script
    )  # fmt: skip
    assert p.run.nodes["root"].value == "[20, 20]"
    assert [(id, finding) for id, done, _, finding in p.rebuilds() if done] == [
        ("root/i1/b1+e1", "same"), ("root/i1/b1", "same"), ("root/i2/b1+e1", "same"), ("root/i2/b1", "same"),
    ]  # fmt: skip


def test_what_changed_something_inside_a_block_cannot_be_repeated_and_says_so() -> None:
    async def script(p: Person) -> None:
        await p.printed()
        await p.root.break_in()
        _, value, go = await p.at("line")
        assert await p.root.evaluate("n") is None
        assert await p.root.evaluate("n = 10**12") is None
        assert (await p.root.look("n + 1")).text == str(10**12 + 1)
        go(value)
        id, failure, go = await p.at("error")
        assert (id, failure.error.kind) == ("root/i2/b1", "died")
        go(failure)
        id, failure, go = await p.at("error")
        assert (id, failure.error.kind) == ("root/i3/b1", "diverged")
        assert "changed `n` inside a block that stood" in failure.error.message
        go(failure)

    p = act(
        repl(LOOP), repl("import os\nos._exit(3)"), repl("FINAL(1)"), points=("line", "error"), script=script,
        block_timeout_s=2.0,
    )  # fmt: skip
    inside = [e for e in of_kind(p.journal, ExecStart) if e.origin == "eval"]
    assert [(e.id, e.reasons) for e in inside] == [(f"root/i1/b1+e{k}", ("in_frame",)) for k in (1, 2)]
    assert [row.name for row in p.ends("root/i1/b1+e2")[0].changed] == ["n"]
    findings = {id: finding for id, done, _, finding in p.rebuilds() if done}
    assert findings == {"root/i1/b1": "state", "root/i1/b1+e2": "unrepeatable"}


def test_an_evaluation_is_refused_where_it_could_do_harm() -> None:
    async def script(p: Person) -> None:
        await p.printed()
        assert "break in" in str(await p.root.evaluate("1"))
        assert (await p.root.look("1")).status == "error"
        await p.root.abort_block()
        _, failure, go = await p.at("error")
        one, two = await asyncio.gather(p.root.evaluate("x = 1"), p.root.evaluate("x = 2"))
        assert (one, "under way" in str(two)) == (None, True)
        go(failure)
        await p.until(lambda event: isinstance(event, NodeEnd))
        assert await p.root.evaluate("x") is not None
        with pytest.raises(ReplDied):
            await p.root.look("x")

    act(repl(LOOP), repl("FINAL(x)"), points=("error",), script=script)


def test_an_evaluation_has_a_blocks_time_though_its_node_is_held_and_can_be_stopped() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("block")
        assert await p.root.evaluate("x = 1\nwhile True: pass") is None
        stopped = asyncio.ensure_future(p.root.evaluate("y = 1\nprint('evaluating')\nwhile True: pass"))
        await p.printed("evaluating")
        assert await p.root.abort_block() is None
        assert await asyncio.wait_for(stopped, DEADLINE_S) is None
        go(value)

    p = act(repl("FINAL([x, y])"), points=("block",), script=script, block_timeout_s=1.5)
    (one,), (two,) = p.ends("root/i1/b1+e1"), p.ends("root/i1/b1+e2")
    assert (one.status, two.status, two.by) == ("timeout", "aborted", "human")
    assert "longer than its 1.5 s" in str(one.error)
    assert p.run.nodes["root"].value == "[1, 1]"


def test_an_evaluation_that_ends_the_repl_leaves_the_rest_to_a_rebuild() -> None:
    async def script(p: Person) -> None:
        for _ in range(2):
            _, value, go = await p.at("block")
            if value.code == "FINAL(x)":
                await p.root.evaluate("import os\nos._exit(3)")
            go(value)

    p = act(repl("x = 1"), repl("FINAL(x)"), points=("block",), script=script)
    assert [end.status for end in p.ends("root/i2/b1+e1")] == ["died"]
    assert p.rebuilds() == [("root/i2/b1", 0, 1, "same"), ("root/i1/b1", 1, 1, "same")]
    assert p.run.nodes["root"].value == "1"


def test_taking_a_rejected_answer_back_and_an_evaluation_have_addresses_of_their_own() -> None:
    async def script(p: Person) -> None:
        _, verdict, go = await p.at("final")
        await p.root.evaluate("mine = 1")
        p.journal.append(edit("root/i1", "final", {"accept": False, "message": "no"}))
        go(replace(verdict, accepted=False, message="no"))
        _, verdict, go = await p.at("final")
        go(verdict)

    p = act(
        repl("answer['content'] = 'a'\nanswer['ready'] = True"), repl("FINAL([mine, answer['ready']])"),
        points=("final",), script=script,
    )  # fmt: skip
    starts = [(e.id, e.by) for e in of_kind(p.journal, ExecStart) if e.origin == "eval"]
    assert starts == [("root/i1+e1", "human"), ("root/i1+e2", None)]
    assert p.run.nodes["root"].value == "[1, False]"


# Look -------------------------------------------------------------------------------------------------------------


def test_looking_changes_nothing_and_is_not_recorded() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("block")
        go(value)
        _, value, go = await p.at("observe")
        before = len(list(p.journal.events()))
        looked = await p.root.look("x.append(2) or x")
        assert (looked.status, looked.text) == ("ok", "[1, 2]")
        assert (await p.root.look("nope")).status == "error"
        page = await p.root.page("x", 0, 10)
        assert (page.kind, page.total, [row.brief for row in page.rows]) == ("items", 1, ["1"])
        with pytest.raises(LookupError):
            await p.root.page("nope", 0, 10)
        assert len(list(p.journal.events())) == before
        go(value)
        _, value, go = await p.at("block")
        go(value)

    p = act(repl("x = [1]"), repl("FINAL(x)"), points=("block", "observe"), script=script)
    assert p.run.nodes["root"].value == "[1]"


def test_a_variable_opens_while_a_block_runs() -> None:
    async def script(p: Person) -> None:
        await p.printed()
        page = await p.root.page("context", 2, 3)
        assert (page.text, page.total) == ("cde", 6)
        await p.root.abort_block()

    act(repl(LOOP), repl("FINAL(1)"), points=(), script=script, context="abcdef")


def test_looking_at_a_node_of_an_earlier_process_makes_its_repl_anew() -> None:
    async def nothing(p: Person) -> None:
        return

    async def script(p: Person) -> None:
        _, value, go = await p.at("llm")
        assert p.root.blocks.repl is None
        assert (await p.root.look("x + 1")).text == "2"
        go(value)

    source = act(repl("x = 1"), repl("FINAL(0)"), points=(), script=nothing).journal
    journal = Journal.memory()
    for event in source.events():
        if event.ev == "llm.start" and event.id == "root/i2":
            break
        journal.copy(event, source)
    p = act(repl("x = 1"), repl("FINAL(x)"), points=("llm",), script=script, journal=journal)
    assert p.rebuilds() == [("root/i2", 0, 1, "same"), ("root/i1/b1", 1, 1, "same")]
    assert p.run.nodes["root"].value == "1"
