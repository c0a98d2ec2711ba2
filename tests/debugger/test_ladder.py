"""Stopping a node, one rung harder a press; each press says what the next one does."""

from __future__ import annotations

import os
import signal
from threading import Event

import pytest

from rlm_tui.debugger.likeness import Ladder
from tests.debugger.small import QUESTION, Table, answer, code, do, events, small, stop
from tests.debugger.standing import LOOP, NATIVE, ON, RESISTS, broken, printed, rest
from tests.runs import Watched, done, refused

NEVER = Event()
"""Nobody sets it: a model that never answers."""


def rungs(run: Watched, node: str = "root") -> tuple[str | None, str | None]:
    """What was asked and not reached yet, and what the next press does."""
    now = run.session.ladder(node)
    assert (now.since > 0) == (now.asked is not None)
    return now.asked, now.next


def ends(run: Watched, block: str = "root/i1/b1") -> list[tuple[str, str | None]]:
    """How a block ended, each time: its status, and who did it."""
    return [(e.status, e.by) for e in events(run, "exec.end") if e.id == block]


# Every rung -----------------------------------------------------------------------------------------------------------


def test_a_loop_is_paused_broken_in_to_and_aborted() -> None:
    with small({QUESTION: [LOOP, code("FINAL(n)")]}) as run:
        printed(run)
        assert rungs(run) == (None, "pause")
        done(run.session.harder("root"))
        assert rungs(run) == ("pause", "break")
        done(run.session.harder("root"))
        held = run.held("line")
        assert (held.id, held.node, held.why) == ("root/i1/b1", "root", "pause")
        assert held.value["line"] in (3, 4) and held.value["frames"][-1][2] == "root/i1/b1"
        assert "n" in [row[0] for row in held.value["locals"]]
        assert rungs(run) == (None, "abort") and run.session.wants("root") is None
        assert not events(run, "go")
        done(run.session.harder("root"))
        held = run.held("error")
        assert (held.id, held.value["kind"]) == ("root/i1/b1", "aborted")
        assert [(e.id, e.verb, e.by) for e in events(run, "go")] == [("root/i1/b1", "abort", "human")]
        assert ends(run) == [("aborted", "human")]
        assert rungs(run) == (None, None)
        do(run, "release", held)
        assert int(answer(run)) > 0


def test_what_was_broken_in_to_goes_on_with_nothing_lost() -> None:
    with small({QUESTION: [code(ON, "n = 0", "while n < 10_000_000: n += 1", "FINAL(n)")]}) as run:
        printed(run)
        do(run, "release", broken(run))
        assert answer(run) == "10000000"
        assert ends(run) == [("ok", None)]


def test_an_aborted_block_is_changed_and_runs_again_from_before() -> None:
    with small({QUESTION: [code("kept = [1]"), code("kept.append(2)", ON, "while True: pass")]}) as run:
        printed(run, "root/i2/b1")
        broken(run)
        done(run.session.harder("root"))
        held = run.held("error")
        assert "code can" in refused(run.session.edit(held.id, "answer", "x"))
        done(run.session.edit(held.id, "code", "FINAL(kept)"))
        done(run.session.retry(held.id))
        assert answer(run) == "[1]"
        assert [edit.was for edit in events(run, "edit")] == [
            'kept.append(2)\nprint("on", flush=True)\nwhile True: pass'
        ]


def test_code_that_catches_everything_is_killed_and_its_repl_made_anew() -> None:
    with small({QUESTION: [code("kept = 7"), RESISTS, code("FINAL(kept)")]}) as run:
        printed(run, "root/i2/b1")
        broken(run)
        done(run.session.harder("root"))
        run.until(lambda _: rungs(run) == ("abort", "kill"), "the abort")
        done(run.session.harder("root"))
        held = run.held("error")
        assert (held.id, held.value["kind"]) == ("root/i2/b1", "died")
        assert ends(run, "root/i2/b1") == [("died", "human")]
        assert rungs(run) == (None, None)
        done(run.session.evaluate("root", "kept"))
        assert run.run.blocks["root/i2/b1+e1"].value == "7"
        do(run, "release", held)
        assert answer(run) == "7"


