"""How an engine and its models talk: reading replies, choosing answers, wording what the model sees.

A dialect is pure and has no state. Its name is in ``run.start``, so a journal is always read by the rules it was
made with. A rule that would make the loop ask which dialect it has is a method missing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from rlm_tui.engine import finals, parsing, prompts
from rlm_tui.engine.values import BlockRun, NodeSpec, ParsedReply, Turn
from rlm_tui.journal.events import Proposal
from rlm_tui.llm.base import ChatMessage


class Dialect(Protocol):
    """What differs between engines."""

    @property
    def name(self) -> str:
        """As in ``run.start``."""
        ...

    @property
    def block_tags(self) -> frozenset[str]:
        """Fence tags whose code runs, in lower case."""
        ...

    @property
    def output_cap(self) -> int:
        """Characters of one block's output that the model is shown."""
        ...

    @property
    def restores_context(self) -> bool:
        """Whether ``context`` is put back before each block."""
        ...

    @property
    def names(self) -> Mapping[str, str]:
        """The functions offered in the REPL, and of which kind each is."""
        ...

    def opening(self, node: NodeSpec) -> list[ChatMessage]:
        """The messages before the first request."""
        ...

    def parse(self, text: str, finish_reason: str | None) -> ParsedReply:
        """Blocks, rejects and declared answers of a reply."""
        ...

    def choose_final(self, turn: Turn) -> Proposal | None:
        """The answer that a turn declares, if it does."""
        ...

    def observe(self, turn: Turn) -> str:
        """The user message after a turn: outputs, notes and what is next; or the nudge."""
        ...

    def last_request(self, node: NodeSpec) -> ChatMessage:
        """The message that asks for a default answer."""
        ...

    def read_default(self, text: str) -> Proposal | None:
        """The answer in the reply to `last_request`."""
        ...


_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "llm_query": "ask",
        "llm_query_batched": "ask_batch",
        "llm_batch": "ask_batch",
        "rlm_query": "ask",
        "rlm_query_batched": "ask_batch",
        "FINAL": "final",
        "FINAL_VAR": "final_var",
        "SHOW_VARS": "show_vars",
        "format_exc": "format_exc",
        "safe_json_dumps": "safe_json_dumps",
    }
)


@dataclass(frozen=True, slots=True)
class OpenEnv:
    """The dialect of OpenEnv's ``repl_env``: fences that run, ``FINAL`` and the ``answer`` dict."""

    name: str = "openenv"
    block_tags: frozenset[str] = parsing.RUN_TAGS
    output_cap: int = prompts.OUTPUT_CAP
    restores_context: bool = False
    names: Mapping[str, str] = field(default_factory=lambda: _NAMES)

    def opening(self, node: NodeSpec) -> list[ChatMessage]:
        """See `prompts.opening`."""
        return prompts.opening(node)

    def parse(self, text: str, finish_reason: str | None) -> ParsedReply:
        """See `parsing.parse`."""
        return parsing.parse(text, finish_reason, self.block_tags)

    def choose_final(self, turn: Turn) -> Proposal | None:
        """See `finals.choose`."""
        return finals.choose(turn.runs, turn.parsed.finals, variables=turn.variables)

    def observe(self, turn: Turn) -> str:
        """The blocks as run with their outputs, a person's message, notes, and the reminder; or the nudge."""
        shown = [run for run in turn.runs if run.shown]
        if not shown:
            return prompts.nudge(turn)
        notes = [note for run in shown for note in run.notes]
        notes += [*prompts.refusal_notes(turn), *turn.notes]
        parts = [
            *(_block(run, self.output_cap) for run in shown),
            prompts.not_accepted(turn.message),
            prompts.note_lines(notes),
            prompts.reminder(turn.node.task),
        ]
        return "\n\n".join(part for part in parts if part)

    def last_request(self, node: NodeSpec) -> ChatMessage:
        """See `prompts.last_request`."""
        return prompts.last_request()

    def read_default(self, text: str) -> Proposal | None:
        """See `finals.read_default`."""
        return finals.read_default(text)


_DIALECTS: Mapping[str, Callable[[], Dialect]] = MappingProxyType({"openenv": OpenEnv})


def dialect(name: str) -> Dialect:
    """The dialect of this name.

    Raises:
        LookupError: When there is none; one line that lists the known.
    """
    if name not in _DIALECTS:
        raise LookupError(f"no dialect is called {name!r} (known: {', '.join(sorted(_DIALECTS))})")
    return _DIALECTS[name]()


_STOPPED: Mapping[str, str] = MappingProxyType(
    {
        "error": "the block failed",
        "timeout": "the block ran too long and was stopped",
        "aborted": "the block was stopped before it ended",
        "died": "the REPL process died in this block",
    }
)


def _block(run: BlockRun, cap: int) -> str:
    """One block as the model sees it. Fences are longer than any run of backticks in the code."""
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall(r"`{3,}", run.code)), default=0))
    code = f"{fence}python\n{run.code}\n{fence}"
    if run.status == "skipped":
        return f"Code not executed (skipped by a person):\n{code}"
    text = f"Code executed:\n{code}\n\nREPL output:\n{_head(run.output, cap) or '(no output)'}"
    error = run.error or _STOPPED.get(run.status)
    return f"{text}\n\nERROR: {_both_ends(error, cap)}" if error else text


def _head(output: str, cap: int) -> str:
    """The first characters of an output, and how many there were."""
    if len(output) <= cap:
        return output.removesuffix("\n")
    return f"{output[:cap]}\n... (truncated, total {len(output)} chars)"


def _both_ends(error: str, cap: int) -> str:
    """An error with its first and its last lines."""
    error = error.strip("\n")
    if len(error) <= cap:
        return error
    half = cap // 2
    return f"{error[:half]}\n... ({len(error) - 2 * half} chars left out)\n{error[-half:]}"
