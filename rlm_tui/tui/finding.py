"""What is looked for on one screen: the hits, which of them is shown, which rows of the tree fit, and what was asked.

A search runs in a thread of its own, which only puts hits away; the screen takes them when it wants to.
"""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import Final

from rlm_tui.journal import address
from rlm_tui.journal.query import BadQuery, Query, When, parse
from rlm_tui.journal.run import Run
from rlm_tui.journal.search import Hit, Search
from rlm_tui.journal.when import Change, changes
from rlm_tui.tui.rows.found import Filtered, Found
from rlm_tui.tui.view import View

MOST: Final = 10_000
"""Hits that are kept."""
AGAIN_S: Final = 1.0
"""Seconds between two searches of a run that goes on, at least."""
KEPT: Final = 100
"""Queries that are remembered."""


class Chase:
    """One search, in its thread.

    Args:
        search: The search; its ``stop`` asks this.
        stop: Set when it is to give up.
        rows: Whether one hit of each row is enough.

    Attributes:
        hits: What was found so far; it only grows.
        over: Whether nothing more comes.
        full: Whether there were more than are kept.
    """

    def __init__(self, search: Search, stop: Event, *, rows: bool = False) -> None:
        self._rows: set[str] | None = set() if rows else None
        self.hits: list[Hit] = []
        self.over = False
        self.full = False
        self.began = time.monotonic()
        self.took = 0.0
        self.search = search
        self._stop = stop
        Thread(target=self._run, name="rlm-search", daemon=True).start()

    def _run(self) -> None:
        try:
            for hit in self.search:
                if self._rows is not None:
                    if hit.row in self._rows:
                        continue
                    self._rows.add(hit.row)
                elif len(self.hits) >= MOST:
                    self.full = True
                    return
                self.hits.append(hit)
        finally:
            self.took = time.monotonic() - self.began
            self.over = True

    def cancel(self) -> None:
        """Have it give up; it may still end by itself first."""
        self._stop.set()


