"""Since when a variable is there, is another, or has a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.journal.events import VariableRow
from rlm_tui.journal.query import When, parse
from rlm_tui.journal.run import Run
from rlm_tui.journal.when import changes, fits, since
from rlm_tui.repl.look import row as made_row
from tests.journal.build import Tape


def row(name: str, value: object, kind: str | None = None) -> VariableRow:
    name, type_, size, brief = made_row(name, value)
    return VariableRow(name=name, type=kind or type_, size=size, brief=brief)


def told(row: VariableRow | None) -> str:
    return "" if row is None else row.brief


def history() -> Run:
    made = Tape()
    made.begin()
    for k, (rows, gone) in enumerate(
        [
            ((row("other", 1),), ()),
            ((row("x", 16),), ()),
            ((row("x", "16"), row("other", 2)), ()),
            ((), ("x",)),
            ((row("x", 16),), ()),
        ],
        1,
    ):
        made.ask(f"root/i{k}")
        made.code(f"root/i{k}/b1")
        made.ran(f"root/i{k}/b1", changed=rows, removed=gone)
    return made.run()


def test_when_a_variable_came_changed_and_went() -> None:
    root = history().root
    assert root is not None
    assert [(c.block, c.what, told(c.row)) for c in changes(root, "x")] == [
        ("root/i2/b1", "first", "16"),
        ("root/i3/b1", "changed", "'16'"),
        ("root/i4/b1", "removed", ""),
        ("root/i5/b1", "first", "16"),
    ]
    assert list(changes(root, "nothing")) == []


def test_when_a_variable_first_had_a_value() -> None:
    root = history().root
    assert root is not None
    number, text = since(root, "x", "16"), since(root, "x", "'16'")
    assert number is not None and (number.block, number.fit) == ("root/i2/b1", "exact")
    assert text is not None and (text.block, text.fit) == ("root/i3/b1", "exact")
    assert since(root, "x", "17") is None


LONG = "a" * 200


@pytest.mark.parametrize(
    ("value", "typed", "fit"),
    [
        ("Cold Fell", "Cold Fell", "exact"),
        ("Cold Fell", "'Cold Fell'", "exact"),
        ("Cold Fell", '"Cold Fell"', "exact"),
        ("Cold Fell", "Cold", ""),
        ("it's", "it's", "exact"),
        (LONG, LONG, "beginning"),
        (LONG, LONG + "b", ""),
        (LONG, "b" + LONG[1:], ""),
        ("it's " + LONG + '"', "it's " + LONG + '"', "beginning"),
        ("ends in …", "ends in …", "exact"),
        (16, "16", "exact"),
        (16, "17", ""),
        (1.5, "1.50", "exact"),
        ([1, 2], "[1,2]", "exact"),
        ([1, 2], "[1, 2, 3]", ""),
        (list(range(100)), str(list(range(100))), "beginning"),
        (list(range(100)), "[9]", ""),
        ({"a": 1}, "{'a':1}", "exact"),
        (None, "None", "exact"),
        (object(), "<object>", ""),
    ],
)
def test_a_value_is_compared_as_far_as_it_was_reported(value: object, typed: str, fit: str) -> None:
    assert fits(row("x", value), typed) == fit


@given(st.text(max_size=300))
def test_a_text_always_fits_itself(text: str) -> None:
    made = row("x", text)
    assert fits(made, repr(text)) == ("beginning" if made.brief.endswith("…") else "exact")


def test_when_is_a_query_of_its_own() -> None:
    assert parse("when top") == When("when top", "top")
    assert parse("when top == 43.7 km") == When("when top == 43.7 km", "top", "43.7 km")
    assert parse("when top = 4") == When("when top = 4", "top", "4")
