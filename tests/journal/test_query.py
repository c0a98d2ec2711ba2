"""Queries as they are typed: what is understood, and what is said of the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.journal.query import BadQuery, Query, When, parse


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "Type what"),
        ("kind:", "kind: can be rlm llm"),
        ("kind:bloc", "may become block"),
        ("kind:xyz", "is none of"),
        ("status:wrong", "is none of error"),
        ("in:cde", "is none of code"),
        ("depth>=", "needs a number"),
        ("depth>x", "needs a number"),
        ("knd:block", "kind: is meant?"),
        ("node:", "needs an address"),
        ("/a(/", "no regular expression"),
        ("/(a+)+b/", "for ever"),
        ("/(a|a)*b/", "for ever"),
        ("/((a*)b){2,}/", "for ever"),
        ("when x ==", "Type the value"),
    ],
)
def test_what_cannot_be_understood_says_why(query: str, says: str) -> None:
    with pytest.raises(BadQuery, match=r".") as error:
        parse(query)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("query", ["http://x", "/tmp", "/tmp/x", "-", "a:b", "depth", "when", "say when x", "x==1"])
def test_what_looks_like_more_and_is_not_is_a_word(query: str) -> None:
    made = parse(query)
    assert isinstance(made, Query)
    assert [words.text for words in made.words] == query.split()


def test_harmless_groups_may_repeat() -> None:
    for source in ("(ab)+", "(?:ab)*c", "[(+]+", r"\(a+\)+", "(a+)b", "(a|b)c+", "(ab){3}"):
        assert isinstance(parse(f"/{source}/"), Query), source


@given(st.text())
def test_anything_typed_is_a_query_or_is_told_why_not(typed: str) -> None:
    try:
        assert isinstance(parse(typed), Query | When)
    except BadQuery as error:
        assert str(error)