class Finder:
    """What is looked for, and which rows are shown.

    Args:
        view: What is selected; its ``found`` and ``filtered`` are written here.

    Attributes:
        typed: What is looked for, as typed last.
        wrong: Why it can't be; empty when it can.
        told: A sentence on what came of it; empty when the count says all.
        hits: What was found.
        at: Which of them is shown; -1 for none.
        history: What was looked for before, oldest first.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._query: Query | When | None = None
        self._chase: Chase | None = None
        self._again: Chase | None = None
        self._version = -1
        self._filter: Chase | None = None
        self._filter_query: Query | None = None
        self._filter_version = -1
        self._shown = -1
        self._since_at = 0.0
        self._folded: set[str] | None = None
        self.typed = ""
        self.wrong = ""
        self.told = ""
        self.hits: list[Hit] = []
        self.at = -1
        self.history: list[str] = []

    # Finding -------------------------------------------------------------------------------------------------------

    @property
    def searching(self) -> bool:
        """Whether more may be found."""
        return self._chase is not None and not self._chase.over

    @property
    def count(self) -> str:
        """How many hits there are, in words."""
        if self._query is None:
            return ""
        chase = self._chase
        more = "+" if chase is not None and (chase.full or chase.search.cut) else ""
        noun = "hit" if len(self.hits) == 1 and not more else "hits"
        number = f"{len(self.hits):,}{more}" if self.hits or self.searching else "no"
        return f"{number} {noun}" + (" so far" if self.searching else "")

    @property
    def missing(self) -> int:
        """How many texts could not be searched."""
        return self._chase.search.missing if self._chase is not None else 0

    def look_for(self, typed: str) -> None:
        """Search for something else. What can't be understood is told, and what was found before stays.

        Args:
            typed: A query as a person types it.
        """
        if typed.strip() == self.typed.strip() and self._query is not None and not self.wrong:
            return
        self.typed = typed
        try:
            query = parse(typed, here=self._here())
        except BadQuery as error:
            self.wrong = str(error) if typed.strip() else ""
            if not typed.strip():
                self.forget()
            return
        self.forget()
        self.wrong, self._query = "", query
        if isinstance(query, When):
            self._since(query)
        else:
            self._chase = self._begin(query)
            self.hits = self._chase.hits
        self._show(None)

    def remember(self, typed: str | None = None) -> None:
        """Keep what is looked for, or another query, in the history."""
        said = (self.typed if typed is None else typed).strip()
        if said:
            self.history = [*(other for other in self.history if other != said), said][-KEPT:]

    def forget(self) -> None:
        """Look for nothing any more."""
        for chase in (self._chase, self._again):
            if chase is not None:
                chase.cancel()
        self._chase = self._again = self._query = None
        self.hits, self.at, self.told = [], -1, ""
        self._view.found = None

    def step(self, by: int) -> Hit | None:
        """The next hit, or the one before, round and round; the first one from where there is none.

        Args:
            by: 1 or -1.
        """
        if not self.hits:
            return None
        return self.go(0 if self.at < 0 and by > 0 else (self.at + by) % len(self.hits) if self.at >= 0 else -1)

    def go(self, at: int) -> Hit:
        """Choose a hit."""
        self.at = at % len(self.hits)
        self._show(self.hits[self.at])
        return self.hits[self.at]

    def poll(self) -> bool:
        """Take what was found since the last time; search again in a run that went on.

        Returns:
            Whether a search is under way or has just ended.
        """
        busy = self.searching or (self._filter is not None and not self._filter.over)
        self._poll_again()
        return self._poll_filter() or busy

    def _poll_again(self) -> None:
        query, view = self._query, self._view
        if self._again is not None and self._again.over:
            old = self.hits[self.at] if 0 <= self.at < len(self.hits) else None
            self._chase, self._again = self._again, None
            self.hits = self._chase.hits
            self.at = next((n for n, hit in enumerate(self.hits) if old is not None and _same(hit, old)), -1)
            return
        if query is None or self.searching or self._again is not None or view.version == self._version:
            return
        if isinstance(query, When):
            if time.monotonic() - self._since_at < AGAIN_S:
                return
            at = self.at
            self._since(query)
            self.at = min(at, len(self.hits) - 1) if at >= 0 else self.at
        elif self._chase is not None and time.monotonic() - self._chase.began > max(AGAIN_S, 10 * self._chase.took):
            self._again = self._begin(query)

    def _begin(self, query: Query) -> Chase:
        self._version = self._view.version
        return _chase(self._view, query)

    def _here(self) -> str:
        view = self._view
        if view.node in view.run.nodes:
            return view.node
        return address.node_of(address.parent(view.node))

    def _show(self, hit: Hit | None) -> None:
        query = self._query
        words = query.wanted if isinstance(query, Query) else ()
        self._view.found = Found(words, hit)

    # Since when ----------------------------------------------------------------------------------------------------

    def _since(self, when: When) -> None:
        """The history of a variable: in the node in view, else wherever there is one of the name."""
        run, here = self._view.run, self._here()
        self._version, self._since_at = self._view.version, time.monotonic()
        nodes = [run.nodes[here]] if here in run.nodes else []
        found = [change for node in nodes for change in changes(node, when.name, when.value)]
        elsewhere = not found
        if elsewhere and run.root is not None:
            found = [change for node in run.root.walk() for change in changes(node, when.name, when.value)]
        self.hits = [_told(change) for change in found[:MOST]]
        self.told = _sentence(when, found, elsewhere, self._view)
        fitting = [n for n, change in enumerate(found) if change.fit]
        exact = [n for n in fitting if found[n].fit == "exact"]
        # The first step leads to the answer.
        self.at = (exact or fitting or [0])[0] - 1

    # The tree ------------------------------------------------------------------------------------------------------

    def filter(self, typed: str) -> str:
        """Show only the rows of the tree that fit, and the way to them.

        Args:
            typed: A query; an empty one shows all.

        Returns:
            Why it can't be understood; empty when it can.
        """
        if not typed.strip():
            self.show_all()
            return ""
        try:
            query = parse(typed, here=self._here())
        except BadQuery as error:
            return str(error)
        if isinstance(query, When):
            return "A variable's history is looked for with /; rows are filtered by words and names with a colon."
        if self._filter is not None:
            self._filter.cancel()
        self._begin_filter(_of_rows(query))
        return ""

    def _begin_filter(self, query: Query) -> None:
        self._filter_query, self._filter_version = query, self._view.version
        self._filter = _chase(self._view, query, rows=True)
        self._shown = -1

    def show_all(self) -> bool:
        """Show every row of the tree again; whether some were hidden."""
        if self._filter is not None:
            self._filter.cancel()
        was = self._view.filtered is not None
        self._filter = self._filter_query = None
        self._view.filtered = None
        if self._folded is not None:
            self._view.folded |= self._folded
            self._folded = None
        return was

    def _poll_filter(self) -> bool:
        chase, query, view = self._filter, self._filter_query, self._view
        if chase is None or query is None:
            return False
        shown, over = view.filtered, chase.over
        state = 2 * len(chase.hits) + over
        if state != self._shown:
            self._shown = state
            fits = frozenset(hit.row for hit in list(chase.hits))
            if shown is not None and shown.text == query.text and not over:
                # A search of a run that went on: what fitted before is not taken away until it is through.
                fits |= shown.fits
            self._show_rows(query.text, fits)
        due = time.monotonic() - chase.began > max(AGAIN_S, 10 * chase.took)
        if over and due and view.version != self._filter_version:
            self._begin_filter(query)
        return view.filtered != shown

    def _show_rows(self, text: str, fits: frozenset[str]) -> None:
        view, rows = self._view, with_paths(self._view.run, fits)
        view.filtered = Filtered(text, rows, fits)
        if folded := view.folded & rows:
            self._folded = (self._folded or set()) | folded
            view.folded -= folded


def with_paths(run: Run, fits: frozenset[str]) -> frozenset[str]:
    """Rows of the tree with all that are above them: the nodes that asked, and the batches.

    Args:
        run: The fold.
        fits: Addresses of nodes and of calls.
    """
    shown: set[str] = set()
    for id in fits:
        at = id
        while at not in shown:
            shown.add(at)
            call = run.calls.get(at)
            if call is None:
                break
            if call.batch is not None:
                shown.add(f"{call.block.id}*{call.batch}")
            at = address.node_of(call.block.id)
    if run.root is not None:
        shown.add(run.root.id)
    return frozenset(shown)


def _chase(view: View, query: Query, *, rows: bool = False) -> Chase:
    stop = Event()
    return Chase(Search(view.run, query, view.text, stop=stop.is_set), stop, rows=rows)


def _of_rows(query: Query) -> Query:
    """A query that asks for nothing inside a row is of the rows themselves: a node is no error for an error in it."""
    if query.words or query.kinds[0] or query.fields[0]:
        return query
    return Query(
        query.text, kinds=(frozenset({"rlm", "llm"}), query.kinds[1]), states=query.states, nodes=query.nodes,
        depths=query.depths, flags=query.flags,
    )  # fmt: skip


def _same(one: Hit, other: Hit) -> bool:
    return (one.id, one.kind, one.field, one.offset) == (other.id, other.kind, other.field, other.offset)


def _told(change: Change) -> Hit:
    """A change of a variable as a hit."""
    if change.row is None:
        return Hit(change.block, change.node, "variable", head="removed", source=change.name)
    row = change.row
    size = "" if row.size is None else f" {row.size:,}"
    said = {"exact": "has the value: ", "beginning": "begins as the value does: ", "": ""}[change.fit]
    word = said or ("first there: " if change.what == "first" else "changed: ")
    return Hit(change.block, change.node, "variable", head=f"{word}{row.type}{size}, {row.brief}", source=row.name)


def _sentence(when: When, found: list[Change], elsewhere: bool, view: View) -> str:
    if not found:
        return f"No block of this run made a variable {when.name}."
    where = f" Not in this node; elsewhere in {_nodes(found)}." if elsewhere else ""
    if when.value is None:
        return f"{when.name} over time.{where}"
    if any(change.fit == "exact" for change in found):
        return f"{when.name} had that value.{where}"
    if any(change.fit for change in found):
        return f"{when.name} may have had it: only the value's beginning was reported.{where}"
    unsure = "" if all(change.whole for change in found if change.row) else ", as far as was reported"
    return f"{when.name} never had that value{unsure}.{where}"


def _nodes(found: list[Change]) -> str:
    count = len({change.node for change in found})
    return "one other" if count == 1 else f"{count} others"
