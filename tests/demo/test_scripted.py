"""The scripted model: pieces, usage, pace."""

from __future__ import annotations

import asyncio
import random

import pytest

from rlm_tui.llm.base import ChatRequest, Delta, ModelError, Reply
from rlm_tui.llm.pace import PACES, Pace
from rlm_tui.llm.scripted import Conversation, Said, ScriptedModel, pieces, tokens

TEXT = "Zwölf Boxkämpfer 🥊 jagen 👩‍🚀 quer\n\ud800 über den großen Sylter Deich.\n" * 4
THOUGHTS = "Hm. 🤔 " * 9


def thinker(conversation: Conversation) -> Said:
    return Said(TEXT, THOUGHTS)


def request(*contents: str, stream: bool = True) -> ChatRequest:
    return ChatRequest(tuple({"role": "user", "content": c} for c in contents), "scripted:x", stream=stream)


async def collect(model: ScriptedModel, what: ChatRequest) -> list[Delta | Reply]:
    return [part async for part in model.stream(what)]


class Clock:
    """A sleeper that only adds up."""

    def __init__(self) -> None:
        self.naps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)


def test_thoughts_come_first_and_pieces_joined_are_the_reply():
    *deltas, reply = asyncio.run(collect(ScriptedModel(thinker), request("a")))
    kinds = [delta.kind for delta in deltas]
    assert kinds == sorted(kinds) and set(kinds) == {"reasoning", "reply"}
    assert "".join(d.text for d in deltas if d.kind == "reasoning") == THOUGHTS == reply.reasoning
    assert "".join(d.text for d in deltas if d.kind == "reply") == TEXT == reply.text
    assert all(1 <= len(delta.text) <= 8 for delta in deltas)


def test_pieces_of_nothing():
    assert list(pieces("")) == []


def test_without_stream_only_the_reply_comes_and_takes_as_long():
    both = []
    for stream in (True, False):
        clock = Clock()
        parts = asyncio.run(collect(ScriptedModel(thinker, Pace("normal"), clock.sleep), request("a", stream=stream)))
        both.append((parts[-1], sum(clock.naps)))
        assert len(parts) == 1 or stream
    assert both[0] == both[1]


def test_usage_is_a_quarter_of_the_characters_and_costs_nothing_known():
    reply = asyncio.run(collect(ScriptedModel(lambda conversation: "12345"), request("123", "45")))[-1]
    assert isinstance(reply, Reply) and reply.usage is not None
    assert (reply.usage.prompt, reply.usage.completion, reply.usage.reasoning) == (2, 2, None)
    assert reply.usage.source == "scripted" and reply.usage.cost is None
    assert [tokens(n) for n in (0, 1, 4, 5)] == [0, 1, 1, 2]


def test_thoughts_are_counted_among_the_completion():
    reply = asyncio.run(collect(ScriptedModel(thinker), request("a")))[-1]
    assert isinstance(reply, Reply) and reply.usage is not None
    assert reply.usage.completion == tokens(len(TEXT) + len(THOUGHTS))
    assert reply.usage.reasoning == tokens(len(THOUGHTS))


def test_instant_never_sleeps_but_lets_others_run_at_every_piece():
    clock = Clock()

    async def race() -> tuple[int, int]:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        parts = await collect(ScriptedModel(thinker, Pace("instant"), clock.sleep), request("a"))
        task.cancel()
        return turns, len(parts) - 1

    turns, count = asyncio.run(race())
    assert clock.naps == []
    assert turns >= count > 10


@pytest.mark.parametrize("name", ["fast", "normal", "slow"])
def test_a_pace_is_characters_per_second_after_a_pause_by_the_prompt(name):
    speed = PACES[name]
    said = "x" * 1000
    pauses = set()
    for prompt in "abcdefgh":
        clock = Clock()
        asyncio.run(collect(ScriptedModel(lambda conversation: said, Pace(name), clock.sleep), request(prompt)))
        pauses.add(round((sum(clock.naps) - 1000 / speed) * speed / 400, 6))
    assert len(pauses) == 8, "the items of a batch finish out of order"
    assert min(pauses) >= 0.2 and max(pauses) <= 1.2


