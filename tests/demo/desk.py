"""A scripted conversation over a real namespace: a reply's code is executed, its output goes into the history."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rlm_tui.demo.catalogue import scenario
from rlm_tui.llm.base import ChatRequest, Delta, ModelError, Reply
from rlm_tui.llm.scripted import Policy, ScriptedModel

SYSTEM = "Write code in ```repl fences. When you are done, call FINAL(value) or FINAL_VAR(name)."
FENCE = re.compile(r"^```repl\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def ask(policy: Policy, request: ChatRequest) -> Reply:
    async def last() -> Delta | Reply:
        return [part async for part in ScriptedModel(policy).stream(request)][-1]

    reply = asyncio.run(last())
    assert isinstance(reply, Reply)
    return reply


def outcome(policy: Policy, request: ChatRequest) -> str:
    """The text of a reply, or the words of its failure."""
    try:
        return ask(policy, request).text
    except ModelError as error:
        return f"{error.kind}: {error.message}"


def persist(policy: Policy, request: ChatRequest) -> str:
    """Ask, and once more where that may help."""
    try:
        return ask(policy, request).text
    except ModelError as error:
        if not error.retry:
            raise
        return ask(policy, replace(request, attempt=request.attempt + 1)).text


class Desk:
    """What stands between a policy and a namespace: REPL semantics, and the form of the messages."""

    def __init__(
        self,
        policy: Policy,
        context: Any,
        task: str,
        rlm: Callable[[str], str] | None = None,
        repair: Callable[[str], str] = lambda code: code,
    ) -> None:
        self.repair = repair
        self.asked: list[ChatRequest] = []
        self.outputs: list[str] = []
        self.final: str | None = None
        self.policy = policy
        self.messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f'Look before you answer. The task: "{task}"'},
        ]
        query = rlm or self.leaf
        self.names: dict[str, Any] = {
            "context": context,
            "llm_query": self.leaf,
            "llm_query_batched": lambda prompts: [self.item(prompt) for prompt in prompts],
            "rlm_query": query,
            "rlm_query_batched": lambda prompts: [query(prompt) for prompt in prompts],
            "FINAL": lambda value: setattr(self, "final", str(value)),
            "FINAL_VAR": lambda name: setattr(self, "final", str(self.names[name])),
            "answer": {"content": "", "ready": False},
        }
        self.reminder = f'Go on. The task again: "{task}"'

    def leaf(self, prompt: str) -> str:
        request = ChatRequest(({"role": "user", "content": prompt},), "scripted:x", stream=False, leaf=True)
        self.asked.append(request)
        return persist(self.policy, request)

    def item(self, prompt: str) -> str:
        """An item of a batch: what failed is a text."""
        try:
            return self.leaf(prompt)
        except ModelError as error:
            return f"Error: {error}"

    def reply(self, attempt: int = 1) -> str:
        self.asked.append(ChatRequest(tuple(self.messages), "scripted:x", attempt=attempt))
        return persist(self.policy, self.asked[-1])

    def turn(self, reply: str | None = None, edit: Callable[[str], str] | None = None) -> str:
        """One iteration: a reply, its code (edited), the observation. Returns what was printed."""
        reply = self.reply() if reply is None else reply
        codes = [(edit or self.repair)(code) for code in FENCE.findall(reply)]
        if not codes and (prose := re.search(r"^FINAL\((.*)\)$", reply, re.MULTILINE)):
            self.final = prose[1]
        printed = io.StringIO()
        for code in codes:
            with contextlib.redirect_stdout(printed):
                try:
                    exec(code, self.names)
                except Exception as error:  # noqa: BLE001 a block may raise anything
                    print(f"\nERROR: {type(error).__name__}: {error}")
        if codes and self.names["answer"]["ready"]:
            self.final = self.names["answer"]["content"]
        seen = (
            f"Code executed:\n```python\n{codes[0]}\n```\n\nREPL output:\n{printed.getvalue()}" if codes else "Go on."
        )
        self.say(reply, f"{seen}\n\n{self.reminder}")
        self.outputs.append(printed.getvalue())
        return printed.getvalue()

    def say(self, reply: str, observation: str) -> None:
        self.messages += [{"role": "assistant", "content": reply}, {"role": "user", "content": observation}]

    def play(self, most: int = 12) -> str:
        """Turn until there is an answer."""
        while self.final is None and len(self.outputs) < most:
            self.turn()
        assert self.final is not None, self.messages
        return self.final


REPAIRS: dict[str, Callable[[str], str]] = {"broken": lambda code: code.replace("contxt", "context")}
"""What a person does to the code of scenarios that do not find the answer by themselves."""


def family(name: str, context: Any, task: str, desks: list[Desk]) -> Desk:
    """A desk whose `rlm_query` is answered by a desk of its own. All of them are added to ``desks``."""
    desk = seated(name, context, task, rlm=lambda prompt: family(name, prompt, prompt, desks).play())
    desks.append(desk)
    return desk


def seated(name: str, context: Any, task: str, rlm: Callable[[str], str] | None = None) -> Desk:
    """A desk of a scenario, with a person at it who repairs what must be."""
    return Desk(scenario(name).policy, context, task, rlm, REPAIRS.get(name, lambda code: code))
