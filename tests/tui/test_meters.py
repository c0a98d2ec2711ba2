from __future__ import annotations

from typing import Any

import pytest

from rlm_tui.journal.events import Edit, Go, Hold, LlmEnd, LlmStart, NodeEnd, RunEnd, RunStart, Usage
from rlm_tui.tui.rows import header, meters
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View
from tests.tui import sample

START = sample.START


class Told:
    """A run told event by event, on a clock of its own."""

    def __init__(self, *, config: dict[str, Any] | None = None, model: str = "gpt", **limits: Any) -> None:
        self.now = START
        self.view = View(clock=lambda: self.now)
        notes = sample.ContextInfo(kind="str", text="a", length=1)
        self(RunStart(id="root", run="r", task="how deep?", context=notes, config=config or {}))
        self(sample.NodeStart(id="root", depth=0, prompt="how deep?", context=notes, model=model, limits=limits))

    def __call__(self, event: Any, after: float = 0.0) -> None:
        self.now += after
        self.view.apply(event.model_copy(update={"seq": self.view.run.seen, "t": self.now}))

    def ask(self, k: int, tokens: int = 100, cost: float | None = 0.01, source: str = "provider") -> None:
        self(LlmStart(id=f"root/i{k}"))
        usage = Usage(prompt=tokens, completion=0, cost=cost, source=source)  # type: ignore[arg-type]
        self(LlmEnd(id=f"root/i{k}", status="ok", reply="x", usage=usage))

    def row(self, width: int = 160, size: str = "wide") -> str:
        self.view.size = size  # type: ignore[assignment]
        return "\n".join(line.plain for line in header.header(self.view, width))


def spans(line: Line, words: str) -> list[str]:
    return [piece for piece, ink in line.spans if ink == words]


def test_every_budget_that_is_set_has_a_meter() -> None:
    told = Told(
        config={"max_subcalls": 50, "max_tokens": 100_000, "max_budget": 1.0}, max_iterations=30, max_timeout=300.0
    )
    told.ask(1, 12_400, 0.41)
    told.now += 41
    row = told.row(200)
    assert "iteration 1/30 ━─────" in row
    assert "calls 0/50 ──────" in row
    assert "tokens 12.4k/100.0k ━─────" in row
    assert "cost $0.41/$1.00 ━━────" in row
    assert "0:41/5:00 ━─────" in row


def test_without_limits_there_are_only_numbers() -> None:
    told = Told()
    told.ask(1)
    row = told.row()
    assert "iteration 1   calls 0   tokens 100   cost $0.0100" in row
    assert "━" not in row.split("\n")[1]


def test_only_wide_has_bars_and_they_go_first_when_there_is_no_room() -> None:
    told = Told(config={"max_tokens": 1000, "max_depth": 2}, max_iterations=30)
    told.ask(1)
    assert "━" in told.row(160)
    assert "━" not in told.row(120, "medium")
    second = told.row(96).split("\n")[1]
    assert "━" not in second and "depth" in second and "tokens 100/1.0k" in second


@pytest.mark.parametrize(("used", "near"), [(890, False), (900, True), (1000, True), (1200, True)])
def test_what_is_nearly_used_up_is_told_in_the_colour_of_what_goes_wrong(used: int, near: bool) -> None:
    told = Told(config={"max_tokens": 1000})
    told.ask(1, used)
    line = header.header(told.view, 160)[1]
    assert bool(spans(line, "error")) is near
    assert not [ink for _, ink in line.spans if "held" in ink]
    assert line.plain.count("━") == (6 if used >= 1000 else 5)


