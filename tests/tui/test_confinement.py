"""How far a run is shut in, and what a rebuild found: in the header, on a line of its own, in the rows."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_tui.journal.events import Event, ExecEnd, Hold, Rebuild, RunStart
from rlm_tui.tui import words
from rlm_tui.tui.rows import confinement, header, pages, step, trajectory
from rlm_tui.tui.rows.layout import Layout
from rlm_tui.tui.rows.line import plain
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.notice import Notice
from tests.tui import sample, scenes
from tests.tui.stage import Stage, staged


def shut(environment: dict[str, Any], **config: Any) -> View:
    events = [
        event.model_copy(update={"environment": environment, "config": event.config | config})
        if isinstance(event, RunStart) else event
        for event in sample.held_run()
    ]  # fmt: skip
    return sample.view(events)


def level(name: str) -> dict[str, Any]:
    return {"confinement": f"{name} (…)", "confinement_level": name}


@pytest.mark.parametrize(
    ("environment", "config", "says", "ink"),
    [
        (level("confined"), {}, "confined", "ink-3"),
        (level("confined"), {"allow_site": True}, "confined + site", "ink-3"),
        (level("confined"), {"allow_site": True, "allow_network": True}, "confined + site + network", "ink-3"),
        (level("bwrap"), {}, "bwrap", "ink-3"),
        (level("partial"), {}, "partly confined", "error"),
        (level("process"), {"allow_site": True}, "not confined", "error"),
        ({"confinement": "process"}, {}, "not confined", "error"),
        ({}, {}, "", ""),
        ({"confinement_level": ["?"]}, {}, "", ""),
    ],
)
def test_the_level_in_force(environment: dict[str, Any], config: dict[str, Any], says: str, ink: str) -> None:
    view = shut(environment, **config)
    assert confinement.level(view) == (says, ink)
    lines = header.header(view, 160)
    assert [line.width for line in lines] == [160, 160]
    found = [words for piece, words in lines[1].spans if says and piece == says]
    assert found == ([ink] if says else [])


@pytest.mark.parametrize(("name", "there"), [("process", True), ("partial", True), ("confined", False)])
def test_a_narrow_header_keeps_what_is_open(name: str, there: bool) -> None:
    view = shut(level(name))
    view.size = "narrow"
    for cells in (60, 80, 99):
        (line,) = header.header(view, cells)
        assert line.width == cells
        assert ("confined" in line.plain) == there, line.plain


def test_what_was_not_asked_for_is_told_and_what_was_is_not() -> None:
    assert confinement.told(shut(level("process"))) == [confinement.OPEN]
    assert confinement.told(shut(level("process"), confine="off")) == []
    notices = {"confinement_notices": ["No Landlock here.\x1b[2J"]}
    assert confinement.told(shut(level("partial") | notices)) == ["No Landlock here.␛[2J"]
    assert confinement.told(shut(level("partial") | {"confinement_notices": 3})) == []


@staged(replies=[scenes.LISTS], environment=scenes.OPEN)
async def test_the_notice_stands_until_it_is_hidden_and_help_still_has_it(stage: Stage) -> None:
    await stage.ready("llm")
    notice = stage.main.query_one(Notice)
    assert "not confined  This kernel offers no Landlock" in stage.text
    await stage.press("escape")
    assert not notice.has_class("-stands") and "This kernel" not in stage.text
    await stage.press("question_mark", "end")
    await stage.until(lambda: "the REPL says process" in stage.text, "the help")


def test_while_a_repl_is_made_anew_the_header_counts_blocks() -> None:
    view = sample.view(sample.held_run())
    view.run.held.clear()
    view.apply(stamped(view, Rebuild(id="root/i3/b1", done=0, of=9)))
    view.apply(stamped(view, Rebuild(id="root/i1/b1", done=3, of=9)))
    assert header.chip(view) == ("↺ rebuilding 3/9", "live bold")


def stamped(view: View, event: Event) -> Event:
    return event.model_copy(update={"seq": view.run.seen, "t": (view.run.last or 0.0) + 0.1})


@pytest.mark.parametrize(
    ("finding", "differs", "row", "ink"),
    [
        ("same", "", "↺  block 1  ✓ 16 notes; 5 kinds of title", "ink-2"),
        ("output", "It printed 17 notes.", "↺  block 1  ≈ It printed 17 notes.", "ink-2"),
        ("state", "It left `x`.", "↺  block 1  ≠ It left `x`.", "error"),
        ("calls", "", "↺  block 1  ≠ its calls differ", "error"),
    ],
)
def test_a_row_says_how_its_block_compared(finding: Any, differs: str, row: str, ink: str) -> None:
    view = sample.view(sample.held_run())
    view.apply(stamped(view, Rebuild(id="root/i1/b1", done=1, of=2, finding=finding, differs=differs)))
    found = next(r for r in trajectory.rows(view, 72) if r.key == "root/i1/b1")
    line = step.draw(view, found, 72, selected=False, focused=False)
    assert row in line.plain
    assert next(words for piece, words in line.spans if row.rsplit("  ", maxsplit=1)[-1][2:] in piece) == ink
    view.item = "root/i1/b1"
    assert "↺ rebuilt" in plain(pages.page(view, Layout(), 72, 40).lines)


def held_at_error(kind: str, message: str = "Block 1 of i1 left `x`, an int.") -> View:
    tell = sample.Teller()
    sample._first_iterations(tell)
    value = {"kind": kind, "message": message, "attempt": 1}
    tell(Hold(id="root/i2/b1", point="error", node="root", value=value, why="error"))
    return sample.view(tell.events)


def test_what_differs_is_said_and_what_the_keys_do() -> None:
    view = held_at_error("diverged")
    held = view.held_here()
    said = words.sentence(view.run, held, "✎")
    assert said == "Block 1 of i1 left `x`, an int. r rebuilds it once more, a goes on with the REPL as it is."
    assert words.where(held) == "in a rebuild, before block 1"
    assert words.release_word(view.run, held) == "go on as it is"


def test_a_call_that_is_not_in_the_record_says_so() -> None:
    tell = sample.Teller()
    sample._first_iterations(tell)
    value = {"fn": "llm_query", "prompt": "?", "model": "m", "unrecorded": True}
    tell(Hold(id=sample.log_call(0), point="call", node="root", value=value, why="error"))
    view = sample.view(tell.events)
    held = view.held_here()
    assert "no recorded answer. Nobody has been asked." in words.sentence(view.run, held, "✎")
    assert words.release_word(view.run, held) == "ask now"


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ({"status": "aborted", "by": "human"}, "aborted by you, variables kept"),
        ({"status": "aborted"}, "stopped"),
        ({"status": "died", "by": "human", "error": "killed"}, "its REPL was killed by you"),
        ({"status": "died", "error": "The REPL was killed by signal 9."}, "the REPL died: The REPL was killed by signal 9."),
        ({"status": "timeout", "error": "stopped after 300 s"}, "timed out: stopped after 300 s"),
        ({"status": "error", "error": "MemoryError\nthe REPL's memory limit of 2 GiB"}, "the REPL's memory limit of 2 GiB"),
    ],
)  # fmt: skip
def test_a_row_says_which_end_a_block_came_to(end: dict[str, Any], says: str) -> None:
    tell = sample.Teller()
    sample._first_iterations(tell)
    tell(ExecEnd(id="root/i2/b1", **end))
    view = sample.view(tell.events)
    found = next(r for r in trajectory.rows(view, 100) if r.key == "root/i2/b1")
    assert says in step.draw(view, found, 100, selected=False, focused=False).plain