def test_a_change_of_pace_reaches_a_reply_on_its_way():
    pace = Pace("slow")
    naps = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 20:
            pace.set("instant")

    parts = asyncio.run(collect(ScriptedModel(lambda conversation: "x" * 5000, pace, nap), request("a")))
    assert len(naps) == 20
    assert parts[-1].text == "x" * 5000
    assert max(naps) <= 1.0, "no nap is so long that a change would go unnoticed"


def test_pace_says_nothing_about_content():
    said = set()
    for speed in ("instant", "fast", 12.5, "70"):
        said.add(asyncio.run(collect(ScriptedModel(thinker, Pace(speed), Clock().sleep), request("a")))[-1].text)
    assert said == {TEXT}


@pytest.mark.parametrize("wrong", ["", "quick", "0", "-3", 0, -1.0, "nan", "inf", float("inf")])
def test_a_wrong_pace_is_one_clear_line(wrong):
    pace = Pace("slow")
    with pytest.raises(ValueError, match="instant, fast, normal, slow") as caught:
        pace.set(wrong)
    assert "\n" not in str(caught.value)
    assert pace.speed == PACES["slow"]


def test_a_policy_may_fail_as_a_provider_does():
    def refuse(conversation: Conversation) -> str:
        raise ModelError("rate", "too many requests", retry=True)

    with pytest.raises(ModelError, match="too many"):
        asyncio.run(collect(ScriptedModel(refuse), request("a")))


def test_cancelling_ends_a_reply_at_once():
    async def cancelled() -> bool:
        async def forever(seconds: float) -> None:
            await asyncio.Event().wait()

        task = asyncio.create_task(collect(ScriptedModel(thinker, Pace("slow"), forever), request("a")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(cancelled())


def conversation(*messages: tuple[str, str]) -> Conversation:
    return Conversation(tuple({"role": role, "content": content} for role, content in messages), "m", {}, 1)


def test_output_leaves_out_the_code_that_printed_it():
    code = 'Code executed:\n```python\nprint("7 lines")\n```\n\nREPL output:\n'
    seen = next(conversation(("user", "q"), ("assistant", "r"), ("user", f"{code}3 lines\n\n{code}4 lines")).seen())
    assert seen.ran and not seen.opening
    assert "7 lines" not in seen.output
    assert "3 lines" in seen.output and "4 lines" in seen.output


def test_what_a_person_writes_in_place_of_an_observation_is_the_output():
    seen = next(conversation(("user", "q"), ("assistant", "r"), ("user", "12 lines")).seen())
    assert not seen.ran and seen.output == "12 lines"


def test_older_observations_count_only_after_a_nudge():
    ran = "Code executed:\n```python\n1\n```\n\nREPL output:\n1"
    history = [("user", "q"), ("assistant", "r1"), ("user", ran), ("assistant", "r2"), ("user", "nudge")]
    assert [seen.text for seen in conversation(*history).seen()] == ["nudge", ran]
    assert [seen.text for seen in conversation(*history[:3]).seen()] == [ran]
    assert [seen.opening for seen in conversation(("user", "q"), ("assistant", "r"), ("user", "n")).seen()] == [
        False,
        True,
    ]


def test_no_history_makes_a_conversation_fail():
    rng = random.Random(5)
    for _ in range(200):
        messages = [(rng.choice(["system", "user", "assistant"]), rng.choice(["", "x", "REPL output:\n"]))]
        messages *= rng.randrange(4)
        one = conversation(*messages)
        assert [seen.output for seen in one.seen()]
        assert one.is_node is False and one.opening is not None and one.prompt is not None


def test_a_pace_shifts_by_name_and_stays_at_the_ends() -> None:
    pace = Pace("normal")
    assert [pace.shift(faster=True) for _ in range(3)] == ["fast", "instant", "instant"]
    assert [pace.shift(faster=False) for _ in range(4)] == ["fast", "normal", "slow", "slow"]
    assert pace.speed == PACES["slow"]
    between = Pace(1000)
    assert between.shift(faster=True) == "fast"
    between.set(1000)
    assert between.shift(faster=False) == "normal"
