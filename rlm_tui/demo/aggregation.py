"""`aggregation`: 600 tickets labelled in one batch, and one leaf whose answer nobody can count."""

from __future__ import annotations

import re
from collections import Counter

from rlm_tui.demo.draw import Draw, first_fit
from rlm_tui.demo.ladder import Rung, Script, Values, When, at_start, question_and_data, saw
from rlm_tui.demo.lexicon import GREETINGS, OBJECTS, PHRASES, category
from rlm_tui.demo.scenario import Data, Limits, Scenario
from rlm_tui.llm.scripted import Conversation, Seen

TICKETS, CHUNK = 600, 50
KEY = "category is least common"
QUESTION = f"Each ticket is about one of {', '.join(PHRASES)}. Which {KEY}, and how many tickets has it?"
INSISTENCE = "Nothing but those lines: no greeting, no remark, no ticket left out."
"""The sentence that is added when a chunk is asked for again."""
BAD = "#0350"
"""The ticket at which a leaf chats instead of answering, until it is asked again."""
CHAT = "Of course, I am glad to help with these! Shall I go through them one by one?"
NO_TICKETS = "there is no ticket here"
UNCLEAR = "unclear"

_WEIGHTS = (24, 20, 18, 15, 12, 11)
_TICKET = re.compile(r"^(#\d{4}) (.+)$", re.MULTILINE)
_LABELLED = r"^(?P<labelled>\d+) of (?P<tickets>\d+) labelled$"


def make(seed: int) -> Data:
    """Draw 600 tickets, one a line; what a ticket is about is not written in it.

    Args:
        seed: Any whole number.
    """
    return first_fit(seed, _draw)


def _draw(draw: Draw) -> Data | None:
    weights = dict(zip(PHRASES, draw.shuffled(_WEIGHTS), strict=True))
    urn = [name for name, weight in weights.items() for _ in range(weight)]
    kinds = [draw.one(urn) for _ in range(TICKETS)]
    lines = [
        f"#{number:04} user {1 + draw.below(999)}: {draw.one(GREETINGS)}, {draw.one(PHRASES[kind])} "
        f"{draw.one(OBJECTS)} {1_000 + draw.below(9_000)}"
        for number, kind in enumerate(kinds)
    ]
    (rarest, least), (_, second) = sorted(Counter(kinds).items(), key=lambda item: item[1])[:2]
    start = int(BAD[1:]) // CHUNK * CHUNK
    if len(set(kinds)) < len(PHRASES) or least == second or rarest not in kinds[start : start + CHUNK]:
        return None
    return Data("\n".join(lines), QUESTION, Limits(max_depth=1), oracle=f"{rarest}: {least}")


def labels(conversation: Conversation) -> str:
    """A line for each ticket of the prompt, by its words."""
    _, data = question_and_data(conversation.prompt)
    return "\n".join(f"{id} {category(text) or UNCLEAR}" for id, text in _TICKET.findall(data)) or NO_TICKETS


def is_first_try(conversation: Conversation, ticket: str) -> bool:
    """Whether the prompt holds this ticket, and was neither insisted on nor asked before."""
    question, data = question_and_data(conversation.prompt)
    return ticket in dict(_TICKET.findall(data)) and INSISTENCE not in question and conversation.attempt == 1


def leaf(conversation: Conversation) -> str:
    """Label each ticket of the prompt; chat at the bad one, unless it is insisted on or asked once more."""
    return CHAT if is_first_try(conversation, BAD) else labels(conversation)


def incomplete(conversation: Conversation, seen: Seen) -> Values | None:
    """Fits when some tickets have no label yet."""
    values = saw(_LABELLED)(conversation, seen)
    return values if values and int(values["labelled"]) < int(values["tickets"]) else None


LOOK = Rung(
    "look",
    at_start,
    (
        "First I look at how much there is, and at the form of a line.",
        "Before I plan anything, I look at the size of this and at two of its lines.",
    ),
    code="""
lines = context.splitlines()
print(lines[0])
print(lines[-1])
print(len(lines), "lines")
""",
    mark="print(lines[-1])",
)

