"""What a run's REPLs live under, as it is written down; and what a block's own limits leave behind."""

from __future__ import annotations

import asyncio
import platform
from typing import Any

import pytest

from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import Event, ExecEnd, NodeEnd, Obs, Rebuild, RunStart
from rlm_tui.journal.store import Journal
from rlm_tui.llm.callable import CallableModel
from rlm_tui.repl.birth import open_source
from rlm_tui.repl.policy import ConfinementError
from rlm_tui.repl.results import Conditions
from tests.engine.person import DEAF, Person, act
from tests.engine.scripts import Chat, of_kind, repl
from tests.engine.test_rebuild import again, first
from tests.runs import DEADLINE_S


async def nothing(_person: Person) -> None:
    """Nobody acts."""


def go(journal: Journal, *root: str, context: Any = "c", **options: Any) -> EngineRun:
    model = CallableModel(Chat(*root, children={"child": [repl("FINAL(context * 2)")]}))
    engine = EngineRun(journal, lambda _: model, context=context, task="?", options=Options(**options))
    asyncio.run(asyncio.wait_for(engine.go(), DEADLINE_S))
    return engine


@pytest.mark.parametrize("confine", ["auto", "off"])
def test_the_level_that_was_reached_is_written_down_and_not_the_one_asked_for(confine: Any) -> None:
    async def reached() -> Any:
        source = await open_source(Conditions(confine=confine))
        await source.close()
        return source.ready

    ready, journal = asyncio.run(reached()), Journal.memory()
    go(journal, repl("FINAL(1)"), confine=confine)
    (start,) = of_kind(journal, RunStart)
    assert start.environment["confinement"] == ready.confinement
    assert start.environment["confinement_level"] == ready.level
    assert start.environment["confinement_notices"] == list(ready.notices)
    assert start.config["confine"] == confine


def test_a_sandbox_that_cannot_be_had_is_refused_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlm_tui.repl.birth.bwrap_refusal", lambda: "There is no bubblewrap here.")
    journal = Journal.memory()
    with pytest.raises(ConfinementError, match="no bubblewrap"):
        go(journal, repl("FINAL(1)"), confine="bwrap")
    assert list(journal.events()) == []


def test_a_run_that_has_ended_starts_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.memory()
    go(journal, repl("FINAL(1)"))
    before = len(list(journal.events()))
    monkeypatch.setattr("rlm_tui.engine.run.open_source", None)
    go(journal, repl("FINAL(1)"))
    assert len(list(journal.events())) == before


@pytest.mark.parametrize("context", ["ab", ["a", "b"], {"a": ["b"]}])
def test_the_root_inherits_its_context_and_a_child_has_its_own(context: Any) -> None:
    journal = Journal.memory()
    code = "context[:0] if isinstance(context, str) else context.clear()\nmine = rlm_query('child')"
    engine = go(journal, repl("seen = repr(context)"), repl(code), repl("FINAL([seen, mine])"), context=context)

    assert engine.shared.run.nodes["root"].value == str([repr(context), "childchild"])
    assert engine.shared.source is None


def test_a_level_that_is_not_the_recorded_one_is_named_before_anything_is_run_again() -> None:
    def bend(event: Event) -> Event:
        if not isinstance(event, RunStart):
            return event
        environment = {**event.environment, "confinement_level": "imagined", "python": platform.python_version()}
        return event.model_copy(update={"environment": environment})

    run = again("x = 1", bend=bend)
    assert first(run.journal).startswith("It was recorded at the level imagined; this is ")


# A block's time ---------------------------------------------------------------------------------------------------


def test_a_block_over_its_time_says_which_and_keeps_its_variables() -> None:
    p = act(repl("x = 1\nwhile True: pass"), repl("FINAL(x)"), points=(), script=nothing, block_timeout_s=1.5)

    (end, _) = of_kind(p.journal, ExecEnd)
    assert (end.status, end.by, end.reasons, [row.name for row in end.changed]) == ("timeout", None, (), ["x"])
    words = "The block took longer than its 1.5 s of computing time and was stopped. The variables it had set are kept."
    assert end.error.splitlines()[-1] == words
    assert words in next(of_kind(p.journal, Obs)).text
    assert p.run.nodes["root"].value == "1"


def test_a_block_that_does_not_heed_its_time_loses_its_repl_and_says_so() -> None:
    p = act(
        repl("x = 1"), repl(DEAF), repl("FINAL(x)"), points=(), script=nothing, block_timeout_s=1.0
    )  # fmt: skip

    end = p.ends("root/i2/b1")[0]
    assert (end.status, end.reasons) == ("timeout", ("repl_lost",))
    assert end.error == (
        "The block took longer than its 1 s of computing time and did not stop when it was asked to, "
        "so the REPL was ended."
    )
    # Nothing of it was kept, so nothing has to be repeated.
    assert [(e.id, e.finding) for e in of_kind(p.journal, Rebuild) if e.done] == [("root/i1/b1", "same")]
    assert p.run.nodes["root"].value == "1"


def test_what_a_person_evaluates_declares_nothing() -> None:
    async def script(p: Person) -> None:
        _, value, release = await p.at("observe")
        assert await p.root.evaluate("FINAL('by hand')") is None
        release(value)

    p = act(repl("x = 1"), repl("FINAL(x)"), points=("observe",), script=script)
    assert p.run.nodes["root"].value == "1"


@pytest.mark.parametrize("how", ["kill", "leave"])
def test_a_run_that_ends_while_something_is_evaluated_ends(how: str) -> None:
    evaluated: list[asyncio.Task[str | None]] = []

    async def script(p: Person) -> None:
        await p.at("block")
        evaluated.append(asyncio.ensure_future(p.root.evaluate("print('begun')\nwhile True: pass")))
        await p.printed()
        (p.engine.kill if how == "kill" else p.engine.leave)()

    p = act(repl("x = 1"), points=("block",), script=script, cancelled=how == "leave")
    assert [task.result() for task in evaluated] == [None if how == "kill" else "The run is not going on."]
    ends = [(e.ev, e.id, e.status) for e in p.journal.events() if isinstance(e, ExecEnd | NodeEnd)]
    killed = [("exec.end", "root/i1/b1+e1", "aborted"), ("node.end", "root", "killed")]
    assert ends == (killed if how == "kill" else [])
