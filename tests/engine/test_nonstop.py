"""Batches in batches, of which some is held and all others go on: nothing held takes a slot or a seat that one needs."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from rlm_tui.engine.blocks import Blocks
from rlm_tui.engine.ending import Killed
from rlm_tui.engine.slots import Window
from rlm_tui.journal import address
from rlm_tui.journal.events import CallEnd, CallStart
from rlm_tui.journal.run import Run
from tests.engine.inbox import Inbox, play
from tests.engine.scripts import of_kind, repl
from tests.runs import DEADLINE_S

MANY = repl('out = rlm_query_batched([f"child {k}" for k in range(8)])\nFINAL(out)')
LEAVES = repl('got = llm_query_batched([f"{context} leaf {k}" for k in range(8)])') + "\n"
WORDS = {k: f"child {k}" for k in range(8)}


def child_of(run: Run, id: str) -> str:
    """What the child of the root was asked, that something is in."""
    node = address.node_of(id)
    while node.count("~") > 1:
        node = address.node_of(address.parent(node))
    call = run.calls.get(node)
    return str(call.prompt) if call is not None else ""


@pytest.mark.parametrize("workers", [1, 8])
def test_one_child_is_held_at_each_point_and_all_others_come_to_their_end(workers: int, windows: list[Window]) -> None:
    """Of eight times eight, with eight slots and with one; then those are let go in any order."""
    at = {
        "child 0": "llm", "child 1": "reply", "child 2": "block", "child 3": "call", "child 4": "return",
        "child 5": "error", "child 6": "observe", "child 7": "final",
    }  # fmt: skip
    box: list[Inbox] = []

    def holds(point: str, id: str, node: str) -> bool:
        if node == "root":
            return False
        run = box[0].run
        child = child_of(run, id)
        if point not in ("call", "return", "error"):
            return at.get(child) == point
        return at.get(child) == point and str(run.calls[id].prompt).endswith("leaf 3")

    def leaf(prompt: str) -> str:
        if prompt == "child 5 leaf 3":
            raise ConnectionError("no way through")
        return f"<{prompt}>"

    async def script(inbox: Inbox) -> None:
        box.append(inbox)
        await inbox.until(lambda: len(inbox.held) == 8)
        # Five children get no further than a part of their way; of the eight leaves of three others, one is held.
        calls = {k: 0 if k < 3 else 7 if k in (3, 5) else 8 for k in range(8)}
        await inbox.until(lambda: inbox.came_back() == sum(calls.values()))
        await inbox.until(lambda: len(inbox.held) == 8)
        assert sorted(point for point, *_ in inbox.held.values()) == sorted(at.values())
        inbox.no_slot_is_taken()
        assert not inbox.engine.shared.clocks["root"]._since
        left = list(inbox.held)
        random.Random(workers).shuffle(left)
        for id in left:
            inbox.release(id, lambda v: replace(v, action="supply", text="by hand") if hasattr(v, "action") else v)
            await inbox.until(lambda id=id: inbox.held.get(id) is None)
            at.pop(child_of(inbox.run, id), None)

    inbox = play(
        MANY, holds=holds, script=script, leaf=leaf, max_batch_workers=workers,
        children={"child": [LEAVES, repl("FINAL(got[3])")]},
    )  # fmt: skip
    answers = ["by hand" if k == 5 else f"<child {k} leaf 3>" for k in range(8)]
    assert inbox.run.nodes["root"].value == str(answers)
    inbox.nothing_is_taken()


@pytest.mark.parametrize("seed", range(4))
def test_nested_batches_held_at_random_and_let_go_in_any_order_end(seed: int, windows: list[Window]) -> None:
    in_any_order(seed)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(4, 60))
def test_many_nested_batches_end(seed: int, windows: list[Window]) -> None:
    in_any_order(seed)


def in_any_order(seed: int) -> None:
    """Batches of child RLMs in batches of child RLMs. Whatever is held is let go at some time, and no sooner."""
    dice = random.Random(seed)
    over: list[bool] = []

    def holds(point: str, id: str, node: str) -> bool:
        return not over and dice.random() < 0.4

    async def script(inbox: Inbox) -> None:
        while inbox.run.end is None:
            await inbox.until(lambda: inbox.held or inbox.run.end)
            for _ in range(dice.choice([0, 1, 20, 200])):
                await asyncio.sleep(0)
            for id in dice.sample(sorted(inbox.held), min(len(inbox.held), dice.choice([1, 1, 2, 5]))):
                inbox.release(id)

    grand = repl('got = llm_query_batched([f"{context} {k}" for k in range(3)])\nFINAL(got[1])')
    inbox = play(
        repl('out = rlm_query_batched([f"child {k}" for k in range(4)])') + "\n" + repl('out += [llm_query("leaf")]'),
        repl("FINAL(out)"),
        holds=holds, script=script, max_batch_workers=1 + 3 * (seed % 2),
        children={
            "grand": [grand],
            "child": [repl('out = rlm_query_batched([f"grand {k} of {context}" for k in range(3)])'), repl("FINAL(out[2])")],
        },
    )  # fmt: skip
    assert inbox.run.nodes["root"].value == str([*(f"<grand 2 of child {k} 1>" for k in range(4)), "<leaf>"])
    begun = [e.id for e in of_kind(inbox.engine.journal, CallStart)]
    ended = [e.id for e in of_kind(inbox.engine.journal, CallEnd)]
    assert (len(begun), sorted(begun)) == (4 + 12 + 36 + 1, sorted(ended))
    inbox.nothing_is_taken()


def test_eight_times_eight_child_rlms_with_one_held_in_each_batch_leave_eight(windows: list[Window]) -> None:
    box: list[Inbox] = []

    def holds(point: str, id: str, node: str) -> bool:
        return point == "reply" and node.count("~") == 2 and str(box[0].run.calls[node].prompt).startswith("grand 3")

    async def script(inbox: Inbox) -> None:
        box.append(inbox)
        await inbox.until(lambda: inbox.came_back() == 8 * 7)
        await inbox.until(lambda: len(inbox.held) == 8)
        inbox.no_slot_is_taken()
        for id in sorted(inbox.held, reverse=True):
            inbox.release(id)

    inbox = play(
        MANY, holds=holds, script=script,
        children={
            "grand": [repl("FINAL(context[6])")],
            "child": [repl('FINAL(rlm_query_batched([f"grand {k} of {context}" for k in range(8)]))')],
        },
    )  # fmt: skip
    assert inbox.run.nodes["root"].value == str([str([str(k) for k in range(8)])] * 8)
    inbox.nothing_is_taken()


def test_what_is_held_beside_a_batch_does_not_hold_it_up(windows: list[Window]) -> None:
    """A thread of the same block asks, is held, and the batch of another goes on and comes back."""
    code = """
