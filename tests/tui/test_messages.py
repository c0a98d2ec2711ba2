"""The tab Messages: what a model was sent or is about to be sent, exactly; what is new, changed, cut, and how large."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_tui.journal import address
from rlm_tui.journal.events import (
    CallEnd,
    CallStart,
    CutInfo,
    Edit,
    ErrorInfo,
    Event,
    ExecEnd,
    ExecStart,
    Hold,
    LlmEnd,
    LlmStart,
    Message,
    Obs,
    Usage,
)
from rlm_tui.journal.run import Run
from rlm_tui.llm.base import ModelError
from rlm_tui.tui.rows import messages, pages, requests
from rlm_tui.tui.rows.layout import Layout
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.rows.line import plain as as_text
from rlm_tui.tui.view import View
from tests.debugger.small import QUESTION, Table, code, do, small
from tests.runs import Watched, done
from tests.tui import sample, scenes
from tests.tui.sample import feed
from tests.tui.stage import Stage, staged

WIDTH = 78


def seen(run: Watched, item: str | None = None, node: str = "root") -> View:
    """A view of what has happened in a run so far."""
    view = View(Run(list(run.events)), run.session.text)
    view.select_node(node)
    view.item = item or view.item
    view.tab = pages.MESSAGES
    return view


def lines(view: View, width: int = WIDTH) -> list[Line]:
    return pages.page(view, Layout(), width, 40).lines


def tab(view: View, width: int = WIDTH) -> str:
    return as_text(lines(view, width))


def heads(view: View) -> list[str]:
    """The rules over the messages: number, role, what a person did."""
    page = pages.page(view, Layout(), WIDTH, 40)
    return [page.lines[n].plain.strip("─ ").split(" ─")[0] for n in page.heads]


def fold(*events: Event) -> View:
    """The tab after the sample's beginning, and more events."""
    view = sample.begun(*events)
    view.tab = pages.MESSAGES
    return view


# Sizes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("characters", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (4_000, 1_000)])
def test_a_token_is_four_characters_where_nobody_has_counted(characters: int, tokens: int) -> None:
    assert requests.estimate(characters) == tokens


@pytest.mark.parametrize(
    ("usage", "says"),
    [
        (None, "~250, by the length; nobody has counted them"),
        (Usage(), "~250, by the length; nobody has counted them"),
        (Usage(prompt=240, completion=2, source="estimate"), "~240, by the length; nobody has counted them"),
        (Usage(prompt=1234, source="provider"), "1,234, as the provider counted; those of each message by its length"),
        (
            Usage(prompt=1234, cached=1024, source="provider"),
            "1,234, as the provider counted, 1,024 of them cached; those of each message by its length",
        ),
        (Usage(prompt=7, source="scripted"), "7, as the scripted model counts; those of each message by its length"),
    ],
)
def test_a_request_is_as_large_as_it_was_counted_else_as_it_is_long(usage: Usage | None, says: str) -> None:
    view = fold(
        LlmStart(id="root/i1", add=(Message(role="user", content="x" * 1000),)),
        LlmEnd(id="root/i1", status="ok", reply="a", usage=usage),
    )
    found = messages.sent(view)
    assert found is not None
    assert requests.tokens(found.attempts[-1], 1000) == says
    assert "~250 tokens  1,000 characters" in tab(view)


# Which request -------------------------------------------------------------------------------------------------------


def test_a_held_request_is_not_yet_sent_and_goes_where_it_is_to_go() -> None:
    with small({QUESTION: ["I think."]}, hold=True) as run:
        held = run.held("llm")
        done(run.session.edit(held.id, "params", {"temperature": 0.5}))
        done(run.session.edit(held.id, "model", "other\x1b[31m"))
        shown = tab(seen(run))
        assert "model      other␛[31m  ✎ chosen by hand" in shown and "\x1b" not in shown
        assert "parameters temperature 0.5" in shown
        assert "sent       not yet" in shown
        assert "tokens     ~" in shown and "nobody has counted" in shown
        assert "context    not in here: str, 12 characters, in the REPL as context" in shown


LEAF = code("print(llm_query('what is it?'))")


def test_a_leafs_prompt_is_shown_before_it_is_sent_and_as_a_person_changed_it() -> None:
    with small({QUESTION: [LEAF], "what": ["that"]}, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "into", run.held("block"))
        call = run.held("call")
        shown = tab(seen(run, call.id))
        assert "sent       not yet" in shown and "what is it?" in shown and "~3 tokens  11 characters" in shown
        done(run.session.edit(call.id, "prompt", "what was it?"))
        shown = tab(seen(run, call.id))
        assert "1 user ✎ edited" in shown and "- what is it?" in shown and "+ what was it?" in shown
        do(run, "step", call)
        run.held("return")
        view = seen(run, call.id)
        shown = tab(view)
        assert "- what is it?" in shown and "+ what was it?" in shown and "sent  " not in shown
        found = messages.sent(view)
        assert found is not None and [m.content for m in found.messages] == ["what was it?"]