def test_native_code_answers_the_last_rung_only() -> None:
    with small({QUESTION: [NATIVE, code('FINAL("on")')]}) as run:
        printed(run)
        for asked, following in (("pause", "break"), ("break", "abort"), ("abort", "kill")):
            done(run.session.harder("root"))
            assert rungs(run) == (asked, following)
            assert not run.run.held
        done(run.session.harder("root"))
        held = run.held("error")
        assert held.value["kind"] == "died" and ends(run) == [("died", "human")]
        do(run, "release", held)
        assert answer(run) == "on"


def test_a_press_says_when_there_is_nothing_harder() -> None:
    with small({QUESTION: [NATIVE]}) as run:
        printed(run)
        presses = [run.session.harder("root") for _ in range(5)]
        for press in presses[:4]:
            done(press)
        assert refused(presses[4]) in (
            "Its worker is being ended; there is nothing harder.",
            "Its REPL is being made anew; what comes after that can be stopped.",
            "It stops at its next point, which is near.",
            "It is held already.",
        )
        run.held("error")
        assert len(events(run, "exec.end")) == 1


def test_a_block_that_ends_before_it_stands_still_stops_its_node() -> None:
    deaf = code(
        "import os, signal, time",
        "on = []",
        "signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
        "signal.signal(signal.SIGUSR2, lambda *_: on.append(1))",
        "print(os.getpid(), flush=True)",
        "while not on: time.sleep(0.01)",
    )
    with small({QUESTION: [deaf, code('FINAL("end")')]}) as run:
        pid = int(printed(run))
        done(run.session.harder("root"))
        done(run.session.harder("root"))
        assert rungs(run) == ("break", "abort")
        os.kill(pid, signal.SIGUSR2)
        held = run.held("observe")
        assert held.why == "pause" and ends(run) == [("ok", None)]
        assert rungs(run) == (None, None)
        do(run, "release", held)
        assert answer(run) == "end"


# Where there is nothing to break in to --------------------------------------------------------------------------------


def test_a_request_is_waited_for() -> None:
    with small({QUESTION: [NEVER]}) as run:
        run.until(lambda fold: fold.nodes and fold.nodes["root"].state == "sampling", "a request")
        done(run.session.harder("root"))
        assert rungs(run) == ("pause", None)
        assert refused(run.session.harder("root")) == "It stops as soon as the reply is here."
        assert rungs(run) == ("pause", None)


def test_a_leaf_on_its_way_is_waited_for() -> None:
    with small({QUESTION: [code('llm_query("a leaf")')], "a leaf": [NEVER]}) as run:
        leaf = run.until(lambda fold: next((c for c in fold.calls.values() if c.state == "sampling"), None))
        done(run.session.harder(leaf.id))
        assert rungs(run, leaf.id) == ("pause", None)
        assert refused(run.session.harder(leaf.id)) == "It stops as soon as the reply is here."


def test_a_child_in_the_queue_stops_when_its_turn_comes() -> None:
    table: Table = {QUESTION: [code('rlm_query_batched(["child a", "child b"])')], "child": [NEVER]}
    with small(table, max_batch_workers=1) as run:
        queued = run.until(lambda fold: next((c for c in fold.calls.values() if c.item == 2), None))
        done(run.session.harder(queued.id))
        assert refused(run.session.harder(queued.id)) == "It stops when its turn comes."


def test_what_is_held_between_blocks_is_held_already() -> None:
    with small({QUESTION: [code("1")]}, hold=True) as run:
        held = run.held("llm")
        assert run.session.ladder("root") == Ladder()
        assert refused(run.session.harder("root")) == refused(run.session.harder(held.id)) == "It is held already."


