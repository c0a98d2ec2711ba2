"""The decision bar: what is held here, why, what has not happened yet, and the verbs that are legal now.

The same place says what a verb under way waits for, and that the view is in the past.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.timer import Timer

from rlm_tui.tui import actions, ladder, words
from rlm_tui.tui.past import Past
from rlm_tui.tui.rows import past as rows_past
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.rows.status import next_try, running_block
from rlm_tui.tui.text import clean, clock, cut, one_line, width
from rlm_tui.tui.view import View
from rlm_tui.tui.whom import node_of, waiting
from rlm_tui.tui.widgets.footer import GAP, WHOM, Pair, pair, write
from rlm_tui.tui.widgets.lines import Lines, Target

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike
    from rlm_tui.journal.tree import Attempt, Held

GRACE = 0.5
"""Seconds that the bar stands, or stands changed, before its keys are taken."""
SAID = 4.0
"""Seconds that a short line for the person stays."""


class DecisionBar(Lines):
    """Two or three rows, or none.

    Args:
        view: What is selected.
        session: What can be asked, and what is under way.

    Attributes:
        cells: The width; the screen sets it, for a bar that does not stand has none.
        grace: Seconds that it stands before its keys are taken.
    """

    def __init__(self, view: View, session: SessionLike) -> None:
        super().__init__(id="decision")
        self._view = view
        self._session = session
        self.cells = 0
        self.grace = GRACE
        self._said = ""
        self._decided: tuple[str, str, float] | None = None
        self._moment: int | None = None
        self._hollow: Timer | None = None
        self._hush: Timer | None = None

    def on_mount(self) -> None:
        """Keep the clock of what is held going."""
        self.set_interval(0.5, self.sync)

    def sync(self) -> None:
        """Repaint from the view."""
        if not self.is_mounted:
            return
        self._watch()
        lines, targets = compose(self._view, self._session, self.cells, self._said)
        if self.display != bool(lines):
            self.display = bool(lines)
        self.show(lines, targets)

    def _watch(self) -> None:
        moment = self._view.past.wanted if self._view.past is not None else None
        if moment != self._moment:
            self._moment, self._said = moment, ""
        held = self._view.held_here() if self._view.past is None else None
        now: tuple[str, str, float] | None = (held.id, held.point, held.since) if held is not None else None
        if now is None and self._view.past is None and not self._session.read_only:
            # A key that repeats must not climb to where something is destroyed.
            node = node_of(self._view)
            asked = self._session.ladder(node).asked
            now = (node, asked, 0.0) if asked is not None else None
        if now == self._decided:
            return
        self._decided = now
        self._said = ""
        if self._hollow is not None:
            self._hollow.stop()
        self._view.grace = now is not None
        if now is not None:
            self._hollow = self.set_timer(self.grace, self.end_grace)

    def begin_grace(self) -> None:
        """Take no keys for the whole time once more."""
        if self._hollow is not None:
            self._hollow.reset()

    def end_grace(self) -> None:
        """From now on the keys are taken."""
        self._view.grace = False
        self.sync()

    def say(self, said: str) -> bool:
        """Say something short for a while, in place of the sentence.

        Args:
            said: A short line for the person.

        Returns:
            Whether it is shown: not when the bar does not stand.
        """
        if not self.display:
            return False
        self._said = clean(said)
        self.sync()
        if self._hush is not None:
            self._hush.stop()
        self._hush = self.set_timer(SAID, self._unsay)
        return True

    def _unsay(self) -> None:
        self._said = ""
        self.sync()


def compose(view: View, session: SessionLike, cells: int, said: str = "") -> tuple[list[Line], list[Target]]:
    """The bar's lines and what can be clicked on them; none when there is nothing to say.

    Args:
        view: What is selected.
        session: What can be asked, and what is under way.
        cells: The width.
        said: A short line for the person, in place of the sentence.
    """
    if view.past is not None:
        return _past(view, session, view.past, cells, said)
    held = view.held_here()
    if held is not None and not session.read_only:
        return _held(view, session, held, cells, said)
    if not session.read_only and view.run.end is None:
        node = node_of(view)
        if session.ladder(node).asked is not None:
            return _stopping(view, session, node, cells, said)
        if (failed := waiting(view)) is not None:
            return _waiting(view, session, failed, cells, said)
        if (wants := session.wants(node)) is not None:
            return _under_way(view, session, wants, cells, said)
    return _elsewhere(view, session, cells)


def _held(view: View, session: SessionLike, held: Held, cells: int, said: str) -> tuple[list[Line], list[Target]]:
    narrow = view.size == "narrow"
    first = Line(ground="on-bar").add(view.glyphs.cursor, "held-text").add(" ")
    first.add(f"{view.glyphs.held} held {words.where(held)}", "held-text bold")
    since = clock(view.clock() - held.since)
    kind = "" if narrow or view.home_of(held) == "root" else _kind(view, held)
    place = words.joined(view.glyphs, kind + view.label(view.home_of(held)), words.i_k(held))
    why = words.done_again(view.run, held) or one_line(held.reason) if narrow else words.why(held)
    parts = [(said, "ink")] if narrow and said else [(place, "ink"), (why, "ink-2"), *_modes(view, session)]
    for part, ink in parts:
        room = cells - first.width - GAP - len(since) - 3
        if part and room > 4:
            first.add(" " * (2 if narrow else GAP)).add(cut(part, room, view.glyphs.ellipsis), ink)
    first.fill(cells - len(since) - 2).add(since, "ink-2").fill(cells)
    lines = [first]
    if not narrow:
        sentence = said or words.sentence(view.run, held, view.glyphs.human)
        lines.append(_row(view, sentence, "ink" if said else "ink-2", cells))
    targets: list[Target] = []
    pairs = [pair(view, session, action.id) for action in actions.bar(view, session)]
    lines.append(_verbs(view, pairs, cells, len(lines), targets))
    return lines, targets


def _modes(view: View, session: SessionLike) -> list[tuple[str, str]]:
    """What is set that changes what verbs do."""
    many = len(view.held_within())
    wide = {"subtree": f"verbs go on with {many} held here and below", "run": f"verbs go on with all {many} held"}
    return [(wide.get(view.scope, ""), "ink bold"), ("all-stop" if session.all_stop else "", "ink-2")]


def _kind(view: View, held: Held) -> str:
    call = view.run.calls.get(view.home_of(held))
    return "" if call is None else "rlm " if call.node is not None or call.ran_as == "rlm" else "llm "


def _row(view: View, said: str, ink: str, cells: int, ground: str = "on-bar", edge: str = "held-text") -> Line:
    line = Line(ground=ground).add(view.glyphs.cursor, edge).add("   ")
    return line.add(cut(said, cells - 6, view.glyphs.ellipsis), ink).fill(cells)


def _verbs(view: View, pairs: list[Pair], cells: int, y: int, targets: list[Target]) -> Line:
    line = Line(ground="on-bar").add(view.glyphs.cursor, "held-text").add(" " if view.size == "narrow" else "   ")
    if pairs:
        key, label, action = pairs[0]
        start = line.width
        line.add(f" {key} {label} ", "held-text bold" if view.grace else "held")
        targets.append(Target(y, start, line.width, action))
    fitting: list[Pair] = []
    gap = 2 if view.size == "narrow" else GAP
    used = line.width
    for item in pairs[1:]:
        used += gap + width(item[0]) + 1 + width(item[1])
        if used > cells - 2:
            break
        fitting.append(item)
    for item in fitting:
        line.add(" " * gap)
        write(line, targets, y, [item], "ink-3" if view.grace else "ink bold", "ink-3" if view.grace else "ink-2")
    return line.fill(cells)


def _stopping(view: View, session: SessionLike, node: str, cells: int, said: str) -> tuple[list[Line], list[Target]]:
    """What is under way to stop a node, and what the next press does."""
    rungs = session.ladder(node)
    block = running_block(view, node)
    asked = ladder.asked(rungs, f"block {block.j}" if block is not None else "its block")
    again = ladder.again(rungs)
    first = _live_edge(view).add(f"{view.glyphs.live} {asked}", "live bold")
    if node != view.node:
        first.add("  ").add(cut(view.label(node), WHOM, view.glyphs.ellipsis), "ink")
    if again and view.size != "narrow":
        first.add(f" {view.glyphs.sent} ", "ink-3").add("p", "ink bold").add(f" again: {again}", "ink")
    if view.size != "narrow":
        return _barred(view, session, first, said or ladder.truth(rungs), "ink" if said else "ink-2", cells)
    keys = _live_edge(view).add("p", "ink bold").add(f" again: {again}", "ink") if again else _live_edge(view)
    if said:
        first = _live_edge(view).add(said, "ink")
    lines = [line.cut(cells, view.glyphs.ellipsis) for line in (first, keys)]
    targets = [Target(1, 2, lines[1].width, "pause")] if again else []
    return [Line(line.spans, "on-raised").fill(cells) for line in lines], targets


def _under_way(view: View, session: SessionLike, wants: str, cells: int, said: str) -> tuple[list[Line], list[Target]]:
    first = _live_edge(view).add(f"{view.glyphs.live} {words.wish(wants)}", "live bold").add(" " * GAP)
    first.add(cut(view.label(node_of(view)), max(0, cells - first.width - 2), view.glyphs.ellipsis), "ink")
    if view.size == "narrow" and said:
        first = _live_edge(view).add(cut(said, cells - 4, view.glyphs.ellipsis), "ink")
    return _barred(view, session, first, said or "It runs on until then. Nothing is lost.", "ink-2", cells)


def _waiting(
    view: View, session: SessionLike, failed: Attempt, cells: int, said: str
) -> tuple[list[Line], list[Target]]:
    """The bar of a request that failed, and is made once more by itself: when, why, and the ways not to wait."""
    narrow = view.size == "narrow"
    first = _live_edge(view).add(f"{view.glyphs.live} {next_try(view, failed)}", "live bold")
    why = one_line(failed.error.message) if failed.error is not None else ""
    for part, ink in [(said, "ink")] if narrow and said else [(view.label(node_of(view)), "ink"), (why, "error")]:
        if (room := cells - first.width - GAP - 2) > 4:
            first.add(" " * (2 if narrow else GAP)).add(cut(part, room, view.glyphs.ellipsis), ink)
    wants = session.wants(node_of(view))
    sentence = f"{words.wish(wants)}. " if wants is not None else ""
    sentence = said or f"{sentence}It asks again by itself. Nothing else waits for it but what needs its answer."
    return _barred(view, session, first, sentence, "ink" if said else "ink-2", cells, ("again", "give_up"))


def _live_edge(view: View) -> Line:
    return Line(ground="on-raised").add(view.glyphs.cursor, "live").add(" ")


def _barred(
    view: View, session: SessionLike, first: Line, sentence: str, ink: str, cells: int, own: tuple[str, ...] = ()
) -> tuple[list[Line], list[Target]]:
    """A bar of what is under way: what it is, a sentence where there is room, the keys, its own first."""
    lines = [first.cut(cells, view.glyphs.ellipsis).fill(cells)]
    if view.size != "narrow":
        lines.append(_row(view, sentence, ink, cells, "on-raised", "live"))
    last = _live_edge(view).add("" if view.size == "narrow" else "  ")
    targets: list[Target] = []
    legal = [id for id in (*own, "pause", "force_final") if actions.can(actions.BY_ID[id], view, session)]
    write(last, targets, len(lines), [pair(view, session, id) for id in legal], word="ink-2")
    lines.append(last.fill(cells))
    return lines, targets


def _elsewhere(view: View, session: SessionLike, cells: int) -> tuple[list[Line], list[Target]]:
    node = view.run.nodes.get(view.node)
    here = view.iteration_of(view.item)
    if node is None or here is None or view.follow or node.status != "open" or here is node.iterations[-1]:
        return [], []
    line = Line(ground="on-raised").add(view.glyphs.cursor, "ink-3").add(" ")
    line.add(f"looking at i{here.k} of {len(node.iterations)}, the run is at i{node.iterations[-1].k}", "ink-2")
    line.add(" " * GAP)
    targets: list[Target] = []
    forward = (actions.BY_ID["iteration_forward"].key, "forward", "iteration_forward")
    write(line, targets, 0, [forward, pair(view, session, "follow")], word="ink-2")
    return [line.cut(cells, view.glyphs.ellipsis).fill(cells)], targets


def _past(view: View, session: SessionLike, past: Past, cells: int, said: str) -> tuple[list[Line], list[Target]]:
    """The banner of a run that is seen as it was: which moment, what goes on meanwhile, and the ways on."""
    g, narrow = view.glyphs, view.size == "narrow"
    number, time = rows_past.where(view, past)
    newest = past.fold.newest if past.fold is not None and not past.going else None
    first = Line(ground="on-raised").add(g.cursor, "ink-3").add(" in the past", "ink bold")
    for part, ink in ((number, "ink-2"), (time, "ink-2")):
        first.add(" " * (2 if narrow else GAP)).add(part, ink)
    if newest is not None:
        first.add(" " * (2 if narrow else GAP)).add(clean(rows_past.happened(view, newest)), "ink")
    if narrow and said:
        first = Line(ground="on-raised").add(g.cursor, "ink-3").add(f" {said}", "ink")
    lines = [first.cut(cells, g.ellipsis).fill(cells)]
    if not narrow:
        sentence = said or " ".join(("This is the run as it was then.", rows_past.meanwhile(view))).strip()
        lines.append(_row(view, sentence, "ink" if said else "ink-2", cells, "on-raised", "ink-3"))
    last = Line(ground="on-raised").add(g.cursor, "ink-3").add(" " if narrow else "   ")
    targets: list[Target] = []
    pairs = [(action.key, action.word, action.id) for action in map(actions.BY_ID.__getitem__, actions.PAST)]
    if narrow:
        pairs[2:4] = [(f"{pairs[2][0]} {pairs[3][0]}", "iteration", pairs[2][2])]
    write(last, targets, len(lines), pairs, word="ink-2")
    return [*lines, last.cut(cells, g.ellipsis).fill(cells)], targets
