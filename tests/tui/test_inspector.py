from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from rlm_tui.journal.events import (
    Blob,
    Chunk,
    CutInfo,
    Edit,
    ErrorInfo,
    Event,
    ExecEnd,
    ExecStart,
    Hold,
    LlmStart,
    Message,
    NodeEnd,
    Obs,
    Proposal,
)
from rlm_tui.tui import text
from rlm_tui.tui.rows import code, messages, output, pages
from rlm_tui.tui.rows.layout import Layout, plain
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.rows.line import plain as as_text
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.inspector import Inspector, TextPane
from tests.tui import sample
from tests.tui.panes import Panes, in_loop
from tests.tui.test_rows import HOSTILE, golden, hostile_run

EVENTS = sample.held_run()
CHILD = sample.log_call(2)
CODE, OUTPUT, MESSAGES, VARIABLES = range(4)


def feed(view: View, *events: Event) -> None:
    for event in events:
        view.apply(event.model_copy(update={"seq": view.run.seen, "t": (view.run.last or 0.0) + 0.1}))


def page(view: View, tab: int, item: str | None = "", width: int = 60, height: int = 40) -> str:
    view.tab = tab
    if item != "":
        view.item = item
    return as_text(pages.page(view, Layout(), width, height).lines)


def names(view: View) -> list[str]:
    return [tab.name + ("✎" if tab.edited else "") + (" –" if tab.empty else "") for tab in pages.tabs(view)]


# Tabs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "first"),
    [
        ("root/i2", "Reply"),
        ("root/i2/b1", "Code"),
        (sample.log_call(0), "Call"),
        ("root/i2/obs", "Observation"),
        ("root/answer", "Answer"),
        (None, "Question"),
    ],
)
def test_the_first_tab_is_named_after_the_thing(item: str | None, first: str) -> None:
    view = sample.view(EVENTS)
    view.item = item
    assert names(view)[0] == first


def test_tabs_say_where_a_hand_is_and_where_nothing_is() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    assert names(view) == ["Code✎", "Output –", "Messages", "Variables", "Diff", "Notes –"]
    assert pages.tab_line(view, 60)[0].plain == " Code✎   Output –   Messages   Variables   Diff   Notes –"
    view.select_node(next(call.id for call in view.run.calls.values() if call.node is None))
    assert names(view) == ["Answer", "Output –", "Messages", "Variables –", "Diff –", "Notes –"]


# Code ----------------------------------------------------------------------------------------------------------------


def test_an_edit_is_a_difference_in_place_and_numbers_count_the_new_text() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    assert page(view, CODE) == golden("""
        |   1   values = body.split()[1:]
        |     - top = max(values)
        |   2 + top = max(float(v) for v in values)
        |   3   print("max:", top)
        |   4   FINAL_VAR("result")
        |
        | variables before this block
        | context  str 418  Report '<id> <max>' for this gust log.…
        | head     str 49   Report '<id> <max>' for this gust log.
        | body     str 366  [logs/cold-fell/g-305] 9.8 12.4
    """)


def test_the_painting_of_a_difference() -> None:
    lines = code.difference(Layout(), "a = 1\nb = 2", "a = 1\nb = 3", 40)
    same, gone, came = lines
    assert ("b = 2", "ink-3 strike") in gone.spans
    assert came.ground == "on-human"
    assert (" + ", "human bold") in came.spans
    assert same.ground == gone.ground == ""


def test_code_is_painted_by_what_it_is() -> None:
    [line] = code.coloured("x = llm_query('hi') if context else 42  # why")
    words = {piece.strip(): paint for piece, paint in line}
    assert words["llm_query"] == words["context"] == "live"
    assert words["if"] == words["else"] == "code-keyword"
    assert words["hi"] == words["'"] == "code-string"
    assert words["42"] == "code-number"
    assert words["# why"] == "ink-3"
    assert words["="] == "ink-2"
    assert words["x"] == "ink"


