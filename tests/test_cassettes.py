"""A run that was recorded over HTTP is gone on with, looked at and branched where nobody answers any more."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rlm_tui.debugger.likeness import Change
from rlm_tui.debugger.session import Session
from rlm_tui.engine.again import material
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import CallStart, LlmEnd, LlmStart
from rlm_tui.journal.places import list_runs
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, read
from rlm_tui.llm.base import ChatRequest, Delta, Reply
from tests.cassettes import CONTEXT, RUN, make, policy
from tests.runs import done
from tests.terminal import Terminal
from tests.test_cli import place, rlm
from tests.tui.branched import forked, gone_on

__all__ = ["place"]


class Nobody:
    """A model that must not be asked."""

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        raise AssertionError(f"asked: {request.messages[-1]['content'][:80]}")
        yield Reply("")


class Counted:
    """The model that was recorded, without a server; what it is asked is kept."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        self.asked.append(request.messages[-1]["content"])
        yield Reply(policy(list(request.messages)))


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """A copy of it, in a folder of runs."""
    return Path(shutil.copytree(RUN, tmp_path / "runs" / RUN.name))


def test_it_is_read_as_any_run_with_its_failed_attempt(cassette: Path) -> None:
    reader = read(cassette)
    run = Run(reader.events())
    assert reader.notices == [] and run.unknown == 0
    assert run.root is not None and (run.root.status, run.root.value) == ("final", "west, 3 more")
    assert (run.context.kind, run.context.length) == ("dict", sum(map(len, CONTEXT.values())))
    (call,) = [call for call in run.calls.values() if len(call.attempts) == 2]
    failed, answered = call.attempts
    assert failed.error is not None and (failed.error.kind, failed.of) == ("server", 4) and failed.wait == 7.0
    assert answered.status == "ok"
    assert (run.totals.requests, run.totals.prompt, run.totals.unpriced) == (5, 600, 5)


def test_its_repl_is_made_anew_and_nobody_is_asked(cassette: Path) -> None:
    journal = Journal.open(forked(cassette, "root", "final"))
    again, nobody = material(journal), Nobody()

    def engine(gates: object) -> EngineRun:
        return EngineRun(
            journal, lambda _: nobody, context=again.context, task=again.task, model=again.model,
            options=again.options, gates=gates,  # type: ignore[arg-type]
        )  # fmt: skip

    session = Session(journal, engine, resumed=True)
    try:
        before = len(list(journal.events()))
        session.start(lambda _: None)
        while not session.gates.held:
            pass
        done(session.evaluate("root", "[counts, said, more]"))
        made = [event for event in journal.events() if event.seq >= before]
        assert not [event for event in made if isinstance(event, LlmStart | CallStart)]
        folded = Run(journal.events())
        (evaluated,) = [block for block in folded.blocks.values() if block.by == "human"]
        assert evaluated.value == "[[42, 39], '3', 'west']"
        assert {event.finding for event in made if event.ev == "rebuild"} == {"same"}  # type: ignore[attr-defined]
    finally:
        session.close()


def test_a_branch_asks_only_for_what_follows_from_what_was_changed(cassette: Path) -> None:
    run = Run(read(cassette).events())
    east = next(call.id for call in run.calls.values() if "21 arrivals" in str(call.prompt))
    model = Counted()
    path = gone_on(forked(cassette, east, "return", Change("answer", "50", was="39")), model=model)
    folded = Run(read(path).events())
    assert folded.root is not None and folded.root.value == "east, 8 more"
    # The child is asked about other numbers, and the root is shown them; both leaves are remembered.
    assert len(model.asked) == 2 and not any(said.startswith("How many arrivals") for said in model.asked)


def test_it_stands_among_the_runs_and_is_opened(place: dict[str, str], cassette: Path) -> None:
    env = place | {"RLM_TUI_RUNS_DIR": str(cassette.parent)}
    (listed,) = json.loads(rlm(env, "runs", "--json").stdout)
    assert (listed["state"], listed["answer"], listed["model"]) == ("final", "west, 3 more", "openai/served")
    with Terminal("-m", "rlm_tui.cli", "open", RUN.name, env=env) as terminal:
        terminal.until("west, 3 more")
    refused = rlm(env, "resume", RUN.name, "--headless")
    assert refused.returncode == 2 and "say that it is to be asked again" in refused.stderr
    assert len(list_runs(cassette.parent)) == 1


@pytest.mark.xdist_group("litellm")
@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince211")
@pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")
def test_what_makes_it_makes_the_same(tmp_path: Path) -> None:
    def outline(path: Path) -> list[tuple[object, ...]]:
        events = read(path).events()
        told = [(e.ev, e.id, e.status if isinstance(e, LlmEnd) else "") for e in events if e.ev != "chunk"]
        return sorted(told)

    assert outline(make(tmp_path)) == outline(RUN)
