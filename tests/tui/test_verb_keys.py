"""Verbs by their keys: what they act on, the scope, and what the bar says of it."""

from __future__ import annotations

from rlm_tui.tui.screens.kill import KillDialog
from tests.debugger.small import code
from tests.tui.family import TABLE, all_held, at_block, child, family, select
from tests.tui.stage import Stage

BUSY = code("while True: pass")


@family()
async def test_a_verb_acts_on_the_child_of_the_selected_row_and_the_bar_says_so(stage: Stage) -> None:
    await all_held(stage)
    beta = child(stage, "beta")
    assert not stage.decision.display
    await select(stage, beta.id)
    assert stage.view.node == "root"
    assert "held before a request" in stage.bar
    assert "rlm beta" in stage.bar
    await stage.verb("s")
    await stage.until(lambda: beta.node.held is not None and beta.node.held.point == "reply", "its reply")
    points = {name: child(stage, name).node.held.point for name in ("alpha", "beta", "gamma")}
    assert points == {"alpha": "llm", "beta": "reply", "gamma": "llm"}
    assert stage.view.node == "root"


@family()
async def test_a_stop_elsewhere_leaves_the_focus_where_it_is(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("h")
    await stage.ready("llm")
    here = stage.view.node
    other = next(call for call in stage.run.calls.values() if call.id != here)
    assert stage.session.step(other.id).result(5) is None
    await stage.until(lambda: other.node.held is not None and other.node.held.point == "reply", "the other one")
    assert stage.view.node == here
    assert stage.view.held_here().point == "llm"
    seen = [stage.view.node]
    for _ in range(3):
        await stage.press("h")
        seen.append(stage.view.node)
    assert len(set(seen)) == 3 and seen[-1] == here


@family()
async def test_the_scope_goes_round_and_stands_where_the_verbs_are(stage: Stage) -> None:
    await all_held(stage)
    assert "v scope: node" in stage.footer
    await stage.press("h")
    await stage.ready("llm")
    assert "v scope: node" in stage.footer
    await stage.press("v")
    assert "verbs go on with 1 held here and below" in stage.bar
    assert "a release the subtree" in stage.bar
    assert "v scope: subtree" in stage.bar and "scope" not in stage.footer
    await stage.press("v")
    assert "verbs go on with all 3 held" in stage.bar
    await stage.verb("s")
    await stage.until(lambda: [h.point for h in stage.run.held.values()] == ["reply"] * 3, "three replies")
    await stage.press("v")
    assert stage.view.scope == "node"
    assert "verbs go on" not in stage.bar


@family()
async def test_in_the_subtree_of_the_root_a_verb_goes_on_with_all_that_is_held_below(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("s")
    await stage.until(lambda: stage.session.wants("root") == "step", "a step of the root itself")
    assert len(stage.run.held) == 3
    await stage.press("v", "s")
    await stage.until(lambda: [h.point for h in stage.run.held.values()] == ["reply"] * 3, "three replies")


@family()
async def test_with_nothing_held_in_the_scope_a_verb_is_refused_in_words(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("v", "v")
    assert stage.session.release("root").result(5) is None
    await stage.until(lambda: stage.run.end is not None, "the end")
    await stage.press("s")
    assert any("The run has ended." in said for said in stage.said())


@family()
async def test_iteration_stops_at_the_next_request_and_out_at_the_answer(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("h")
    await stage.ready("llm")
    here = stage.view.node
    await stage.verb("N")
    await stage.ready("llm")
    assert stage.view.held_here().id == f"{here}/i2"
    await stage.verb("o")
    await stage.ready("return")
    assert (stage.view.node, stage.view.held_here().id) == (here, here)
    assert "at an answer to the code" in stage.bar


@family(table={**TABLE, "": ["Two.\n" + code("a = 1") + "\nand\n" + code("b = 2"), code("FINAL_VAR('b')")]})
async def test_rows_ahead_can_be_gone_to(stage: Stage) -> None:
    await at_block(stage)
    assert "○  block 2  1 line, not run yet" in stage.text
    await select(stage, "root/i1/b2")
    assert "t to cursor" in stage.bar
    await stage.verb("t")
    await stage.until(lambda: (h := stage.view.held_here()) is not None and h.id == "root/i1/b2", "the second block")
    await stage.ready()
    await select(stage, "root/i1/b1")
    await stage.press("t")
    assert "That is behind" in stage.bar


@family()
async def test_kill_asks_once_when_more_ends_and_says_what(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("X")
    assert isinstance(stage.app.screen, KillDialog)
    assert "Kill the run" in stage.text and "3 calls below are ended first" in stage.text
    await stage.press("escape")
    assert stage.app.screen is stage.main and len(stage.run.held) == 3
    alpha = child(stage, "alpha")
    await select(stage, alpha.id)
    assert "X kill" in stage.bar and "X kill alpha" not in stage.bar, "the bar says whom"
    await stage.verb("X")
    assert stage.app.screen is stage.main
    await stage.until(lambda: alpha.status == "killed", "that one killed")
    assert len(stage.run.held) == 2
    await stage.press("X")
    assert "This call has come back." in stage.said() or "This call has come back." in stage.bar


@family()
async def test_killing_the_root_ends_the_run(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("X", "enter")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.run.root.status == "killed"
    assert stage.app.screen is stage.main


@family()
async def test_all_stop_is_had_by_the_palette_and_shown_while_it_is_on(stage: Stage) -> None:
    await at_block(stage)
    await stage.press("colon", *"all-stop", "enter")
    await stage.until(lambda: stage.session.all_stop, "all-stop")
    await stage.until(lambda: "all-stop" in stage.footer and "all-stop" in stage.bar, "the word")
    await stage.press("colon", *"all-stop", "enter")
    await stage.until(lambda: not stage.session.all_stop, "no all-stop")
    await stage.until(lambda: "all-stop" not in stage.footer, "no word")


@family()
async def test_a_breakpoint_at_the_cursor_shows_in_the_gutter_and_stops_there(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("h")
    await stage.ready("llm")
    here = stage.view.held_here().id
    await stage.press("b")
    assert "Breakpoint set here, at llm" in stage.bar
    assert "●" in next(line for line in stage.text.split("\n") if " i1 " in line and " llm " in line)
    await stage.press("b")
    assert "The breakpoint here is gone." in stage.bar
    assert stage.session.breakpoints.marks(here) == ()


@family()
async def test_why_it_is_held_is_told_with_the_breakpoints_text(stage: Stage) -> None:
    await stage.ready("llm")
    assert stage.session.breakpoints.add('block if "rlm_query" in code') is None
    await stage.verb("a")
    await stage.ready("block")
    assert 'breakpoint  block if "rlm_query" in code' in stage.bar


@family()
async def test_a_verb_that_ended_early_says_so(stage: Stage) -> None:
    await at_block(stage)
    assert stage.session.breakpoints.add("block @depth>=1") is None
    await stage.press("v", "v", "N")
    await stage.until(lambda: len(stage.run.held) == 3, "the breakpoints")
    await stage.press("h")
    await stage.ready("block")
    assert "breakpoint  block @depth>=1" in stage.bar


@family()
async def test_a_note_leaves_its_sign_at_the_row(stage: Stage) -> None:
    await at_block(stage)
    assert stage.session.note("root/i1/b1", "look here").result(5) is None
    await stage.until(lambda: "¶" in stage.text, "the sign")
    row = next(line for line in stage.text.split("\n") if "¶" in line)
    assert "not run yet" in row


@family(table={**TABLE, "beta log": [BUSY]})
async def test_verbs_on_a_row_without_a_hold_say_whom_they_act_on(stage: Stage) -> None:
    await all_held(stage)
    beta = child(stage, "beta")
    assert stage.session.release(beta.id).result(5) is None
    await stage.until(lambda: beta.node.state == "executing", "its block")
    await select(stage, beta.id)
    await stage.until(lambda: "beta log:" in stage.footer, "whom")
    await stage.press("p")
    await stage.until(lambda: stage.session.ladder(beta.id).asked == "pause", "the pause of the child")
    assert stage.session.ladder("root").asked is None
    assert "beta log" in stage.bar


@family(table={**TABLE, "beta log": [BUSY]})
async def test_on_the_row_of_a_child_that_runs_no_verb_means_what_is_held_beside_it(stage: Stage) -> None:
    await at_block(stage)
    assert stage.session.breakpoints.add('call if "alpha" in prompt') is None
    await stage.verb("a")
    await stage.until(lambda: len(stage.run.held) == 1 and len(stage.run.calls) == 3, "the held call")
    alpha, beta = child(stage, "alpha"), child(stage, "beta")
    await stage.until(lambda: beta.node is not None and beta.node.state == "executing", "the other's block")
    await select(stage, beta.id)
    await stage.until(lambda: "beta log:" in stage.footer, "whom")
    assert not stage.decision.display
    await stage.press("a")
    assert any("Nothing is held in this node" in said for said in stage.said())
    assert alpha.id in stage.run.held
    await stage.verb("X")
    await stage.until(lambda: beta.status == "killed", "that one killed")
    assert alpha.id in stage.run.held


@family()
async def test_the_items_of_a_batch_are_counted_from_one(stage: Stage) -> None:
    await all_held(stage)
    for name, said in (("alpha", "item 1 of 3"), ("gamma", "item 3 of 3")):
        await select(stage, child(stage, name).id)
        await stage.until(lambda said=said: said in stage.text, said)