@pytest.mark.parametrize("source", ["def f(:\n  '''", "\x00\x1b[31m", "`" * 50, "\ud800", "日本 = '漢字'", "", "\n\n"])
def test_what_is_no_code_is_shown_whole(source: str) -> None:
    lines = code.coloured(source)
    assert "".join(piece for line in lines for piece, _ in line) == "".join(
        line.plain for line in plain(source, 200, indent=0)
    )


def test_long_code_is_not_coloured_beyond_a_point_but_shown() -> None:
    source = "x = 1\n" * 10_000
    lines = code.coloured(source)
    assert len(lines) == 10_000
    assert lines[0][0] == ("x", "ink")
    assert lines[-1] == [("x = 1", "ink")]


def test_a_block_that_waits_marks_its_line_and_shows_a_strip_for_each_call() -> None:
    view = sample.view(EVENTS)
    shown = page(view, CODE, "root/i3/b1", width=58)
    assert " ▸ 2   tops = rlm_query_batched(logs)  # one each" in shown.split("\n")
    strips = shown[shown.index("calls from") - 1 :]
    assert strips == golden("""
        | calls from line 2                              3/5 · 47s
        | ✓ g-117      ────                                   38.4
        | ✓ g-204      ────                                   38.4
        | ǁ g-305      ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━         held
        | ✗ g-311      ─────                                 error
        | ◐ g-402      ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━           i2
    """)


def test_strips_are_only_in_wide() -> None:
    view = sample.view(EVENTS)
    view.size = "medium"
    assert "calls from" not in page(view, CODE, "root/i3/b1")


def test_who_writes_below_a_block_is_shown_under_a_rule_with_a_caret() -> None:
    view = sample.view(EVENTS)
    feed(view, Chunk(id=f"{sample.log_call(4)}/i2", kind="reply", text="The notes hold one log.\n```repl\nx = "))
    shown = page(view, CODE, "root/i3/b1").split("\n")
    assert shown[-5:] == [
        "─ g-402 is writing ─────────────────────────────── ~9 tok ─", "", " The notes hold one log.", " ```repl",
        " x = ▌",
    ]  # fmt: skip


def test_wrapped_code_keeps_every_character() -> None:
    source = "values = [" + ", ".join(f"'{n}'" for n in range(40)) + "]"
    lines = code.numbered(sample.view(EVENTS), Layout(), source, 40)
    assert "".join(line.plain[7:] for line in lines) == source
    assert all(cell_len(line.plain) <= 40 for line in lines)


# Output --------------------------------------------------------------------------------------------------------------


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


# Messages ------------------------------------------------------------------------------------------------------------


def test_messages_are_those_that_were_sent_with_what_is_new() -> None:
    view = sample.view(EVENTS)
    assert page(view, MESSAGES, "root/i2") == golden("""
        | model      scripted:multi-hop
        | messages   3, 1 of them new, 163 characters
        | tokens     810, as the scripted model counts; those of
        |            each message by its length
        | context    not in here: list of 16 items, 9,800
        |            characters, in the REPL as context
        |
        |─ 1 system ──────────────────── ~12 tokens  46 characters ─
        | You have a REPL.
        | Write code in ```repl fences.
        |
        |─ 2 user ───────────────────── ~28 tokens  109 characters ─
        | "Who calibrated the anemometer with the strongest gust at
        | the station founded by the designer of the bridge?"
        |
        |─ 3 user ─────────────────── new  ~2 tokens  8 characters ─
        | 16 notes
        |
    """)


def test_the_pane_opens_at_what_is_new() -> None:
    view = sample.view(EVENTS)
    view.item = "root/i2"
    view.tab = MESSAGES
    found = pages.page(view, Layout(), 60, 40)
    assert found.lines[found.start].plain.startswith("─ 3 user ")


def test_the_messages_of_an_iteration_are_those_of_that_request() -> None:
    view = sample.view(EVENTS)
    counts = []
    for item in ("root/i1", "root/i2", "root/i3"):
        view.item = item
        sent = messages.sent(view)
        assert sent is not None
        counts.append((len(sent.messages), sent.new))
    assert counts == [(2, 0), (3, 2), (4, 3)]