def test_a_pause_of_all_is_the_first_rung_of_each() -> None:
    with small({QUESTION: [LOOP]}) as run:
        printed(run)
        done(run.session.pause(None))
        assert rungs(run) == ("pause", "break")
        done(run.session.harder("root"))
        assert run.held("line").why == "pause" and rungs(run) == (None, "abort")
        do(run, "release", run.held("line"))
        assert rungs(run) == (None, "pause")


def test_where_nothing_can_be_stopped_it_is_said() -> None:
    with small({QUESTION: [code('FINAL("x")')]}) as run:
        run.ended()
        assert refused(run.session.harder("root")) == "The run has ended."
        assert refused(run.session.harder("root/i9")) == "The run has ended."
        assert run.session.ladder("root") == run.session.ladder("root/i9") == Ladder()
        run.session.close(5.0)
        assert refused(run.session.harder("root")) == "The run is not going on."
        assert run.session.ladder("root") == Ladder()


# Calls ----------------------------------------------------------------------------------------------------------------

WAITS: dict[str, str] = {
    "one": code(ON, 'llm_query("a leaf")'),
    "batch": code(ON, 'llm_query_batched(["a leaf"] * 4)'),
    "pool": code(
        "from concurrent.futures import ThreadPoolExecutor", ON, "with ThreadPoolExecutor(4) as pool:",
        '    list(pool.map(llm_query, ["a leaf"] * 4))',
    ),
    "child": code(ON, 'rlm_query("a leaf")'),
}  # fmt: skip


@pytest.mark.parametrize("how", WAITS)
def test_a_block_that_waits_for_its_calls_is_broken_in_to_and_aborted(how: str) -> None:
    with small({QUESTION: [WAITS[how], code('FINAL("end")')], "a leaf": [NEVER]}) as run:
        printed(run)
        run.until(lambda fold: any(c.attempts or c.node for c in fold.calls.values()), "a call")
        held = broken(run)
        assert (held.value["threads"] > 0) == (how == "pool")
        assert all(call.status == "open" for call in run.run.calls.values())
        done(run.session.harder("root"))
        held = run.held("error")
        assert held.value["kind"] == "aborted" and ends(run) == [("aborted", "human")]
        assert all(call.status == "killed" for call in run.run.calls.values())
        do(run, "release", held)
        assert answer(run) == "end"


def test_a_block_that_waits_goes_on_with_an_answer_that_came_meanwhile() -> None:
    comes = Event()
    with small({QUESTION: [code('x = llm_query("a leaf")', "FINAL(x)")], "a leaf": [comes]}) as run:
        run.until(lambda fold: any(c.state == "sampling" for c in fold.calls.values()), "a request")
        held = broken(run)
        comes.set()
        run.until(lambda fold: all(c.status == "ok" for c in fold.calls.values()), "the answer")
        do(run, "release", held)
        assert answer(run) == "I think."


def test_a_block_whose_call_is_held_can_be_broken_in_to() -> None:
    with small({QUESTION: [code('x = llm_query("a leaf")', "FINAL(x)")], "a leaf": ["leaf"]}, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "into", run.held("block"))
        call = run.held("call")
        assert rungs(run) == (None, "break")
        done(run.session.harder(call.id))
        line = run.held("line")
        assert list(run.run.held) == [call.id, line.id]
        done(run.session.release(line.id))
        done(run.session.release(call.id))
        assert answer(run) == "leaf"


def test_a_break_in_is_taken_back_by_letting_the_node_go() -> None:
    deaf = code(
        "import signal",
        "signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
        'x = llm_query("a leaf")',
        "FINAL(x)",
    )
    with small({QUESTION: [deaf], "a leaf": ["leaf"]}, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "into", run.held("block"))
        call = run.held("call")
        done(run.session.harder("root"))
        assert rungs(run) == ("break", "abort")
        done(run.session.release(call.id))
        assert answer(run) == "leaf"
        assert [e.point for e in events(run, "hold")] == ["llm", "block", "call"]


