"""What a REPL is made of: evaluations beside blocks, blocks that were stopped, a REPL that is made anew."""

from __future__ import annotations

import pytest

from rlm_tui.journal.events import NodeEnd, Rebuild, VariableRow
from rlm_tui.journal.tree import IN_FRAME
from tests.journal.build import Tape


def test_evaluations_stand_beside_their_block_and_in_the_order_they_ran():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1")
    tape.code("root/i1+e1", origin="eval", by="human")
    tape.ran("root/i1+e1", by="human")
    for j in (1, 2):
        tape.code(f"root/i1/b{j}")
        tape.ran(f"root/i1/b{j}")
    for id in ("root/i1/b1+e1", "root/i1/b1+e2", "root/i1+e2"):
        tape.code(id, origin="eval", by="human")
        tape.ran(id, by="human")
    root = tape.run().nodes["root"]
    assert [block.id for block in root.iterations[0].blocks] == [
        "root/i1+e1", "root/i1/b1", "root/i1/b1+e1", "root/i1/b1+e2", "root/i1/b2", "root/i1+e2",
    ]  # fmt: skip
    assert [block.id.removeprefix("root/i1") for block in root.ran()] == [
        "+e1",
        "/b1",
        "/b2",
        "/b1+e1",
        "/b1+e2",
        "+e2",
    ]
    assert [block.by for block in root.ran()] == ["human", None, None, "human", "human", "human"]


def test_a_block_that_runs_again_comes_after_what_was_evaluated_meanwhile():
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1")
    tape.ran("root/i1/b1", "died")
    tape.code("root/i1/b1+e1", origin="eval", by="human")
    tape.ran("root/i1/b1+e1", by="human")
    tape.code("root/i1/b1")
    tape.ran("root/i1/b1")
    assert [block.id for block in tape.run().nodes["root"].ran()] == ["root/i1/b1+e1", "root/i1/b1"]


@pytest.mark.parametrize("status", ["aborted", "died"])
def test_a_block_that_a_person_stopped(status: str):
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1")
    tape.hold("root/i1/b1", "line", line=3)
    assert tape.run().blocks["root/i1/b1"].state == "held"
    tape.ran("root/i1/b1", status, by="human")
    tape.ask("root/i2")
    run = tape.run()
    block = run.blocks["root/i1/b1"]
    assert (block.held, run.held, block.stopped_by, block.mark) == (None, {}, "human", "edited")
    assert run.iterations["root/i2"].mark == "downstream"
    tape.code("root/i1/b1")
    assert tape.run().blocks["root/i1/b1"].stopped_by is None


@pytest.mark.parametrize(
    ("status", "reasons", "repeatable"),
    [
        ("ok", (), True),
        ("error", ("dedented",), True),
        ("ok", (IN_FRAME,), False),
        ("aborted", (), False),
        ("timeout", (), False),
        ("died", (), False),
        ("skipped", (), False),
    ],
)
def test_what_a_repl_is_made_of(status: str, reasons: tuple[str, ...], repeatable: bool):
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1", reasons=reasons)
    tape.ran("root/i1/b1", status)
    assert tape.run().blocks["root/i1/b1"].repeatable is repeatable


def test_a_repl_that_is_made_anew():
    tape = Tape()
    tape.begin()
    for j, status in enumerate(("ok", "aborted", "died"), 1):
        tape.code(f"root/i1/b{j}")
        tape.ran(f"root/i1/b{j}", status, changed=(VariableRow(name=f"v{j}", type="int"),))
    run = tape.run()
    assert list(run.nodes["root"].variables) == ["v1", "v2", "v3"]

    tape.add(Rebuild(id="root/i2/b1", done=0, of=2))
    run = tape.run()
    assert list(run.nodes["root"].variables) == ["v1"]
    assert (run.rebuilding["root"].done, run.blocks["root/i1/b1"].rebuilt) == (0, None)
    tape.add(Rebuild(id="root/i1/b1", done=1, of=2))
    tape.add(Rebuild(id="root/i1/b2", done=2, of=2, finding="unrepeatable", differs="it was aborted"))
    run = tape.run()
    assert run.rebuilding == {}
    assert [block.rebuilt and block.rebuilt.finding for block in run.iterations["root/i1"].blocks] == [
        "same", "unrepeatable", None,
    ]  # fmt: skip


def test_a_rebuild_that_its_node_did_not_live_to_see_is_over():
    tape = Tape()
    tape.begin()
    tape.add(Rebuild(id="root/i1/b1", done=0, of=2))
    tape.add(NodeEnd(id="root", status="killed"))
    assert tape.run().rebuilding == {}


def test_what_was_cancelled_with_its_block_is_open_again_when_that_asks_again():
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1")
    one, two = tape.batch("root/i1/b1", 2)
    tape.child(one)
    tape.node(two, 1)
    tape.add(NodeEnd(id=two, status="killed"))
    tape.back(two, None, "killed")
    tape.ran("root/i1/b1", "aborted", by="human")
    tape.code("root/i1/b1")
    run = tape.run()
    assert [call.status for call in run.blocks["root/i1/b1"].calls] == ["ok", "killed"]

    tape.batch("root/i1/b1", 2)
    tape.node(two, 1)
    run = tape.run()
    block = run.blocks["root/i1/b1"]
    assert [(call.status, call.ended is None) for call in block.calls] == [("ok", False), ("open", True)]
    assert (block.state, block.open_calls, run.nodes[two].status, run.children, run.subcalls) == (
        "waiting", 1, "open", 2, 2,
    )  # fmt: skip
