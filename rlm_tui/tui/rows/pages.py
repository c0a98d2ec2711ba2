"""The tabs of the inspector, and what stands in each for what is selected."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from rlm_tui.journal.tree import Attempt, Block, Call, Iteration, Node
from rlm_tui.tui import text
from rlm_tui.tui.rows import answers, messages, output, status, things, variables
from rlm_tui.tui.rows.layout import Layout, pairs, sentence
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import ANSWER, OBS, View

COUNT = 4
"""Tabs there are."""

OUTPUT = 1
"""The tab of what was printed."""


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab: its name, whether a person's hand is in it, whether it has nothing to show."""

    name: str
    edited: bool = False
    empty: bool = False


@dataclass(slots=True)
class Page:
    """What stands in a tab.

    Attributes:
        lines: All of it.
        start: The line to begin at when it is opened.
        streams: Whether its end is being written, so that the end stays in sight.
    """

    lines: list[Line]
    start: int = 0
    streams: bool = False


def tabs(view: View) -> list[Tab]:
    """The tabs for what is selected."""
    thing = view.thing()
    return [
        Tab(_first(view, thing), _edited(view, thing)),
        Tab("Output", empty=not _has_output(view, thing)),
        Tab("Messages", empty=messages.sent(view) is None),
        Tab("Variables", empty=not isinstance(view.shown, Node)),
    ]


def _first(view: View, thing: Node | Call | Iteration | Block | None) -> str:
    item = view.item or ""
    if item.endswith(ANSWER):
        return "Answer"
    if item.endswith(OBS):
        return "Observation"
    match thing:
        case Block():
            return "Code"
        case Iteration():
            return "Request" if view.about_to_ask(thing) else "Reply"
        case Call():
            return "Call"
        case _:
            return "Question"


def _edited(view: View, thing: Node | Call | Iteration | Block | None) -> bool:
    item = view.item or ""
    match thing:
        case Node():
            return thing.final_mark != ""
        case Iteration() if item.endswith(OBS):
            return thing.obs_mark == "edited"
        case Iteration() | Block() | Call():
            return thing.mark == "edited"
        case _:
            return False


def _has_output(view: View, thing: Node | Call | Iteration | Block | None) -> bool:
    if isinstance(thing, Block):
        return not output.is_empty(thing)
    return isinstance(thing, Iteration) and any(not output.is_empty(block) for block in thing.blocks)


def page(view: View, layout: Layout, width: int, height: int) -> Page:
    """What stands in the chosen tab, for a pane of so many cells and rows."""
    thing = view.thing()
    match view.tab % COUNT:
        case 1:
            return Page(_output(view, layout, thing, width), streams=_prints(thing))
        case 2:
            lines, start = messages.lines(view, layout, width)
            return Page(lines, start)
        case 3:
            return Page(_variables(view, thing, width))
        case _:
            return Page(_thing(view, layout, thing, width, height), streams=_streams(thing))


def _prints(thing: Node | Call | Iteration | Block | None) -> bool:
    return isinstance(thing, Block) and thing.status == "open"


def _streams(thing: Node | Call | Iteration | Block | None) -> bool:
    attempts: list[Attempt] = thing.attempts if isinstance(thing, Iteration) else []
    return status.sampling(attempts)


def _thing(
    view: View, layout: Layout, thing: Node | Call | Iteration | Block | None, width: int, height: int
) -> list[Line]:
    item = view.item or ""
    match thing:
        case Node() | Call() if item.endswith(ANSWER):
            return answers.answer(view, layout, thing, width)
        case Iteration() if item.endswith(OBS):
            return things.observation(view, layout, thing, width)
        case Iteration():
            return things.reply(view, layout, thing, width, height)
        case Block():
            return things.code(view, layout, thing, width, height)
        case Call():
            return things.call(view, layout, thing, width)
        case _:
            return things.question(view, layout, width)


def _output(view: View, layout: Layout, thing: Node | Call | Iteration | Block | None, width: int) -> list[Line]:
    if isinstance(thing, Block):
        return output.lines(view, layout, thing, width)
    if isinstance(thing, Iteration):
        return output.of_iteration(view, layout, thing, width)
    return sentence("No output: only blocks print.", width)


def _variables(view: View, thing: Node | Call | Iteration | Block | None, width: int) -> list[Line]:
    shown = view.shown
    if not isinstance(shown, Node):
        return sentence("No variables: a model request has no REPL.", width)
    block = thing if isinstance(thing, Block) else None
    if block is None and isinstance(thing, Iteration) and thing.blocks:
        block = thing.blocks[-1]
    ran = block is not None and block.status not in ("new", "open")
    rows = variables.before(shown, block)
    changed: frozenset[str] = frozenset()
    if block is not None and ran:
        rows |= {row.name: row for row in block.changed}
        for name in block.removed:
            rows.pop(name, None)
        changed = frozenset(row.name for row in block.changed)
    when = (
        f"after block {block.j}" if block is not None and ran else "before this block" if block is not None else "now"
    )
    table = variables.table(view, variables.with_context(shown, rows), width, changed)
    made = [Line().add(f" variables {when}", "ink-2"), Line(), *table]
    if block is not None and ran and block.removed:
        made += [Line(), *pairs([("removed here", text.clean(", ".join(block.removed)))], width, 14)]
    if not rows:
        made += [Line(), *sentence("No variables yet: nothing has run in this node.", width)]
    return made


def signature(view: View) -> Hashable:
    """Something that is equal as long as the page says the same.

    Streams count by their pieces, and only those of what is selected or below it; running calls count seconds.
    """
    thing = view.thing()
    pieces = 0
    second = 0
    if isinstance(thing, Block) and thing.status == "open":
        pieces = len(thing.stream)
        for call in thing.calls:
            if call.status == "open":
                pieces += _pieces(call)
                second = int(status.now(view))
    elif isinstance(thing, Iteration):
        pieces = len(thing.attempts[-1].stream) if thing.attempts else 0
    elif isinstance(thing, Call):
        pieces = _pieces(thing)
    late = len(thing.late) if isinstance(thing, Block) else 0
    frame = view.frame if second else 0
    return (id(view.run), view.node, view.item, view.tab % COUNT, view.size, view.version, pieces, late, second, frame)


def _pieces(call: Call) -> int:
    attempts = call.attempts
    if call.node is not None:
        attempts = call.node.iterations[-1].attempts if call.node.iterations else []
    return len(attempts[-1].stream) if attempts else 0


def tab_line(view: View, width: int) -> tuple[Line, list[tuple[int, int]]]:
    """The row of tabs, and the cells from and to which each one stands."""
    line = Line().add(" ")
    places: list[tuple[int, int]] = []
    g = view.glyphs
    gap = "   " if width >= 44 else " "
    for n, tab in enumerate(tabs(view)):
        line.add(gap if n else "")
        begin = line.width
        chosen = n == view.tab % COUNT
        line.add(tab.name, "ink bold underline" if chosen else "ink-3" if tab.empty else "ink-2")
        if tab.edited:
            line.add(g.human, "human")
        elif tab.empty:
            line.add(f" {g.dash}", "ink-3")
        places.append((begin, line.width))
    return line.cut(width, g.ellipsis), places