def test_a_parent_is_broken_in_to_while_its_child_runs_on() -> None:
    goes_on = Event()
    table: Table = {
        QUESTION: [code('FINAL(rlm_query("a child"))')],
        "a child": [goes_on, code("n = 1"), code('FINAL("child says")')],
    }
    with small(table) as run:
        run.until(lambda fold: len(fold.nodes) == 2, "the child")
        held = broken(run)
        goes_on.set()
        run.until(lambda fold: all(c.status == "ok" for c in fold.calls.values()), "the child's answer")
        do(run, "release", held)
        assert answer(run) == "child says"


def test_a_child_is_stopped_and_its_parent_waits() -> None:
    table: Table = {QUESTION: [code('FINAL(rlm_query("a child"))')], "a child": [LOOP, code('FINAL("child says")')]}
    with small(table) as run:
        child = run.until(lambda fold: next((n for n in fold.nodes if n != "root"), None), "the child")
        printed(run, f"{child}/i1/b1")
        held = broken(run, child)
        assert held.id == f"{child}/i1/b1" and held.node == child
        assert rungs(run) == (None, "pause")
        done(run.session.harder(child))
        do(run, "release", run.held("error", child))
        assert answer(run) == "child says"


# Stepping -------------------------------------------------------------------------------------------------------------

LINES = code(ON, "go = True", "while go: pass", "a = 1", 'b = llm_query("a leaf")', "c = 3")


def stepping(run: Watched) -> None:
    """Break in to `LINES`, and let its loop end."""
    printed(run)
    assert broken(run).value["line"] == 3
    done(run.session.evaluate("root", "go = False"))


def at_line(run: Watched, line: int) -> None:
    """Step until a line is reached."""
    while run.held("line").value["line"] != line:
        do(run, "next", run.held("line"))


@pytest.mark.parametrize("verb", ["step", "next"])
def test_a_block_that_stands_is_stepped_by_line(verb: str) -> None:
    with small({QUESTION: [LINES, code("FINAL(a + c)")], "a leaf": ["leaf"]}) as run:
        stepping(run)
        seen: list[str] = []
        while (held := stop(run)) is not None and held.point != "observe":
            at = f"{held.point} {held.value.get('line', '')} {held.why}"
            if at != "line 3 step":  # the loop's own line comes once more when it was broken in to in its body
                seen.append(at)
            do(run, verb, held)
        expected = ["line 3 pause", "line 4 step", "line 5 step"]
        if verb == "step":
            expected += ["call  step", "return  step"]
        assert seen == [*expected, "line 6 step"]
        assert held is not None and held.why == "step"
        do(run, "release", held)
        assert answer(run) == "4"


def test_release_ends_the_stepping() -> None:
    with small({QUESTION: [LINES, code("FINAL(a + c)")], "a leaf": ["leaf"]}) as run:
        stepping(run)
        while (held := stop(run)) is not None and held.point == "line":
            do(run, "step", held)
        do(run, "release", run.held("call"))
        assert answer(run) == "4"
        assert events(run, "hold")[-1].point == "call"


def test_a_line_that_takes_too_long_is_broken_in_to_again() -> None:
    with small({QUESTION: [code(ON, "go = True", "while go: pass", "while True: pass"), code('FINAL("e")')]}) as run:
        stepping(run)
        at_line(run, 4)
        do(run, "release", run.held("line"))
        assert rungs(run) == (None, "pause")
        assert broken(run).value["line"] == 4
        done(run.session.harder("root"))
        do(run, "release", run.held("error"))
        assert answer(run) == "e"


def test_a_native_line_that_is_stepped_over_can_be_killed() -> None:
    with small({QUESTION: [code(ON, "go = True", "while go: pass", "sum(range(10**12))", "x = 1")]}) as run:
        stepping(run)
        at_line(run, 4)
        do(run, "next", run.held("line"))
        assert rungs(run) == (None, "pause")
        for _ in range(4):
            done(run.session.harder("root"))
        assert run.held("error").value["kind"] == "died"
        rest(run)
