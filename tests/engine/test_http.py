"""A scenario's policy behind a real endpoint, through the provider library and the whole engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rlm_tui.demo.catalogue import DEFAULT_SEED, scenario
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import Chunk, LlmEnd, LlmStart
from rlm_tui.journal.store import Journal
from rlm_tui.llm.litellm import LiteLLMModel
from rlm_tui.llm.scripted import Conversation, Said
from tests.llm.server import Server, serve
from tests.runs import DEADLINE_S

pytestmark = [
    pytest.mark.xdist_group("litellm"),
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning"),
]

NAME = "openai/scripted"


@pytest.fixture(autouse=True)
def _no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(variable, raising=False)


def policy(messages: list[dict[str, str]]) -> str:
    """What the model of ``needle`` says to these messages."""
    said = scenario("needle").policy(Conversation(tuple(messages), NAME, {}, 1))
    return said.text if isinstance(said, Said) else said


def engine(server: Server, journal: Journal, name: str = NAME, *, whole: bool = False) -> EngineRun:
    data = scenario("needle").make(DEFAULT_SEED)
    model = LiteLLMModel(name, api_base=server.base_url, api_key="sk-not-a-key")
    options = Options(max_depth=data.limits.max_depth, params={"temperature": 0.25}, stream=not whole)
    return EngineRun(journal, lambda _: model, context=data.context, task=data.question, model=name, options=options)


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
def test_needle_over_http_finds_what_the_oracle_says(whole: bool) -> None:
    journal = Journal.memory()
    with serve(policy) as server:
        end = asyncio.run(asyncio.wait_for(engine(server, journal, whole=whole).go(), 3 * DEADLINE_S))

    assert journal.text(end.value) == scenario("needle").make(DEFAULT_SEED).oracle
    events = list(journal.events())
    asked = [event for event in events if isinstance(event, LlmStart)]
    assert len(server.requests) == len(asked)
    assert {request.body["temperature"] for request in server.requests} == {0.25}
    nodes = [bool(request.body.get("stream")) for request in server.requests if len(request.body["messages"]) > 1]
    leaves = [bool(request.body.get("stream")) for request in server.requests if len(request.body["messages"]) == 1]
    assert set(nodes) == {not whole}
    assert set(leaves) == {False}
    ends = [event for event in events if isinstance(event, LlmEnd)]
    assert {end.status for end in ends} == {"ok"}
    assert end.usage is not None
    assert end.usage.prompt == 120 * len(ends)
    pieces = "".join(e.text for e in events if isinstance(e, Chunk) and e.id == "root/i1" and e.kind == "reply")
    assert pieces == ("" if whole else journal.text(ends[0].reply))


def test_a_cancelled_run_closes_its_connection() -> None:
    journal = Journal.memory()

    async def main(server: Server) -> None:
        run = engine(server, journal, "openai/stall")
        task = asyncio.ensure_future(run.go())
        await asyncio.to_thread(server.wait, lambda: len(server.requests) == 1)
        run.kill()
        end = await asyncio.wait_for(task, DEADLINE_S)
        assert end.status == "killed"
        await asyncio.to_thread(server.wait, lambda: server.gone == 1)

    with serve(policy) as server:
        asyncio.run(main(server))
    assert [event.status for event in journal.events() if isinstance(event, LlmEnd)] == ["cancelled"]


def test_a_failure_of_the_endpoint_is_tried_again_and_then_ends_the_run_with_its_words() -> None:
    journal = Journal.memory()
    waits: list[float] = []

    async def main(server: Server) -> Any:
        run = engine(server, journal, "openai/s503")

        async def no_wait(seconds: float) -> None:
            waits.append(seconds)

        run.shared.asking.sleep = no_wait
        return await asyncio.wait_for(run.go(), 3 * DEADLINE_S)

    with serve(policy) as server:
        end = asyncio.run(main(server))
    assert (end.status, end.error.kind) == ("error", "server")
    ends = [event for event in journal.events() if isinstance(event, LlmEnd)]
    assert [event.attempt for event in ends] == [1, 2, 3, 4] == list(range(1, len(server.requests) + 1))
    assert [event.wait for event in ends] == [*waits, None]


def test_a_key_that_is_refused_is_not_tried_again_and_is_written_nowhere() -> None:
    journal = Journal.memory()
    with serve(policy) as server:
        end = asyncio.run(engine(server, journal, "openai/s401").go())

    assert (end.status, end.error and end.error.kind) == ("error", "key")
    assert len(server.requests) == 1
    assert "sk-not-a-key" not in "".join(str(event) for event in journal.events())
