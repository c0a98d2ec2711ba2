"""What `has` of a breakpoint searches for: as Python does, and never for long."""

from __future__ import annotations

import random
import re
import time
import warnings

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rlm_tui.debugger.expressions import ExpressionError, has, read
from rlm_tui.debugger.patterns import PatternError, compiled

PIECES = (
    "a", "b", "A", "_", " ", ".", "*", "+", "?", "*?", "|", "(", ")", "(?:", "(?i)", "^", "$", r"\b", r"\B", r"\w",
    r"\d", r"\s", "[ab]", "[^a]", "[]a]", "[[]", "[a-c]", "{2}", "{1,2}", "{,2}", "{2,}", "{", "}", "{}", r"\.", "é",
)  # fmt: skip


def by_automaton(pattern: str, line: str) -> bool:
    """The search that is used where Python's own might run away."""
    return compiled(pattern)._walk(line, time.monotonic() + 60)


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join), st.text("abAé_ .{}[]0", max_size=12))
@settings(deadline=None, max_examples=600)
def test_it_finds_what_python_finds(pattern: str, line: str) -> None:
    try:
        compiled(pattern)
    except PatternError:
        assume(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = re.search(pattern, line) is not None
    assert by_automaton(pattern, line) == expected
    assert has(pattern, line) == expected
    assert has(pattern, f"{line}\n") == (expected or re.search(compiled(pattern).found, "") is not None)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+b", "(a*)*b", "(a|aa)+b", "(a|aa)" * 25 + "b", "a?" * 25 + "a" * 25 + "b", ".*.*.*b", "(.{0,99}){9}b",
     "[[](a+)+b|(a+)+b"],
)  # fmt: skip
def test_what_makes_python_run_away_does_not(pattern: str) -> None:
    """Any of these would take longer than anybody lives."""
    assert not has(pattern, "a" * 20_000)
    assert has(pattern, "a" * 2_000 + "b")


def test_a_search_that_takes_too_long_is_given_up() -> None:
    text = "".join(random.Random(7).choices("ab", k=200_000))
    with pytest.raises(ExpressionError, match="too long"):
        has("(a|b)*a" + "(a|b)" * 200 + "c", text)
    assert has("needle", "x\n" * 500_000 + "needle")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("x$", "x" * 5_000 + "y", False), ("x$", "x\ny", True), ("^y", "x\ny", True), ("x.y", "x\ny", False),
        (r"\bfoo\b.*", " " * 2_500 + "foobar", False), (r"\bfoo\b.*", " " * 2_500 + "foo bar", True),
        (r"a.*\bfoo$", "a" + " " * 9_000 + "foo", True), (r"[*+]\*", "a+*", True), ("```repl", "```repl\nx", True),
        ("(?i)error:", "an ERROR: x", True), ("a{2", "a{2", True), ("", "", True), ("(|a)", "", True),
    ],
)  # fmt: skip
def test_lines_and_long_ones(pattern: str, text: str, found: bool) -> None:
    assert has(pattern, text) == found


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "no regular expression"), ("a(?=b)", 'another has("…")'), (r"(a)\1", "knows no"), ("(?x)a b", "knows no"),
        ("(a+)(?#x)+b", "knows no"), ("(?P<x>a)", "knows no"), ("a*+", "knows no"), ("\bfoo", 'write r"'),
        ("a{9999}", "parts"), ("((){9999}){9999}", "parts"), ("(((a{9}){9}){9}){9}", "parts"),
        ("(" * 60 + "a" + ")" * 60, "nested too deeply"), (r"\Aa", "knows no"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        has(pattern, "a")
    assert why in str(caught.value) and "\n" not in str(caught.value)


@given(st.text("()[]{}*+?|\\ab^$.-,0:=!<#xiPé\b", max_size=14), st.text("ab*[", max_size=300))
@settings(deadline=None)
def test_no_pattern_does_more_than_be_refused(pattern: str, text: str) -> None:
    try:
        has(pattern, text)
    except ExpressionError as error:
        assert str(error)


def test_nothing_is_warned_of_beside_a_screen() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(r'has("\d[[]")').value({}.__getitem__, lambda: "1[")
