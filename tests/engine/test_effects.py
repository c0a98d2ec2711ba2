"""Do once, remember: a run goes on from every prefix of its journal as if nothing had happened."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest

from rlm_tui.demo.catalogue import DEFAULT_SEED, model_for, scenario
from rlm_tui.engine.gate import apply_edit
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import (
    CallEnd,
    Chunk,
    Edit,
    Event,
    ExecEnd,
    ExecStart,
    LlmEnd,
    LlmStart,
    NodeEnd,
    NodeStart,
    Obs,
    RunEnd,
)
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import ChatModel, ChatRequest, Delta, Reply
from rlm_tui.llm.callable import CallableModel
from tests.engine.scripts import Chat, repl
from tests.runs import DEADLINE_S

SAMPLE = 16
"""Prefixes of each run in the ordinary suite."""


CASES = ["needle", "multi-hop", "rough"]


class Counting:
    """A model that counts what it is asked."""

    def __init__(self, model: ChatModel) -> None:
        self.model = model
        self.asked = 0

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        self.asked += 1
        async for part in self.model.stream(request):
            yield part


ROUGH = Chat(
    repl("""
from concurrent.futures import ThreadPoolExecutor
import random
with ThreadPoolExecutor(3) as pool:
    parts = sorted(pool.map(llm_query, ["x", "y", "x"]))
parts += llm_query_batched(["p", "q", "bad", "p"])
luck = random.random()
answer["content"] = "half"
print(parts)
"""),
    "Let me think about it.",
    repl("answer['ready'] = True") + "\n" + repl("import os\nos._exit(3)"),
    repl('made = rlm_query_batched(["first child", "second child", "third child"])\n1 / 0'),
    repl("out = [parts, made, answer]\nprint(out, luck)"),
    "FINAL_VAR(out)",
    children={
        "first child": [repl("n = llm_query('deep')"), "FINAL_VAR(nn)", "FINAL_VAR(n)"],
        "second child": [*[repl("x = 1")] * 6, "FINAL(out of turns)"],
    },
    leaf=lambda prompt: ValueError("bad prompt") if prompt == "bad" else f"<{prompt}>",
)
"""What a scenario does not do: threads, failures, refusals, a nudge, a death, a rejection, a missing name, a limit."""

ROUGH_ANSWER = (
    "[['<x>', '<x>', '<y>', '<p>', '<q>', 'Error: ValueError: bad prompt', '<p>'], ['<deep>', 'out of turns', ''], "
    "{'content': 'half', 'ready': False}]"
)


class Rejecting:
    """Gates at which a person rejects what the dict proposes, and says so in the journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        if point == "final" and value.accepted and value.proposal.origin == "dict":
            verdict = {"accept": False, "message": "Not yet."}
            self.journal.append(Edit(id=id, field="final", value=verdict, by="human"))
            return replace(value, accepted=False, message="Not yet.")
        return value


@dataclass(frozen=True)
class Case:
    """A run that can be begun, and gone on with, any number of times."""

    engine: Callable[[Journal, Counting], EngineRun]
    model: Callable[[], ChatModel]
    answer: str

    def go_on(self, journal: Journal, model: Counting) -> NodeEnd:
        """Run over what a journal holds of it."""

        async def go() -> NodeEnd:
            return await asyncio.wait_for(self.engine(journal, model).go(), 3 * DEADLINE_S)

        return asyncio.run(go())


def case(name: str) -> Case:
    if name == "rough":
        options = Options(max_children_per_batch=2, max_iterations=6)
        return Case(
            lambda journal, model: EngineRun(
                journal, lambda _: model, context="c", task="?", options=options, gates=Rejecting(journal)
            ),
            lambda: CallableModel(ROUGH),
            ROUGH_ANSWER,
        )
    data = scenario(name).make(DEFAULT_SEED)
    options = Options(max_depth=data.limits.max_depth, max_iterations=data.limits.max_iterations)
    return Case(
        lambda journal, model: EngineRun(
            journal,
            lambda _: model,
            context=data.context,
            task=data.question,
            model=f"scripted:{name}",
            options=options,
        ),
        lambda: model_for(name),
        data.oracle,
    )


@cache
def recorded(name: str) -> tuple[Journal, tuple[Event, ...]]:
    """A whole run, and its events."""
    journal, one = Journal.memory(), case(name)
    end = one.go_on(journal, Counting(one.model()))
    assert journal.text(end.value) == one.answer
    return journal, tuple(journal.events())


