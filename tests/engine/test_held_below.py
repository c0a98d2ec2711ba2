"""Something deep down is held: it takes nobody's slot, seat or time, and ends with whatever is ended above it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from rlm_tui.engine.clocks import WorkClock
from rlm_tui.engine.ending import Killed
from rlm_tui.engine.slots import Window
from rlm_tui.journal import address
from rlm_tui.journal.events import NodeEnd
from tests.engine.inbox import Inbox, play
from tests.engine.scripts import of_kind, repl
from tests.runs import DEADLINE_S

HOUR = 3600.0
POINTS = ["llm", "reply", "block", "call", "return", "observe", "final", "error", "limit", "line"]


@dataclass
class Deep:
    """A run in which a grandchild is held at a point, while another child of the root works."""

    inbox: Inbox
    id: str = ""
    node: str = ""

    @property
    def above(self) -> list[str]:
        """The nodes that wait for it, itself first."""
        nodes = [self.node]
        while nodes[-1] != "root":
            nodes.append(address.node_of(address.parent(nodes[-1])))
        return nodes

    @property
    def sibling(self) -> str:
        """The other child of the root."""
        return next(id for id, call in self.inbox.run.calls.items() if call.prompt == "other")

    def stands(self, node: str) -> bool:
        return self.inbox.engine.shared.clocks[node]._since is None


def deep(point: str, script: Callable[[Deep], Awaitable[None]], **options: Any) -> Inbox:
    """Hold something of a grandchild at a point, and act."""
    over, others = threading.Event(), threading.Event()
    first: list[str] = []

    def holds(at: str, id: str, node: str) -> bool:
        if at != point or node.count("~") != 2 or first:
            return False
        first.append(node)
        return True

    def leaf(prompt: str) -> str:
        if prompt == "slow":
            others.set()
            over.wait(DEADLINE_S)
        if prompt == "bad":
            raise ConnectionError("no way through")
        return f"<{prompt}>"

    grand = [repl("a = llm_query('bad' if context == 'error' else 'good')"), repl("FINAL(a)")]
    if point == "limit":
        grand = [repl("1")] * 9
    elif point == "line":
        grand = [repl("import time\nprint('begun')\nn = 1\nwhile n:\n    time.sleep(0.001)\nFINAL(2)")]

    async def main(inbox: Inbox) -> None:
        it = Deep(inbox)
        if point == "line":
            node = await inbox.until(
                lambda: next((e.id for e in inbox.engine.journal.events() if e.ev == "chunk" and "begun" in e.text), "")
            )
            assert await inbox.engine.nodes[address.node_of(node)].break_in() is None
        it.id = await inbox.until(lambda: next(iter(inbox.held), ""))
        it.node = first[0]
        await inbox.until(others.is_set)
        try:
            await script(it)
        finally:
            over.set()

    children = {
        "grand": grand,
        point: grand,
        "child": [repl(f"FINAL(rlm_query_batched([{point!r}]))")],
        "other": [repl("FINAL(llm_query('slow'))")],
    }
    return play(
        repl('out = rlm_query_batched(["child", "other"])\nFINAL(out)'), holds=holds, script=main, children=children,
        leaf=leaf, **{"max_iterations": 2, **options},
    )  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
def test_its_clock_and_those_above_stand_and_go_on_and_no_slot_is_taken(point: str, windows: list[Window]) -> None:
    async def script(it: Deep) -> None:
        assert len(it.above) == 3
        assert all(it.stands(node) for node in it.above)
        assert not it.stands(it.sibling)
        slots = it.inbox.engine.shared.slots
        assert slots.exec._value == 1
        # The other child's question is under way, and nothing else.
        assert slots.llm._value == 7
        for seat in (it.inbox.engine.shared.seats[call] for call in it.above[:-1]):
            assert seat._holds == 1
        if point == "line":
            assert await it.inbox.engine.nodes[it.node].evaluate("n = 0") is None
        before = {node: it.inbox.engine.shared.clocks[node] for node in it.above}
        it.inbox.release(it.id)
        await it.inbox.until(lambda: it.id not in it.inbox.held)
        assert not it.stands("root")
        assert all(clock._holds == 0 for clock in before.values())

    inbox = deep(point, script)
    assert inbox.run.nodes["root"].status == "final"
    inbox.nothing_is_taken()


@pytest.mark.parametrize("how", ["itself", "parent", "root", "call"])
@pytest.mark.parametrize("point", ["llm", "block", "call", "return", "error", "limit", "line"])
def test_one_that_is_ended_while_something_of_it_is_held_ends_from_below(
    point: str, how: str, windows: list[Window]
) -> None:
    async def script(it: Deep) -> None:
        ended = {"itself": it.above[0], "parent": it.above[1], "root": "root", "call": it.above[1]}[how]
        if how == "call":
            # As one whose answer a person gives: what is under way below it ends first.
            assert it.inbox.engine.supply(ended, "by hand") is None
        else:
            assert it.inbox.engine.stop(ended, Killed())
        await it.inbox.until(lambda: not it.inbox.held)
        await it.inbox.until(lambda: it.inbox.run.nodes[it.above[0]].status == "killed")
        if how != "root":
            await it.inbox.until(lambda: it.inbox.run.calls[ended].status != "open")
            assert not it.stands("root")

    inbox = deep(point, script)
    run = inbox.run
    ends = [e.id for e in of_kind(inbox.engine.journal, NodeEnd)]
    assert ends == sorted(ends, key=lambda id: -id.count("~")) or ends.index("root") == len(ends) - 1
    assert run.nodes["root"].status == ("killed" if how == "root" else "final")
    if how == "parent":
        assert run.nodes["root"].value == str(["Error: killed by user", "<slow>"])
    elif how == "itself":
        assert run.nodes["root"].value == str([str(["Error: killed by user"]), "<slow>"])
    elif how == "call":
        assert run.nodes["root"].value == str(["by hand", "<slow>"])
    assert not run.held
    inbox.nothing_is_taken()


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets every clock of a run have gone on, those that go."""
    ahead, clocks = [0.0], list[WorkClock]()

    def make(*args: Any, **keywords: Any) -> WorkClock:
        clocks.append(WorkClock(*args, now=lambda: time.monotonic() + ahead[0], **keywords))
        return clocks[-1]

    def jump(seconds: float) -> None:
        ahead[0] += seconds
        for clock in clocks:
            clock.wake()

    monkeypatch.setattr("rlm_tui.engine.node.WorkClock", make)
    return jump


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("point", ["llm", "call", "line"])
def test_a_time_limit_above_does_not_run_while_something_below_is_held(
    point: str, held: bool, jump: Callable[[float], None], windows: list[Window]
) -> None:
    async def script(it: Deep) -> None:
        if point == "line":
            assert await it.inbox.engine.nodes[it.node].evaluate("n = 0") is None
        if not held:
            it.inbox.release(it.id)
            await it.inbox.until(lambda: it.id not in it.inbox.held)
        jump(2 * HOUR)
        await asyncio.sleep(0)
        if held:
            it.inbox.release(it.id)
        else:
            await it.inbox.until(lambda: it.inbox.run.end)

    inbox = deep(point, script, max_timeout=HOUR)
    root = inbox.run.nodes["root"]
    assert (root.status, root.limit) == (("final", None) if held else ("limit", "max_timeout"))
    inbox.nothing_is_taken()
