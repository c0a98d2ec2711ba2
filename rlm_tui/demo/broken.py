"""`broken`: a run that goes wrong in five ways. One repair by hand, in any of three places, is enough."""

from __future__ import annotations

from rlm_tui.demo.draw import Draw, first_fit
from rlm_tui.demo.ladder import Rung, Script, Values, at_start, out_of_iterations, saw
from rlm_tui.demo.scenario import Data, Limits, Scenario
from rlm_tui.llm.scripted import Conversation, Seen

ROWS, SKUS = 4_000, 40
QUESTION = "How many SKUs end negative?"
CLAIM = "12"
"""What it says before it has seen anything, and again when it gives up."""

_SITES = ("ea", "no", "so")
_MOST = 9
_USELESS = "print(type(context).__name__, len(context))"
_GIVES_UP_AFTER = 3


def make(seed: int) -> Data:
    """Draw a stock ledger: 4,000 movements of 40 SKUs at three sites.

    Args:
        seed: Any whole number.
    """
    return first_fit(seed, _draw)


def _draw(draw: Draw) -> Data | None:
    totals = dict.fromkeys((f"k{n:02}" for n in range(1, SKUS + 1)), 0)
    skus, seen, lines = list(totals), set[str](), ["sku,site,delta"]
    for _ in range(ROWS):
        sku, delta = draw.one(skus), draw.below(2 * _MOST + 1) - _MOST
        totals[sku] += delta
        seen.add(sku)
        lines.append(f"{sku},{draw.one(_SITES)},{delta}")
    negative = sum(total < 0 for total in totals.values())
    if len(seen) < SKUS or negative in (0, int(CLAIM)):
        return None
    limits = Limits(max_depth=1, max_iterations=7, block_timeout_s=10.0)
    return Data("\n".join(lines), QUESTION, limits, oracle=str(negative))


def _stuck(conversation: Conversation, seen: Seen) -> Values | None:
    """Fits once a variable was asked for that does not exist, and again after each useless look."""
    return {} if not seen.opening and conversation.said(_MISSING.mark) else None


def _gives_up(conversation: Conversation, seen: Seen) -> Values | None:
    return {} if conversation.times_said(_USELESS) >= _GIVES_UP_AFTER else None


_ROUGHLY = (
    f"I could not get it out of the ledger exactly. Roughly {CLAIM} of them end negative.",
    f"The code did not work out, so this is an estimate. Roughly {CLAIM} of them end negative.",
)

_MISSING = Rung(
    "missing variable",
    saw(r"^ERROR: "),
    (
        "The totals must be there by now, so I hand over how many of them are negative.",
        "By now the sums are done. The number of negative ones is my answer.",
    ),
    code='FINAL_VAR("negative_count")',
    mark='FINAL_VAR("negative_count")',
)

ROOT = (
    Rung(
        "count",
        saw(r"^\d+ skus$"),
        (
            "Every SKU has its total. I count those below zero, and that is the answer.",
            "The totals are complete. What is left is to count the negative ones.",
        ),
        code="""
result = sum(total < 0 for total in totals.values())
FINAL_VAR("result")
""",
        mark="for total in totals.values()",
    ),
    Rung(
        "sum",
        saw(r"^\d+ rows$"),
        (
            "The ledger is parsed. I add up the movements of each SKU.",
            "With the rows at hand, a sum per SKU is one loop.",
        ),
        code="""
totals = {}
for sku, site, delta in rows:
    totals[sku] = totals.get(sku, 0) + delta
print(len(totals), "skus")
""",
        mark="for sku, site, delta in rows:",
    ),
    Rung(
        "head and a claim",
        at_start,
        (
            "A stock ledger: I look at its head and add it up. The output will show that 12 SKUs end negative.",
            "I look at the first lines. A ledger like this comes to 12 negative SKUs, as the output will show.",
        ),
        code="""
for line in context.splitlines()[:4]:
    print(line)
""",
        mark="for line in context.splitlines()[:4]:",
        final=CLAIM,
    ),
    Rung(
        "parse",
        saw(r"^sku,site,delta$"),
        (
            "One movement a line, with a header. I parse the rows.",
            "It is CSV with a header, so I split it into rows first.",
        ),
        code="""
rows = []
for line in contxt.splitlines()[1:]:
    sku, site, delta = line.split(",")
    rows.append((sku, site, int(delta)))
print(len(rows), "rows")
""",
        mark="rows.append((sku, site, int(delta)))",
    ),
    Rung(
        "loop",
        saw(r"^ERROR: "),
        (
            "That did not work. I go through the lines by number instead, and leave the header out.",
            "That failed. Another way: line by line, with the header left out, straight into totals.",
        ),
        code="""
totals = {}
lines = context.splitlines()
i = 0
while i < len(lines):
    sku, site, delta = lines[i].split(",")
    if sku == "sku":
        continue
    totals[sku] = totals.get(sku, 0) + int(delta)
    i += 1
print(len(totals), "skus")
""",
        mark='if sku == "sku":',
    ),
    _MISSING,
    Rung("give up", _gives_up, _ROUGHLY, mark="Roughly"),
    Rung(
        "useless",
        _stuck,
        (
            "Something is missing. I make sure that the context is still there.",
            "I am not sure what I have. A look at the context again.",
        ),
        code=_USELESS,
    ),
)

BROKEN = Scenario(
    "broken",
    "a stock ledger and a run that goes wrong in five ways: repair it by hand",
    make,
    Script(
        "SKUs end negative",
        ROOT,
        children=(),
        leaf=lambda conversation: "I was given no ledger to read.",
        last=Rung("roughly", out_of_iterations, _ROUGHLY),
    ),
)
