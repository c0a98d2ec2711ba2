"""A chat model whose author is a program. Loop, REPL, children and screen around it are the real ones."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rlm_tui.journal.events import Usage
from rlm_tui.llm.base import ChatMessage, ChatRequest, Delta, Reply
from rlm_tui.llm.pace import Pace

PIECE = 5
"""Characters of one piece of a streamed reply."""

_SLICE = 40.0
"""Longest stretch, in characters, before a change of pace is noticed."""

_OUTPUT = re.compile(r"^REPL output:\n(.*?)(?=^Code executed:\n`{3}|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Said:
    """What a policy answers, thoughts apart."""

    text: str
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands between two replies: an observation, a nudge, the opening, and what a person added to it.

    Attributes:
        text: All of it.
        opening: Whether no reply came before it.
    """

    text: str
    opening: bool = False

    @property
    def ran(self) -> bool:
        """Whether it reports a block that ran."""
        return _OUTPUT.search(self.text) is not None

    @property
    def output(self) -> str:
        """What the blocks printed, their code left out. Without any block, the whole text: it is believed."""
        outputs = [match[1] for match in _OUTPUT.finditer(self.text)]
        return "\n".join(outputs) if outputs else self.text


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request as a policy reads it. A reply is a function of these four fields and of nothing else.

    Attributes:
        messages: The history as it was sent.
        model: The model's name, prefix included.
        params: Request parameters.
        attempt: 1, and one more for each retry or resample.
    """

    messages: tuple[ChatMessage, ...]
    model: str
    params: Mapping[str, Any]
    attempt: int

    @property
    def is_node(self) -> bool:
        """Whether a system message teaches the REPL protocol; everything else is a leaf request."""
        system = "\n".join(self._texts("system"))
        return "```repl" in system and "FINAL_VAR(" in system

    @property
    def opening(self) -> str:
        """Everything before the first reply."""
        return "\n\n".join(self._groups()[0])

    @property
    def prompt(self) -> str:
        """Everything that was asked, the system message apart: the prompt of a leaf request."""
        return "\n\n".join(self._texts("user"))

    def said(self, text: str) -> bool:
        """Whether a reply in the history holds this text, whoever wrote it."""
        return self.times_said(text) > 0

    def times_said(self, text: str) -> int:
        """How many replies in the history hold this text, whoever wrote them."""
        return sum(text in reply for reply in self._texts("assistant"))

    def seen(self) -> Iterator[Seen]:
        """What the model has before it, newest first.

        Only the newest counts, unless nothing ran there (a nudge): then also the one before, and so on to the
        newest observation, or the opening.
        """
        groups = self._groups()
        for index in range(len(groups) - 1, -1, -1):
            seen = Seen("\n\n".join(groups[index]), opening=index == 0)
            yield seen
            if seen.ran:
                return

    def _texts(self, role: str) -> list[str]:
        return [message["content"] for message in self.messages if message["role"] == role]

    def _groups(self) -> list[list[str]]:
        groups: list[list[str]] = [[]]
        for message in self.messages:
            if message["role"] == "assistant":
                groups.append([])
            else:
                groups[-1].append(message["content"])
        return groups


Policy = Callable[[Conversation], str | Said]
"""Writes the replies. Pure: same conversation, same reply, in any order and in any process. May raise `ModelError`."""


def tokens(characters: int) -> int:
    """Scripted tokens: a quarter of the characters, rounded up."""
    return -(-characters // 4)


def pieces(text: str) -> Iterator[str]:
    """A text in pieces of a few code points. Joined they are the text."""
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]


class ScriptedModel:
    """A `ChatModel` that answers by a policy, at a pace.

    Args:
        policy: Writes the replies.
        pace: Shared with whoever may change it; instant when there is none. Never changes what is said.
        sleeper: Waits for some seconds. Not called at pace ``instant``.
    """

    def __init__(
        self, policy: Policy, pace: Pace | None = None, sleeper: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._policy = policy
        self._pace = pace or Pace()
        self._sleeper = sleeper

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        """Answer a request: pieces of thoughts, pieces of the reply, the `Reply`.

        Without ``request.stream`` only the `Reply` comes, after the same time.

        Raises:
            ModelError: When the policy does.
        """
        await self._spend(_hesitation(request.messages))
        said = self._policy(Conversation(request.messages, request.model, request.params, request.attempt))
        if isinstance(said, str):
            said = Said(said)
        for delta in _deltas(said):
            await self._spend(len(delta.text))
            await asyncio.sleep(0)
            if request.stream:
                yield delta
        yield Reply(said.text, usage=_usage(request, said), reasoning=said.reasoning, model=request.model)

    async def _spend(self, characters: float) -> None:
        """Wait as long as it takes to say so many characters, at the pace of each moment."""
        while characters > 0 and (speed := self._pace.speed) is not None:
            part = min(characters, _SLICE)
            await self._sleeper(part / speed)
            characters -= part


def _deltas(said: Said) -> Iterator[Delta]:
    for piece in pieces(said.reasoning):
        yield Delta(piece, "reasoning")
    for piece in pieces(said.text):
        yield Delta(piece)


def _usage(request: ChatRequest, said: Said) -> Usage:
    return Usage(
        prompt=tokens(sum(len(message["content"]) for message in request.messages)),
        completion=tokens(len(said.reasoning) + len(said.text)),
        reasoning=tokens(len(said.reasoning)) if said.reasoning else None,
        source="scripted",
    )


def _hesitation(messages: tuple[ChatMessage, ...]) -> float:
    """Characters to wait for before the first piece: 0.2 to 1.2 s at pace ``normal``, by the hash of the prompt.

    So the items of a batch finish out of order, the same way every time.
    """
    digest = hashlib.sha256(json.dumps(messages).encode()).digest()
    return 80 + 400 * int.from_bytes(digest[:4]) / 2**32
