from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest
from rich.cells import cell_len

from rlm_tui.journal.tree import State
from rlm_tui.tui.glyphs import ASCII, STATE_INK, UNICODE, Glyphs, glyphs

SIGNS = [field.name for field in fields(Glyphs) if field.name not in ("spinner", "ascii")]


@pytest.mark.parametrize("table", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("name", SIGNS)
def test_a_sign_is_one_cell(table: Glyphs, name: str) -> None:
    assert cell_len(getattr(table, name)) == 1


def test_the_spinner_is_one_cell_and_begins_at_the_still_sign() -> None:
    assert [cell_len(sign) for sign in UNICODE.spinner] == [1] * 4
    assert UNICODE.spinner[0] == UNICODE.live
    assert set(ASCII.spinner) == {ASCII.live}


@pytest.mark.parametrize("name", SIGNS)
def test_every_sign_has_an_ascii_twin(name: str) -> None:
    assert getattr(ASCII, name).isascii()


def test_the_table_is_chosen() -> None:
    assert glyphs(True) is ASCII
    assert glyphs(False) is UNICODE


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("table", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_every_state_has_a_sign_and_an_ink(table: Glyphs, state: State) -> None:
    assert cell_len(table.state(state)) == 1
    assert STATE_INK[state]


@pytest.mark.parametrize("table", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_states_that_differ_look_different(table: Glyphs) -> None:
    same = {"executing": "sampling", "between": "sampling", "timeout": "error", "limit": "refused"}
    states = [state for state in get_args(State) if state not in same]
    assert len({table.state(state) for state in states}) == len(states)
    assert all(table.state(state) == table.state(as_) for state, as_ in same.items())  # type: ignore[arg-type]


def test_the_hand_and_the_thread() -> None:
    assert [UNICODE.mark(mark) for mark in ("", "edited", "downstream")] == [" ", "✎", "┆"]
