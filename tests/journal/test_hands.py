"""What people put in: notes, code before a block, further replies, messages to the model."""

from __future__ import annotations

from rlm_tui.journal.events import Chunk, Edit, Event, ExecStart, Go, Hold, LlmEnd, LlmStart, Message, NodeStart, Usage
from rlm_tui.journal.run import REVERTED, Run
from tests.journal.build import context, run_start

BLOCK = "root/i1/b1"


def run_of(*events: Event) -> Run:
    start = [run_start(), NodeStart(id="root", depth=0, prompt="q", context=context(), model="m")]
    asked = LlmStart(id="root/i1", add=(Message(role="user", content="q"),))
    usage = Usage(prompt=10, completion=5, source="provider", cost=0.1)
    came = LlmEnd(id="root/i1", status="ok", reply="first", usage=usage)
    return Run(e.model_copy(update={"seq": n, "t": float(n)}) for n, e in enumerate([*start, asked, came, *events]))


def test_notes_stand_by_what_they_are_of_and_mark_nothing() -> None:
    by_rule = Edit(id=BLOCK, field="note", value="fan-out 8", by="rule:call if n > 4")
    run = run_of(Edit(id="root/i1", field="note", value="odd", by="human"), by_rule)
    assert [note.value for note in run.notes["root/i1"]] == ["odd"]
    assert [(note.value, note.by) for note in run.notes[BLOCK]] == [("fan-out 8", "rule:call if n > 4")]
    assert not run.nodes["root"].edited


def test_code_before_a_block_has_a_row_before_it_until_it_is_taken_back() -> None:
    held = Hold(id=BLOCK, point="block", node="root", why="step", value={"code": "print(1)", "after": ["print(2)"]})
    edits = [Edit(id=BLOCK, field="insert", value={"code": c, "say": False}, by="human") for c in ("a = 1", "b = 2")]
    run = run_of(held, *edits)
    rows = [(row.id.removeprefix("root/i1/"), row.code, row.mark) for row in run.iterations["root/i1"].blocks]
    assert rows == [
        ("b1+h1", "a = 1", "edited"), ("b1+h2", "b = 2", "edited"), ("b1", "print(1)", ""), ("b2", "print(2)", ""),
    ]  # fmt: skip
    assert (run.nodes["root"].hands, run.blocks[BLOCK].was) == (2, None)
    back = run_of(held, *edits, Edit(id=BLOCK, field="insert", note=REVERTED, by="human"))
    assert [row.id for row in back.iterations["root/i1"].blocks] == [BLOCK, "root/i1/b2"]
    assert not back.nodes["root"].edited
    ran = ExecStart(id=f"{BLOCK}+h1", code="a = 1", origin="human", by="human")
    begun = run_of(held, edits[0], Go(id=BLOCK, verb="release", by="human"), ran)
    assert [row.state for row in begun.iterations["root/i1"].blocks] == ["executing", "new", "new"]


def test_further_replies_are_counted_and_nothing_builds_on_them() -> None:
    usage = Usage(prompt=10, completion=7, source="provider", cost=0.2)
    sample = LlmStart(id="root/i1+s1", base=1)
    run = run_of(sample, Chunk(id="root/i1+s1", kind="reply", text="sec"))
    assert run.iterations["root/i1"].samples[0].stream == ["sec"]
    run = run_of(sample, LlmEnd(id="root/i1+s1", status="ok", reply="second", usage=usage))
    iteration = run.iterations["root/i1"]
    assert [(a.reply, a.status) for a in iteration.samples] == [("second", "ok")]
    assert [message.content for message in iteration.samples[0].messages()] == ["q"]
    assert (iteration.reply, run.nodes["root"].last_attempt) == ("first", iteration.attempts[0])
    assert (run.totals.tokens, round(run.totals.cost, 3)) == (32, 0.3)


def test_a_message_to_the_model_marks_what_it_goes_into() -> None:
    at_obs = run_of(Edit(id="root/i1", field="say", value={"text": "look", "at": "observe"}, by="human"))
    at_llm = run_of(Edit(id="root/i1", field="say", value={"text": "look", "at": "llm"}, by="human"))
    assert (at_obs.iterations["root/i1"].obs_mark, at_obs.iterations["root/i1"].mark) == ("edited", "")
    assert (at_llm.iterations["root/i1"].obs_mark, at_llm.iterations["root/i1"].mark) == ("", "edited")
