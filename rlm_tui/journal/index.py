"""Where the things of a run are found by address, and made on first mention."""

from __future__ import annotations

from typing import Any

from rlm_tui.journal import address
from rlm_tui.journal.events import ContextInfo, Text
from rlm_tui.journal.tree import Block, Call, Edited, Held, Iteration, Node


class Index:
    """The things of a run by address.

    Attributes:
        root: The root node; None before it began.
        nodes: RLM nodes.
        iterations: Iterations, those of default answers included.
        calls: Sub-calls.
        blocks: Blocks, those of a person included.
        held: What is held, in the order it was held.
        edits: What people changed and did not take back, oldest first; notes too.
        notes: Remarks of people and of breakpoints, by address, oldest first.
        last: When the newest event was, in seconds since the epoch.
    """

    def __init__(self) -> None:
        self.root: Node | None = None
        self.nodes: dict[str, Node] = {}
        self.iterations: dict[str, Iteration] = {}
        self.calls: dict[str, Call] = {}
        self.blocks: dict[str, Block] = {}
        self.held: dict[str, Held] = {}
        self.edits: list[Edited] = []
        self.notes: dict[str, list[Edited]] = {}
        self.last: float | None = None

    def _node_at(self, id: str) -> Node | None:
        """The node something belongs to; of a leaf's address, the node whose block asked."""
        owner = address.node_of(id)
        if owner not in self.nodes and (call := self.calls.get(owner)):
            owner = address.node_of(call.block.id)
        return self.nodes.get(owner)

    def _iteration(self, id: str) -> Iteration:
        if id not in self.iterations:
            node = self.nodes.get(address.node_of(id)) or self._orphanage(id)
            iteration = Iteration(id, address.number(id), node)
            self.iterations[id] = iteration
            if id.endswith("/default"):
                node.default = iteration
            else:
                node.iterations.append(iteration)
        return self.iterations[id]

    def _orphanage(self, id: str) -> Node:
        """A node for events whose ``node.start`` is not there: a damaged journal still folds."""
        node = Node(address.node_of(id), 0, "", ContextInfo(kind="str", text="", length=0), "", self.last or 0.0)
        self.nodes[node.id] = node
        self.root = self.root or node
        return node

    def _block(self, id: str, code: Text) -> Block:
        """The block of an address of code: a model's, a person's beside it, or a read of a ``FINAL_VAR``."""
        if id not in self.blocks:
            beside = "+" in id.rsplit("/", 1)[-1]
            base = address.parent(id) if beside else id
            within = base.rsplit("/", 1)[-1]
            iteration = self._iteration(address.parent(base) if within[:1] == "b" or within == "final" else base)
            block = Block(id, 0 if beside or within == "final" else address.number(id), code)
            self.blocks[id] = block
            if within == "final" and not beside:
                iteration.resolved = block
            else:
                inserted = beside and "+h" in id[len(base) :]
                iteration.blocks.insert(self._place(iteration, base, inserted=inserted), block)
        return self.blocks[id]

    @staticmethod
    def _place(iteration: Iteration, base: str, *, inserted: bool) -> int:
        """Where a row goes: beside a block, after it and what stands there already; beside an iteration, at its end."""
        rows = iteration.blocks
        if inserted:
            return next((n for n, row in enumerate(rows) if row.id == base), len(rows))
        if address.number(base) and base != iteration.id:
            for n in range(len(rows), 0, -1):
                if base in (rows[n - 1].id, address.parent(rows[n - 1].id)):
                    return n
        return len(rows)

    def _things(self, id: str, node: str) -> list[Any]:
        found = (self.nodes.get(node), self.blocks.get(id), self.calls.get(id), self.iterations.get(id))
        return [thing for thing in found if thing is not None]