def test_a_call_that_was_answered_by_hand_was_never_sent() -> None:
    with small({QUESTION: [LEAF], "what": ["that"]}, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "into", run.held("block"))
        call = run.held("call")
        done(run.session.edit(call.id, "answer", "mine"))
        do(run, "step", call)
        run.held()
        assert "sent       never: it was answered by hand" in tab(seen(run, call.id))


def test_of_a_child_its_first_request_is_shown() -> None:
    table: Table = {
        QUESTION: [code("x = rlm_query('the child task')", "print(x)")],
        "the child task": ["One.", "FINAL(2)"],
    }
    with small(table, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "next", run.held("block"))
        run.held("observe")
        call = next(iter(run.run.calls.values()))
        shown = tab(seen(run, call.id))
        assert "request    the first of 2 of this child" in shown
        assert "2, all new" in shown and 'The task: "the child task"' in shown
        # The child's own rows show each of its requests.
        view = seen(run, f"{call.id}/i2", call.id)
        assert "4, 2 of them new" in tab(view) and "request   " not in tab(view)


def test_attempts_that_failed_are_told_of_with_what_was_sent_again() -> None:
    def model(messages: list[dict[str, str]]) -> str:
        if "again" not in messages[-1]["content"]:
            raise ModelError("request", "down\x1b[2J")
        return "FINAL(1)"

    with small(model, hold=True) as run:
        do(run, "step", run.held("llm"))
        failed = run.held("error")
        now = [*(m.model_dump() for m in run.run.iterations[failed.id].attempts[-1].messages())]
        now[-1]["content"] += "\nonce again"
        done(run.session.edit(failed.id, "messages", now))
        view = seen(run)
        assert "sent       not yet" in tab(view) and "+ once again" in tab(view)
        assert "attempt    1 failed, request: down␛[2J" in tab(view)
        done(run.session.retry(failed.id))
        run.ended()
        shown = tab(seen(run, failed.id))
        assert "attempt    2, the last; its messages are these" in shown
        assert "1 failed, request: down␛[2J" in shown and "sent again with other messages" in shown
        assert "2 user ✎ edited" in shown and "+ once again" in shown


def test_further_replies_are_counted_by_model() -> None:
    with small({QUESTION: ["one", "two"]}, hold=True) as run:
        do(run, "step", run.held("llm"))
        reply = run.held("reply")
        done(run.session.resample(reply.id, 2))
        done(run.session.resample(reply.id, 1, model="other"))
        assert "samples    3 further replies to these messages, 1 of other" in tab(seen(run))


# What a hand changed -------------------------------------------------------------------------------------------------


def _request(content: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"role": role, "content": said} for role, said in content]


OLD = _request([("system", "Be brief."), ("user", "Who?"), ("assistant", "I."), ("user", "Where?")])


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        ([OLD[0], OLD[1], OLD[3]], ["1 system", "2 user", "– assistant ✎ taken out", "3 user"]),
        ([*OLD, *_request([("user", "Now.")])], ["1 system", "2 user", "3 assistant", "4 user", "5 user ✎ added"]),
        (
            [*OLD[:3], _request([("user", "When?")])[0]],
            ["1 system", "2 user", "3 assistant", "4 user ✎ edited"],
        ),
        (OLD[3:], ["– system ✎ taken out", "– user ✎ taken out", "– assistant ✎ taken out", "1 user"]),
    ],
)
def test_what_an_edit_put_in_took_out_and_changed_stands_in_its_place(now: list[Any], shown: list[str]) -> None:
    value = {"messages": OLD, "model": "m", "params": {}}
    view = fold(Hold(id="root/i1", point="llm", node="root", value=value, why="start"))
    view.item = "root/i1"
    feed(view, Edit(id="root/i1", field="messages", value=now, was=OLD, by="human"))
    assert heads(view)[: len(shown)] == shown


def test_a_message_to_the_model_stands_out_in_the_request_also_once_it_is_sent() -> None:
    with small({QUESTION: ["FINAL(1)"]}, hold=True) as run:
        held = run.held("llm")
        done(run.session.say("root", "look closer"))
        before = tab(seen(run))
        assert "2 user ✎ edited" in before and "+ look closer" in before
        do(run, "release", held)
        run.ended()
        shown = tab(seen(run, "root/i1"))
        assert "2 user ✎ edited" in shown and "+ look closer" in shown
        assert "- " not in [line.plain[3:7].strip() for line in lines(seen(run, "root/i1"))]


