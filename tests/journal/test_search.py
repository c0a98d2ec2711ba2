"""Searching a run: which things fit a query, and where in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.journal import address
from rlm_tui.journal.events import (
    CallStart,
    Chunk,
    CutInfo,
    ErrorInfo,
    LlmStart,
    Message,
    NodeEnd,
    Text,
)  # fmt: skip
from rlm_tui.journal.query import Query, parse
from rlm_tui.journal.run import Run
from rlm_tui.journal.search import PER_TEXT, Hit, Search
from rlm_tui.journal.store import Journal, read
from rlm_tui.journal.subjects import subjects
from tests.journal.build import Tape, run_start

CODE = "values = body.split()\ntop = max(values)\nprint(top)"


def plain(text: Text | None) -> str:
    assert text is None or isinstance(text, str)
    return text or ""


def tape() -> tuple[Tape, list[str]]:
    """A root with a batch of three children, one of which failed, a leaf, an edit, a note and an evaluation."""
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", "I look first.\n```repl\nprint(1)\n```", reasoning="perhaps the lake")
    tape.code("root/i1/b1", CODE)
    tape.ran("root/i1/b1", stdout="the Top is 43.7\nand a second TOP\n", stderr="warned")
    tape.say("root/i1", "top is 43.7")
    tape.ask("root/i2", "Three children.", base=3)
    tape.code("root/i2/b1", "rlm_query_batched(parts)")
    ids = tape.batch("root/i2/b1", 3)
    tape.child(ids[0])
    tape.node(ids[1], depth=1)
    tape.ask(f"{ids[1]}/i1", "Deeper.")
    tape.code(f"{ids[1]}/i1/b1", "1/0")
    tape.ran(f"{ids[1]}/i1/b1", "error", error="ZeroDivisionError: division by zero")
    tape.code(f"{ids[1]}/i1/b2", "llm_query('a leaf asks')")
    leaf = address.call(f"{ids[1]}/i1/b2", "llm", "a leaf asks", None, 1)
    tape.add(CallStart(id=leaf, fn="llm_query", prompt="a leaf asks", ran_as="llm"))
    tape.ask(leaf, "the leaf says 7")
    tape.back(leaf, "the leaf says 7")
    wrong = ErrorInfo(kind="rate", message="rate limit, 3 tries")
    tape.add(NodeEnd(id=ids[1], status="error", error=wrong))
    tape.back(ids[1], None, "error", error=wrong)
    tape.hold("root/i2/b1", "block", code="x")
    tape.edit("root/i1/b1", "code", CODE.replace("max", "maximum"), CODE)
    tape.edit("root/i1", "note", "look here, max")
    tape.code("root/i2/b1+e1", "sorted(values)", origin="eval")
    tape.ran("root/i2/b1+e1", value="['1', '2']")
    return tape, [*ids, leaf]


def find(run: Run, query: str, text: Callable[[Text | None], str] = plain) -> list[Hit]:
    made = parse(query)
    assert isinstance(made, Query)
    return list(Search(run, made, text))


def places(hits: list[Hit]) -> list[tuple[str, str, int]]:
    return [(hit.id, hit.field, hit.line) for hit in hits]


def test_a_word_is_found_whatever_its_letters_once_a_line_with_where_it_is() -> None:
    made, _ = tape()
    hits = find(made.run(), "TOP in:output")
    assert places(hits) == [("root/i1/b1", "output", 1), ("root/i1/b1", "output", 2)]
    first, second = hits
    assert (first.head, first.at, first.length, first.offset) == ("the Top is 43.7", 4, 3, 4)
    assert second.head[second.at :] == "TOP"
    assert second.offset == len("the Top is 43.7\nand a second ")


def test_all_words_must_be_in_one_thing_and_may_be_in_several_of_its_texts() -> None:
    run = tape()[0].run()
    assert {hit.id for hit in find(run, "split 43.7")} == {"root/i1/b1"}
    assert find(run, "split ZeroDivisionError") == []
    assert {(hit.field, hit.line) for hit in find(run, "split 43.7")} == {("code", 1), ("output", 1)}


def test_a_phrase_keeps_its_spaces_and_a_quote_may_be_open() -> None:
    run = tape()[0].run()
    assert len(find(run, '"a second"')) == 1 == len(find(run, '"a second'))
    assert find(run, '"second a"') == []
    assert len(find(run, "second a in:output")) == 2


def test_a_regular_expression_sees_a_line_at_a_time() -> None:
    run = tape()[0].run()
    hits = find(run, r"/^and.*top$/")
    assert [(hit.id, hit.line, hit.head[hit.at :][: hit.length]) for hit in hits] == [
        ("root/i1/b1", 2, "and a second TOP")
    ]
    assert find(run, r"/43\.7\s+and/") == []


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("kind:eval", ["root/i2/b1+e1"]),
        ("kind:note", ["root/i1"]),
        ("kind:llm", ["LEAF"]),
        ("kind:observe", ["root/i1"]),
        ("status:error kind:rlm", ["B"]),
        ("status:error kind:block", ["B/i1/b1"]),
        ("status:held", ["root", "root/i2/b1"]),
        ("edited kind:block", ["root/i1/b1"]),
        ("depth>=2", ["LEAF"]),
        ("depth=1 kind:rlm|llm status:error", ["B"]),
        ("error", ["B", "B/i1/b1"]),
        ("error -kind:rlm", ["B/i1/b1"]),
        ("kind:block -error node:root -edited", ["root/i2/b1"]),
        ("node:root/i2* kind:block status:running", ["B/i1/b2"]),
        ("kind:rlm -status:error depth>0", ["A", "C"]),
        ("kind:final", ["A", "B"]),
    ],
)
def test_what_things_are_is_asked_for_by_name(query: str, ids: list[str]) -> None:
    made, (a, b, c, leaf) = tape()
    names = {"LEAF": leaf, "A": a, "B": b, "C": c}

    def full(id: str) -> str:
        first, _, rest = id.partition("/")
        return names.get(first, first) + ("/" + rest if rest else "")

    assert [hit.id for hit in find(made.run(), query)] == [full(id) for id in ids]


def test_a_thing_is_found_in_the_order_in_which_the_run_is_told() -> None:
    made, (a, b, c, leaf) = tape()
    ids = [subject.id for subject in subjects(made.run())]
    assert ids == [
        "root", "root/i1", "root/i1", "root/i1/b1", "root/i1", "root/i2", "root/i2/b1",
        a, f"{a}/i1", a, b, f"{b}/i1", f"{b}/i1/b1", f"{b}/i1/b2", leaf, b, c, "root/i2/b1+e1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "field", "times"),
    [
        ("max in:code", "code", 2),
        ("max in:note", "note", 1),
        ("max -in:code -in:note", "", 0),
        ("lake in:reply", "reasoning", 1),
        ("lake", "reasoning", 1),
        ("division in:output", "error", 1),
        ('"write code" in:prompt', "system", 1),
        ("rate kind:final", "error", 1),
        ("43.7 in:observe", "observe", 1),
        ("leaf in:answer", "answer", 1),
        ("leaf kind:prompt", "prompt", 1),
    ],
)
def test_where_to_look_is_said_by_in(query: str, field: str, times: int) -> None:
    hits = find(tape()[0].run(), query)
    assert len(hits) == times
    assert {hit.field for hit in hits} <= {field}


def test_no_text_of_a_thing_may_have_an_unwanted_word() -> None:
    run = tape()[0].run()
    assert {hit.id for hit in find(run, "kind:block -maximum")} >= {"root/i2/b1"}
    assert "root/i1/b1" not in {hit.id for hit in find(run, "kind:block -maximum")}
    assert find(run, "top in:code -warned") != []
    assert [hit.id for hit in find(run, "top -warned") if hit.id == "root/i1/b1"] == []


def test_long_texts_are_searched_whole_and_one_that_is_gone_is_counted(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    made = Tape()
    journal.append(run_start())
    made.begin()
    made.ask("root/i1")
    made.code("root/i1/b1")
    made.ran("root/i1/b1", stdout="x" * 9_000 + "\nneedle " + "y" * 400 + "\n")
    made.ask("root/i2", "z" * 9_000 + " needle")
    for event in made.events[1:]:
        journal.append(event)
    journal.close()
    assert journal.path is not None
    reader = read(journal.path)
    run = Run(reader.events())
    query = parse("needle")
    assert isinstance(query, Query)
    hits = list(Search(run, query, reader.text))
    assert [(hit.id, hit.line, hit.offset) for hit in hits] == [("root/i1/b1", 2, 9_001), ("root/i2", 1, 9_001)]
    assert hits[1].head[hits[1].at :] == "needle"
    for blob in (journal.path / "blobs").iterdir():
        blob.unlink()
    reader = read(journal.path)
    search = Search(Run(reader.events()), parse("missing"), reader.text)  # type: ignore[arg-type]
    assert (list(search), search.missing) == ([], 2)


def test_a_search_gives_up_when_it_is_told_to() -> None:
    made = Tape()
    made.begin()
    for k in range(1, 50):
        made.ask(f"root/i{k}", "needle")
    hits: list[Hit] = []
    query = parse("needle")
    assert isinstance(query, Query)
    search = Search(made.run(), query, plain, stop=lambda: len(hits) >= 3)
    for hit in search:
        hits.append(hit)
    assert len(hits) == 3
    assert search.looked < 10


def test_a_text_with_a_hit_in_every_line_gives_some_and_says_so() -> None:
    made = Tape()
    made.begin()
    made.ask("root/i1", "\n".join(["needle"] * (PER_TEXT + 7)))
    query = parse("needle")
    assert isinstance(query, Query)
    search = Search(made.run(), query, plain)
    assert (len(list(search)), search.cut) == (PER_TEXT, True)


def test_what_is_on_its_way_and_what_was_not_kept_is_searched_too() -> None:
    made = Tape()
    made.begin()
    made.ask("root/i1")
    made.code("root/i1/b1")
    made.ran("root/i1/b1", stdout="a", cuts={"stdout": CutInfo(kept=1, total=900, tail="the very end")})
    made.add(LlmStart(id="root/i2", add=(Message(role="user", content="a"),)))
    made.add(Chunk(id="root/i2", kind="reply", text="half a "))
    made.add(Chunk(id="root/i2", kind="reply", text="word"))
    run = made.run()
    assert [hit.id for hit in find(run, '"a word"')] == ["root/i2"]
    assert [hit.id for hit in find(run, "very")] == ["root/i1/b1"]
    assert [hit.id for hit in find(run, "status:sampling kind:reply")] == ["root/i2"]


def test_what_is_held_and_what_a_person_put_in_a_request_is_searched_too() -> None:
    made = Tape()
    made.begin()
    sent = [{"role": "system", "content": "be a surveyor"}, {"role": "user", "content": "how deep?"}]
    made.hold("root/i1", "llm", messages=sent)
    assert places(find(made.run(), "surveyor")) == [("root/i1", "system", 1)]
    assert [hit.id for hit in find(made.run(), "status:held kind:reply")] == ["root/i1"]
    made.edit("root/i1", "messages", [sent[0], {"role": "user", "content": "how wide?"}], sent)
    made.edit("root/i1", "say", {"text": "use a rope", "at": "llm"})
    run = made.run()
    assert places(find(run, "wide")) == [("root/i1", "prompt", 1)] == places(find(run, "wide edited"))
    assert places(find(run, "rope")) == [("root/i1", "prompt", 1)]
    made.go("root/i1")
    made.ask("root/i1", "ok")
    made.hold("root/i1", "observe", text="seven metres")
    assert places(find(made.run(), '"seven metres"')) == [("root/i1", "observe", 1)]
    made.go("root/i1")
    made.hold("root", "final", text="7 m")
    assert places(find(made.run(), '"7 m" kind:final')) == [("root", "answer", 1)]


@given(st.text(), st.text(min_size=1))
def test_a_hit_is_where_it_says(text: str, word: str) -> None:
    made = Tape()
    made.begin()
    made.ask("root/i1", text)
    for hit in find(made.run(), f'in:reply "{word.replace(chr(34), "")}"'):
        if hit.line:
            assert text.count("\n", 0, hit.offset) == hit.line - 1
            assert hit.head[hit.at :][: hit.length] == text[hit.offset :][: hit.length][: len(hit.head) - hit.at]
