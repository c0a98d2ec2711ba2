from __future__ import annotations

import pytest

from rlm_tui.journal.events import CallStart, Event, ExecStart
from rlm_tui.tui.view import View
from tests.tui import sample


def labels(*prompts: str, batch: int | None = 1) -> list[str]:
    events: list[Event] = [*sample.held_run()[:2], ExecStart(id="root/i1/b1", code="x")]
    for n, prompt in enumerate(prompts):
        id = f"root/i1/b1~llm:{n:08x}#1"
        events.append(
            CallStart(
                id=id, fn="llm_query", prompt=prompt, batch=batch, item=n + 1, size=len(prompts) if batch else None
            )
        )
    view = sample.view(events)
    return [view.label(call) for call in view.run.calls]


def test_a_call_by_itself_is_called_after_its_first_line() -> None:
    assert labels("\n Who was it?\nmore", batch=None) == ["Who was it?"]
    assert labels("", batch=None) == ["(empty prompt)"]
    assert labels("\x1b[31mred", batch=None) == ["␛[31mred"]


@pytest.mark.parametrize(
    ("prompts", "names"),
    [
        (("Report on g-117.\n1 2", "Report on g-204.\n3 4"), ["g-117", "g-204"]),
        (("Max of:\n[logs/a-1] 1 2", "Max of:\n[logs/b-2] 3 4"), ["a-1", "b-2"]),
        (("first part", "second part"), ["first part", "second part"]),
        (("Is it a cat or a dog?", "Is it a cat or a fox?"), ["dog?", "fox?"]),
    ],
)
def test_items_of_a_batch_are_called_after_what_tells_them_apart(prompts: tuple[str, ...], names: list[str]) -> None:
    assert labels(*prompts) == names


def test_items_that_nothing_tells_apart_have_numbers() -> None:
    assert labels("same", "same", "same") == ["item 1 of 3", "item 2 of 3", "item 3 of 3"]
    far = "x " * 2000
    assert labels(far + "a", far + "b") == ["item 1 of 2", "item 2 of 2"]


def test_a_label_is_found_again_when_the_rest_of_the_batch_arrives() -> None:
    view = View()
    events = sample.held_run()
    first = next(n for n, event in enumerate(events) if event.id == sample.log_call(0))
    for event in events[: first + 1]:
        view.apply(event)
    assert view.label(sample.log_call(0)) == "Report '<id> <max>' for this gust log."
    for event in events[first + 1 :]:
        view.apply(event)
    assert view.label(sample.log_call(0)) == "g-117"
