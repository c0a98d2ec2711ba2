"""The header and the titles of the panes: state first, then the numbers of the whole tree."""

from __future__ import annotations

from rlm_tui.journal import events
from rlm_tui.journal.tree import Block, Call, Iteration, Node
from rlm_tui.tui import text
from rlm_tui.tui.rows import confinement, meters, status
from rlm_tui.tui.rows.found import Filtered
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.rows.meters import Meter
from rlm_tui.tui.selection import ANSWER, OBS
from rlm_tui.tui.view import View

MARGIN = 2


def chip(view: View) -> tuple[str, str]:
    """The state of the run in a sign and a word or two, and the words of its ink."""
    run, g = view.run, view.glyphs
    if view.past is not None:
        return "in the past", "ink-2 bold"
    if run.end is not None:
        root = run.root
        state = root.state if root is not None and root.status != "open" else run.end.status
        match state:
            case "answered" | "final":
                return f"{g.answered} answered", "final bold"
            case "error":
                return f"{g.error} failed", "error bold"
            case "killed":
                return f"{g.killed} killed", "ink-2 bold"
            case _:
                return f"{g.unanswered} no answer", "ink-2 bold"
    if view.read_only:
        return "read-only", "ink-2 bold"
    if run.held:
        return f"{g.held} {len(run.held)} held", "held"
    if run.rebuilding:
        done, of = (sum(getattr(each, what) for each in run.rebuilding.values()) for what in ("done", "of"))
        return f"{g.remembered} rebuilding {done}/{of}", "live bold"
    if run.root is None:
        return f"{g.new} starting", "ink-3 bold"
    return f"{g.live} running", "live bold"


def header(view: View, width: int) -> list[Line]:
    """The header: two rows, or one in narrow."""
    if view.size in ("narrow", "tiny"):
        return [_narrow(view, width)]
    return [_first(view, width), _second(view, width)]


def _chip(view: View) -> Line:
    words, ink = chip(view)
    return Line().add(" ").add(f" {words} ", ink).add(" ")


def question(view: View) -> str:
    """What the run was asked, on one line."""
    return text.flowed(events.head(view.run.task, 1024))


def _first(view: View, width: int) -> Line:
    g, line = view.glyphs, _chip(view)
    name = Line()
    if view.scenario:
        name.add(text.clean(view.scenario), "ink-3").add("  ")
    name.add(_short(view.run.id), "ink-3")
    origin = view.run.parent.get("run") if view.run.parent else None
    if isinstance(origin, str):
        name.add(f" branch of {text.clean(_short(origin))}", "ink-3")
    room = width - MARGIN - name.width - 2 - line.width
    line.add(text.cut(question(view), max(room, 8), g.ellipsis), "ink bold")
    line.fill(width - MARGIN - name.width)
    line.spans += name.spans
    return line.cut(width, g.ellipsis).fill(width)


def _short(id: str) -> str:
    """The part of a run's id that tells it from others."""
    return id.rsplit("-", 1)[-1][:8]


def _narrow(view: View, width: int) -> Line:
    g, run, line = view.glyphs, view.run, _chip(view)
    spent = meters.money(view) if meters.money(view).limit and not meters.tokens(view).limit else meters.tokens(view)
    parts = [("calls", "calls ", meters.calls(view)), ("spent", "", spent), ("time", "", meters.clock(view))]
    if run.root is not None:
        parts.insert(0, ("iteration", "i", meters.iterations(view)))
    level, ink = confinement.level(view)
    open_ = f"{level}  " if ink == "error" else ""

    def end() -> Line:
        made = Line()
        for n, (_, label, meter) in enumerate(parts):
            meters.put(view, made.add("  " if n else "").add(label, "ink-2"), meter, bar=False)
        return made

    def room() -> int:
        return width - 3 - line.width - text.width(open_) - end().width

    if room() < 16:
        parts = [part for part in parts if part[0] != "calls"]
    numbers = end()
    line.add(text.cut(question(view), max(room(), 0), g.ellipsis), "ink bold")
    line.fill(width - 1 - numbers.width - text.width(open_)).add(open_, "error")
    line.spans += numbers.spans
    return line.cut(width, g.ellipsis).fill(width)


