"""Breakpoints where a person would not expect it: hundreds at once, two on one thing, changed and broken meanwhile."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest

from rlm_tui.debugger.breakpoints import CHANGED, Breakpoints
from rlm_tui.debugger.session import Session
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.store import Journal
from rlm_tui.llm.callable import CallableModel
from rlm_tui.tui.text import clean
from tests.debugger.small import QUESTION, Table, answer, chat, code, do, events, small, stop
from tests.runs import DEADLINE_S, Watched, done, refused

RUN: Table = {
    QUESTION: [
        code('r = llm_query_batched(["leaf one", "leaf two", "leaf three"])', "print(r)"),
        code("print('second')"),
        code("FINAL(str(r))"),
    ],
    "leaf": ["leaf says"],
}
FAILS: Table = {QUESTION: [code('x = llm_query("a leaf")', "FINAL(x)")], "a leaf": [ValueError("no")]}
CHILDREN: Table = {
    QUESTION: [code('r = rlm_query_batched(["child 1", "child 2", "child 3"])'), code("FINAL(str(r))")],
    "child": [code('FINAL("said")')],
}


def breaking(*lines: str, table: Table = RUN, **options: Any) -> Any:
    return small(table, breakpoints=Breakpoints(None, lines), **options)


def shown(run: Watched, n: int = 0) -> tuple[bool, int, str]:
    one = run.session.breakpoints.all()[n]
    return one.on, one.hits, one.error


def through(run: Watched) -> list[tuple[str, str]]:
    """Release whatever comes, one by one, to the end; where each was held, and why in words."""
    seen: list[tuple[str, str]] = []
    while (held := stop(run)) is not None:
        seen.append((f"{held.point} {held.id}", held.reason))
        do(run, "release", held)
    return seen


# Many -----------------------------------------------------------------------------------------------------------------


def test_three_hundred_held_calls_are_let_go_at_once_and_no_answer_is_lost() -> None:
    table: Table = {
        QUESTION: [code("r = llm_query_batched([f'n {i}' for i in range(300)])", "FINAL(len(r))")],
        "n ": ["x"],
    }
    with breaking("call", table=table, max_batch_workers=300, max_subcalls=500) as run:
        run.until(lambda fold: len(fold.held) == 300, "three hundred")
        assert shown(run) == (True, 300, "")
        run.session.breakpoints.remove(0)
        done(run.session.release_all())
        assert answer(run) == "300"
        assert len(events(run, "hold")) == len([go for go in events(run, "go") if go.verb == "release"]) == 300


def test_a_condition_that_raises_in_a_batch_holds_once_and_the_others_go_on() -> None:
    with breaking("call if error > 1") as run:
        held = run.held("call")
        run.until(lambda fold: sum(c.status == "ok" for c in fold.calls.values()) == 2, "the other two")
        assert list(run.run.held) == [held.id] and shown(run)[0] is False
        do(run, "release", held)
        assert answer(run) == str(["leaf says"] * 3)


def test_one_that_acts_once_acts_once_in_a_batch_that_runs_at_once() -> None:
    with breaking('return once do answer "mine"') as run:
        assert sorted(eval(answer(run))) == ["leaf says", "leaf says", "mine"]
        assert shown(run) == (False, 1, "")


def test_one_that_was_spent_acts_once_more_when_it_is_turned_on() -> None:
    with breaking("block once") as run:
        held = run.held("block")
        assert shown(run)[0] is False
        assert run.session.breakpoints.turn(0, True) is None
        do(run, "release", held)
        again = run.held("block")
        assert again.id == "root/i2/b1"
        do(run, "release", again)
        answer(run)
        assert shown(run) == (False, 2, "")


def test_everything_is_held_by_a_star_and_the_run_still_ends() -> None:
    with breaking("*", table={QUESTION: [code("print(1)"), code('FINAL("end")')]}) as run:
        points = [where.split()[0] for where, _ in through(run)]
        assert points == ["llm", "reply", "block", "observe", "llm", "reply", "block", "final"]
        assert answer(run) == "end"


# Two on one thing -----------------------------------------------------------------------------------------------------


def test_one_that_answers_and_one_that_holds_hold_what_was_answered() -> None:
    with breaking('return do answer "by rule"', 'return if value == "by rule" once') as run:
        held = run.held("return")
        assert held.reason == 'return if value == "by rule" once'
        assert held.value["text"] == "by rule"
        do(run, "release", held)
        assert answer(run) == str(["by rule"] * 3)


def test_the_later_of_two_answers_counts_and_both_are_kept() -> None:
    with breaking('call do answer "one"', 'call do answer "two"') as run:
        assert answer(run) == str(["two"] * 3)
        assert [e.value for e in events(run, "edit")] == ["one", "two"] * 3
        assert not [e for e in events(run, "llm.start") if "~" in e.id]


def test_one_that_raises_does_not_keep_the_other_from_holding() -> None:
    with breaking("observe if error > 1", "observe") as run:
        reason = run.held("observe").reason
        assert "failed and is off now: TypeError" in reason and reason.endswith(" · observe")
        assert [one.on for one in run.session.breakpoints.all()] == [False, True]


def test_two_that_are_the_same_line_are_both_counted_and_one_is_removed() -> None:
    with breaking("block", "block") as run:
        held = run.held("block")
        assert held.reason == "block · block"
        assert run.session.breakpoints.remove(0) is None
        do(run, "release", held)
        assert run.held("block").reason == "block"


# Together with verbs --------------------------------------------------------------------------------------------------


def test_one_at_what_a_step_would_stop_at_is_no_early_end() -> None:
    with breaking("reply", hold=True) as run:
        done(run.session.step(run.held("llm").id))
        held = run.held("reply")
        assert (held.why, held.reason) == ("breakpoint", "reply")
        assert run.session.wants("root") is None


def test_one_in_a_child_ends_no_verb_of_its_parent(later: Event) -> None:
    with breaking('llm @"child 1"', table=CHILDREN, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "next", run.held("block"))
        held = run.held("llm")
        assert held.node != "root" and held.reason == 'llm @"child 1"'
        assert run.session.wants("root") == "next"
        do(run, "release", held)
        assert run.held("observe").why == "step"


def test_one_with_all_stop_holds_its_neighbours_too() -> None:
    with breaking('reply @"child 1"', table=CHILDREN, hold=True) as run:
        done(run.session.stop_all(True))
        seen = through(run)
        reasons = [reason for _, reason in seen]
        assert reasons.count('reply @"child 1"') == 1
        assert set(reasons) == {"", 'reply @"child 1"', "all-stop: another node is held"}
        assert answer(run) == str(["said"] * 3)


def test_one_at_a_pause_that_was_asked_for_takes_its_place(later: Event) -> None:
    with breaking("reply", table={QUESTION: [later, code('FINAL("end")')]}) as run:
        run.until(lambda fold: fold.iterations, "asked")
        done(run.session.pause("root"))
        later.set()
        held = run.held("reply")
        assert (held.why, held.reason, run.session.pausing("root")) == ("breakpoint", "reply", False)
        do(run, "release", held)
        run.session.breakpoints.remove(0)
        run.session.release_all().result(DEADLINE_S)
        assert answer(run) == "end"


# What they do ---------------------------------------------------------------------------------------------------------


def test_an_answer_takes_the_place_of_a_failure_as_it_comes_back() -> None:
    with breaking('return if error is not None do answer "none"', table=FAILS) as run:
        do(run, "release", run.held("error"))
        assert answer(run) == "none"


def test_all_blocks_skipped_by_one_end_at_the_limit_and_not_in_a_loop_without_end() -> None:
    with breaking("block do skip", max_iterations=3) as run:
        held = run.held("limit")
        assert [b.status for b in run.run.blocks.values()] == ["skipped"] * 3
        do(run, "release", held)
        run.ended()


def test_what_one_logs_is_cut_and_harmless_on_a_screen() -> None:
    table: Table = {QUESTION: [code("x = '" + "a" * 2_000 + "'", "print('\\x1b[31m')"), code('FINAL("end")')]}
    with breaking('block @root once do log "\x1b]0;title\x07{code}"', table=table) as run:
        assert answer(run) == "end"
        (note,) = run.run.notes["root/i1/b1"]
        assert len(note.value) == 500 and note.value.startswith("\x1b]0;title")
        assert "\x1b" not in clean(note.value) and "\x07" not in clean(note.value)


def test_one_that_sets_a_model_leaves_the_other_parameters_as_they_were() -> None:
    with breaking("llm once do set temperature=0.5", hold=True) as run:
        held = run.held("llm")
        assert held.value["params"] == {"temperature": 0.5}
        done(run.session.edit(held.id, "params", {"temperature": 1, "top_p": 0.5}))
        do(run, "release", held)
        answer(run)
        assert events(run, "llm.start")[0].params == {"temperature": 1, "top_p": 0.5}


def test_what_one_changed_a_person_takes_back_to_what_came_to_the_hold() -> None:
    with breaking('return if prompt == "leaf two" do answer "by rule"', 'return if prompt == "leaf two"') as run:
        held = run.held("return")
        done(run.session.edit(held.id, "answer", "mine"))
        done(run.session.revert(held.id))
        do(run, "release", held)
        assert answer(run) == str(["leaf says", "by rule", "leaf says"])


def test_a_call_of_what_a_person_evaluates_is_held_by_one() -> None:
    with breaking('call if prompt == "leaf mine"', hold=True) as run:
        run.held("llm")
        asked = run.session.evaluate("root", "h = llm_query('leaf mine')")
        held = run.held("call")
        assert held.why == "breakpoint" and held.id.startswith("root/i1+e1~llm")
        done(run.session.release(held.id))
        done(asked)
        assert run.run.blocks["root/i1+e1"].status == "ok"


# Changed while the run goes on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["removed", "turned off", "changed"])
def test_one_that_goes_while_it_holds_three_lets_none_of_them_go_and_stops_no_more(how: str) -> None:
    with breaking("call", max_batch_workers=3) as run:
        run.until(lambda fold: len(fold.held) == 3, "three")
        held, kept = list(run.run.held), run.session.breakpoints
        act = {"removed": lambda: kept.remove(0), "turned off": lambda: kept.turn(0, False)}
        assert act.get(how, lambda: kept.change(0, "final"))() is None
        assert list(run.run.held) == held
        done(run.session.release_all())
        if how == "changed":
            do(run, "release", run.held("final"))
        assert answer(run) == str(["leaf says"] * 3)
        assert len(events(run, "hold")) == (4 if how == "changed" else 3)


def test_one_that_is_added_while_the_run_goes_on_holds_what_comes(later: Event) -> None:
    with breaking(table={QUESTION: [later, code("print(1)"), code('FINAL("end")')]}) as run:
        run.until(lambda fold: fold.iterations, "asked")
        assert run.session.breakpoints.add("block") is None
        later.set()
        assert run.held("block").reason == "block"


def test_one_that_is_put_right_after_it_broke_works_and_says_nothing_of_it() -> None:
    with breaking("block if error > 1") as run:
        held = run.held("block")
        assert run.session.breakpoints.change(0, 'block if "second" in code') is None
        do(run, "release", held)
        assert run.held("block").id == "root/i2/b1" and shown(run) == (True, 1, "")


def test_a_breakpoint_is_set_and_taken_away_by_two_at_once_and_none_is_lost() -> None:
    from threading import Thread

    kept = Breakpoints(None)
    people = [Thread(target=lambda n=n: [kept.add(f"block if n > {n}{k}") for k in range(50)]) for n in range(1, 5)]
    for one in people:
        one.start()
    for one in people:
        one.join(DEADLINE_S)
    assert len(kept.all()) == len({one.text for one in kept.all()}) == 200


# The file -------------------------------------------------------------------------------------------------------------

GARBAGE = {
    "binary": bytes(range(256)) * 40,
    "one long line": b"block if " + b"(" * 100_000,
    "escape codes": b"\x1b[2J\x1b]0;x\x07block\nblock\n",
    "no end of line": b"block",
    "windows": b"block\r\nreply\r\n",
    "a mark": b"\xef\xbb\xbfblock\n",
    "five thousand lines": b"nonsense\n" * 5_000 + b"block\n",
    "empty": b"",
}


@pytest.mark.parametrize("what", GARBAGE)
def test_a_file_with_garbage_breaks_no_run_and_is_not_changed_by_reading_it(what: str, tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    path.write_bytes(GARBAGE[what])
    kept = Breakpoints(path)
    good = sum(not one.error for one in kept.all())
    assert good == {"escape codes": 1, "no end of line": 1, "windows": 2, "a mark": 1, "five thousand lines": 1}.get(
        what, 0
    )
    with small(RUN, breakpoints=kept) as run:
        seen = through(run)
        assert answer(run) == str(["leaf says"] * 3)
        assert bool(seen) == bool(good)
    assert path.read_bytes() == GARBAGE[what]


def test_two_runs_of_one_project_do_not_write_over_each_other(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    one, other = Breakpoints(path), Breakpoints(path)
    assert one.add("block") is None and other.add("reply") is None
    assert path.read_text() == "block\nreply\n"
    assert one.remove(0) == CHANGED
    assert [b.text for b in one.all()] == ["block", "reply"]
    assert one.remove(0) is None and path.read_text() == "reply\n"


def test_a_file_that_is_changed_by_hand_while_one_of_it_holds_lets_the_run_go_on(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    path.write_text("observe\n")
    with small(RUN, breakpoints=Breakpoints(path)) as run:
        held = run.held("observe")
        path.write_text("final\n")
        assert run.session.breakpoints.turn(0, False) == CHANGED
        assert [b.text for b in run.session.breakpoints.all()] == ["final"]
        do(run, "release", held)
        do(run, "release", run.held("final"))
        assert answer(run) == str(["leaf says"] * 3)
    assert path.read_text() == "final\n"


def test_a_file_that_vanishes_takes_no_run_with_it(tmp_path: Path) -> None:
    path = tmp_path / "place" / "breakpoints"
    path.parent.mkdir()
    path.write_text("observe once\n")
    with small(RUN, breakpoints=Breakpoints(path)) as run:
        held = run.held("observe")
        path.unlink()
        path.parent.rmdir()
        do(run, "release", held)
        assert answer(run) == str(["leaf says"] * 3)
        assert run.session.breakpoints.add("block") is None
    assert path.read_text() == "block\n"


# Gone on with ---------------------------------------------------------------------------------------------------------


def test_what_is_remembered_meets_no_breakpoint_when_a_run_is_gone_on_with(tmp_path: Path) -> None:
    with small(RUN, runs=tmp_path, breakpoints=Breakpoints(None, ["observe if iteration == 2"])) as run:
        run.held("observe")
        run.session.leave()
        run.session.close(DEADLINE_S)
        path = run.session.path
    assert path is not None
    journal = Journal.open(path)
    kept = Breakpoints(None, ['* do log "seen"'.replace("*", "block"), "call", "return", "llm"])
    session = Session(
        journal,
        lambda gates: EngineRun(
            journal, lambda _: CallableModel(chat(RUN)), context=run.data.context, task=QUESTION,
            model="scripted:multi-hop", options=Options(max_depth=3), gates=gates,
        ),
        breakpoints=kept,
    )  # fmt: skip
    again = Watched(session, run.data)
    try:
        for event in session.events():
            again.run.apply(event)
        before = again.run.seen
        session.start(again.sink)
        again.until(lambda fold: fold.seen > before and (fold.held or fold.end), "something new")
        while (held := stop(again)) is not None:
            assert held.id in ("root/i2", "root/i3"), held
            do(again, "release", held)
        assert answer(again) == str(["leaf says"] * 3)
        assert [one.hits for one in kept.all()] == [1, 0, 0, 1]
        assert list(again.run.notes) == ["root/i3/b1"]
    finally:
        session.close(DEADLINE_S)


def test_a_verb_is_refused_in_the_same_words_at_what_a_breakpoint_holds() -> None:
    with breaking("observe") as run:
        held = run.held("observe")
        assert refused(run.session.skip(held.id)).startswith("At an observation, skip can't be changed")
        assert refused(run.session.retry(held.id)) == "Only an error can be tried again."
        assert run.run.held[held.id].reason == "observe"
