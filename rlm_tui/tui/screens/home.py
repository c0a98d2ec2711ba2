"""Home: what can be opened, and why something can't be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from rlm_tui.debugger.reading import ReadOnlySession
from rlm_tui.journal.summary import summarize
from rlm_tui.tui.bridge import Answer, Bridge
from rlm_tui.tui.comparing import later
from rlm_tui.tui.drafts import Drafts
from rlm_tui.tui.keys import HOME
from rlm_tui.tui.recent import Recent
from rlm_tui.tui.rows import home
from rlm_tui.tui.rows.home import SECTIONS, Section
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.ask import AskDialog, Said
from rlm_tui.tui.screens.asking import question
from rlm_tui.tui.screens.help import HelpDialog, page_of
from rlm_tui.tui.screens.listed import ListedScreen
from rlm_tui.tui.text import clean, wrap
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.footer import Pair
from rlm_tui.tui.widgets.home import DEMO, NEW, HomeList
from rlm_tui.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike
    from rlm_tui.tui.home import Doors, Shown

REMARK_S = 20.0
"""Seconds that a remark on a context is told."""
AGAIN_S = 2.0
"""Seconds between two looks at runs that are being written."""
ABOUT = "The demos, how a question of your own is asked, and the runs that are kept. Nothing runs behind this screen."


class HomeScreen(ListedScreen):
    """Opens demos and runs.

    Args:
        view: For the signs, the size and the time.
        shown: What there is besides the runs.
        doors: What opens them.
        enter: Opens what a function makes, which is called in a thread; what that is, in words, comes first.
        quit: Asks to quit.
    """

    CSS_PATH = "../styles/home.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(key.keys), f"do('{id}')", key.word, show=False) for id, key in HOME.items()
    ]
    AUTO_FOCUS: ClassVar[str | None] = "#home-list"
    LAST: ClassVar[Sequence[Pair]] = (("?", "help", "help"), ("Q", "quit", "quit"))

    def __init__(
        self,
        view: View,
        shown: Shown,
        doors: Doors,
        enter: Callable[[str, Callable[[], SessionLike]], None],
        quit: Callable[[], None],
    ) -> None:
        super().__init__(view, quit, id="home")
        self._shown = shown
        self._doors = doors
        self._enter = enter
        self._recent = Recent(shown.runs)
        self._bridge = Bridge()
        self._reading = False
        self._refusal = ""
        self._drafts = Drafts()
        self._asked: tuple[Callable[[], SessionLike], str] | None = None

    def compose(self) -> ComposeResult:
        """The mark, the lists, what was refused, the keys."""
        yield Lines(id="home-mark")
        yield HomeList(self._view, self._shown, self._recent)
        yield Lines(id="home-said")
        yield Lines(id="home-footer")

    def on_mount(self) -> None:
        """Read the runs, and keep up with those that go on elsewhere."""
        self.read()
        self.set_interval(AGAIN_S, self._keep_up)

    def on_unmount(self) -> None:
        """Nobody looks any more: read no further journal."""
        self._recent.close()

    @property
    def listed(self) -> HomeList:
        """The lists."""
        return self.query_one(HomeList)

    # Reading ---------------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Read the runs."""
        self._look(self._recent.read)

    def _keep_up(self) -> None:
        if self.is_current and self._recent.moving and not self._reading:
            self._look(self._recent.look_again)

    def _look(self, reading: Callable[[], None]) -> None:
        self._reading = True
        self._bridge.ask(later(reading), self._came)

    def _came(self, found: str | None) -> None:
        self._reading = False
        if found is not None:
            self.say(found)
        self.sync()

    def take(self) -> None:
        """Take what was read since the last time."""
        self._bridge.answer()
        if self.is_mounted and self.is_current and self._reading:
            self.listed.sync()

    # Repainting ------------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Repaint what changed."""
        cells = self.size.width
        if not self.is_mounted or not cells:
            return
        tiny, g = self._view.size == "tiny", self._view.glyphs
        said = f"This window is {cells} by {self.size.height}. Make it 60 by 16 or more. Q quits."
        small = [Line().add(row, "ink") for row in wrap(said, max(2, cells - 2))]
        self.query_one("#home-mark", Lines).show(small if tiny else home.mark(self._view, self._shown.version, cells))
        refused = [Line().add(f" {row}", "error") for row in wrap(f"{g.error} {self._refusal}", max(8, cells - 3))]
        self.query_one("#home-said", Lines).show(refused if self._refusal and not tiny else [])
        self.listed.display = not tiny
        self.listed.sync()
        self.show_footer(cells)

    def keys(self) -> Sequence[Pair]:
        """What can be done with the row under the cursor."""
        run, at = self.listed.run, self.listed.at
        word = "play" if at.startswith(DEMO) else "ask" if at == NEW else "open"
        if run is not None:
            word = {"left": "go on", "running": "watch"}.get(run.state, word)
        found = [(HOME["go"].key, word, "go")]
        if run is not None and run.state == "left":
            found.append((HOME["look"].key, HOME["look"].word, "look"))
        if at == NEW:
            found.append((HOME["copy"].key, HOME["copy"].word, "copy"))
        return [*found, *((HOME[id].key, HOME[id].word, id) for id in ("section", "again"))]

    def opening(self, said: str) -> None:
        """Say what is being opened, until it is there or refused: a long run takes a while.

        Args:
            said: In words for the person.
        """
        self._said = said
        self.sync()

    def refuse(self, why: str) -> None:
        """Say why something can't be opened, until something else is done.

        Args:
            why: In words for the person.
        """
        self._said, self._refusal = "", clean(why)
        self.sync()

    def opened(self) -> None:
        """What was to be opened is: nothing more is said of it."""
        self._said = self._refusal = ""

    # Doing -----------------------------------------------------------------------------------------------------------

    def on_home_list_moved(self, event: HomeList.Moved) -> None:
        """Another row has other keys."""
        self._refusal = ""
        self.sync()

    def action_do(self, id: str) -> None:
        """Do what a key stands for."""
        self._refusal = ""
        match id:
            case "quit":
                self._quit()
            case _ if self._view.size == "tiny":
                pass
            case "go":
                self._go()
            case "look":
                self._open(looking=True)
            case "section" | "section_back":
                self._section(1 if id == "section" else -1)
            case "again":
                self.read()
            case "copy":
                self._copy()
            case "help":
                self.app.push_screen(HelpDialog(self._view.glyphs, partial(page_of, ABOUT, HOME)))  # pyright: ignore[reportUnknownMemberType]
            case "back":
                self.say("There is nothing to go back to. Q quits.")
            case _:
                self._to([section for section in SECTIONS if id == section])
        self.sync()

    def _section(self, step: int) -> None:
        names: list[Section] = list(SECTIONS)
        at = names.index(self.listed.section)
        # There may be no run yet: the list after the empty one comes next.
        self._to([names[(at + step * n) % len(names)] for n in (1, 2)])

    def _to(self, sections: Sequence[Section]) -> None:
        """Move the cursor to the first of these that has a row."""
        for section in sections:
            if self.listed.go_to(section):
                return

    def _go(self) -> None:
        at = self.listed.at
        if at.startswith(DEMO):
            name = at.removeprefix(DEMO)
            self._enter(f"Starting {name}.", partial(self._doors.play, name))
        elif at == NEW:
            self._ask()
        else:
            self._open(looking=False)

    def _copy(self) -> None:
        self.app.copy_to_clipboard(self._shown.command)  # pyright: ignore[reportUnknownMemberType]
        self.say("Copied. Put your question into it, in a shell.")

    # A run of one's own ----------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        asks = question(self._shown.fields, self._doors.follows, self._make)
        dialog = AskDialog(self._view, self._bridge, self._drafts, asks)
        self.app.push_screen(dialog, self._start)  # pyright: ignore[reportUnknownMemberType]

    def _make(self, said: Said) -> Future[Answer]:
        return later(partial(self._made, said))

    def _made(self, said: Said) -> Answer:
        """In a thread: a context may be large."""
        try:
            self._asked = self._doors.ask(said)
        except Exception as error:  # noqa: BLE001 - whatever stands in its way is said in the form, where all that was typed is
            return str(error)
        return None

    def _start(self, done: bool | None) -> None:
        if done and self._asked is not None:
            (make, remark), self._asked = self._asked, None
            self._enter("Starting the run.", make)
            if remark:
                self.notify(clean(remark), timeout=REMARK_S, markup=False)

    def _open(self, *, looking: bool) -> None:
        run = self.listed.run
        if run is None:
            self.say("Choose a run first.")
        else:
            opens = ReadOnlySession if looking else self._opens
            self._enter(f"Opening {clean(run.id)}.", partial(opens, run.path))

    def _opens(self, path: Path) -> SessionLike:
        """In a thread: as the run stands now, whatever the list says."""
        return self._doors.go_on(path) if summarize(path).state == "left" else ReadOnlySession(path)
