"""Breakpoints: their language, their file, and what they do to a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.debugger import expressions
from rlm_tui.debugger.breakpoints import CHANGED, Breakpoints
from rlm_tui.debugger.expressions import ExpressionError
from rlm_tui.debugger.language import ACTIONS, BreakpointError, parse
from tests.debugger.small import QUESTION, Table, answer, code, events, small, stop
from tests.runs import Watched, done

GOOD = [
    "*", "block", "  reply  ", 'reply if not has("```repl")', 'block @depth>=1 if "llm_query" in code',
    'return if value.startswith("Error")', "llm if cost > 0.50", 'call if n > 20 do log "fan-out {n}"',
    "call @root every 3", "block once", "final @here", "observe @subtree", 'llm @"Find * in part 3" once do hold',
    'block @subtree "root/i1/b1~rlm:00000000#1" if len(code) > 10 and depth in (1, 2)',
    'call if fn == "rlm_query" do answer "none of {n}, {{really}}"', "llm do set model=openai/gpt-5 temperature=0.2",
    'block if "os.system" in code do skip', "error", "limit", "return if error is not None and not edited",
    'reply if reply.strip().lower().endswith("done") every 2 do log "{ms} ms"', "block if 'do' in code",
    'block if has("every|once|do")',
]  # fmt: skip

BAD = {
    "": ("begins with a point", 0),
    "blok": ("begins with a point", 0),
    "line": ("begins with a point", 0),
    "block whatever": ("may come @scope", 6),
    "block @nowhere": ("A scope is", 7),
    "block @depth>=x": ("A scope is", 7),
    "block if": ("comes a condition", 8),
    "block if (": ("can't be read", 9),
    "block if cots > 1": ("There is no 'cots' here", 9),
    "block if __import__('os')": ("are called", 9),
    "block if code.upper()": ("are called", 9),
    "block if code.__class__": ("not allowed", 9),
    "block if [x for x in code]": ("not allowed", 9),
    "block if (lambda: 1)()": ("are called", 9),
    "block if f'{code}'": ("not allowed", 9),
    "block if code[0] == 'x'": ("not allowed", 9),
    "block if 2 ** 9 > n": ("not allowed", 9),
    "block if 1e99 > n": ("too large", 9),
    'block if has("a(?=b)")': ("knows no '(?='", 13),
    'block if has("(")': ("no regular expression", 13),
    "block if has(code)": ("are called", 9),
    "block every": ("a number from 1", 11),
    "block every 0": ("a number from 1", 11),
    "block once every 2": ("in this order", 11),
    "block every 2 if n": ("in this order", 14),
    "block once twice": ("After once comes only do", 11),
    "block do": ("What it does is one of", 8),
    "block do jump": ("What it does is one of", 9),
    "block do hold it": ("Nothing comes after hold", 14),
    'block do answer "x"': ("answer is possible at call and return", 9),
    "reply do skip": ("skip is possible at block", 9),
    "call do log fan-out": ("in quotes", 12),
    'call do log "{n"': ("can't be read", 12),
    'call do log "{cots}"': ("There is no 'cots'", 12),
    "llm do set": ("After set come", 10),
    "llm do set model=1": ("A model is a name", 11),
    "call do set temperature=1": ("only the model", 12),
    "block\nreply": ("one line", 0),
}  # fmt: skip


@pytest.mark.parametrize("line", GOOD)
def test_what_is_a_breakpoint(line: str) -> None:
    rule = parse(line)
    assert rule.text == line.strip() and parse(rule.text) == rule


@pytest.mark.parametrize(("line", "why"), BAD.items())
def test_what_is_none_says_why_and_where(line: str, why: tuple[str, int]) -> None:
    with pytest.raises(BreakpointError) as caught:
        parse(line)
    assert why[0] in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.at == why[1]


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from([*GOOD, *BAD, "if", "do", '"', "(", "@", "every", "n", "é"])).map(" ".join)
)
def test_no_line_does_more_than_be_refused(line: str) -> None:
    try:
        rule = parse(line)
    except BreakpointError as error:
        assert 0 <= error.at <= len(line) + 1
        return
    assert rule.points and rule.act in ACTIONS


# Conditions -----------------------------------------------------------------------------------------------------------

SCENE: dict[str, Any] = {
    "n": 8,
    "code": "x = llm_query('é')",
    "cost": 0.6,
    "error": None,
    "depth": 1,
    "value": "one\ntwo",
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("n > 7 and depth == 1", True), ("n > 8 or cost < 0.5", False), ("not error", True), ("error is None", True),
        ("'llm_query' in code", True), ("len(code) - n * 2 == 2", True), ("1 < n <= 8", True), ("n in (7, 8)", True),
        ('has("^two$")', True), ('has("one.two")', False), ("n / 4 == 2 and n // 3 == 2 and n % 3 == 2", True),
        ("-n < 0", True), ('code.startswith("x") and code.endswith(")")', True), ('code.strip("x") == code', False),
        ("n and 'text'", True),
    ],
)  # fmt: skip
def test_a_condition_is_worked_out(condition: str, expected: bool) -> None:
    value = expressions.read(condition).value(SCENE.__getitem__, lambda: SCENE["value"])
    assert bool(value) == expected


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("error > 1", "TypeError"), ("n / 0 == 1", "ZeroDivisionError"), ("'x' * n", "Arithmetic is of numbers"),
        ("'%s' % n", "Arithmetic is of numbers"), ("code + code", "Arithmetic is of numbers"),
        ("error.strip()", "nothing"), ("len(n)", "TypeError"), ("'x' in error", "TypeError"),
        ("999999999999999 * n", "Arithmetic is of numbers"),
    ],
)  # fmt: skip
def test_one_that_cannot_be_worked_out_says_why(condition: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=why):
        expressions.read(condition).value(SCENE.__getitem__, lambda: "")


# The file -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / ".rlm-tui" / "breakpoints"
    path.parent.mkdir()
    path.write_text("# mine\n\nblock if n > 3\noff error\nnonsense \x1b[31m\n")
    return path


def test_the_file_is_plain_and_nothing_of_it_is_lost(file: Path) -> None:
    kept = Breakpoints(file, ["llm"])
    assert [(b.text, b.on, b.kept) for b in kept.all()] == [
        ("block if n > 3", True, True), ("error", False, True), ("nonsense \x1b[31m", True, True), ("llm", True, False),
    ]  # fmt: skip
    assert "begins with a point" in kept.all()[2].error
    assert kept.add("reply once") is None and kept.turn(1, True) is None and kept.turn(0, False) is None
    assert kept.change(3, "observe") is None
    assert kept.turn(2, True) == "It can't be turned on as it stands; change it first."
    assert file.read_text() == "# mine\n\noff block if n > 3\nerror\nnonsense \x1b[31m\nobserve\n"
    assert [b.text for b in Breakpoints(file).all()] == [b.text for b in kept.all()[:-1]]
    assert kept.remove(2) is None and kept.remove(9) == "There is no such breakpoint."
    assert "nonsense" not in file.read_text() and list(file.parent.iterdir()) == [file]


def test_what_was_changed_by_hand_meanwhile_is_not_written_over(file: Path) -> None:
    kept = Breakpoints(file)
    file.write_text("llm\nfinal\n")
    assert kept.remove(0) == CHANGED
    assert [b.text for b in kept.all()] == ["llm", "final"]
    assert kept.remove(0) is None and file.read_text() == "final\n"
    file.write_text("final\nerror\n")
    assert kept.add("block") is None
    assert file.read_text() == "final\nerror\nblock\n"


def test_one_that_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    path.write_bytes(b"block\xff\n")
    assert "not UTF-8" in Breakpoints(path).notice
    path.unlink()
    path.mkdir()
    kept = Breakpoints(path)
    assert kept.notice and "can't be read" in (kept.add("block") or "")
    if os.geteuid():
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        assert "can't be kept" in (Breakpoints(closed / "x" / "breakpoints").add("block") or "")


def test_a_file_does_not_say_where_a_context_is_sent(file: Path) -> None:
    file.write_text("llm do set model=elsewhere/x\nblock\n")
    kept = Breakpoints(file)
    assert not kept.active()[1:] and "not obeyed from a file" in kept.all()[0].error
    assert "add it as a new one" in (kept.change(1, "llm do set model=x") or "")
    assert kept.add("llm do set model=x") is None
    assert [b.kept for b in kept.all()] == [True, True, False] and "model=x" not in file.read_text()


def test_here_and_subtree_mean_the_node_they_were_said_in(file: Path) -> None:
    kept, child = Breakpoints(file), "root/i1/b1~rlm:00000000#1"
    before = file.read_text()
    assert kept.add("reply @here if n") is None
    assert kept.add("block @subtree") is None
    kept.here = child
    assert kept.add("reply @here") is None
    assert kept.add("block @subtree") is None
    texts = [(b.text, b.kept) for b in kept.all()][3:]
    assert texts == [
        ("reply @root if n", True), ("block", True), (f'reply @"{child}"', False), (f'block @subtree "{child}"', False),
    ]  # fmt: skip
    assert file.read_text() == before + "reply @root if n\nblock\n"


def test_a_key_sets_one_at_a_thing_and_takes_it_away(file: Path) -> None:
    kept = Breakpoints(file)
    for id, line in {
        "root/i2/b1": 'block @"root/i2/b1"', "root/i2": 'llm @"root/i2"', "root/i2/obs": 'observe @"root/i2"',
        "root/answer": 'final @"root"', "root": 'llm @"root"',
    }.items():  # fmt: skip
        before = file.read_text()
        assert kept.toggle_at(id) is None
        (mark,) = kept.marks(id)
        assert kept.all()[mark].text == line and not kept.all()[mark].kept and file.read_text() == before
        assert kept.toggle_at(id) is None and kept.marks(id) == ()


# In a run -------------------------------------------------------------------------------------------------------------

RUN: Table = {
    QUESTION: [
        code('r = llm_query_batched(["leaf one", "leaf two", "leaf three"])', "print(r)"),
        code("print('second')"),
        code("FINAL(r)"),
    ],
    "leaf": ["Error: no"],
}


def with_breakpoints(*lines: str) -> Any:
    return small(RUN, breakpoints=Breakpoints(None, lines))


def shown(run: Watched, n: int = 0) -> tuple[bool, int, str]:
    one = run.session.breakpoints.all()[n]
    return one.on, one.hits, one.error


def test_one_holds_where_it_fits_and_says_so() -> None:
    with with_breakpoints('block if "second" in code') as run:
        held = stop(run)
        assert held is not None and (held.id, held.why, held.reason) == (
            "root/i2/b1", "breakpoint", 'block if "second" in code'
        )  # fmt: skip
        assert shown(run) == (True, 1, "")
        done(run.session.release(held.id))
        answer(run)


def test_one_at_what_a_verb_would_not_stop_at_ends_that_verb() -> None:
    with small(RUN, hold=True, breakpoints=Breakpoints(None, ["observe"])) as run:
        done(run.session.iteration(run.held("llm").id))
        held = run.held("observe")
        assert (held.why, held.reason) == ("breakpoint", "observe · iteration ended early")
        assert run.session.wants("root") is None


def test_two_that_fit_are_both_named() -> None:
    with with_breakpoints("observe", "observe if iteration == 1") as run:
        assert run.held("observe").reason == "observe · observe if iteration == 1"


@pytest.mark.parametrize(("line", "holds", "hits"), [("call every 2", 1, 3), ("call once", 1, 1), ("call", 3, 3)])
def test_counters(line: str, holds: int, hits: int) -> None:
    with with_breakpoints(line) as run:
        run.until(lambda _: len(events(run, "hold")) == holds, "held")
        while (held := stop(run)) is not None:
            done(run.session.release(held.id))
            run.until(lambda fold, was=held: fold.held.get(was.id) is not was)
        assert len(events(run, "hold")) == holds
        assert shown(run) == ("once" not in line, hits, "")


def test_a_condition_that_fails_holds_once_and_turns_itself_off() -> None:
    with with_breakpoints("observe if error > 1") as run:
        held = run.held("observe")
        assert held.why == "breakpoint" and "failed and is off now: TypeError" in held.reason
        done(run.session.release(held.id))
        answer(run)
        on, hits, error = shown(run)
        assert not on and hits == 0 and error.startswith("TypeError")
        assert len(events(run, "hold")) == 1


def test_a_log_is_a_note_and_holds_nothing() -> None:
    with with_breakpoints('call if n > 2 do log "fan-out {n} of {fn}"') as run:
        answer(run)
        notes = [note for notes in run.run.notes.values() for note in notes]
        assert [(n.value, n.by) for n in notes] == [
            ("fan-out 3 of llm_query_batched", 'rule:call if n > 2 do log "fan-out {n} of {fn}"')
        ] * 3
        assert not events(run, "hold") and not run.run.nodes["root"].edited


@pytest.mark.parametrize("point", ["call", "return"])
def test_an_answer_is_given_and_marked(point: str) -> None:
    with with_breakpoints(f'{point} if "two" in prompt do answer "by rule {{iteration}}"') as run:
        assert answer(run) == "['Error: no', 'by rule 1', 'Error: no']"
        (edit,) = events(run, "edit")
        assert edit.by.startswith(f"rule:{point} if")
        asked = {e.id for e in events(run, "llm.start") if "~" in e.id}
        assert len(asked) == (2 if point == "call" else 3)
        assert run.run.root is not None and run.run.root.final_mark == "downstream"


def test_a_block_is_skipped_and_a_model_is_set() -> None:
    with with_breakpoints("block if has('second') do skip", "llm do set model=another temperature=0.5") as run:
        answer(run)
        assert run.run.blocks["root/i2/b1"].status == "skipped"
        starts = [e for e in events(run, "llm.start") if "~" not in e.id]
        assert {(s.model, s.params.get("temperature")) for s in starts} == {("another", 0.5)}


def test_a_scope_is_kept_to() -> None:
    family: Table = {QUESTION: [code('FINAL(rlm_query("child"))')], "child": [code("FINAL('x')")]}
    for scope, expected in (("@depth>=1", "child"), ("@root", QUESTION), ('@"ch*"', "child"), ("@depth<1", QUESTION)):
        with small(family, breakpoints=Breakpoints(None, [f"reply {scope}"])) as run:
            held = run.held("reply")
            assert run.session.text(run.run.nodes[held.node].prompt).startswith(expected)
            done(run.session.release(held.id))
            answer(run)
            assert len(events(run, "hold")) == 1


def test_one_may_be_changed_and_removed_while_it_holds() -> None:
    with with_breakpoints("observe") as run:
        held = run.held("observe")
        assert run.session.breakpoints.change(0, "final") is None
        done(run.session.release(held.id))
        held = run.held("final")
        assert run.session.breakpoints.remove(0) is None
        done(run.session.release(held.id))
        answer(run)


def test_thousands_of_matches() -> None:
    table: Table = {QUESTION: [code("FINAL(len(llm_query_batched([str(n) for n in range(2000)])))")], "": ["x"]}
    with small(table, breakpoints=Breakpoints(None, ["call if n < 0", 'return do log "{n}"'])) as run:
        assert answer(run) == "2000"
        assert shown(run, 1) == (True, 2000, "")