def prefix(journal: Journal, events: tuple[Event, ...]) -> Journal:
    """A journal with just these events of another."""
    made = Journal.memory()
    for event in events:
        made.copy(event, journal)
    return made


def is_outcome(event: Event) -> bool:
    match event:
        case LlmEnd(status=status):
            return status in ("ok", "partial")
        case ExecEnd() | CallEnd() | NodeEnd() | Obs() | RunEnd():
            return True
        case _:
            return False


def asked(events: Iterable[Event]) -> set[str]:
    """The addresses of model requests."""
    return {e.id for e in events if isinstance(e, LlmStart)}


def settled(events: Iterable[Event]) -> set[str]:
    """Those whose outcome is known: a reply, or a failure that the code was told of."""
    return {e.id for e in events if isinstance(e, LlmEnd | CallEnd) and is_outcome(e)}


def observations(events: Iterable[Event]) -> dict[str, Any]:
    """What the models were told, by address."""
    return {e.id: e.text for e in events if isinstance(e, Obs)}


def outcomes(events: Iterable[Event]) -> Counter[tuple[str, str]]:
    """How often each address has an outcome."""
    return Counter((e.ev, e.id) for e in events if is_outcome(e))


def check(name: str, length: int) -> None:
    source, events = recorded(name)
    one, journal = case(name), prefix(source, events[:length])
    model = Counting(one.model())
    end = one.go_on(journal, model)

    assert journal.text(end.value) == one.answer
    after = tuple(journal.events())
    assert model.asked == len(asked(events) - settled(events[:length]))
    assert max(outcomes(after).values()) == 1
    assert outcomes(after) == outcomes(events)
    assert observations(after) == observations(events)


def sampled(name: str, most: int) -> list[int]:
    """Lengths of prefixes: spread over the run, an end and a beginning among them; pieces of text cut nothing."""
    _, events = recorded(name)
    lengths = [n for n in range(len(events) + 1) if n == 0 or not isinstance(events[n - 1], Chunk)]
    if len(lengths) <= most:
        return lengths
    return sorted({lengths[round(i * (len(lengths) - 1) / (most - 1))] for i in range(most)})


@pytest.mark.parametrize("name", CASES)
def test_a_run_goes_on_from_a_prefix(name: str) -> None:
    for length in sampled(name, SAMPLE):
        check(name, length)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CASES)
def test_a_run_goes_on_from_every_prefix(name: str) -> None:
    for length in sampled(name, 10**9):
        check(name, length)


class Editing:
    """Gates at which a person changes a block's code, a call's prompt, an answer, what is told, and the final answer."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        edit = {
            ("block", "root/i1/b1"): ("code", 'a = llm_query("first")\nb = llm_query("second")\nprint(a, b)'),
            ("observe", "root/i1"): ("obs", "It printed nothing."),
            ("final", "root/i2"): ("final", {"text": "by hand"}),
        }.get((point, id))
        if point == "call" and value.prompt == "first":
            edit = ("prompt", "other")
        if point == "return" and value.text == "<second>":
            edit = ("answer", "supplied")
        if edit is None:
            return value
        self.journal.append(Edit(id=id, field=edit[0], value=edit[1], by="human"))
        return apply_edit(value, *edit)


def test_what_a_person_changed_is_remembered() -> None:
    chat = Chat(repl("print(1)"), repl("FINAL([a, b])"))

    def run(journal: Journal, gates: Any) -> tuple[str, Counting]:
        model = Counting(CallableModel(chat))
        engine = EngineRun(journal, lambda _: model, context="", task="?", gates=gates)
        return journal.text(asyncio.run(engine.go()).value), model

    source = Journal.memory()
    assert run(source, Editing(source))[0] == "by hand"
    events = tuple(source.events())
    block = next(e for e in events if isinstance(e, ExecEnd))
    assert block.stdout == "<other> supplied\n"
    assert [e.text for e in events if isinstance(e, Obs)] == ["It printed nothing."]

    for length in range(len(events)):
        journal = prefix(source, events[:length])
        answer, model = run(journal, Editing(journal))
        assert answer == "by hand"
        assert model.asked == len(asked(events) - settled(events[:length]))
        # A change that is in the journal is in force, and a second pass of the same hand changes nothing more.
        assert observations(journal.events()) == observations(events)
        assert outcomes(journal.events()) == outcomes(events)


def little(journal: Journal, *, gates: Any = None, code: str, model: Any = None, **options: Any) -> NodeEnd:
    """A run of one block over children that answer at once, one at a time."""
    chat = Chat(repl(code), repl('FINAL_VAR("out")'), children={"child": [repl("FINAL(context)")]})
    model = model or CallableModel(chat)
    options = {"max_batch_workers": 1} | options
    engine = EngineRun(journal, lambda _: model, context="", task="?", gates=gates, options=Options(**options))
    return asyncio.run(asyncio.wait_for(engine.go(), DEADLINE_S))


class Noting:
    """Open gates that keep the addresses of what passes one point."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.passed: list[str] = []

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        if point == self.point:
            self.passed.append(id)
        return value


