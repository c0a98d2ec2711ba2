"""Variants of `aggregation`: too many calls, a prompt too long, an error that is text, a busy provider."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from rlm_tui.demo.aggregation import (
    AGAIN,
    AGGREGATION,
    ANSWER,
    BAD,
    CHUNK,
    COUNT,
    KEY,
    KINDS,
    LOOK,
    ROOT,
    SAW_LINES,
    incomplete,
    is_first_try,
    label,
    labels,
    leaf,
)
from rlm_tui.demo.ladder import Rung, Script, Values, saw
from rlm_tui.llm.base import ModelError
from rlm_tui.llm.scripted import Conversation, Said, Seen, tokens

WINDOW = 4_000
"""Tokens that the leaf of `OVERSIZE` takes at most."""
RATE_LIMIT = "rate limit"
TWIN = "#0200"
"""The ticket whose leaf raises in `LEAF_ERROR`; at the bad one an error comes as a text."""
BUSY_S = 0.3
"""Seconds to wait that the provider of `FLAKY` asks for."""

STORM = replace(
    AGGREGATION,
    name="aggregation+storm",
    title="a call for every single ticket: 600 tiny prompts",
    policy=Script(KEY, (ANSWER, AGAIN, COUNT, LOOK, label(1)), children=(), leaf=leaf),
)


def _narrow(conversation: Conversation) -> str:
    """Answer as ever, if the prompt fits the window."""
    size = tokens(len(conversation.prompt))
    if size > WINDOW:
        raise ModelError(
            "context", f"too long for {conversation.model}: {size:,} tokens, and its context window is {WINDOW:,}"
        )
    return leaf(conversation)


def _needs_chunks(conversation: Conversation, seen: Seen) -> Values | None:
    """Fits when the one prompt was refused as too long, or its answer left tickets out."""
    refused = saw(r"^ERROR: ", r"\btoo long for ", opening=KINDS)(conversation, seen)
    left_out = incomplete(conversation, seen)
    return refused if left_out is None else saw("", opening=KINDS)(conversation, seen)


ALL_AT_ONCE = Rung(
    "all at once",
    SAW_LINES,
    (
        "That is not much text, so a single prompt with all of it will do.",
        "I put the whole context into one question, and have it labelled in one go.",
    ),
    code=r"""
import re
kinds = $kinds.split(", ")
how = "One line per ticket, '<id> <label>'. Labels: " + ", ".join(kinds) + "."
reply = llm_query(how + "\n---\n" + context)
found = re.findall(r"^(#\d+) (\w+)\s*$$", reply, re.M)
labels = {id: kind for id, kind in found if kind in kinds}
print(len(labels), "of", len(lines), "labelled")
""",
    mark="reply = llm_query(how",
)

OVERSIZE = replace(
    AGGREGATION,
    name="aggregation+oversize",
    title="everything in one prompt, for a model with a small window",
    policy=Script(
        KEY, (ANSWER, label(CHUNK, _needs_chunks), AGAIN, COUNT, LOOK, ALL_AT_ONCE), children=(), leaf=_narrow
    ),
)


def _error_as_text(conversation: Conversation) -> str:
    """At one ticket an error that came back as an answer, at another the error itself."""
    if is_first_try(conversation, TWIN):
        raise ModelError("rate", RATE_LIMIT)
    return f"Error: {RATE_LIMIT}" if is_first_try(conversation, BAD) else labels(conversation)


LEAF_ERROR = replace(
    AGGREGATION,
    name="aggregation+leaf-error",
    title="two leaves fail: one raises, the other returns its error as an answer",
    policy=Script(KEY, ROOT, children=(), leaf=_error_as_text),
)


def _busy(conversation: Conversation) -> str | Said:
    """As ever; but the first attempt of about every third request is refused for the moment."""
    digest = hashlib.sha256(json.dumps(conversation.messages).encode()).digest()
    if conversation.attempt == 1 and int.from_bytes(digest) % 3 == 0:
        raise ModelError("rate", "the scripted provider is busy", retry=True, retry_after=BUSY_S)
    return AGGREGATION.policy(conversation)


FLAKY = replace(
    AGGREGATION,
    name="aggregation+flaky",
    title="a provider that is busy: about every third request takes a second attempt",
    policy=_busy,
)
