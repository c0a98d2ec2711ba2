"""Ask a model from a test that has no event loop."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from rlm_tui.llm.base import ChatModel, ChatRequest, Delta, ModelError, Reply

DEADLINE = 60.0


@dataclass
class Answer:
    """All that came of a request: the pieces, then a reply or an error."""

    deltas: list[Delta] = field(default_factory=list)
    reply: Reply | None = None
    error: ModelError | None = None

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas if delta.kind == "reply")


def request(model: str = "", *, stream: bool = True, **params: Any) -> ChatRequest:
    return ChatRequest(({"role": "user", "content": "How long is it?"},), model, params, stream=stream)


async def answer(model: ChatModel, asked: ChatRequest) -> Answer:
    got = Answer()
    try:
        async with asyncio.timeout(DEADLINE), aclosing(model.stream(asked)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                assert got.reply is None, "something came after the reply"
                if isinstance(piece, Reply):
                    got.reply = piece
                else:
                    got.deltas.append(piece)
    except ModelError as error:
        got.error = error
    return got


def ask(model: ChatModel, asked: ChatRequest) -> Answer:
    return asyncio.run(answer(model, asked))
