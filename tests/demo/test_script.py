"""The script of `broken`, as it is shown to somebody: claim, loop, break in, repair, answer, and a branch of it."""

from __future__ import annotations

import re

from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.debugger.likeness import Change
from rlm_tui.demo.broken import CLAIM
from rlm_tui.demo.catalogue import model_for
from tests.debugger.standing import broken
from tests.debugger.test_resuming import resumed
from tests.engine.test_effects import Counting
from tests.runs import DEADLINE_S, done, running

BREAKPOINTS = ('reply if "FINAL(" in reply', 'block if "while" in code')
CLAIMING, FAILING, LOOPING = "root/i1", "root/i2/b1", "root/i3/b1"


def standing(run) -> dict[str, str]:
    """Break in to the loop; its variables as they are shown. A press that comes before it has begun is made again."""
    while "i" not in (found := {row[0]: row[3] for row in broken(run).value["locals"]}):
        done(run.session.release(LOOPING))
        run.until(lambda fold: not fold.held, "going on")
    return found


def repaired_at_the_loop(run) -> None:
    """From the first reply to the end of the run: what is pressed, and what is seen."""
    session = run.session
    held = run.held("reply")
    assert held.id == CLAIMING and f"FINAL({CLAIM})" in held.value["text"] and not run.run.blocks
    done(session.release(held.id))

    held = run.held("block")
    assert held.id == LOOPING
    first, second, _ = run.run.root.iterations
    assert (first.blocks[0].status, first.blocks[0].finals) == ("ok", ())
    assert session.text(first.blocks[0].stdout).startswith("sku,site,delta\n")
    assert second.blocks[0].status == "error" and "NameError" in session.text(second.blocks[0].error)

    done(session.release(held.id))
    run.until(lambda fold: fold.blocks[LOOPING].started is not None and not fold.held, "the loop running")
    assert standing(run)["i"] == "0"
    done(session.harder("root"))
    held = run.held("error")
    assert (held.id, held.value["kind"]) == (LOOPING, "aborted")
    assert {"i", "lines", "totals"} <= {row.name for row in run.run.blocks[LOOPING].changed}

    code = session.text(run.run.blocks[LOOPING].code)
    done(session.edit(LOOPING, "code", code.replace("i = 0", "i = 1")))
    done(session.retry(LOOPING))
    run.ended()


def test_the_script_from_the_claim_to_the_branch(tmp_path) -> None:
    model = Counting(model_for("scripted:broken"))
    with running("broken", runs=tmp_path, model=model, breakpoints=Breakpoints(None, BREAKPOINTS)) as run:
        repaired_at_the_loop(run)
        root, loop = run.run.root, run.run.blocks[LOOPING]
        assert run.session.text(loop.stdout) == "40 skus\n" and loop.mark == "edited"
        assert "i = 0" in run.session.text(loop.was)
        assert (root.via, run.session.text(root.value), root.final_mark) == (
            "FINAL_VAR", run.data.oracle, "downstream",
        )  # fmt: skip
        asked, events = model.asked, len(run.events)
        assert asked == len(root.iterations) == 4

        was = run.session.text(run.run.blocks[FAILING].code)
        change = Change("code", was.replace("contxt", "context"), was)
        path = run.session.fork(FAILING, "block", change, why="the name, mended").result(DEADLINE_S)
        assert not isinstance(path, str), path
        assert len(run.events) == events, "a branch is made beside its run, which is not touched"

    with resumed(path, model) as fork:
        held = fork.held()
        assert (held.id, held.point) == (FAILING, "block") and "context" in held.value["code"]
        assert model.asked == asked, "a branch opens held and asks nothing"
        done(fork.session.release(held.id))
        fork.ended()
        theirs = fork.run.root
        assert (theirs.via, fork.session.text(theirs.value)) == ("FINAL_VAR", run.data.oracle)
        assert [turn.blocks[0].status for turn in theirs.iterations] == ["ok", "ok", "ok", "ok"]
        assert re.fullmatch(r"4000 rows\n", fork.session.text(theirs.iterations[1].blocks[0].stdout))
        assert model.asked - asked == 2, "what led to the branch is remembered"
        assert fork.run.parent["run"] == run.run.start.run and fork.run.parent["why"] == "the name, mended"
        assert fork.run.blocks[FAILING].mark == "edited" and theirs.final_mark == "downstream"
        codes = [[run.session.text(turn.blocks[0].code) for turn in root.iterations] for root in (root, theirs)]
        same = [one == other for one, other in zip(*codes, strict=True)]
        assert same[0] and not same[1], "the first difference is the block that was mended"
