"""The tab Output: what a block printed, what was not kept of it, what the model sees of it."""

from __future__ import annotations

from typing import Any

from rlm_tui.journal.events import Chunk, CutInfo, ExecEnd, ExecStart, LlmStart
from rlm_tui.tui.rows import output
from rlm_tui.tui.view import View
from tests.tui import sample
from tests.tui.inspected import EVENTS, OUTPUT, page
from tests.tui.sample import feed
from tests.tui.test_rows import golden


def ran(**fields: Any) -> View:
    view = sample.view(EVENTS[:2])
    feed(view, LlmStart(id="root/i1"), ExecStart(id="root/i1/b1", code="x"))
    feed(view, ExecEnd(id="root/i1/b1", **({"status": "ok"} | fields)))
    view.item = "root/i1/b1"
    return view


def test_output_stands_as_it_came() -> None:
    view = ran(stdout="one\ntwo\n", stderr="warn\n", stderr_at=((4, 5),), raw="from C\n", value="{'a': 1}")
    assert page(view, OUTPUT) == golden("""
        | one
        | stderr  warn
        | two
        | process from C
        | value   {'a': 1}
    """)


def test_what_was_not_kept_is_said() -> None:
    cut = {"stdout": CutInfo(kept=3, total=12_400_003, tail="the end")}
    assert page(ran(stdout="abc", cuts=cut), OUTPUT) == golden("""
        | abc
        | 12.4 MB more of stdout, not kept
        | its end:
        | the end
    """)


def test_the_line_where_the_models_view_ends() -> None:
    text = "".join(f"line {n:04}\n" for n in range(1000))
    lines = page(ran(stdout=text), OUTPUT).split("\n")
    at = next(n for n, line in enumerate(lines) if "the model saw" in line)
    assert "the model saw 8,192 of 10,000 characters, up to here" in lines[at]
    before = "\n".join(line[1:] for line in lines[:at])
    assert text.startswith(before)
    assert len(before) == output.SEEN
    assert "the model saw" not in page(ran(stdout="x" * output.SEEN), OUTPUT)


def test_late_output_stands_apart() -> None:
    view = ran(stdout="done\n")
    feed(view, Chunk(id="root/i1/b1", kind="stdout", text="from a thread\n", late=True))
    assert page(view, OUTPUT) == golden("""
        | done
        |
        |─ late, after the block had ended ─────────────────────────
        | from a thread
    """)


def test_an_error_comes_after_what_was_printed() -> None:
    shown = page(ran(status="error", stdout="before\n", error='File "<block>", line 1\nNameError: x'), OUTPUT)
    assert shown.split("\n") == [" before", "", ' File "<block>", line 1', " NameError: x"]


def test_output_while_it_runs() -> None:
    view = sample.view(EVENTS[:2])
    feed(view, ExecStart(id="root/i1/b1", code="x"))
    assert page(view, OUTPUT, "root/i1/b1") == " No output yet."
    feed(view, Chunk(id="root/i1/b1", kind="stdout", text="ti"), Chunk(id="root/i1/b1", kind="stdout", text="ck"))
    assert page(view, OUTPUT) == " tick"


def test_an_empty_block_says_what_it_is() -> None:
    assert page(ran(), OUTPUT, width=80) == " No output. This block printed nothing and ends in no expression."


def test_an_iterations_output_is_that_of_its_blocks() -> None:
    view = ran(stdout="one\n")
    feed(view, ExecStart(id="root/i1/b2", code="y"), ExecEnd(id="root/i1/b2", status="ok", stdout="two\n"))
    shown = page(view, OUTPUT, "root/i1")
    assert [line.strip("─ ") for line in shown.split("\n")] == ["block 1", "one", "", "block 2", "two"]
