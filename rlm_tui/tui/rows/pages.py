"""The tabs of the inspector, and what stands in each for what is selected."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from rlm_tui.journal.tree import Attempt, Block, Call, Iteration, Node
from rlm_tui.tui import text
from rlm_tui.tui.rows import answers, edits, evaluated, messages, output, status, things, variables
from rlm_tui.tui.rows.layout import Layout, pairs, sentence
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.selection import ANSWER, OBS
from rlm_tui.tui.view import View

COUNT = 6
"""Tabs there are."""

OUTPUT = 1
"""The tab of what was printed."""

MESSAGES = 2
"""The tab of a request's messages."""

VARIABLES = 3
"""The tab of the variables."""

DIFF = 4
"""The tab of what people changed."""

NOTES = 5
"""The tab of what they noted, and said to the model."""


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
        reached: Up to which line the newest evaluation reaches; 0 without one.
        evaluations: How many there are, so that a new one can be brought into sight.
        stops: The lines that a cursor stands on, and what each is of; empty where there is no cursor.
        heads: The lines where parts begin that can be gone to one by one.
    """

    lines: list[Line]
    start: int = 0
    streams: bool = False
    reached: int = 0
    evaluations: int = 0
    stops: dict[int, str] = field(default_factory=dict[int, str])
    heads: list[int] = field(default_factory=list[int])


def tabs(view: View) -> list[Tab]:
    """The tabs for what is selected."""
    thing = view.thing()
    return [
        Tab(_first(view, thing), _edited(view, thing)),
        Tab("Output", empty=not _has_output(view, thing)),
        Tab("Messages", empty=messages.sent(view) is None),
        Tab("Variables", empty=not isinstance(view.shown, Node)),
        Tab("Diff", empty=not edits.concerning(view)),
        Tab("Notes", empty=not edits.has_notes(view)),
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
            lines, heads, start = messages.laid_out(view, layout, width)
            return Page(lines, start, heads=heads)
        case 3:
            return _variables(view, thing, width)
        case 4:
            return Page(edits.page(view, layout, width))
        case 5:
            return Page(edits.notes(view, layout, width))
        case _:
            return _first_page(view, layout, thing, width, height)


def _first_page(
    view: View, layout: Layout, thing: Node | Call | Iteration | Block | None, width: int, height: int
) -> Page:
    """The thing itself, with what was evaluated where it is held."""
    held = view.held_here()
    held = held if held is not None and view.item_of(held) == view.item else None
    at = held.id if held is not None else thing.id if isinstance(thing, Iteration | Block) else ""
    iteration = view.iteration_of(view.item) or (
        thing.iterations[-1] if isinstance(thing, Node) and thing.iterations else None
    )
    tried, looked = evaluated.beside(iteration, at), evaluated.looks(view, held)
    if isinstance(thing, Block):
        made, reached = things.code(view, layout, thing, width, height)
    else:
        made, reached = _thing(view, layout, thing, width, height), 0
        if found := evaluated.lines(view, layout, tried, looked, width):
            made = [*made, Line(), *found]
            reached = len(made)
    return Page(made, streams=_streams(thing), reached=reached, evaluations=len(tried) + len(looked))


def _prints(thing: Node | Call | Iteration | Block | None) -> bool:
    return isinstance(thing, Block) and thing.status == "open"


def _streams(thing: Node | Call | Iteration | Block | None) -> bool:
    attempts: list[Attempt] = thing.attempts if isinstance(thing, Iteration) else []
    return status.sampling(attempts)


def _thing(view: View, layout: Layout, thing: Node | Call | Iteration | None, width: int, height: int) -> list[Line]:
    item = view.item or ""
    match thing:
        case Node() | Call() if item.endswith(ANSWER):
            return answers.answer(view, layout, thing, width)
        case Iteration() if item.endswith(OBS):
            return things.observation(view, layout, thing, width)
        case Iteration():
            return things.reply(view, layout, thing, width, height)
        case Call():
            return things.call(view, layout, thing, width)
        case _:
            return things.question(view, layout, width)


def _output(view: View, layout: Layout, thing: Node | Call | Iteration | Block | None, width: int) -> list[Line]:
    looked = evaluated.looks(view, view.held_here())
    if isinstance(thing, Block):
        return [*output.lines(view, layout, thing, width), *evaluated.whole(view, layout, looked, width)]
    if isinstance(thing, Iteration):
        return [*output.of_iteration(view, layout, thing, width), *evaluated.whole(view, layout, looked, width)]
    return sentence("No output: only blocks print.", width)


def _variables(view: View, thing: Node | Call | Iteration | Block | None, width: int) -> Page:
    shown = view.shown
    if not isinstance(shown, Node):
        return Page(sentence("No variables: a model request has no REPL.", width))
    block = thing if isinstance(thing, Block) else None
    if block is None and isinstance(thing, Iteration) and thing.blocks:
        block = thing.blocks[-1]
    ran = block is not None and block.status not in ("new", "open")
    rows = variables.before(shown, block)
    last = block if ran else next(reversed(shown.ran()), None) if block is None else None
    if block is not None and ran:
        rows |= {row.name: row for row in block.changed}
        for name in block.removed:
            rows.pop(name, None)
    changed = frozenset(row.name for row in last.changed) if last is not None else frozenset[str]()
    name = "this evaluation" if block is not None and block.origin == "eval" else f"block {block.j}" if block else ""
    when = f"after {name}" if ran else "before this block" if block is not None else "now"
    found = variables.with_context(shown, rows)
    table = variables.table(view, found, width, changed)
    made = [Line().add(f" variables {when}", "ink-2"), Line(), *table]
    stops = {n: row.name for n, row in enumerate(found, 2)}
    if block is not None and ran and block.removed:
        made += [Line(), *pairs([("removed here", text.clean(", ".join(block.removed)))], width, 14)]
    if not rows:
        said = "Nothing had run in this node before." if block is not None else "nothing has run in this node."
        made += [Line(), *sentence(said if block is not None else f"No variables yet: {said}", width)]
    return Page(made, stops=stops)


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
    return (view.epoch, view.node, view.item, view.tab % COUNT, view.size, view.version, pieces, late, second, frame)


def _pieces(call: Call) -> int:
    attempts = call.attempts
    if call.node is not None:
        attempts = call.node.iterations[-1].attempts if call.node.iterations else []
    return len(attempts[-1].stream) if attempts else 0


def tab_line(view: View, width: int) -> tuple[Line, list[tuple[int, int]]]:
    """The row of tabs, and the cells from and to which each one stands."""
    found, g = tabs(view), view.glyphs
    line, places = Line(), list[tuple[int, int]]()
    for gap in ("   ", "  ", " "):
        line, places = _tab_line(view, found, gap)
        if line.width <= width:
            break
    # In a pane too narrow for all of them, the chosen one is in sight.
    chosen = view.tab % COUNT
    for first in range(chosen + 1) if line.width > width else ():
        line, kept = _tab_line(view, found, " ", first)
        places = [(-9, -9)] * first + kept
        if places[chosen][1] < width:
            break
    return line.cut(width, g.ellipsis), places


def _tab_line(view: View, found: list[Tab], gap: str, first: int = 0) -> tuple[Line, list[tuple[int, int]]]:
    g = view.glyphs
    line = Line().add(g.ellipsis if first else " ", "ink-3")
    places: list[tuple[int, int]] = []
    for n, tab in enumerate(found[first:], first):
        line.add(gap if n > first else "")
        begin = line.width
        chosen = n == view.tab % COUNT
        line.add(tab.name, "ink bold underline" if chosen else "ink-3" if tab.empty else "ink-2")
        if tab.edited:
            line.add(g.human, "human")
        elif tab.empty:
            line.add(f" {g.dash}", "ink-3")
        places.append((begin, line.width))
    return line, places