def _held_request() -> View:
    view = sample.view(EVENTS[:2])
    old = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?\nWhere?"}]
    value = {"messages": old, "model": "m", "params": {"temperature": 0}}
    feed(view, Hold(id="root/i1", point="llm", node="root", value=value, why="start"))
    return view


def test_a_held_request_shows_what_is_about_to_be_sent() -> None:
    view = _held_request()
    assert names(view)[0] == "Request"
    shown = page(view, CODE)
    assert "model      m" in shown
    assert "temperature 0" in shown
    assert "2, of these 2 new, 20 characters" in shown
    assert " Be brief." in shown.split("\n")


def test_an_edited_request_shows_what_the_edit_changed() -> None:
    view = _held_request()
    was = view.run.held["root/i1"].value["messages"]
    now = [was[0], {"role": "user", "content": "Who?\nWhen?"}]
    feed(view, Edit(id="root/i1", field="messages", value=now, was=was, by="human"))
    shown = page(view, MESSAGES).split("\n")
    assert any("2 user ✎ edited" in line for line in shown)
    assert not any("1 system ✎" in line for line in shown)
    assert "     - Where?" in shown
    assert "   2 + When?" in shown


def test_messages_that_rest_on_an_edited_observation_say_so() -> None:
    view = sample.view(EVENTS[:8])
    feed(view, Hold(id="root/i1", point="observe", node="root", value={"text": "16 notes"}, why="step"))
    feed(view, Edit(id="root/i1", field="obs", value="17 notes", was="16 notes", by="human"))
    feed(view, Obs(id="root/i1", text="17 notes", raw_length=8))
    add = (Message(role="assistant", content="x"), Message(role="user", content="17 notes"))
    feed(view, LlmStart(id="root/i2", base=2, add=add))
    shown = page(view, MESSAGES, "root/i2").split("\n")
    assert any("4 user ✎ edited" in line for line in shown)
    assert not any("3 assistant ✎" in line for line in shown)


def test_a_history_of_400_000_characters_is_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    view = sample.view(EVENTS[:2])
    long = [Message(role="user", content=f"{n} " + "word " * 4000) for n in range(20)]
    feed(view, LlmStart(id="root/i1", add=tuple(long)))
    view.item = "root/i1"
    layout = Layout()
    first, _ = messages.lines(view, layout, 60)
    assert len(first) > 6000
    laid: list[Any] = []
    monkeypatch.setattr("rlm_tui.tui.text.lay_out", lambda *args: laid.append(args) or [""])
    again, _ = messages.lines(view, layout, 60)
    assert [line.plain for line in again] == [line.plain for line in first]
    assert laid == []


def test_only_so_many_lines_are_remembered() -> None:
    layout = Layout()
    made: list[int] = []

    def lines(n: int) -> list[Line]:
        return layout.keep((str(n),), lambda: made.append(n) or [Line()] * 90_000)

    for n in (1, 2, 1, 3, 1, 2):
        assert len(lines(n)) == 90_000
    assert made == [1, 2, 3, 2], "the one that was not asked for longest is forgotten first"


# The other things ----------------------------------------------------------------------------------------------------


def test_a_reply_shows_prose_and_coloured_code() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    shown = page(view, CODE, f"{CHILD}/i2").split("\n")
    assert shown[0] == " The data is one gust log of 60 values. I take the largest"
    assert " ```repl" in shown
    assert "   2   top = max(values)" in shown


def test_an_edited_reply_is_a_difference() -> None:
    view = sample.view(EVENTS[:2])
    feed(view, Hold(id="root/i1", point="reply", node="root", value={"text": "old"}, why="step"))
    feed(view, Edit(id="root/i1", field="reply", value="new", was="old", by="human"))
    assert page(view, CODE, "root/i1").split("\n") == ["     - old", "   1 + new"]
    assert names(view)[0] == "Reply✎"


