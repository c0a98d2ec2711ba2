"""The form that makes branches: where they begin, what they begin with, how many, and what they are likely to cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial

from rlm_tui.debugger.trials import AT_ONCE, Plan, Price
from rlm_tui.journal.events import Point
from rlm_tui.journal.fork import changed_at
from rlm_tui.tui import words
from rlm_tui.tui.bridge import Answer
from rlm_tui.tui.rows import trials
from rlm_tui.tui.rows.header import item_title
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.ask import Asked, Entry, Question, Said
from rlm_tui.tui.screens.dialog import paragraph
from rlm_tui.tui.text import count
from rlm_tui.tui.view import View

BEGINS: dict[Point, str] = {
    "llm": "request", "reply": "reply", "block": "block", "call": "prompt", "return": "answer",
    "observe": "observation", "final": "final answer",
}  # fmt: skip
"""Where a branch begins, by pause point, as the form has it."""

TIMES = (1, 2, 3, 5, 10, 20)
"""How often a point can be tried."""

WITH: dict[str, tuple[bool, ...]] = {"what was changed": (True,), "what came": (False,), "both": (False, True)}
"""What branches can begin with where a person changed something, and whether each is with the change."""

ONCE = "1, held"

Prices = Mapping[Point, "Price | str"]
"""What a branch is likely to cost, by its point; as they become known."""


def fork(
    view: View, at: str, points: Sequence[Point], make: Callable[[Plan], Future[Answer]], prices: Prices
) -> Question:
    """A branch of a run, or several.

    Args:
        view: The run.
        at: The address they are to begin at.
        points: The points they can begin at there, the most natural one first.
        make: Makes what is planned, and shows it.
        prices: What one is likely to cost.
    """
    changed = {point: changed_at(view.run, at, point) for point in points}
    # First where something was changed: that is what one wants to try.
    begins: dict[str, Point] = {BEGINS[point]: point for point in sorted(points, key=lambda each: not changed[each])}

    def planned(said: Said) -> Plan:
        point, times = begins[said["begins at"]], said["how many"]
        arms = WITH[said["begins with"]] if changed[point] else (False,)
        return Plan(at, point, arms, 1 if times == ONCE else int(times))

    def then(said: Said, room: int) -> list[Line]:
        plan, lines = planned(said), list[Line]()
        if "begins with" in said and not changed[plan.point]:
            lines = paragraph(f"Nothing was changed at the {said['begins at']}: it begins with what came.", room)
        if held(plan):
            return [*lines, *_one(plan, room)]
        return [*lines, *_several(plan, room), *_costs(plan, prices.get(plan.point), room)]

    def ask(said: Said) -> list[Asked] | str:
        return [partial(make, planned(said))]

    entries = [Entry("begins at", "choice", options=tuple(begins))]
    if any(changed.values()):
        entries.append(Entry("begins with", "choice", options=tuple(WITH)))
    entries.append(Entry("how many", "choice", options=(ONCE, *map(str, TIMES[1:]))))
    about = words.joined(view.glyphs, item_title(view), view.label(view.node))
    return Question("Make a branch", about, at, "fork", "make it", tuple(entries), then, ask)


def held(plan: Plan) -> bool:
    """Whether it is one branch, which opens held; others go on by themselves."""
    return plan.size == 1


def _one(plan: Plan, room: int) -> list[Line]:
    opens = "It opens held here, so that you can change it."
    if plan.arms[0]:
        opens = "It begins with what was changed here, and opens held, so that you can change it again."
    said = f"A new run with everything that does not follow from this: it is remembered, and not asked again. {opens}"
    return [*paragraph(said, room), *paragraph("This run is not touched, and goes on as it is.", room)]


def _several(plan: Plan, room: int) -> list[Line]:
    each = f", {plan.count} of each: what came, and what was changed" if len(plan.arms) > 1 else ""
    said = (
        f"{count(plan.size, 'new run')}{each}. They go on by themselves to their ends, {AT_ONCE} at a time, and "
        "nothing holds them. A table shows what comes of them, and which answer how often."
    )  # fmt: skip
    return paragraph(said, room)


def _costs(plan: Plan, price: Price | str | None, room: int) -> list[Line]:
    """What it is likely to cost, from what this run asked for after the point."""
    if price is None:
        return [Line(), *paragraph("What it costs is being read.", room)]
    if isinstance(price, str):
        return [Line(), *paragraph(f"What it costs is not known: {price}", room)]
    if not price.asked.requests:
        said = "at most a little" if price.whole else "not known: this run has asked for nothing after it yet"
        return [Line(), *paragraph(f"What it costs is {said}.", room)]
    about = "" if price.whole else "at least "
    all_ = (
        Line()
        .add("costs " if about else "costs about ", "ink-2")
        .add(f"{about}{trials.price(price.asked.times(plan.size))}", "ink bold")
    )
    return [
        Line(),
        all_,
        *paragraph(f"each {about}{trials.price(price.asked)}: what came after this the first time", room),
    ]
