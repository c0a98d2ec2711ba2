"""A run that was made over HTTP once, kept as it was written, and what made it.

``python -m tests.cassettes`` makes it anew: against the server of `tests.llm.server`, through the provider library. A run
on a real model becomes one by copying its directory here, once nothing of it is anybody's secret.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.store import Journal
from rlm_tui.llm.litellm import LiteLLMModel
from tests.llm.server import serve

FOLDER = Path(__file__).parent
RUN = FOLDER / "251122-1805-ca55"
MODEL = "openai/served"
QUESTION = "Which harbour had more arrivals, and how many more?"
CONTEXT = {"west": "12 arrivals in May, 30 in June", "east": "21 arrivals in May, 18 in June"}

COUNT = """I ask for both harbours at once, and a child for the difference.

```repl
counts = [int(n) for n in llm_query_batched([f"How many arrivals in all? {text}" for text in context.values()])]
print(dict(zip(context, counts)))
said = rlm_query(f"difference of {counts}")
```"""
ANSWER = """```repl
more = max(context, key=lambda name: counts[list(context).index(name)])
FINAL(f"{more}, {said} more")
```"""
CHILD = """```repl
import re
low, high = sorted(int(n) for n in re.findall(r"[0-9]+", context))
FINAL(high - low)
```"""


def policy(messages: list[dict[str, str]]) -> str:
    """What the model says: the root counts and asks a child, leaves add up."""
    if len(messages) == 1:
        numbers = [int(word) for word in messages[0]["content"].replace(",", " ").split() if word.isdigit()]
        return str(sum(numbers))
    if "difference of" in messages[1]["content"]:
        return CHILD
    return ANSWER if any(message["role"] == "assistant" for message in messages) else COUNT


def make(runs: Path) -> Path:
    """Make it; its directory.

    Args:
        runs: Where it is to be.
    """
    busy = ["s503"]

    def choose(body: dict[str, Any]) -> str:
        # One leaf is told to come again; everything else is answered at once.
        return busy.pop() if busy and len(body["messages"]) == 1 else "served"

    journal = Journal.create(runs, run_id=RUN.name)
    with serve(policy) as server:
        server.choose = choose
        model = LiteLLMModel(MODEL, api_base=server.base_url)
        engine = EngineRun(
            journal, lambda _: model, context=CONTEXT, task=QUESTION, model=MODEL, options=Options(max_depth=2),
            config={"api_base": server.base_url},
        )  # fmt: skip
        engine.shared.asking.sleep = lambda _: asyncio.sleep(0)
        asyncio.run(engine.go())
    journal.close()
    assert journal.path is not None
    return journal.path


def make_anew() -> None:
    """Put a new one in the place of the one that is kept."""
    shutil.rmtree(RUN, ignore_errors=True)
    make(FOLDER)
