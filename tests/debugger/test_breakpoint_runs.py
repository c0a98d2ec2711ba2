"""What a breakpoint sees at each point, when it is not asked at all, and what its file bears."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.debugger.breakpoints import CHANGED, Breakpoints
from rlm_tui.debugger.expressions import NAMES
from rlm_tui.debugger.rules import Rules, UnattendedGates
from rlm_tui.debugger.session import Session
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.engine.thread import EngineThread
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import ModelError
from rlm_tui.llm.callable import CallableModel
from tests.debugger.small import QUESTION, Table, answer, chat, code, do, events, plain, small
from tests.runs import DEADLINE_S, Watched, done

FAMILY: Table = {
    QUESTION: [
        code('print(llm_query_batched(["leaf a", "leaf b"]))', "1 / 0"),
        code('r = rlm_query("child")', "print(r)"),
        code("FINAL(r)"),
    ],
    "leaf": ["said"],
    "child": [code('FINAL("found")')],
}


def logged(run: Watched) -> dict[tuple[str, str], dict[str, str]]:
    """What `every_name` found, by address and point."""
    made: dict[tuple[str, str], dict[str, str]] = {}
    for note in events(run, "edit"):
        if note.field == "note":
            point, name, value = note.value.split(" | ", 2)
            made.setdefault((note.id, point), {})[name] = value
    return made


def every_name(*points: str) -> list[str]:
    """A line for each name at each of some points."""
    return [f'{point} do log "{point} | {name} | {{{name}}}"' for point in points for name in sorted(NAMES)]


POINTS = ("llm", "reply", "block", "call", "return", "observe", "final", "error", "limit")


def test_every_name_is_what_it_is_said_to_be_at_every_point() -> None:
    with small(FAMILY, breakpoints=Breakpoints(None, every_name(*POINTS))) as run:
        assert answer(run) == "found"
        seen = logged(run)
        assert all(not one.error for one in run.session.breakpoints.all())

    def names(id: str, point: str, *wanted: str) -> tuple[str, ...]:
        (found,) = [names for (at, of), names in seen.items() if (plain(at), of) == (id, point)]
        return tuple(found[name] for name in wanted)

    first = 'print(llm_query_batched(["leaf a", "leaf b"]))\n1 / 0'
    assert names("root/i1", "llm", "node", "depth", "iteration", "fn", "n", "code", "reply", "out", "error") == (
        "root", "0", "1", "None", "None", "None", "None", "None", "None"
    )  # fmt: skip
    assert QUESTION in seen["root/i1", "llm"]["prompt"] == seen["root/i1", "llm"]["value"]
    assert names("root/i1", "reply", "model", "edited", "code") == ("scripted:multi-hop", "False", "None")
    assert "1 / 0" in seen["root/i1", "reply"]["reply"] == seen["root/i1", "reply"]["value"]
    assert float(seen["root/i1", "reply"]["ms"]) >= 0
    assert names("root/i1/b1", "block", "code", "value", "iteration", "ms") == (first, first, "1", "None")
    (asked,) = [point for (id, at), point in seen.items() if at == "call" and point["prompt"] == "leaf b"]
    assert asked == asked | {
        "fn": "llm_query_batched", "n": "2", "value": "leaf b", "code": first, "depth": "0", "ms": "None",
        "node": "root", "out": "None", "iteration": "1",
    }  # fmt: skip
    (back,) = [point for (id, at), point in seen.items() if at == "return" and point["prompt"] == "leaf b"]
    assert (back["out"], back["value"], back["n"], back["error"]) == ("said", "said", "2", "None")
    (observed,) = [point for (id, at), point in seen.items() if at == "observe" and "root/i1" in id]
    assert "ZeroDivisionError" in observed["error"] and "['said', 'said']" in observed["out"] == observed["value"]
    assert names("root/i2/b1~rlm#1/i1", "llm", "node", "depth", "iteration")[1:] == ("1", "1")
    (child,) = [point for (id, at), point in seen.items() if at == "final" and "~" in id]
    assert (child["value"], child["depth"]) == ("found", "1")
    assert names("root/i2/b1~rlm#1", "return", "out", "fn", "n") == ("found", "rlm_query", "1")
    assert int(child["tokens"]) >= 0 and {point["edited"] for point in seen.values()} == {"False"}


def test_what_fails_and_what_is_reached_is_seen() -> None:
    table: Table = {QUESTION: [ModelError("request", "no such key"), code("1"), code("2")]}
    lines = [*every_name("error", "limit"), 'limit if value != "max_iterations"']
    with small(table, max_iterations=1, breakpoints=Breakpoints(None, lines)) as run:
        held = run.held("error")
        assert (held.why, held.reason) == ("error", "")
        (failed,) = logged(run).values()
        assert failed["error"] == failed["value"] and "no such key" in failed["error"] and failed["code"] == "None"
        done(run.session.edit(held.id, "answer", code("1")))
        done(run.session.release(held.id))
        held = run.held("limit")
        assert (held.why, held.reason) == ("limit", "")
        reached = next(seen for (_, point), seen in logged(run).items() if point == "limit")
        assert reached["value"] == "max_iterations"
        done(run.session.release(held.id))
        run.ended()


def test_what_is_remembered_meets_no_breakpoint(tmp_path: Path) -> None:
    with small(FAMILY, runs=tmp_path, breakpoints=Breakpoints(None, ["final @root"])) as run:
        held = run.held("final")
        run.session.leave()
        run.session.close(DEADLINE_S)
    journal = Journal.open(next(tmp_path.iterdir()))
    before = len(list(journal.events()))
    lines = [f"{point} do log" + ' "{node}"' for point in POINTS]

    def engine(gates: Any) -> EngineRun:
        return EngineRun(
            journal, lambda _: CallableModel(chat(FAMILY)), context=run.data.context, task=QUESTION,
            model="scripted:multi-hop", options=Options(max_depth=3), gates=gates,
        )  # fmt: skip

    session = Session(journal, engine, breakpoints=Breakpoints(None, lines))
    again = Watched(session, run.data)
    for event in session.events():
        again.run.apply(event)
    session.start(again.sink)
    again.ended()
    session.close(DEADLINE_S)
    notes = [plain(event.id) for event in list(again.events) if event.ev == "edit"]
    assert set(notes) == {held.id} and before > 30
    hits = {one.text.split()[0]: one.hits for one in session.breakpoints.all()}
    assert hits == {point: int(point == "final") for point in POINTS}


def test_one_that_is_changed_while_it_is_asked_does_nothing_at_another_point() -> None:
    breakpoints, run = Breakpoints(None, ["call do answer 'x'"]), Run()
    rules = Rules(breakpoints, run, str)
    with small(FAMILY, hold=True) as live:
        held = live.held("llm")
        value = live.session.gates.held[held.id].value
        assert rules.meet("llm", "root/i1", "root", value) is None
        # What it was sorted by is older than what it says.
        breakpoints._own[0].rule = Breakpoints(None, ["block do skip"])._own[0].rule
        assert rules.meet("call", "root/i1/b1~llm:0#1", "root", value) is None


def test_without_a_screen_a_condition_that_fails_is_said_once_and_holds_nothing() -> None:
    journal = Journal.memory()
    gates = UnattendedGates(journal)
    engine = EngineRun(
        journal, lambda _: CallableModel(chat(FAMILY)), context="", task=QUESTION, model="scripted:multi-hop",
        options=Options(max_depth=3), gates=gates,
    )  # fmt: skip
    gates.rules = Rules(Breakpoints(None, ["block if error > 1", "block"]), engine.shared.run, journal.text)
    thread = EngineThread()
    end = thread.submit(engine.go()).result(DEADLINE_S)
    thread.close(DEADLINE_S)
    assert journal.text(end.value) == "found"
    notes = [event for event in journal.events() if event.ev == "edit"]
    assert [(note.id, note.by) for note in notes] == [("root/i1/b1", "rule:block if error > 1")]
    assert "is off now: TypeError" in notes[0].value


def test_breakpoints_come_and_go_while_a_run_meets_them() -> None:
    leaves = code("FINAL(len(llm_query_batched([str(n) for n in range(300)])))")
    breakpoints = Breakpoints(None, ["call if n < 0", "return if value == 'no'"])
    with small({QUESTION: [leaves], "": ["x"]}, hold=True, breakpoints=breakpoints) as run:
        over = threading.Event()

        def fiddle() -> None:
            while not over.is_set():
                assert breakpoints.add('call if "nowhere" in prompt') is None
                assert breakpoints.change(0, "reply if n") is None
                assert breakpoints.turn(1, False) is None and breakpoints.turn(1, True) is None
                assert breakpoints.toggle_at("root/i1/b1") is None and breakpoints.toggle_at("root/i1/b1") is None
                assert breakpoints.remove(2) is None
                assert breakpoints.change(0, "call if n < 0") is None

        hand = threading.Thread(target=fiddle)
        do(run, "release", run.held("llm"))
        hand.start()
        try:
            while run.run.end is None:
                held = run.until(lambda fold: fold.end or next(iter(fold.held.values()), None))
                if run.run.end is None:
                    # The one that is set at the block may have been there at that moment.
                    assert held.id == "root/i1/b1"
                    do(run, "release", held)
        finally:
            over.set()
            hand.join(DEADLINE_S)
        assert answer(run) == "300"
        assert [one.text for one in breakpoints.all()] == ["call if n < 0", "return if value == 'no'"]


# The file -------------------------------------------------------------------------------------------------------------


def test_what_ends_no_line_elsewhere_ends_none_here(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    data = 'block if code == "a\u2028b\x0bc\x85"\r\n# mine\x0c\r\n\r\noff error\r\nlast'
    path.write_bytes(data.encode())
    kept = Breakpoints(path)
    assert [(b.text, b.on, bool(b.error)) for b in kept.all()] == [
        ('block if code == "a\u2028b\x0bc\x85"', True, False), ("error", False, False), ("last", True, True),
    ]  # fmt: skip
    assert kept.add("final") is None
    assert path.read_bytes().decode() == data + "\nfinal\n"


def test_an_editor_s_mark_at_the_begin_is_not_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    path.write_bytes(b"\xef\xbb\xbfblock\n")
    assert [one.error for one in Breakpoints(path).all()] == [""]


def test_an_emptied_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    path.write_text("block\n")
    kept = Breakpoints(path)
    path.write_text("")
    assert kept.remove(0) == CHANGED and kept.all() == []
    assert kept.add("llm") is None and path.read_text() == "llm\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
def test_a_file_where_reading_would_wait_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    os.mkfifo(path)
    kept = Breakpoints(path, ["block"])
    assert "no plain file" in kept.notice
    # Those of this run can be turned off all the same.
    assert kept.turn(0, False) is None and not kept.all()[0].on


def test_a_file_that_is_no_list_of_breakpoints_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    path.write_text("block\n" * 20_000)
    kept = Breakpoints(path)
    assert "too large" in kept.notice and kept.all() == []
    assert "too large" in (kept.add("llm") or "") and path.read_text() == "block\n" * 20_000


def test_a_file_does_not_outgrow_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    path.write_text("# " + "x" * 65_500 + "\n")
    kept = Breakpoints(path)
    assert kept.add("block") is None
    before = path.read_text()
    assert "too large to be read again" in (kept.add("llm if cost > 0.50 and depth > 1") or "")
    assert path.read_text() == before and [one.text for one in kept.all()][1:] == ["llm if cost > 0.50 and depth > 1"]


def test_a_person_is_told_of_breakpoints_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    path.write_bytes(b"\xff")
    with small(FAMILY, breakpoints=Breakpoints(path)) as run:
        assert any("can't be read" in notice for notice in run.session.notices)
        run.ended()


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
def test_a_file_keeps_its_mode_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    path.write_text("block\n")
    path.chmod(0o640)
    kept = Breakpoints(path)
    assert kept.add("llm") is None and stat.S_IMODE(path.stat().st_mode) == 0o640
    refusal = kept.add('reply @"\\ud800 \ud800"')
    assert refusal is not None
    assert list(tmp_path.iterdir()) == [path] and path.read_text() == "block\nllm\n"


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    one, other = Breakpoints(path), Breakpoints(path)
    for n in range(20):
        assert one.add(f"block if n > {n}") is None
        assert other.add(f"call if n > {n}") is None
    assert other.remove(0) is None
    assert one.turn(0, False) == CHANGED
    assert len(path.read_text().splitlines()) == len(one.all()) == 39


def test_what_failed_stays_off_with_its_reason_when_the_file_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "breakpoints"
    path.write_text("block if error > 1\n")
    kept = Breakpoints(path)
    kept.fail(kept.active()[0], "TypeError: x")
    path.write_text("block if error > 1\nllm\n")
    assert kept.remove(5) == CHANGED
    first = kept.all()[0]
    assert (first.on, first.error) == (False, "TypeError: x")
    assert kept.turn(0, True) is None and kept.all()[0].error == ""