Part = tuple[str, str, Meter]
"""A number of the second row: its name, its label, and what it is."""


def _second(view: View, width: int) -> Line:
    g, run = view.glyphs, view.run
    parts: list[Part] = []
    if run.root is not None:
        parts.append(("model", "", Meter(text.clean(run.root.model))))
        label = "iteration " if run.root.status == "open" else "iterations "
        parts.append(("iteration", label, meters.iterations(view)))
    parts.append(("calls", "calls ", meters.calls(view)))
    parts.append(("tokens", "tokens ", meters.tokens(view)))
    parts.append(("cost", "cost ", meters.money(view)))
    limit = run.root.limits.get("max_depth", run.config.get("max_depth")) if run.root else None
    if limit is not None:
        parts.append(("depth", "depth ", Meter(f"{view.deepest}/{limit}")))
    if shut := confinement.level(view)[0]:
        parts.append(("confinement", "", Meter(shut)))
    bars = view.size == "wide" and run.end is None
    words = True
    # First what a number says too, then what is the same all the time.
    for gone in ("", "bars", "depth", "words", "model", "calls", "confinement"):
        bars, words = bars and gone != "bars", words and gone != "words"
        parts = [part for part in parts if part[0] != gone]
        elapsed = meters.put(view, Line(), meters.clock(view), bar=bars)
        room = width - MARGIN - elapsed.width - 3
        line = _numbers(view, parts, words, bars)
        if line.width <= room:
            break
    else:
        line = _numbers(view, parts, False, False).cut(room, g.ellipsis)
    line.fill(width - MARGIN - elapsed.width)
    line.spans += elapsed.spans
    return line.fill(width)


def _numbers(view: View, parts: list[Part], words: bool, bars: bool) -> Line:
    line = Line().add("  ")
    for n, (name, label, meter) in enumerate(parts):
        ink = confinement.level(view)[1] if name == "confinement" else "ink-2"
        meters.put(view, line.add("   " if n else "").add(label, "ink-3"), meter, bar=bars, ink=ink)
    for sign, number, word, ink in _counts(view):
        says = f"{sign} {text.count(number, word) if word != 'running' else f'{number} running'}"
        line.add("   ").add(says if words else f"{sign} {number}", ink)
    if (edits := _edits(view)) and view.run.end is not None:
        after = f"after {text.count(edits, 'edit')}" if words else str(edits)
        line.add("   ").add(f"{view.glyphs.human} {after}", "human")
    return line


def _edits(view: View) -> int:
    return sum(edit.field != "note" for edit in view.run.edits)


def _counts(view: View) -> list[tuple[str, int, str, str]]:
    g, run = view.glyphs, view.run
    found: list[tuple[str, int, str, str]] = []
    if run.held and run.end is None and not view.read_only and (running := count_running(view)):
        found.append((g.live, running, "running", "live"))
    if view.errors:
        found.append((g.error, len(view.errors), "error", "error"))
    if run.end is None and (edits := _edits(view)):
        found.append((g.human, edits, "edit", "human"))
    return found


def count_running(view: View) -> int:
    """How many nodes and leaf calls sample or execute now."""
    total = 0
    stack: list[Node | Call] = [view.run.root] if view.run.root else []
    while stack:
        thing = stack.pop()
        node = thing if isinstance(thing, Node) else thing.node
        if status.state_of(view, thing) in ("sampling", "executing"):
            total += 1
        if node is None or node.status != "open" or not node.iterations:
            continue
        for block in node.iterations[-1].blocks:
            if block.open_calls:
                stack.extend(call for call in block.calls if call.status == "open")
    return total


# Titles --------------------------------------------------------------------------------------------------------------


def item_title(view: View) -> str:
    """What the inspector shows, in words: ``block 1 of i2``."""
    thing, item = view.thing(), view.item or ""
    if item.endswith(ANSWER):
        return f"answer of {view.label(item.removesuffix(ANSWER))}"
    if isinstance(thing, Iteration):
        name = f"i{thing.k}" if thing.k else "the default answer"
        if item.endswith(OBS):
            return f"observation of {name}"
        return f"{'request' if view.about_to_ask(thing) else 'reply'} of {name}"
    if isinstance(thing, Block):
        iteration = view.iteration_of(thing.id)
        return f"block {thing.j}" + (f" of i{iteration.k}" if iteration else "")
    if isinstance(thing, Call):
        return f"call {view.label(thing.id)}"
    return f"question to {view.label(view.node)}"


