"""What a person tells a node's model: it is said once, in the place it was meant for, by whoever goes on with it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from rlm_tui.engine.effects import Effects
from rlm_tui.engine.gate import Failure, from_a_person
from rlm_tui.journal.events import Edit, Hold, LlmEnd, LlmStart, Obs
from rlm_tui.journal.run import REVERTED, Run
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import ModelError
from tests.engine.person import Person, act, edit, nothing, up_to
from tests.engine.scripts import repl

HINT = "look at line 7"
SAID = from_a_person(HINT)


def say(at: str, text: str = HINT) -> tuple[str, Any]:
    return "say", {"text": text, "at": at}


def told(p: Person) -> list[list[dict[str, str]]]:
    """What each request said, whole."""
    return [messages for messages, _ in p.chat.asked]


def once_in_each(requests: list[list[dict[str, str]]]) -> bool:
    """Whether each request has it exactly once."""
    return bool(requests) and all(sum(m["content"].count(SAID) for m in messages) == 1 for messages in requests)


def alternates(messages: list[dict[str, str]]) -> bool:
    """Whether no two messages of a user follow one another."""
    return all(a["role"] != b["role"] for a, b in pairwise(messages))


def at_point(point: str, nth: int = 1) -> Any:
    """A person who says something at the n-th stop at a point."""

    async def script(p: Person) -> None:
        for k in range(1, nth + 1):
            id, value, go = await p.at(point)
            if k == nth:
                p.points = ()
                value = p.change(id, value, say(point))
            go(value)

    return script


@pytest.mark.parametrize("nth", [1, 2])
def test_at_a_request_it_ends_the_last_message_and_stays_in_the_history(nth: int) -> None:
    replies = (repl("1"), repl("2"), repl("FINAL(3)"))
    p = act(*replies, points=("llm",), script=at_point("llm", nth))

    requests = told(p)
    assert len(requests) == 3
    assert once_in_each(requests[nth - 1 :])
    assert requests[nth - 1][-1]["content"].endswith(f"\n\n{SAID}")
    assert all(SAID not in m["content"] for messages in requests[: nth - 1] for m in messages)
    assert all(map(alternates, requests))


def test_at_an_observation_it_is_a_paragraph_of_its_own() -> None:
    p = act(repl("print('seen')"), repl("FINAL(3)"), points=("observe",), script=at_point("observe"))

    last = told(p)[1][-1]["content"]
    assert last.endswith(f"\n\n{SAID}") and "seen" in last
    assert once_in_each(told(p)[1:])


def test_written_before_the_observation_came_it_goes_with_it() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("reply")
        p.journal.append(edit("root/i1", *say("observe")))
        p.points = ()
        go(value)

    p = act(repl("1"), repl("FINAL(3)"), points=("reply",), script=script)

    assert once_in_each(told(p)[1:])


def test_in_a_request_that_is_not_the_users_turn_it_is_a_message_of_its_own() -> None:
    async def script(p: Person) -> None:
        id, value, go = await p.at("llm")
        p.points = ()
        so_far = [*value.messages, {"role": "assistant", "content": "hm"}]
        go(p.change(id, value, ("messages", so_far), say("llm")))

    p = act(repl("FINAL(3)"), points=("llm",), script=script)

    assert told(p)[0][-1] == {"role": "user", "content": SAID}


def test_a_request_that_is_tried_again_says_it_once() -> None:
    class Failing(list[str]):
        """Replies of which the first tries are refused."""

        left = 2

        def __getitem__(self, turn: Any) -> Any:
            self.left -= 1
            return ModelError("key", "no", retry=False) if self.left >= 0 else super().__getitem__(turn)

    async def script(p: Person) -> None:
        id, value, go = await p.at("llm")
        p.points = ("error",)
        go(p.change(id, value, say("llm")))
        for _ in range(2):
            id, failure, go = await p.at("error")
            assert isinstance(failure, Failure)
            go(replace(failure, action="retry"))

    p = act(points=("llm",), script=script, children={"?": Failing([repl("FINAL(3)")])})

    assert len(told(p)) == 3
    assert once_in_each(told(p))


@pytest.mark.parametrize("point", ["llm", "observe"])
def test_gone_on_with_it_is_said_once(point: str) -> None:
    replies = (repl("1"), repl("2"), repl("FINAL(3)"))
    first = act(*replies, points=(point,), script=at_point(point))
    said = next(e.seq for e in first.journal.events() if isinstance(e, Edit))
    whole = told(first)
    for event in list(first.journal.events()):
        if event.seq <= said or not isinstance(event, LlmStart | LlmEnd | Obs):
            continue
        left = up_to(first.journal, lambda e, seq=event.seq: e.seq == seq)
        p = act(*replies, points=(), script=nothing, journal=left)
        assert told(p) == whole[len(whole) - len(told(p)) :], event


def test_to_take_back_another_change_of_the_same_address_does_not_unsay_it() -> None:
    journal = Journal.memory()
    effects = Effects(journal)
    hint = edit("root/i1", *say("observe"))
    journal.append(Hold(id="root/i1", point="reply", node="root", value={"text": "t"}, why="step"))
    journal.append(edit("root/i1", "reply", "another"))
    journal.append(hint)
    journal.append(edit("root/i1", "note", "a remark"))
    journal.append(Edit(id="root/i1", field="reply", value="t", note=REVERTED, by="human"))

    assert [field for field, _ in effects.edits("root/i1")] == ["say", "note"]
    assert [e.field for e in Run(journal.events()).edits] == ["say", "note"]
    journal.append(Hold(id="root/i1", point="observe", node="root", value={"text": "o"}, why="step"))
    journal.append(edit("root/i1", *say("observe", "more")))
    journal.append(Edit(id="root/i1", field="say", value=None, note=REVERTED, by="human"))
    assert effects.edits("root/i1") == [say("observe"), ("note", "a remark")]
