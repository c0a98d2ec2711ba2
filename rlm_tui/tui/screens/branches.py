"""The branches of a run: gone to, compared, named, noted and deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from rlm_tui.journal import address, shelf
from rlm_tui.journal.branches import Branch, family
from rlm_tui.journal.errors import JournalError
from rlm_tui.tui.bridge import Answer, Bridge
from rlm_tui.tui.comparing import later, side
from rlm_tui.tui.drafts import Drafts
from rlm_tui.tui.keys import BRANCHES
from rlm_tui.tui.rows import branches
from rlm_tui.tui.rows.branches import Figures, Row
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens import keeping
from rlm_tui.tui.screens.ask import AskDialog, Question
from rlm_tui.tui.screens.branching import BEGINS
from rlm_tui.tui.screens.compare import CompareScreen
from rlm_tui.tui.screens.listed import ListedScreen
from rlm_tui.tui.screens.trials import TrialsScreen
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.branches import BranchTree
from rlm_tui.tui.widgets.header import Header
from rlm_tui.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike
    from rlm_tui.tui.app import DebuggerApp


class BranchesScreen(ListedScreen):
    """Comes back with the directory of the run to go to, or None.

    Args:
        view: The run on the screen.
        session: The same; it is kept in a directory.
        bridge: Brings what is read.
        quit: Asks to quit.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(key.keys), f"do('{id}')", key.word, show=False) for id, key in BRANCHES.items()
    ]
    AUTO_FOCUS: ClassVar[str | None] = "#branches-list"

    def __init__(self, view: View, session: SessionLike, bridge: Bridge, quit: Callable[[], None]) -> None:
        super().__init__(view, quit, id="branches")
        assert session.path is not None, "a run that is kept nowhere has no branches"
        self._path = session.path
        self._session = session
        self._bridge = bridge
        self._over = Event()

    def compose(self) -> ComposeResult:
        """The run on the screen, the tree, the branch under the cursor, the keys."""
        yield Header(self._view)
        yield Lines(id="branches-title")
        yield Lines(id="branches-heads")
        yield BranchTree(self._view)
        yield Lines(id="branches-detail")
        yield Lines(id="branches-footer")

    def on_mount(self) -> None:
        """Read the tree; what the whole journals tell comes in one by one."""
        self._read()
        self.set_interval(0.25, self.sync)

    def on_unmount(self) -> None:
        """Nobody looks any more: read no further journal."""
        self._over.set()

    @property
    def listed(self) -> BranchTree:
        """The list."""
        return self.query_one(BranchTree)

    # Reading ---------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        self._bridge.ask(later(partial(family, self._path.parent, self._path.name)), self._came)

    def _came(self, found: Branch | str | None) -> None:
        if not self.is_attached:
            return
        if isinstance(found, str):
            self.say(found)
            return
        rows = branches.rows(found, self._path.name)
        self.listed.take(rows)
        self._bridge.ask(later(partial(self._count, rows, self.listed.known)), self._counted)
        self.sync()

    def _count(self, rows: list[Row], known: dict[str, Figures]) -> None:
        """In a thread of its own, one journal after the other: some are long."""
        for row in rows:
            one = row.branch.summary
            if self._over.is_set():
                return
            try:
                known[one.id] = branches.figures(side(one.path, self._view.glyphs), row.branch, shelf.size(one.path))
            except (JournalError, OSError):
                known.pop(one.id, None)

    def _counted(self, found: str | None) -> None:
        if self.is_attached and found is not None:
            self.say(found)

    # Repainting ------------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Repaint what changed."""
        cells = self.size.width
        if not self.is_attached or not cells:
            return
        listed = self.listed
        self.query_one(Header).sync()
        self.query_one("#branches-title", Lines).show([branches.title(self._view, listed.all, cells)])
        heads = [branches.heads(listed.row_width)] if listed.all and listed.row_width else []
        self.query_one("#branches-heads", Lines).show(heads)
        listed.sync()
        self.query_one("#branches-detail", Lines).show(self._detail(cells))
        self.show_footer(cells)

    def _detail(self, cells: int) -> list[Line]:
        row = self.listed.row
        if row is None:
            return []
        known = self.listed.known.get(row.branch.summary.id)
        most = max(3, self.size.height // 2 - 2)
        return [branches.under(self._view, row, cells), *branches.detail(self._view, row, known, cells)[:most]]

    def keys(self) -> Sequence[tuple[str, str, str]]:
        """What can be done with the branch under the cursor."""
        ids = ("go", "compare", "outcomes", "name", "note", "delete", "again")
        return [(BRANCHES[id].key, BRANCHES[id].word, id) for id in ids]

    # Doing -----------------------------------------------------------------------------------------------------------

    def on_branch_tree_moved(self, event: BranchTree.Moved) -> None:
        """Another branch is told of below."""
        self.sync()

    def action_do(self, id: str) -> None:
        """Do what a key stands for."""
        row = self.listed.row
        match id:
            case "back":
                self.dismiss(None)
            case "quit":
                self._quit()
            case "again":
                self._read()
            case _ if row is None:
                self.say("The runs are being read.")
            case "go":
                self.dismiss(row.branch.summary.path)
            case "compare":
                self._compare(row)
            case "name":
                self._ask(keeping.name(row.branch, partial(self._rename, row)))
            case "note":
                self._ask(keeping.note(row.branch, partial(self._remark, row)))
            case "outcomes":
                self._outcomes(row.branch)
            case "delete":
                self._delete(row)
            case _:
                pass

    @property
    def _host(self) -> DebuggerApp:
        return cast("DebuggerApp", self.app)  # pyright: ignore[reportUnknownMemberType]

    def _going_on(self) -> list[Path | None]:
        """The runs that are written here."""
        return [session.path for session in self._host.sessions if not session.read_only]

    def _compare(self, row: Row) -> None:
        """Put the one under the cursor beside the one on the screen; that one beside its origin."""
        other = row.branch.summary.path
        if row.here:
            origin = next((each for each in self.listed.all if each.branch.summary.id == row.branch.parent), None)
            if origin is None:
                self.say("This is the run on the screen. Choose another one to compare it with.")
                return
            other = origin.branch.summary.path
        screen = CompareScreen(self._view, self._bridge, self._path, other, self._quit)
        self._host.push_screen(screen, self.go_to)

    def _outcomes(self, branch: Branch) -> None:
        """Show what came of the point that a branch begins at."""
        if branch.parent is None or branch.point not in BEGINS:
            self.say("This is no branch. Choose one: its outcomes are those of all that were made where it begins.")
            return
        point = branch.point
        screen = TrialsScreen(self._view, self._bridge, branch.summary.path, branch.at, point, self._quit)
        self._host.push_screen(screen, self.go_to)

    def _ask(self, question: Question) -> None:
        self._host.push_screen(AskDialog(self._view, self._bridge, Drafts(None), question), self._asked)

    def _asked(self, done: bool | None) -> None:
        if done:
            self._read()

    def _rename(self, row: Row, said: str) -> Future[Answer]:
        if row.branch.summary.path in self._going_on():
            refused: Future[Answer] = Future()
            refused.set_result("It goes on here, and can be named once it is closed.")
            return refused
        return later(partial(shelf.rename, row.branch.summary.path, said))

    def _remark(self, row: Row, said: str) -> Future[Answer]:
        if row.here and not self._session.read_only:
            # Its journal is being written, by this run and nobody else.
            return self._session.note(address.ROOT, said)
        return later(partial(shelf.note, row.branch.summary.path, said))

    def _delete(self, row: Row) -> None:
        path = row.branch.summary.path
        if any(session.path == path for session in self._host.sessions):
            self.say("This run is open here, so it can't be deleted.")
            return
        known = self.listed.known.get(row.branch.summary.id)
        dialog = keeping.DeleteDialog(self._view, row.branch, known.bytes if known is not None else None)
        self._host.push_screen(dialog, partial(self._deleted, path))

    def _deleted(self, path: Path, sure: bool | None) -> None:
        if sure:
            self._bridge.ask(later(partial(shelf.delete, path)), self._gone)

    def _gone(self, found: str | None) -> None:
        if not self.is_attached:
            return
        if found is not None:
            self.say(found)
        self._read()