def test_a_call_shows_what_was_asked_and_what_came_back() -> None:
    view = sample.view(EVENTS)
    shown = page(view, CODE, sample.log_call(0))
    assert "asked by   rlm_query_batched" in shown
    assert "ran as     a child RLM" in shown
    assert "batch      item 1 of 5" in shown
    assert " 38.4" in shown.split("\n")
    assert " [logs/cold-fell/g-117] 9.8 12.4 7.1 43.7" in shown.split("\n")
    assert "rate limit, 3 tries" in page(view, CODE, sample.log_call(3))


def test_an_observation_that_was_cut_says_so() -> None:
    view = sample.view(EVENTS)
    feed(view, Obs(id="root/i3", text="short", raw_length=20_311))
    assert page(view, CODE, "root/i3/obs") == " 5 characters sent; cut from 20,311.\n\n short"


def test_an_answer_says_how_it_was_declared_and_what_it_rests_on() -> None:
    view = sample.view(EVENTS)
    final = Proposal(text="M. Osei", via="FINAL_VAR", var="who", block="root/i3/b1", chosen=True)
    feed(view, ExecEnd(id="root/i3/b1", status="ok", finals=(final,)))
    node = view.run.root
    assert node is not None
    node.downstream = True
    feed(view, NodeEnd(id="root", status="final", value="M. Osei", type="str", via="FINAL_VAR"))
    assert page(view, CODE, "root/answer", width=70) == golden("""
        | ◆ M. Osei
        |
        | declared   FINAL_VAR("who")  in i3, block 1     str, 7 characters
        | rests on   ✎ your edit of g-305 · i2 · block 1
    """)


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ({"status": "exhausted", "limit": "max_iterations", "partial": "so far"},
         " No answer: the limit max_iterations was reached."),
        ({"status": "error", "error": ErrorInfo(kind="key", message="No key for this model.")},
         " No key for this model."),
        ({"status": "killed"}, " No answer: killed."),
    ],
)  # fmt: skip
def test_a_node_without_an_answer_says_why(end: dict[str, Any], says: str) -> None:
    view = sample.view(EVENTS)
    feed(view, NodeEnd(id="root", **end))
    assert page(view, CODE, "root/answer").split("\n")[0] == says


def test_a_limit_in_hand() -> None:
    view = sample.view(EVENTS)
    value = {"name": "max_iterations", "used": 30, "limit": 30}
    feed(view, Hold(id="root", point="limit", node="root", value=value, why="limit"))
    assert view.item == "root/answer"
    assert page(view, CODE) == " max_iterations        30 of 30 used"


def test_a_failure_in_hand() -> None:
    view = sample.view(EVENTS[:2])
    feed(view, LlmStart(id="root/i1"))
    value = {"kind": "rate", "message": "Too many requests.", "attempt": 3}
    feed(view, Hold(id="root/i1", point="error", node="root", value=value, why="error"))
    assert page(view, CODE).split("\n") == [
        " went wrong rate",
        " attempt    3",
        "",
        " Too many requests.",
    ]


def test_variables_are_those_of_their_time() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    before = page(view, VARIABLES, f"{CHILD}/i1/b1")
    assert "variables after block 1" in before
    assert "changed here" in before
    assert "variables before this block" in page(view, VARIABLES, f"{CHILD}/i2/b1")
    view.select_node(next(call.id for call in view.run.calls.values() if call.node is None))
    assert page(view, VARIABLES) == " No variables: a model request has no REPL."


def test_a_long_text_is_shown_as_far_as_it_goes_and_says_what_is_left() -> None:
    lines = plain("x" * (text.CAP + 2_500), 1002)
    assert lines[-1].plain == " 2.5 kB more, not shown; y copies all of it"
    assert len(plain("1\n" * 100_000, 80)) == text.LINES + 1, "nor a million short lines"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_the_pane(text: str) -> None:
    view = hostile_run(text)
    for node in ("root", *view.run.calls):
        view.select_node(node)
        for item in (None, view.item, "root/i1", "root/i1/b1", "root/i1/obs"):
            for tab in range(4):
                view.item, view.tab = item, tab
                for line in pages.page(view, Layout(), 40, 20).lines:
                    assert cell_len(line.plain) <= 40
                    assert not any(c < " " or c in "\x7f\u202e\u200d" or "\ud800" <= c <= "\udfff" for c in line.plain)


