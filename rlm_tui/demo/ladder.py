"""Policies as ladders: an ordered list of rungs, and the first one that fits the conversation speaks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Template

from rlm_tui.llm.scripted import Conversation, Said, Seen

Values = Mapping[str, str]
When = Callable[[Conversation, Seen], Values | None]
"""Whether a rung fits, and the values its reply takes from the messages. None: it does not fit."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A condition and the reply to give.

    Attributes:
        name: For tests and for people who read the ladder.
        when: The condition.
        prose: What stands before the code, one wording per attempt. ``$name`` is replaced by a value.
        code: One block. ``$name`` is replaced by the Python literal of a value.
        mark: A piece of ``code``. A reply that holds it, whoever wrote it, means that the step was taken.
        final: In place of code: an answer declared in prose. Beside code it does not count, which `broken` shows.
        reasoning: Thoughts that come before the reply.
    """

    name: str
    when: When
    prose: tuple[str, ...]
    code: str = ""
    mark: str = ""
    final: str = ""
    reasoning: str = ""

    def reply(self, values: Values, attempt: int) -> Said:
        """The reply. Attempts differ in their prose only, so that a resample shows alternatives."""
        words = self.prose[min(attempt, len(self.prose)) - 1]
        if attempt > len(self.prose):
            words = f"The same step, attempt {attempt}. {words}"
        parts = [Template(words).substitute(values)]
        if self.code:
            literals = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
            parts.append(f"```repl\n{Template(self.code.strip()).substitute(literals)}\n```")
        if self.final:
            parts.append(f"FINAL({self.final})")
        return Said("\n\n".join(parts), self.reasoning)


def at_start(conversation: Conversation, seen: Seen) -> Values | None:
    """Fits before anything was seen of the data."""
    return {} if seen.opening else None


def saw(*patterns: str, opening: str = "") -> When:
    """Fits when every pattern stands in the newest output; a pattern's last match counts.

    Args:
        patterns: Regular expressions in which ``^`` and ``$`` are ends of lines. Named groups become values.
        opening: One more, searched in the text before the first reply.
    """

    def when(conversation: Conversation, seen: Seen) -> Values | None:
        if seen.opening:
            return None
        values: dict[str, str] = {}
        searches = [(pattern, seen.output) for pattern in patterns]
        if opening:
            searches.append((opening, conversation.opening))
        for pattern, text in searches:
            found = [match.groupdict() for match in re.finditer(pattern, text, re.MULTILINE)]
            if not found:
                return None
            values |= found[-1]
        return values

    return when


PROBE = Rung(
    "probe",
    at_start,
    ("First I look at what I was given.", "Before anything else, a look at my context."),
    code=r"""
if isinstance(context, str) and "\n---\n" in context:
    head, body = context.split("\n---\n", 1)
    print("question:", head)
    print("data:", len(body), "characters")
else:
    print("type:", type(context).__name__)
    print("head:", str(context)[:200])
""",
    mark='head, body = context.split("\\n---\\n", 1)',
)
"""First step of every child: it takes the question from ``context``, not from the wording of a message."""


def out_of_iterations(conversation: Conversation, seen: Seen) -> Values | None:
    """Fits when the engine asks for an answer because the iterations ran out."""
    return {} if "run out of REPL iterations" in seen.text and not seen.opening else None


OUT_OF_ITERATIONS = Rung(
    "out of iterations",
    out_of_iterations,
    ("The iterations ended before I had an answer.", "I was not done when the iterations ended."),
    final="no answer: the iterations ran out",
)

STRANGER = Rung(
    "stranger",
    lambda conversation, seen: {},
    ("I do not recognise this question, and I will not guess.", "This question is not one I know."),
    final="this script does not know the question it was asked",
)

BROKEN_STEP = Rung(
    "broken step",
    lambda conversation, seen: {} if re.search(r"^ERROR: ", seen.output, re.MULTILINE) else None,
    ("My last block failed, and I have no second way to the answer.", "That block failed. I stop here."),
    final="no answer: the last block failed and this script has no second way",
)

LOST = Rung(
    "lost",
    lambda conversation, seen: {},
    ("I cannot go on from this output, so I stop here.", "This output leads nowhere that I know."),
    final="no answer: this script cannot go on from the last output",
)


@dataclass(frozen=True, slots=True)
class Script:
    """A policy: a ladder for the root, one for its children, and a function for leaves.

    Attributes:
        key: A phrase of the question. A node with it before its first reply is the root.
        root: The root's rungs.
        children: Rungs of every other node, after the common probe.
        leaf: Answers a leaf request from the data in its prompt.
        last: What is said when iterations ran out.
    """

    key: str
    root: tuple[Rung, ...]
    children: tuple[Rung, ...]
    leaf: Callable[[Conversation], str]
    last: Rung = OUT_OF_ITERATIONS

    def __call__(self, conversation: Conversation) -> str | Said:
        """Reply to a conversation."""
        if not conversation.is_node:
            return self.leaf(conversation)
        rungs = self.root if self.key in conversation.opening else (PROBE, *self.children)
        rung, values = _choose((self.last, *rungs), conversation) or (_end(rungs, conversation), {})
        return rung.reply(values, conversation.attempt)


def _choose(rungs: tuple[Rung, ...], conversation: Conversation) -> tuple[Rung, Values] | None:
    """The first rung that fits and was not taken, on what was seen last; on older things only after a nudge."""
    for seen in conversation.seen():
        for rung in rungs:
            values = rung.when(conversation, seen)
            if values is not None and not (rung.mark and conversation.said(rung.mark)):
                return rung, values
    return None


def _end(rungs: tuple[Rung, ...], conversation: Conversation) -> Rung:
    """How to give up politely, so that no run loops for ever."""
    if not any(rung.mark and conversation.said(rung.mark) for rung in rungs if rung is not PROBE):
        return STRANGER
    newest = next(conversation.seen())
    return BROKEN_STEP if BROKEN_STEP.when(conversation, newest) is not None else LOST


def question_and_data(prompt: str) -> tuple[str, str]:
    """A prompt cut at the first line that holds only ``---``; without one, the whole prompt is both."""
    question, found, data = prompt.partition("\n---\n")
    return (question, data) if found else (prompt, prompt)
