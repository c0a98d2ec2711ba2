"""Runs small enough to read: the model is a table from what it is asked to what it says, turn by turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any

from rlm_tui.demo.scenario import Data, Limits
from rlm_tui.journal.tree import Held
from rlm_tui.llm.callable import CallableModel
from tests.runs import Watched, done, running

Said = str | Exception | Event
Table = dict[str, Sequence[Said]]

QUESTION = "the whole question"
NOTHING = "I think."
NOTHING_CHANGED = "Nothing was changed here."
"""What is said of a revert where there is nothing to take back."""


def code(*lines: str) -> str:
    """A reply with one block."""
    return "```repl\n" + "\n".join(lines) + "\n```"


TWO: Table = {QUESTION: [code("x = 1", "print('x is', x)"), code('FINAL("end")')]}
"""One block, and the end."""


def chat(table: Table) -> Callable[[list[dict[str, str]]], str]:
    """A chat function: the row whose key is in the task or prompt speaks, its n-th entry at its n-th turn.

    An exception is raised; an event is waited for, and then it is a turn without code.
    """

    def answer(messages: list[dict[str, str]]) -> str:
        asked = messages[min(1, len(messages) - 1)]["content"]
        turn = sum(message["role"] == "assistant" for message in messages)
        row = next(replies for key, replies in table.items() if key in asked)
        said = row[min(turn, len(row) - 1)]
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Event):
            said.wait()
            return NOTHING
        return said

    return answer


@contextmanager
def small(model: Table | Callable[..., Any], *, hold: bool = False, **options: Any) -> Iterator[Watched]:
    """A started run of a table, or of any chat function."""
    function = chat(model) if isinstance(model, dict) else model
    data = Data("some context", QUESTION, Limits(max_depth=3), "")
    with running("multi-hop", hold=hold, model=CallableModel(function), data=data, **options) as run:
        yield run


def plain(id: str) -> str:
    """An address without hashes: ``root/i1/b1~rlm#1``."""
    return re.sub(r":[0-9a-f]{8}", "", id)


def do(run: Watched, verb: str, held: Held) -> None:
    """A verb on what is held, waited for until it is let go."""
    before = len(run.events)
    done(getattr(run.session, verb)(held.id))
    run.until(lambda _: any(e.ev == "go" and e.id == held.id for e in run.events[before:]), f"{verb} at {held.id}")


def stop(run: Watched) -> Held | None:
    """Wait until something is held, or the run has ended."""
    run.until(lambda fold: fold.held or fold.end, "a stop")
    return next(reversed(run.run.held.values()), None)


def to(run: Watched, point: str) -> Held:
    """Step until this point is held."""
    while (held := stop(run)) is not None and held.point != point:
        do(run, "into" if held.point == "call" else "step", held)
        run.until(lambda fold, was=held: fold.held.get(was.id) is not was)
    assert held is not None, f"no {point}"
    return held


def children(run: Watched, count: int = 3) -> list[Held]:
    """Children held at their first request; the root runs its block."""
    do(run, "next", run.held("llm"))
    done(run.session.pause("root", "subtree"))
    done(run.session.release("root"))
    run.until(lambda fold: len([h for h in fold.held.values() if h.node != "root"]) == count, "the children")
    return [held for held in run.run.held.values() if held.node != "root"]


def events(run: Watched, kind: str) -> list[Any]:
    """The events of one kind so far."""
    return [event for event in run.events if event.ev == kind]


def answer(run: Watched) -> str:
    """The root's answer, once the run has ended."""
    run.ended()
    assert run.run.root is not None
    return run.session.text(run.run.root.value)
