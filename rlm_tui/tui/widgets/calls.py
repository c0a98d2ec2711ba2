"""The tree of calls: every node and sub-call of the run, one row each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from rlm_tui.journal import address
from rlm_tui.tui.rows import tree
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.rowlist import Entry, RowList


class CallTree(RowList):
    """The tree. Moving its cursor selects the node whose trajectory is shown."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space,enter", "fold", "Fold", show=False)]
    pane = "calls"

    class Chosen(Message):
        """A person selected a node or a leaf call.

        Attributes:
            node: Its address.
        """

        def __init__(self, node: str) -> None:
            self.node = node
            super().__init__()

    def __init__(self, view: View, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(view, id=id, classes=classes)
        self._batch: tree.Batch | None = None

    def structure(self) -> Hashable:
        """New calls and folding change which rows there are."""
        run = self.view.run
        first = run.subcalls == 0 and run.root is not None and (run.root.state, run.root.own.requests)
        shown, folded = self.view.filtered, frozenset(self.view.folded)
        return (self.view.epoch, run.root is not None, first, run.subcalls, run.children, folded, shown and shown.rows)

    def build(self) -> Sequence[Entry]:
        """One line a row."""
        return [Entry(row.key, row) for row in tree.rows(self.view)]

    def cursor_key(self) -> str | None:
        """The shown node; the batch a person moved to; the nearest row that is not folded away."""
        key = self.view.node
        if self._batch is not None and self.view.item == self._batch.block.id:
            key = self._batch.key
        while key not in self._where and address.parent(key) != key:
            up = self._batch_of(key)
            key = up if up in self._where else address.node_of(address.parent(key))
        return key

    def _batch_of(self, key: str) -> str:
        call = self.view.run.calls.get(key)
        return f"{call.block.id}*{call.batch}" if call is not None else ""

    def choose(self, key: str) -> None:
        """Show another node; on a batch, the block that asked for it."""
        row: tree.TreeRow = self.entries[self._where[key]].about
        self._batch = row.about if isinstance(row.about, tree.Batch) else None
        if self._batch is None:
            self.view.select_node(key)
            self.post_message(self.Chosen(key))
            return
        node = address.node_of(self._batch.block.id)
        self.view.select_node(node)
        self.view.select_item(self._batch.block.id)
        self.post_message(self.Chosen(node))

    def action_fold(self) -> None:
        """Hide or show what is below the row under the cursor."""
        key = self.cursor_key()
        if key is not None and key in self._where and self.entries[self._where[key]].about.has_children:
            self.view.folded.symmetric_difference_update({key})
            self.sync()

    def draw(self, entry: Entry, width: int) -> Line:
        """One row."""
        selected = entry.key == self.cursor_key()
        return tree.draw(self.view, entry.about, width, selected=selected, focused=self.has_focus)

    def empty_line(self, y: int) -> Line:
        """Before the first call there is only the root, or nothing at all."""
        if y == 0 and not self.entries:
            return Line().add(" Nothing has begun yet.", "ink-3")
        if self.view.filtered is not None and len(self.entries) == 1:
            return Line().add("   No other row fits." if y == 2 else "", "ink-3")
        if len(self.entries) == 1 and y == 2:
            return Line().add("   No calls yet.", "ink-3")
        root = self.view.run.root
        if len(self.entries) == 1 and y == 3 and root is not None and root.state == "sampling":
            return Line().add("   The root is writing its first reply." if root.own.requests == 0 else "", "ink-3")
        return Line()