import threading
got = []
other = threading.Thread(target=lambda: got.append(llm_query("held")))
other.start()
rest = llm_query_batched([str(k) for k in range(9)])
print("rest")
other.join()
FINAL(got + rest)
"""
    box: list[Inbox] = []

    async def script(inbox: Inbox) -> None:
        box.append(inbox)
        id = await inbox.until(lambda: next(iter(inbox.held), ""))
        await inbox.until(lambda: inbox.came_back() == 9)
        inbox.release(id)

    inbox = play(
        repl(code), script=script, max_batch_workers=1,
        holds=lambda point, id, _: point == "call" and box[0].run.calls[id].prompt == "held",
    )  # fmt: skip
    assert inbox.run.nodes["root"].value == str([f"<{p}>" for p in ("held", *map(str, range(9)))])
    inbox.nothing_is_taken()


def test_a_child_that_gives_its_repl_back_as_its_parent_ends_gives_it_back(
    monkeypatch: pytest.MonkeyPatch, windows: list[Window]
) -> None:
    closing, closed, close = asyncio.Event(), list[str](), Blocks.close

    async def slowly(blocks: Blocks) -> None:
        if blocks.spec.id != "root":
            closing.set()
            for _ in range(50):
                await asyncio.sleep(0)
        await close(blocks)
        closed.append(blocks.spec.id)

    monkeypatch.setattr(Blocks, "close", slowly)

    async def script(inbox: Inbox) -> None:
        await asyncio.wait_for(closing.wait(), DEADLINE_S)
        assert inbox.engine.stop("root", Killed())

    inbox = play(
        repl("FINAL(rlm_query('child'))"), holds=lambda *_: False, script=script,
        children={"child": [repl("FINAL(1)")]},
    )  # fmt: skip
    assert [address.is_node(id) and id.count("~") for id in closed] == [1, 0]
    assert inbox.run.nodes["root"].status == "killed"
    assert all(call.status != "open" for call in inbox.run.calls.values())
    inbox.nothing_is_taken()


def test_items_that_are_held_at_a_limit_take_no_seat_of_those_that_come_after(windows: list[Window]) -> None:
    async def script(inbox: Inbox) -> None:
        await inbox.until(lambda: len(inbox.held) == 5)
        assert inbox.came_back() == 4
        inbox.no_slot_is_taken()
        first, *rest = reversed(list(inbox.held))
        inbox.release(first, lambda hit: replace(hit, raised=9.0))
        for id in rest:
            # Held at a limit that was raised for all of them meanwhile: it does not apply any more.
            inbox.release(id)

    inbox = play(
        repl("FINAL(llm_query_batched([str(k) for k in range(9)]))"), script=script, max_batch_workers=1, max_subcalls=4,
        holds=lambda point, *_: point == "limit",
    )  # fmt: skip
    assert inbox.run.nodes["root"].value == str([f"<{k}>" for k in range(9)])
    assert inbox.engine.shared.limits.subcalls == 9
    inbox.nothing_is_taken()
