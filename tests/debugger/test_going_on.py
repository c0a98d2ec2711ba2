"""What a person changed counts for the next process too, and what was taken back does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlm_tui.debugger.session import Session
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.store import Journal
from rlm_tui.llm.callable import CallableModel
from tests.debugger.small import QUESTION, Table, chat, code, do, small
from tests.runs import DEADLINE_S, Watched, done

TABLE: Table = {
    QUESTION: [code('x = llm_query("a leaf")', 'FINAL("got " + x)')],
    "a leaf": ["leaf"],
}


def again(path: Path, before: Watched) -> str:
    """Go on with a journal to its end; the answer."""
    journal = Journal.open(path)
    engine = EngineRun(
        journal, lambda _: CallableModel(chat(TABLE)), context=before.data.context, task=QUESTION,
        model="scripted:multi-hop", options=Options(max_depth=3),
    )  # fmt: skip
    session = Session(journal, lambda gates: engine)
    run = Watched(session, before.data)
    for event in session.events():
        run.run.apply(event)
    session.start(run.sink)
    run.ended()
    result = session.result
    session.close(DEADLINE_S)
    end = result()
    assert end is not None
    return session.text(end.value)


@pytest.mark.parametrize(("reverted", "expected"), [(False, "got mine"), (True, "got leaf")])
@pytest.mark.parametrize("point", ["call", "return"])
def test_a_change_made_before_a_run_was_left(point: str, reverted: bool, expected: str, tmp_path: Path) -> None:
    with small(TABLE, hold=True, runs=tmp_path) as run:
        do(run, "next", run.held("llm"))
        do(run, "into", run.held("block"))
        if point == "return":
            do(run, "into", run.held("call"))
        held = run.held(point)
        done(run.session.edit(held.id, "answer", "mine"))
        if reverted:
            done(run.session.revert(held.id))
        run.session.leave()
        run.session.close(DEADLINE_S)
        assert run.session.journal.path is not None
        assert again(run.session.journal.path, run) == expected