def test_later_requests_show_what_was_changed_of_a_reply_and_of_an_observation() -> None:
    with small({QUESTION: [code("print('abc')"), "FINAL(1)"]}, hold=True) as run:
        do(run, "step", run.held("llm"))
        reply = run.held("reply")
        done(run.session.edit(reply.id, "reply", code("print('xyz')")))
        do(run, "next", reply)
        do(run, "next", run.held("block"))
        told = run.held("observe")
        now = str(told.value["text"]).replace("REPL output", "REPL says")
        done(run.session.edit(told.id, "obs", now))
        do(run, "release", told)
        run.ended()
        view = seen(run, "root/i2")
        assert heads(view) == ["1 system", "2 user", "3 assistant ✎ edited", "4 user ✎ edited"]
        shown = tab(view)
        assert "- print('abc')" in shown and "+ print('xyz')" in shown
        assert "- REPL output:" in shown and "+ REPL says:" in shown


# What was cut --------------------------------------------------------------------------------------------------------


def test_what_was_cut_of_an_observation_is_told_with_how_much_and_where() -> None:
    with small({QUESTION: [code("print('a' * 20_000)"), "FINAL(1)"]}) as run:
        run.ended()
        found = lines(seen(run, "root/i2"))
        texts = [line.plain for line in found]
        assert " cut: the first 8,192 of 20,001 characters that the block printed" in texts
        at = next(n for n, line in enumerate(texts) if line.endswith("cut here"))
        assert "... (truncated, total 20001 chars)" in texts[at] and set(texts[at - 1].strip()) == {"a"}
        # Nothing of the message is lost by marking it.
        shown = "".join(texts).replace(" ", "")
        assert shown.count("a" * 70) >= 8_192 // 77


def test_words_that_only_look_like_a_cut_are_none() -> None:
    lie = "print('b' * 2000)\nprint('... (truncated, total 99999 chars)')\nprint('... (5 chars left out)')"
    with small({QUESTION: [code(lie), "FINAL(1)"]}) as run:
        run.ended()
        shown = tab(seen(run, "root/i2"))
        assert "... (truncated, total 99999 chars)" in shown and "cut:" not in shown and "cut here" not in shown


def test_what_the_repl_itself_did_not_keep_is_told() -> None:
    view = fold(
        LlmStart(id="root/i1", add=(Message(role="user", content="go"),)),
        LlmEnd(id="root/i1", status="ok", reply="x"),
        ExecStart(id="root/i1/b1", code="print('x' * 9)"),
        ExecEnd(id="root/i1/b1", status="ok", stdout="xx", cuts={"stdout": CutInfo(kept=2, total=9_000)}),
        Obs(id="root/i1", text="told: xx", raw_length=9),
        LlmStart(
            id="root/i2", base=1, add=(Message(role="assistant", content="x"), Message(role="user", content="told: xx"))
        ),
    )
    view.item = "root/i2"
    assert "cut by the REPL: 2 of 9,000 characters of stdout, block 1" in tab(view)


# On the screen -------------------------------------------------------------------------------------------------------


def test_every_line_fits_and_nothing_hostile_gets_through() -> None:
    evil = "\x1b[31m\u202e[bold]x[/bold]\x07" * 30
    start = LlmStart(
        id="root/i1", model=evil, params={evil: evil},
        add=(Message(role="user", content=evil), Message(role=evil, content="x\n" * 3)),
    )  # fmt: skip
    view = fold(start, LlmEnd(id="root/i1", status="error", error=ErrorInfo(kind="server", message=evil)))
    feed(view, start.model_copy(update={"attempt": 2}))
    for width in (24, 40, 60, 120):
        found = lines(view, width)
        assert all(line.width <= width for line in found)
        assert not {"\x1b", "\x07", "\u202e"} & set(as_text(found))


REFUSED = address.call("root/i1/b1", "llm", "a", None, 1)


def test_a_leaf_of_a_run_that_only_is_read_is_as_it_was_sent() -> None:
    view = fold(
        LlmStart(id="root/i1", add=(Message(role="user", content="go"),)),
        LlmEnd(id="root/i1", status="ok", reply="x"),
        ExecStart(id="root/i1/b1", code="llm_query('a')"),
        CallStart(id=REFUSED, fn="llm_query", prompt="a"),
        CallEnd(id=REFUSED, status="refused", limit="max_subcalls"),
    )
    view.item = REFUSED
    assert "sent       never: a limit refused it" in tab(view)


@staged(size=(120, 36))
async def test_keys_go_from_message_to_message(stage: Stage) -> None:
    await scenes.held_block(stage)
    await stage.press("J")
    assert "Messages are gone through in the tab Messages." in stage.text
    await stage.press("right", "right", "z")
    body = stage.main.query_one("Inspector").body  # type: ignore[attr-defined]
    await stage.press("3")
    await stage.until(lambda: body.heads and body.size.height, "messages")
    await stage.press("home")
    first = [*body.heads]
    await stage.press("J")
    assert body.scroll_offset.y == first[0]
    await stage.press("J")
    assert body.scroll_offset.y == first[1]
    await stage.press("K")
    assert body.scroll_offset.y == first[0]
    await stage.press("K")
    assert body.scroll_offset.y == 0