AGAIN = Rung(
    "ask again",
    incomplete,
    (
        "Only $labelled of $tickets have a label, so a count now would be wrong. I look which chunks are short, and "
        "ask for those again, with a plainer word about the form.",
        "Some of the $tickets tickets are without a label. Not all replies kept the form: those chunks I send again, "
        "insisting on it, before I count anything.",
    ),
    code=rf"""
short = []
for n, chunk in enumerate(chunks):
    if any(line[:5] not in labels for line in chunk):
        short.append(n)
for n in short[:3]:
    print(f"chunk {{n}} said: {{replies[n][:60]!r}}")
more = " {INSISTENCE}"
ask([chunks[n] for n in short], how + more)
counts = {{kind: list(labels.values()).count(kind) for kind in kinds}}
for kind, n in counts.items():
    print(n, kind)
print(len(counts), "categories")
""",
    mark="short.append(n)",
    reasoning="A chunk without labels would just be missing from the counts, and the answer would look as good as a "
    "true one. So first every ticket needs its label.",
)

COUNT = Rung(
    "count",
    saw(_LABELLED),
    (
        "$labelled of $tickets tickets are labelled. I count the categories.",
        "The labels are there, $labelled for $tickets tickets. Now the counts.",
    ),
    code="""
counts = dict.fromkeys(kinds, 0)
for kind in labels.values():
    counts[kind] += 1
for kind, n in counts.items():
    print(n, kind)
print(len(counts), "categories")
""",
    mark="counts = dict.fromkeys(kinds, 0)",
)

ANSWER = Rung(
    "answer",
    saw(r"^[1-9]\d* categories$"),
    (
        "The counts are there. The smallest is the answer; were tickets still without a label, I would say how many.",
        "What is left is to take the smallest count, and to be open about tickets without a label, if there are any.",
    ),
    code="""
least = min(counts, key=counts.get)
answer["content"] = f"{least}: {counts[least]}"
missing = len(lines) - len(labels)
if missing:
    answer["content"] += f" ({missing} of {len(lines)} tickets unlabelled)"
answer["ready"] = True
""",
    mark="least = min(counts, key=counts.get)",
)


KINDS = r"about one of (?P<kinds>\w+(?:, \w+)+)\."
"""Where the question names the categories."""
SAW_LINES = saw(r"^\d+ lines$", opening=KINDS)


def label(size: int, when: When = SAW_LINES) -> Rung:
    """The rung that has all tickets labelled in one batch.

    Args:
        size: Tickets in one prompt.
        when: Its condition; the value ``kinds`` names the categories.
    """
    return Rung(
        "label",
        when,
        (
            "A ticket a line, and no line names its category: somebody has to read them. I send them in parts, all in "
            "one batch, and ask for a form that code can count.",
            "What a ticket is about takes reading, so it goes to a model, many calls side by side. The answers are to "
            "be lines of an id and a label.",
        ),
        code=rf"""
import re
kinds = $kinds.split(", ")
ids = {{line[:5] for line in lines}}
how = "One line per ticket, '<id> <label>'. Labels: " + ", ".join(kinds) + "."
chunks = [lines[n : n + {size}] for n in range(0, len(lines), {size})]
labels = {{}}

def ask(chunks, how):
    asks = [how + "\n---\n" + "\n".join(chunk) for chunk in chunks]
    replies = llm_query_batched(asks)
    for reply in replies:
        for id, kind in re.findall(r"^(#\d+) (\w+)\s*$$", reply, re.M):
            if id in ids and kind in kinds:
                labels[id] = kind
    print(len(labels), "of", len(lines), "labelled")
    return replies

replies = ask(chunks, how)
""",
        mark="replies = ask(chunks, how)",
    )


ROOT = (ANSWER, AGAIN, COUNT, LOOK, label(CHUNK))

AGGREGATION = Scenario(
    "aggregation",
    "600 tickets labelled in one batch, and one answer that nobody can count",
    make,
    Script(KEY, ROOT, children=(), leaf=leaf),
)
