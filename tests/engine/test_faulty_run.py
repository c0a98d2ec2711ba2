"""A whole run over HTTP while every fifth request goes wrong: the right answer, and every attempt accounted for."""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections import Counter
from typing import Any

import pytest

from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import LlmEnd, LlmStart
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.llm.litellm import LiteLLMModel
from tests.engine.scripts import of_kind, repl
from tests.llm.server import Server, serve
from tests.runs import DEADLINE_S

pytestmark = [
    pytest.mark.xdist_group("litellm"),
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning"),
]

CALLS = 200
ASK = f"""
answers = llm_query_batched([f"double {{n}}" for n in range({CALLS})])
total = sum(int(answer) for answer in answers)
print(total)
"""
KINDS = {
    "s429": "rate", "s500": "server", "s502": "server", "s503": "server", "s529": "overloaded", "reset": "network",
    "badjson": "malformed", "html": "malformed", "no-choices": "empty", "null": "empty",
}  # fmt: skip
"""Faults that another attempt may help against, and what each is called."""
ONCE = frozenset({"badjson", "html", "no-choices", "null"})
"""Those after which one more attempt is made, and no third: a second fault would be the end of the request."""


def policy(messages: list[dict[str, str]]) -> str:
    doubled = re.fullmatch(r"double (\d+)", messages[-1]["content"])
    if doubled is not None:
        return str(2 * int(doubled[1]))
    turns = sum(message["role"] == "assistant" for message in messages)
    return repl("FINAL(total)") if turns else repl(ASK)


class Luck:
    """Which request goes wrong, and how: drawn by what is asked and how often it was, whatever their order is."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.drawn: Counter[str] = Counter()
        self.counted: list[dict[str, int]] = []
        self._times: Counter[str] = Counter()
        self._one = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> str:
        asked = f"{len(body['messages'])} {body['messages'][-1]['content']}"
        with self._one:
            self._times[asked] += 1
            luck = random.Random(f"{asked} {self._times[asked]}")
            mode = luck.choice(sorted(KINDS)) if luck.random() < self.share else "plain"
            if (self._times[asked] > 1 and mode in ONCE | {"s429"}) or self._times[asked] > 3:
                mode = "plain"
            self.drawn[mode] += 1
            return mode

    def count(self, body: dict[str, Any], text: str) -> dict[str, int]:
        """What the server bills: tokens that differ from request to request, so that no sum is right by luck."""
        prompt = sum(len(message["content"]) for message in body["messages"]) % 997
        billed = {"prompt_tokens": prompt, "completion_tokens": len(text), "total_tokens": prompt + len(text)}
        with self._one:
            self.counted.append(billed)
        return billed


def go(server: Server) -> tuple[Run, Journal]:
    journal = Journal.memory()
    model = LiteLLMModel("openai/served", api_base=server.base_url)
    engine = EngineRun(
        journal, lambda _: model, context="c", task="?", model="openai/served",
        options=Options(max_batch_workers=8, max_depth=1),
    )  # fmt: skip
    # Whoever waits between attempts lets the others go on; how long is not what is tested.
    engine.shared.asking.sleep = lambda _: asyncio.sleep(0.01)

    async def main() -> None:
        async with asyncio.timeout(3 * DEADLINE_S):
            await engine.go()

    asyncio.run(main())
    return engine.shared.run, journal


def test_two_hundred_calls_of_which_a_fifth_goes_wrong_come_to_the_right_answer() -> None:
    luck = Luck(0.2)
    with serve(policy) as server:
        server.choose, server.count = luck, luck.count
        run, journal = go(server)
    assert run.root is not None and run.root.value == str(sum(2 * n for n in range(CALLS)))

    starts, ends = list(of_kind(journal, LlmStart)), list(of_kind(journal, LlmEnd))
    assert len(starts) == len(ends) == len(server.requests) == luck.drawn.total()
    failed = Counter(end.error.kind for end in ends if end.error is not None)
    drawn = Counter(KINDS[mode] for mode in luck.drawn.elements() if mode != "plain")
    # A page of HTML in a stream is no error to the library, and an empty reply to us.
    assert failed.total() == drawn.total() >= CALLS // 10
    assert failed - Counter(failed & drawn) <= Counter({"empty": 2})
    assert server.peak > 1

    totals = run.totals
    # An answer without a text is billed too, and was asked for once more.
    assert luck.drawn["plain"] == CALLS + 2 < totals.requests == len(luck.counted)
    assert totals.prompt == sum(billed["prompt_tokens"] for billed in luck.counted)
    assert totals.completion == sum(billed["completion_tokens"] for billed in luck.counted)
    assert (totals.uncounted, totals.unpriced) == (0, totals.requests)
    assert run.root.total == totals
