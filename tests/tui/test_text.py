from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from rlm_tui.journal.events import Usage
from rlm_tui.journal.totals import Totals
from rlm_tui.tui import text

ANY = st.text(alphabet=st.characters(codec=None, categories=None), max_size=80)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("a\x00b", "a␀b"),
        ("\x7f\x9b31m", "␡\\x9b31m"),
        ("\ud800", "\\ud800"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("line\u2028end", "line\\u2028end"),
        ("⚠\ufe0f", "⚠"),
        ("[bold]not markup[/]", "[bold]not markup[/]"),
        ("שלום 漢字 é", "שלום 漢字 é"),
    ],
)
def test_what_would_be_obeyed_is_spelled_out(hostile: str, shown: str) -> None:
    assert text.clean(hostile) == shown
    assert text.Cleaner()(hostile) == shown


@given(ANY)
def test_clean_text_can_be_written_and_obeyed_by_nobody(hostile: str) -> None:
    shown = text.clean(hostile)
    shown.encode()
    assert all(unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp") for c in shown)
    assert text.clean(shown) == shown


@given(ANY, st.integers(0, 30))
def test_a_cut_fits_and_padding_is_exact(hostile: str, cells: int) -> None:
    shown = text.clean(hostile)
    assert cell_len(text.cut(shown, cells)) <= cells
    assert cell_len(text.cut_left(shown, cells)) <= cells
    assert cell_len(text.pad(shown, cells)) == cells
    assert cell_len(text.right(shown, cells)) == cells
    assert cell_len(text.take(shown, cells)) <= cells
    assert shown.startswith(text.take(shown, cells))


@given(ANY, st.integers(2, 30))
def test_wrapped_rows_fit_and_lose_nothing_but_spaces(hostile: str, cells: int) -> None:
    shown = text.clean(hostile)
    rows = text.wrap(shown, cells)
    assert all(cell_len(row) <= cells for row in rows)
    assert "".join(rows).replace(" ", "") == shown.replace(" ", "")


def test_a_line_breaks_at_spaces_where_it_can() -> None:
    assert text.wrap("the cat sat on the mat", 8) == ["the cat", "sat on", "the mat"]
    assert text.wrap("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert text.wrap("漢字漢字", 4) == ["漢字", "漢字"]
    assert text.lay_out("a\tb\r\nc", 20) == ["a   b", "c"]


def test_only_so_much_of_a_text_is_laid_out() -> None:
    rows = text.lay_out("x" * (text.CAP + 5000), 100)
    assert sum(map(len, rows)) == text.CAP


def test_the_first_line_that_says_something() -> None:
    assert text.one_line("\n\n  two   words \nmore") == "two words"
    assert text.flowed("one\ntwo\t three") == "one two three"
    assert text.one_line("") == text.one_line(" \n ") == ""


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0"), (212, "212"), (999, "999"), (1000, "1.0k"), (3_912, "3.9k"), (999_949, "999.9k"), (999_950, "1.0M"),
     (1_234_567, "1.2M"), (None, "?")],
)  # fmt: skip
def test_tokens(count: int | None, said: str) -> None:
    assert text.tokens(count) == said


def test_estimates_and_what_nobody_counted() -> None:
    assert text.tokens(1200, estimated=True) == "~1.2k"
    assert text.usage_tokens(None) == "?"
    assert text.usage_tokens(Usage(prompt=5, completion=None)) == "?"
    assert text.usage_tokens(Usage(prompt=1000, completion=200, source="estimate")) == "~1.2k"
    totals = Totals()
    assert text.total_tokens(totals) == "0"
    totals.add(None)
    assert text.total_tokens(totals) == "?"
    totals.add(Usage(prompt=12_000, completion=400, source="provider", cost=0.1))
    assert text.total_tokens(totals) == "12.4k+?"


def _costs(*usages: Usage | None) -> str:
    totals = Totals()
    for usage in usages:
        totals.add(usage)
    return text.cost(totals)


def test_cost_is_honest() -> None:
    def paid(dollars: float) -> Usage:
        return Usage(prompt=1, completion=1, cost=dollars, source="provider")

    scripted = Usage(prompt=1, completion=1, source="scripted")
    unknown = Usage(prompt=1, completion=1, source="provider")
    assert _costs(paid(0.01234)) == "$0.0123"
    assert _costs(paid(0.406)) == "$0.41"
    assert _costs(paid(12.3)) == "$12.30"
    assert _costs(unknown) == _costs(None) == "?"
    assert _costs(paid(0.41), unknown) == "$0.41+?"
    assert _costs(scripted) == "scripted"
    assert _costs(paid(0.41), scripted) == "$0.41 + scripted"
    assert _costs(unknown, scripted) == "? + scripted"


def test_times() -> None:
    assert [text.duration(s) for s in (0.04, 0.7, 21.0, 99.9, 102, 3723)] == [
        "0.0s", "0.7s", "21.0s", "99.9s", "1:42", "1:02:03",
    ]  # fmt: skip
    assert [text.clock(s) for s in (0, 38, 102.9, 3723, -1)] == ["0:00", "0:38", "1:42", "1:02:03", "0:00"]


def test_counts_and_sizes() -> None:
    assert text.count(1, "line") == "1 line"
    assert text.count(1204, "line") == "1,204 lines"
    assert text.size(212) == "212 characters"
    assert text.size(12_400_000) == "12.4 MB"