def title(view: View, pane: str, width: int, focused: bool) -> Line:
    """The rule above a pane, with its digit, its name and, at the right, a count.

    Args:
        view: What is selected and how it is seen.
        pane: ``calls``, ``trajectory`` or ``inspector``.
        width: Cells.
        focused: Whether keys go to the pane.
    """
    g = view.glyphs
    rule, ink = (g.heavy, "ink-2") if focused else (g.thin, "rule-2")
    if view.size == "narrow":
        return _all_titles(view, pane, width, focused)
    digit, name, count = _title_words(view, pane, width)
    end = Line()
    if count:
        end.add(f" {count} ", "ink-3").add(rule, ink)
    room = width - end.width - 5 - 2
    if pane == "trajectory":
        name = _path(view, room)
    line = Line().add(rule, ink).add(f" {digit} ", "ink-3")
    line.add(text.cut(name, max(room, 1), g.ellipsis), "ink bold" if focused else "ink-2").add(" ")
    line.add(rule * (width - line.width - end.width), ink)
    line.spans += end.spans
    return line.cut(width, g.ellipsis)


def _title_words(view: View, pane: str, width: int) -> tuple[str, str, str]:
    if pane == "calls" and view.filtered is not None:
        return "1", *_filtered(view, view.filtered, width)
    if pane == "calls":
        return "1", "calls", str(view.run.subcalls) if view.run.subcalls else ""
    if pane == "trajectory":
        shown = view.shown
        count = text.count(len(shown.iterations), "iteration") if isinstance(shown, Node) else ""
        if view.past is not None:
            count = f"{count}, past" if count else "past"
        return "2", "trajectory", count
    return "3", item_title(view), ""


def _filtered(view: View, shown: Filtered, width: int) -> tuple[str, str]:
    """What the rows of the tree are filtered by, how to have all of them, and how many fit."""
    g, number = view.glyphs, f"{len(shown.fits):,} of {view.run.subcalls + 1:,}"
    if view.size == "narrow":
        return f"calls filtered {number}", ""
    room, query = width - 10 - text.width(number), text.flowed(shown.text)
    way = f" {g.sent} esc shows all"
    whole = f"filtered: {query}{way}"
    if text.width(whole) <= room:
        return whole, number
    return text.cut(query, max(8, room - text.width(way)), g.ellipsis) + way, number


def _path(view: View, room: int) -> str:
    """The labels from the root down, shortened from the left."""
    g = view.glyphs
    labels = view.path()
    parts = [text.cut(label, 28, g.ellipsis) for label in labels[:-1]] + labels[-1:]
    while len(parts) > 1 and text.width(f" {g.path} ".join(parts)) > room:
        parts = [g.ellipsis, *parts[2:]] if parts[0] == g.ellipsis else [g.ellipsis, *parts[1:]]
        if len(parts) == 2:
            break
    return text.cut(f" {g.path} ".join(parts), max(room, 1), g.ellipsis)


def _all_titles(view: View, pane: str, width: int, focused: bool) -> Line:
    g = view.glyphs
    line = Line()
    for name in ("calls", "trajectory", "inspector"):
        here = name == pane
        rule, ink = (g.heavy, "ink-2") if here and focused else (g.thin, "rule-2")
        digit, words, _ = _title_words(view, name, width)
        line.add(rule if not line.spans else rule * 2, ink).add(f" {digit} ", "ink-3")
        room = width - line.width - 2 if name == "inspector" else width
        line.add(text.cut(words, max(room, 1), g.ellipsis), "ink bold" if here else "ink-2").add(" ")
    rule, ink = (g.heavy, "ink-2") if pane == "inspector" and focused else (g.thin, "rule-2")
    return line.add(rule * (width - line.width), ink).cut(width, g.ellipsis)
