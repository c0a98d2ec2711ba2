"""Random walks of commands over a real run: whatever a person does, it ends, and its journal says what happened."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from concurrent import futures
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.debugger.likeness import Refusal
from rlm_tui.demo.catalogue import model_for
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import read
from rlm_tui.journal.tree import Held
from rlm_tui.llm.base import ChatModel, ChatRequest, Delta, ModelError, Reply
from tests.debugger.processes import workers
from tests.debugger.small import stop
from tests.debugger.test_forcing import bottom_up
from tests.runs import DEADLINE_S, Watched, running

STEPS = 150
GOING_ON = ("step", "step", "step", "into", "into", "next", "release")


class Flaky:
    """A model of which every so-many-th request fails for good."""

    def __init__(self, model: ChatModel, every: int) -> None:
        self._model, self._every, self._asked = model, every, 0

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        self._asked += 1
        if self._asked % self._every == 0:
            raise ModelError("server", "not now")
        async for part in self._model.stream(request):
            yield part


def change(held: Held) -> tuple[str, Any]:
    """A change that is legal at a point; most let the run find its way on."""
    value = held.value
    match held.point:
        case "llm":
            return "params", {"temperature": 0.5}
        case "reply":
            return "reply", f"By hand. {value['text']}"
        case "block":
            return "code", f"# by hand\n{value['code']}"
        case "call":
            return "model", "another"
        case "observe":
            return "obs", f"{value['text']}\nBy hand."
        case "final":
            return "final", {"accept": False, "message": "no"}
        case "limit":
            return "limit", {"name": value["name"], "to": value["limit"] + 2}
        case _:
            return "answer", "by hand"


def command(run: Watched, dice: random.Random, held: Held) -> Any:
    """One command, legal or not, on what is held or on any node at all."""
    session, nodes = run.session, list(run.run.nodes)
    at = held.id if dice.random() < 0.9 else dice.choice([*nodes, *run.run.calls])
    roll = dice.random()
    if roll < 0.62:
        return getattr(session, dice.choice(GOING_ON))(at)
    if roll < 0.68:
        return session.harder(dice.choice([at, *nodes]))
    if roll < 0.7:
        return session.page(dice.choice([at, *nodes]), "context", 0, 9)
    if roll < 0.72:
        return session.look(at, "len(context)")
    if roll < 0.83:
        field, value = change(held)
        return session.edit(held.id, field, value)
    if roll < 0.93:
        return dice.choice([session.revert, session.revert, session.skip, session.retry])(at)
    if roll < 0.98:
        return session.pause(dice.choice([None, *nodes]))
    if roll < 0.985:
        return session.release_all()
    return session.force_final(dice.choice([*nodes, *run.run.calls]), text="forced")


def numbers(run: Run) -> dict[str, Any]:
    """What the header shows."""
    root = run.root
    assert root is not None
    return {
        "state": run.state, "held": list(run.held), "calls": run.subcalls, "children": run.children,
        "errors": run.errors, "totals": asdict(run.totals), "edits": len(run.edits), "mark": root.row_mark,
        "answer": root.value, "final": root.final_mark, "held_s": root.held_s,
        "marks": {node.id: node.row_mark for node in run.nodes.values()},
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_a_walk_ends_and_its_journal_says_so(seed: int, tmp_path: Path) -> None:
    walk(seed, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(6, 200))
def test_many_walks(seed: int, tmp_path: Path) -> None:
    walk(seed, tmp_path)


def walk(seed: int, where: Path) -> None:
    """One walk, and everything that must be true after it."""
    dice, before = random.Random(seed), workers()
    options = {"max_batch_workers": dice.choice([1, 2, 8]), "max_subcalls": dice.choice([3, 20]), "max_iterations": 5}
    model = Flaky(model_for("multi-hop"), dice.choice([4, 9, 1000]))
    with running("multi-hop", hold=True, runs=where, model=model, **options) as run:
        run.session.pause(None).result(DEADLINE_S)
        evaluations: list[Future[Refusal]] = []
        for _ in range(STEPS):
            if stop(run) is None or not (held := list(run.run.held.values())):
                break
            if dice.random() < 0.03:
                # Not waited for: where a REPL made anew differs, it waits for a decision itself.
                evaluations.append(run.session.evaluate(dice.choice(held).id, "seen = len(context)"))
            else:
                command(run, dice, dice.choice(held)).result(DEADLINE_S)
        while (held := stop(run)) is not None:
            finished(run, evaluations)
            for one in list(run.run.held):
                run.session.release(one).result(DEADLINE_S)
            run.until(lambda fold, held=held: fold.held.get(held.id) is not held or fold.end, "let go")
        run.ended()
        assert all(isinstance(one.result(DEADLINE_S), str | None) for one in evaluations)
        bottom_up(run)
        settled(run)
        path = run.session.journal.path
        assert path is not None
        fresh = Run(read(path).events())
        assert numbers(fresh) == numbers(run.run)
        run.session.close()
        assert fresh.seen == len(list(read(path).events()))
    assert workers() <= before


def finished(run: Watched, evaluations: list[Future[Refusal]]) -> None:
    """Wait until nothing is evaluated but what waits for a decision itself."""
    ends = time.monotonic() + DEADLINE_S
    while not all(one.done() for one in evaluations) and not any("+e" in id for id in list(run.run.held)):
        assert time.monotonic() < ends, "the evaluations"
        futures.wait(evaluations, 0.02)


def settled(run: Watched) -> None:
    """Every hold has a go, or its node, or the act it held, has ended after it."""
    for hold in (event for event in run.events if event.ev == "hold"):
        later = [event for event in run.events if event.seq > hold.seq]
        assert any(
            (event.ev == "go" and event.id == hold.id)
            or (event.ev in ("node.end", "run.end") and event.id == hold.node)
            for event in later
        ), hold
