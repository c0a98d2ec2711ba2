"""The values of one node's loop: what it is, what its model said, what its blocks did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rlm_tui.journal.events import BlockStatus, ContextInfo, Proposal

Context = str | list[str] | dict[str, Any]
"""The value that is ``context`` in a REPL."""


def context_info(context: Context) -> ContextInfo:
    """A context as the journal keeps it.

    Args:
        context: Text, or a JSON-like list or dict.

    Raises:
        TypeError: When it is none of these, or holds what JSON can't.
    """
    if isinstance(context, str):
        return ContextInfo(kind="str", text=context, length=len(context))
    if not isinstance(context, list | dict):  # pyright: ignore[reportUnnecessaryIsInstance] - callers are untyped code
        raise TypeError(f"context must be str, list or dict, not {type(context).__name__}")
    items = context.values() if isinstance(context, dict) else context
    length = sum(len(item) if isinstance(item, str) else len(json.dumps(item)) for item in items)
    kind = "dict" if isinstance(context, dict) else "list"
    return ContextInfo(kind=kind, text=json.dumps(context), length=length, items=len(context))


def context_value(info: ContextInfo, text: str) -> Context:
    """The context that a journal keeps; ``text`` is its text, whole."""
    return text if info.kind == "str" else json.loads(text)


class Span(NamedTuple):
    """A stretch of a raw reply, in code points."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One piece of code of a reply that is to run. ``reasons`` are named remarks (``one_line``, ``dedented`` …)."""

    code: str
    span: Span
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that looks like code and does not run, and the name of why.

    ``code`` is what would run if a person asked for it, and ``compiles`` whether Python can read it.
    """

    span: Span
    reason: str
    tag: str = ""
    code: str = ""
    compiles: bool = False


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """A reply as the rules read it. Derived from its text, never stored.

    ``finals`` are the declarations found in prose, refused ones included (`Proposal.refused` says why).
    """

    blocks: tuple[CodeBlock, ...] = ()
    rejects: tuple[Reject, ...] = ()
    finals: tuple[Proposal, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What one node is asked to do. Lengths are characters."""

    id: str
    depth: int
    task: str
    context: Context
    model: str
    system_prompt: str
    max_iterations: int = 30
    max_depth: int = 2
    sub_model: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class BlockRun:
    """A block that ran, or was skipped.

    Attributes:
        id: The block's address.
        code: The code as run.
        status: As in ``exec.end``.
        output: stdout and stderr as they came, then process output, then the trailing expression's ``repr``.
        error: The block-only traceback.
        finals: Everything it proposed, refused ones included: calls, then printed forms, then the ``answer`` dict.
        notes: Lines for the model about what the engine refused, dropped, cut or repaired; without ``NOTE:``.
        shown: Whether the observation has it; a block that a person skipped is shown only if asked for.
        inserted: Whether a person put it in: what goes wrong in it is not the model's failure.
    """

    id: str
    code: str
    status: BlockStatus
    output: str = ""
    error: str | None = None
    finals: tuple[Proposal, ...] = ()
    notes: tuple[str, ...] = ()
    shown: bool = True
    inserted: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One iteration, once its blocks are through.

    Attributes:
        node: The node.
        k: The iteration, from 1.
        parsed: The reply as read.
        runs: Its blocks in order.
        notes: Lines for the model that belong to no block (a refused final, blocks not run at a limit).
        message: What a person has to say about a rejected answer, shown to the model; empty otherwise.
        reply_empty: Whether the reply had no text at all.
        variables: Names of the REPL's variables, for the remark ``final_names_variable``.
    """

    node: NodeSpec
    k: int
    parsed: ParsedReply
    runs: tuple[BlockRun, ...] = ()
    notes: tuple[str, ...] = ()
    message: str = ""
    reply_empty: bool = False
    variables: frozenset[str] = frozenset()
