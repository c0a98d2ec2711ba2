"""Chat functions for tests: what a model says, by node and turn; and what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rlm_tui.engine.gate import LimitHit
from rlm_tui.engine.runner import LocalRLMRunner, RLMRunResult
from rlm_tui.journal.events import Event
from rlm_tui.journal.store import Journal
from rlm_tui.journal.tree import Call, Node
from tests.runs import DEADLINE_S

Leaf = Callable[[str], Any]


def repl(code: str) -> str:
    """A reply of one block."""
    return f"```repl\n{code}\n```"


class Chat:
    """A chat function. Replies that are exceptions are raised.

    Args:
        root: The root's replies, turn by turn; the last one again when they run out.
        children: The replies of child RLMs, by a text of their task.
        leaf: Answers a prompt of a plain request.
    """

    def __init__(
        self, *root: Any, children: Mapping[str, Sequence[Any]] | None = None, leaf: Leaf = lambda prompt: f"<{prompt}>"
    ) -> None:
        self.root = root
        self.children = children or {}
        self.leaf = leaf
        self.asked: list[tuple[list[dict[str, str]], str | None]] = []
        self.threads: set[str] = set()

    def __call__(self, messages: list[dict[str, str]], model: str | None = None) -> Any:
        self.asked.append((messages, model))
        self.threads.add(threading.current_thread().name)
        if messages[0]["role"] != "system":
            answer = self.leaf(messages[0]["content"])
        else:
            turn = sum(message["role"] == "assistant" for message in messages)
            replies = next((self.children[key] for key in self.children if key in messages[1]["content"]), self.root)
            answer = replies[min(turn, len(replies) - 1)]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def leaves(self) -> list[str]:
        """The prompts of plain requests, in the order they came."""
        return [messages[0]["content"] for messages, _ in self.asked if messages[0]["role"] == "user"]


def play(*root: Any, context: Any = "", task: str = "What is it?", model: str | None = None, **keywords: Any) -> Any:
    """Run root replies to the end. ``children``, ``leaf`` and ``timeout_s`` go where they belong, the rest to the runner."""
    chat = Chat(*root, children=keywords.pop("children", None), leaf=keywords.pop("leaf", lambda prompt: f"<{prompt}>"))
    seconds = keywords.pop("timeout_s", None)
    return LocalRLMRunner(chat, **keywords).run(context, task, model=model, timeout_s=seconds)


def answered(code: str, **keywords: Any) -> Any:
    """The typed answer of a run whose root runs some code, which sets ``out``, and then declares ``out``."""
    result: RLMRunResult = play(repl(code), repl('FINAL_VAR("out")'), **keywords)
    assert result.status == "final", (result.status, [m["content"] for m in result.messages[2:]])
    return result.final_value if result.final_value is not None else result.final_answer


def observation(result: RLMRunResult, turn: int = 1) -> str:
    """What the model was told after a turn, from 1."""
    return result.messages[1 + 2 * turn]["content"]


def notes(text: str) -> list[str]:
    """The ``NOTE:`` lines of an observation."""
    return [line for line in text.splitlines() if line.startswith("NOTE:")]


def calls(result: RLMRunResult) -> list[Call]:
    """Every sub-call of the tree, parents first."""
    assert result.tree is not None
    return [call for node in result.tree.walk() for call in node.calls()]


def nodes(result: RLMRunResult) -> list[Node]:
    """Every node of the tree, parents first."""
    assert result.tree is not None
    return list(result.tree.walk())


def of_kind(journal: Journal, kind: type[Event]) -> Iterator[Any]:
    """The events of one kind, oldest first."""
    return (event for event in journal.events() if isinstance(event, kind))


CATCH = """
def tried(ask):
    try:
        return ask()
    except RuntimeError as error:
        return [type(error).__name__, str(error)]
"""
"""Code that turns a failure of a call into a value."""


class Slow:
    """A leaf whose prompts that begin with ``slow`` are answered when all is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __call__(self, prompt: str) -> str:
        if prompt.startswith("slow"):
            self.over.wait(DEADLINE_S)
        return f"<{prompt}>"


class Deciding:
    """Gates that change what passes one point."""

    def __init__(self, point: str, change: Any) -> None:
        self.point = point
        self.change = change

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        return self.change(id, value) if point == self.point else value


class Raising:
    """Gates at which limits are raised, a few times."""

    def __init__(self, name: str, *to: float) -> None:
        self.name = name
        self.to = list(to)
        self.hits: list[LimitHit] = []
        self.at: list[str] = []

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        if point != "limit":
            return value
        self.hits.append(value)
        self.at.append(id)
        return replace(value, raised=self.to.pop(0)) if value.name == self.name and self.to else value