def test_a_limit_that_was_raised_is_shown_as_in_force() -> None:
    told = Told(config={"max_tokens": 1000}, max_iterations=3, max_timeout=60.0)
    child = sample.log_call(0)
    told(Edit(id="root", field="limit", value={"name": "max_iterations", "to": 5}, by="human"))
    told(Edit(id=child, field="limit", value={"name": "max_tokens", "to": 2000}, by="human"))
    told(Edit(id=child, field="limit", value={"name": "max_iterations", "to": 9}, by="human"))
    told(Edit(id="root", field="limit", value={"name": "max_timeout", "to": 90}, by="human"))
    assert meters.limit(told.view, "max_iterations") == 5
    assert meters.limit(told.view, "max_tokens") == 2000
    assert meters.limit(told.view, "max_timeout") == 90
    assert "iteration 0/5" in told.row() and "/2.0k" in told.row() and "/1:30" in told.row()


def test_a_budget_that_was_set_while_it_ran_has_a_meter_from_then_on() -> None:
    told = Told()
    told(Edit(id="root", field="limit", value={"name": "max_budget", "to": 0.5}, by="human"))
    told.ask(1, 100, 0.25)
    assert "cost $0.25/$0.50 ━━━───" in told.row()


def test_held_time_is_not_working_time() -> None:
    told = Told(max_timeout=100.0)
    told(Hold(id="root/i1", point="llm", node="root", why="step"), after=10)
    told.now += 500
    assert meters.clock(told.view).said == "0:10/1:40"
    told(Go(id="root/i1", verb="release"))
    told.now += 5
    assert meters.clock(told.view).said == "0:15/1:40"
    told(NodeEnd(id="root", status="final", value="7", via="FINAL", seconds=15.5))
    told(RunEnd(id="root", status="final", value="7"))
    told.now += 900
    assert meters.clock(told.view).said == "0:15/1:40"


def test_without_a_limit_the_clock_is_the_one_on_the_wall() -> None:
    told = Told()
    told(Hold(id="root/i1", point="llm", node="root", why="step"), after=10)
    told.now += 50
    assert meters.clock(told.view).said == "1:00"


def test_money_that_is_scripted_has_no_meter_and_what_is_unknown_stays_so() -> None:
    told = Told(config={"max_budget": 1.0}, model="scripted:x")
    assert meters.money(told.view).said == "scripted"
    told.ask(1, cost=None, source="scripted")
    assert meters.money(told.view).said == "scripted"
    other = Told(config={"max_budget": 1.0})
    other.ask(1, cost=None)
    assert meters.money(other.view).said == "?/$1.00"
    other.ask(2, cost=0.5)
    assert meters.money(other.view).said == "$0.50+?/$1.00"


def test_an_ended_run_says_what_it_used_without_bars() -> None:
    told = Told(config={"max_tokens": 1000}, max_iterations=30)
    told.ask(1)
    told(NodeEnd(id="root", status="final", value="7", via="FINAL", seconds=1.0))
    told(RunEnd(id="root", status="final", value="7"))
    second = told.row().split("\n")[1]
    assert "iterations 1   " in second and "tokens 100/1.0k   " in second
    assert "━" not in second


def test_narrow_has_the_numbers_and_money_where_that_is_what_is_limited() -> None:
    told = Told(config={"max_budget": 1.0, "max_subcalls": 9}, max_iterations=30, max_timeout=60.0)
    told.ask(1, cost=0.95)
    line = header.header(told.view, 80)
    told.view.size = "narrow"
    (line,) = header.header(told.view, 80)
    assert line.plain.endswith("i1/30  calls 0/9  $0.95/$1.00  0:00/1:00 ")
    assert spans(line, "error") == ["$0.95/$1.00"]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140, 160, 240])
@pytest.mark.parametrize("size", ["wide", "medium", "narrow"])
def test_however_many_meters_a_row_is_as_wide_as_the_terminal(width: int, size: str) -> None:
    config = {"max_subcalls": 50, "max_tokens": 100_000, "max_budget": 1.0, "max_depth": 3}
    told = Told(config=config, max_iterations=30, max_timeout=7200.0)
    told.ask(1, 99_999, 0.99)
    for row in told.row(width, size).split("\n"):
        assert len(row) == width
    assert "1/30" in told.row(width, size) and "/2:00:00" in told.row(width, size)