# The widget ----------------------------------------------------------------------------------------------------------


def right(app: Panes) -> list[str]:
    """The rows of the inspector's pane."""
    return [row[108:].rstrip() for row in app.rows()]


@in_loop
async def test_tabs_go_round_and_can_be_clicked() -> None:
    view = sample.view(EVENTS)
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        inspector = app.screen.query_one(Inspector)
        seen = []
        for _ in range(6):
            inspector.next_tab()
            seen.append(view.tab)
        assert seen == [1, 2, 3, 4, 5, 0]
        inspector.previous_tab()
        assert view.tab == 5
        await pilot.click("InspectorTabs", offset=(10, 0))
        assert view.tab == OUTPUT
        assert isinstance(app.focused, TextPane)


@in_loop
async def test_a_long_text_paints_only_what_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = Blob(sha256="ab" * 32, length=90_000, head="line")
    whole = "".join(f"line {n}\n" for n in range(9_000))
    view = sample.view(EVENTS)
    view.text = lambda value: whole if isinstance(value, Blob) else value or ""
    feed(view, Obs(id="root/i3", text=blob, raw_length=90_000))
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        body = app.screen.query_one(TextPane)
        painted: list[Line] = []
        paint = body._painter.paint
        monkeypatch.setattr(body._painter, "paint", lambda line, width: painted.append(line) or paint(line, width))
        body.focus()
        await pilot.press("end")
        await pilot.pause()
        assert any("line 8999" in row for row in right(app))
        assert 0 < len(painted) < 45 * 8


@in_loop
async def test_a_sync_without_a_change_lays_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Panes(sample.view(EVENTS))
    app.view.select_node(sample.log_call(0))
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        inspector = app.screen.query_one(Inspector)
        inspector.sync()
        made: list[Any] = []
        original = pages.page
        monkeypatch.setattr(pages, "page", lambda *args: made.append(args) or original(*args))
        inspector.sync()
        assert made == []
        inspector.next_tab()
        assert len(made) == 1


@in_loop
async def test_a_stream_keeps_its_end_in_sight_until_someone_scrolls_up() -> None:
    view = sample.view(EVENTS[:2])
    feed(view, ExecStart(id="root/i1/b1", code="x"))
    view.item, view.tab = "root/i1/b1", OUTPUT
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()

        async def printed(first: int, last: int) -> list[str]:
            for n in range(first, last):
                feed(view, Chunk(id="root/i1/b1", kind="stdout", text=f"tick {n}\n"))
            app.sync()
            await pilot.pause()
            return right(app)

        assert any("tick 99" in row for row in await printed(0, 100))
        assert any("tick 199" in row for row in await printed(100, 200))
        app.screen.query_one(TextPane).scroll_to(y=0, animate=False, force=True, immediate=True)
        rows = await printed(200, 300)
        assert any("tick 0" in row for row in rows)
        assert not any("tick 299" in row for row in rows)


@in_loop
async def test_another_selection_begins_at_its_top() -> None:
    view = sample.view(EVENTS)
    feed(view, Obs(id="root/i3", text="\n".join(map(str, range(500)))))
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        body = app.screen.query_one(TextPane)
        body.focus()
        await pilot.press("end")
        assert body.scroll_offset.y > 0
        view.select_item("root/i3/b1")
        app.sync()
        await pilot.pause()
        assert body.scroll_offset.y == 0


@in_loop
async def test_the_mouse_selects_text_to_copy() -> None:
    view = sample.view(EVENTS)
    feed(view, Obs(id="root/i3", text="the first line\n漢字 second line\nthe third"))
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        await pilot.mouse_down(TextPane, offset=(5, 0))
        await pilot.hover(TextPane, offset=(9, 1))
        await pilot.mouse_up(TextPane, offset=(9, 1))
        await pilot.pause()
        assert app.screen.get_selected_text() == "first line\n 漢字 seco"
        turned = [s.text for row in app.segments() for s in row if s.style is not None and s.style.reverse]
        assert turned == ["first line", " 漢字 seco"]