@pytest.mark.parametrize(
    ("limits", "code", "answer"),
    [
        (
            {"max_children_per_batch": 2},
            'out = rlm_query_batched(["child 1", "child 2", "child 3"])',
            "['child 1', 'child 2', '']",
        ),
        (
            {"max_children_total": 2},
            'out = [rlm_query(f"child {i}") for i in (1, 2, 3)]',
            "['child 1', 'child 2', 'Error: max_children_total exceeded']",
        ),
    ],
)
def test_counters_go_on_from_every_prefix_and_who_has_begun_is_not_asked_about_again(
    limits: dict[str, int], code: str, answer: str
) -> None:
    source = Journal.memory()
    assert source.text(little(source, code=code, **limits).value) == answer
    events = tuple(source.events())

    for length in range(len(events)):
        journal, gates = prefix(source, events[:length]), Noting("call")
        assert journal.text(little(journal, code=code, gates=gates, **limits).value) == answer
        assert outcomes(journal.events()) == outcomes(events)
        begun = {e.id for e in events[:length] if isinstance(e, NodeStart)}
        assert not begun & set(gates.passed)


class RaisingOnce:
    """Gates at which a person raises a limit the first time it is met."""

    def __init__(self, journal: Journal, to: float) -> None:
        self.journal = journal
        self.to: float | None = to

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        if point != "limit" or self.to is None:
            return value
        to, self.to = self.to, None
        self.journal.append(Edit(id=id, field="limit", value={"name": value.name, "to": to}, by="human"))
        return replace(value, raised=to)


def test_a_limit_of_the_tree_that_was_raised_stays_so() -> None:
    code = 'out = [llm_query(c) for c in "abcd"]'
    answer = "['<a>', '<b>', '<c>', 'Error: max_subcalls exceeded']"
    source = Journal.memory()
    assert source.text(little(source, code=code, max_subcalls=1, gates=RaisingOnce(source, 3)).value) == answer
    events = tuple(source.events())
    raised = next(n for n, event in enumerate(events) if isinstance(event, Edit))

    for length in range(raised + 1, len(events)):
        journal = prefix(source, events[:length])
        assert journal.text(little(journal, code=code, max_subcalls=1).value) == answer


def test_a_block_that_is_tried_again_has_no_outcome_until_it_has() -> None:
    class Mending:
        def __init__(self, journal: Journal) -> None:
            self.journal = journal

        async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
            if point != "error":
                return value
            self.journal.append(Edit(id=id, field="code", value='out = "mended"', by="human"))
            return replace(value, action="retry")

    source = Journal.memory()
    assert little(source, code="import os\nos._exit(1)", gates=Mending(source)).value == "mended"
    events = tuple(source.events())
    begun = [n for n, event in enumerate(events) if isinstance(event, ExecStart) and event.id == "root/i1/b1"]
    assert len(begun) == 2

    journal = prefix(source, events[: begun[1] + 1])
    assert little(journal, code="import os\nos._exit(1)").value == "mended"


def test_an_answer_after_which_the_model_was_told_to_go_on_was_rejected() -> None:
    class Refusing:
        async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
            return replace(value, accepted=False) if (point, id) == ("final", "root/i1") else value

    code = 'out = "second"\nFINAL("first")'
    source = Journal.memory()
    assert little(source, code=code, gates=Refusing()).value == "second"
    events = tuple(source.events())
    told = next(n for n, event in enumerate(events) if isinstance(event, Obs))

    assert little(prefix(source, events[:told]), code=code).value == "first"
    assert little(prefix(source, events[: told + 1]), code=code).value == "second"
