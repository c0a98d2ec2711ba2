"""What is said where a run is gone on with: what had begun, and what is done once more, before it is done."""

from __future__ import annotations

import io
from pathlib import Path

from rlm_tui.headless import Progress
from rlm_tui.journal.events import Rebuild
from rlm_tui.journal.run import Run
from rlm_tui.llm.callable import CallableModel
from rlm_tui.tui import words
from tests.debugger.small import QUESTION, Table, answer, chat, code, do, small, stop
from tests.debugger.test_resuming import resumed
from tests.runs import Watched, done

WRITES: Table = {
    QUESTION: [
        code("x = 1", "for n in range(4): open(f'{n}.txt', 'w').write('x')"),
        code("y = llm_query('leaf')", "z = rlm_query('child')", "print(y, z)"),
        code("FINAL(z)"),
    ],
    "leaf": ["L"],
    "child": [code("k = 2"), code("FINAL(k)")],
}
PLAIN: Table = WRITES | {QUESTION: [code("x = 1"), *WRITES[QUESTION][1:]]}


def left(table: Table, runs: Path, node: str, point: str) -> Path:
    """A run that was left where something of a node (of the root, or of its child) was held at a point."""
    with small(table, hold=True, runs=runs) as run:
        while (held := stop(run)) is not None and (held.point, "~" in held.node) != (point, node == "child"):
            do(run, "into" if held.point == "call" else "step", held)
            run.until(lambda fold, was=held: fold.held.get(was.id) is not was)
        assert held is not None
        path = run.session.path
    assert path is not None
    return path


def told(run: Watched) -> str:
    run.until(lambda fold: any(held.why == "resume" for held in fold.held.values()), "held again")
    (held,) = run.run.held.values()
    return words.sentence(run.run, held, "✎")


def test_what_is_done_once_more_is_named_before_it_is_done(tmp_path: Path) -> None:
    path = left(WRITES, tmp_path, "child", "llm")
    with resumed(path, CallableModel(chat(WRITES))) as run:
        said = told(run)
        assert said == (
            "Done once more first: write 0.txt; write 1.txt and 2 more. "
            "It had begun, and runs again from its first line."
        )
        assert words.done_again(run.run, run.held("block")) == said.rsplit(" It had", 1)[0]
        assert not any(isinstance(event, Rebuild) for event in run.events)
        # Once it is made anew, there is nothing to say of that.
        done(run.session.evaluate("root", "x"))
        assert "once more" not in words.sentence(run.run, run.held("block"), "✎")
        done(run.session.release_all())
        assert answer(run) == "2"


def test_without_effects_it_is_only_made_anew(tmp_path: Path) -> None:
    path = left(PLAIN, tmp_path, "root", "observe")
    with resumed(path, CallableModel(chat(PLAIN))) as run:
        assert told(run) == "The model has not seen this text. Its REPL is made anew from 1 block first."


def test_before_anything_ran_nothing_is_made_anew(tmp_path: Path) -> None:
    path = left(PLAIN, tmp_path, "root", "reply")
    with resumed(path, CallableModel(chat(PLAIN))) as run:
        assert told(run) == "Nothing of this reply has run."


def test_without_a_screen_it_is_named_too() -> None:
    out = io.StringIO()
    progress = Progress(Run(), out)
    progress.hear(Rebuild(id="root/i2/b1", done=0, of=1, differs="Done once more: write \x1b[31m0.txt."))
    progress.hear(Rebuild(id="root/i1/b1", done=1, of=1))
    said = out.getvalue()
    assert said.count("\n") == 1 and "Done once more: write" in said and "\x1b" not in said
