"""The three lists of home under one cursor: the demos, the new run, the runs that are kept."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual.message import Message

from rlm_tui.journal.summary import Summary
from rlm_tui.tui.recent import Recent
from rlm_tui.tui.rows import home
from rlm_tui.tui.rows.home import Section
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.rowlist import Entry, RowList

if TYPE_CHECKING:
    from rlm_tui.tui.home import Shown

NEW = "new:"
DEMO = "demo:"
RUN = "run:"


class HomeList(RowList):
    """What can be opened from home. A row is known by its list and its name: ``demo:needle``, ``new:``, ``run:…``.

    Args:
        view: For the signs, the size and the time.
        shown: What there is besides the runs.
        recent: The runs that are kept.

    Attributes:
        at: The row under the cursor.
    """

    class Moved(Message):
        """The cursor is on another row."""

    def __init__(self, view: View, shown: Shown, recent: Recent) -> None:
        super().__init__(view, id="home-list")
        self._things = shown
        self._recent = recent
        self.at = f"{DEMO}{shown.first}"

    @property
    def section(self) -> Section:
        """The list that the cursor is in."""
        return "demos" if self.at.startswith(DEMO) else "new" if self.at == NEW else "recent"

    @property
    def run(self) -> Summary | None:
        """The run under the cursor."""
        return next((one for one in list(self._recent.all) if f"{RUN}{one.id}" == self.at), None)

    def go_to(self, section: Section) -> bool:
        """Move the cursor to the first row of a list; whether that has one."""
        first = {"demos": DEMO, "new": NEW, "recent": RUN}[section]
        key = next((entry.key for entry in self.entries if entry.key is not None and entry.key.startswith(first)), None)
        if key is not None:
            self.choose(key)
            self.sync()
        return key is not None

    def structure(self) -> Hashable:
        """What was read last, and how much air there is."""
        return self._recent.version, self._recent.known, self.view.size

    def build(self) -> Sequence[Entry]:
        """Each list under its title; a row is known by what draws it."""
        air = [Entry(None)] if self.view.size in ("wide", "medium") else []
        lists: dict[Section, list[Entry]] = {
            "demos": [Entry(f"{DEMO}{name}", partial(self._demo, name, shows)) for name, shows in self._things.demos],
            "new": [Entry(NEW, self._new)],
            "recent": [Entry(f"{RUN}{one.id}", partial(self._run, one)) for one in list(self._recent.all)],
        }
        keys = [entry.key for entry in lists["recent"] if entry.key is not None]
        if self.at.startswith(RUN) and self.at not in keys and self._recent.known:
            # What was under the cursor is gone.
            self.at = next(iter(keys), NEW)
        made: list[Entry] = []
        for section, rows in lists.items():
            made += [*(air if made else ()), Entry(None, partial(self._title, section)), *air]
            made += rows or [Entry(None, self._nothing)]
        return made

    def _demo(self, name: str, shows: str, width: int, selected: bool) -> Line:
        return home.demo(self.view, name, shows, width, selected=selected)

    def _new(self, width: int, selected: bool) -> Line:
        return home.new(self.view, self._things.command, width, selected=selected)

    def _run(self, one: Summary, width: int, selected: bool) -> Line:
        return home.run(self.view, one, width, selected=selected)

    def _title(self, section: Section, width: int, selected: bool) -> Line:
        recent = self._recent
        total = f"{recent.total:,}" if recent.total else ""
        read = total if recent.known else f"{len(recent.all):,} of {total or '?'} read"
        end = {"demos": "no key, no network", "new": self._things.model, "recent": read}[section]
        return home.title(self.view, section, end, width, focused=section == self.section)

    def _nothing(self, width: int, selected: bool) -> Line:
        return home.nothing(width) if self._recent.known else Line().add("   The runs are being read.", "ink-3")

    def cursor_key(self) -> str | None:
        """The row under the cursor."""
        return self.at

    def choose(self, key: str) -> None:
        """Move the cursor."""
        self.at = key
        self.post_message(self.Moved())

    def draw(self, entry: Entry, width: int) -> Line:
        """A title, or a row."""
        return entry.about(width, entry.key == self.at) if entry.about is not None else Line()
