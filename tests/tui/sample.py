"""A run as its events, written by hand: three levels, a batch, an edit, a failure, one block held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlm_tui.journal import address
from rlm_tui.journal.events import (
    CallEnd,
    CallStart,
    ContextInfo,
    Edit,
    ErrorInfo,
    Event,
    ExecEnd,
    ExecStart,
    Hold,
    LlmEnd,
    LlmStart,
    Message,
    NodeEnd,
    NodeStart,
    Obs,
    RunEnd,
    RunStart,
    Usage,
    VariableRow,
)  # fmt: skip
from rlm_tui.journal.run import Run
from rlm_tui.tui.view import View

QUESTION = "Who calibrated the anemometer with the strongest gust at the station founded by the designer of the bridge?"
START = 1_700_000_000.0
LOGS = ("g-117", "g-204", "g-305", "g-311", "g-402")
MODEL = "scripted:multi-hop"
HOP = "which station?"
LOOKING = "I will look at the shape of the context before anything else.\n```repl\nprint(len(context))\n```"
HOPPING = "The bridge and people notes are enough to find the station. I give them to one child.\n```repl\n…```"
LOG_PROMPT = "Report '<id> <max>' for this gust log.\n---\n[logs/cold-fell/{}] 9.8 12.4 7.1 43.7"
MODELS_CODE = 'values = body.split()[1:]\ntop = max(values)\nprint("max:", top)\nFINAL_VAR("result")'
EDITED_CODE = MODELS_CODE.replace("max(values)", "max(float(v) for v in values)")


def log_call(n: int) -> str:
    return address.call("root/i3/b1", "rlm", LOG_PROMPT.format(LOGS[n]), None, 1)


def usage(n: int) -> Usage:
    return Usage(prompt=n - n // 10, completion=n // 10, source="scripted")


class Teller:
    """Stamps events with numbers and times, a tenth of a second apart unless told otherwise."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.t = START

    def __call__(self, event: Event, after: float = 0.1) -> None:
        self.t += after
        self.events.append(event.model_copy(update={"seq": len(self.events), "t": self.t}))

    def node(self, id: str, depth: int, prompt: str, context: ContextInfo, **limits: Any) -> None:
        self(NodeStart(id=id, depth=depth, prompt=prompt, context=context, model=MODEL, limits=limits))

    def ask(self, id: str, reply: str, tokens: int, *add: Message, base: int = 0, after: float = 1.1) -> None:
        self(LlmStart(id=id, model=MODEL, base=base, add=add or (Message(role="user", content="go on"),)))
        self(LlmEnd(id=id, status="ok", reply=reply, usage=usage(tokens), ms=after * 1000), after)

    def leaf(self, block: str, prompt: str, answer: str, tokens: int) -> None:
        id = address.call(block, "llm", prompt, None, 1)
        self(CallStart(id=id, fn="llm_query", prompt=prompt, ran_as="llm"))
        self.ask(id, answer, tokens, Message(role="user", content=prompt))
        self(CallEnd(id=id, status="ok", value=answer, usage=usage(tokens), seconds=1.1))


def held_run() -> list[Event]:
    """Up to the block of the third log's child, held and then edited."""
    tell = Teller()
    _first_iterations(tell)
    _batch(tell)
    return tell.events


def answered_run() -> list[Event]:
    """The same run with a root that came to an answer."""
    tell = Teller()
    _first_iterations(tell)
    tell(NodeEnd(id="root", status="final", value="M. Osei", type="str", via="FINAL_VAR"), 1.0)
    tell(RunEnd(id="root", status="final", value="M. Osei"))
    return tell.events


def _first_iterations(tell: Teller) -> None:
    notes = ContextInfo(kind="list", text="[]", length=9800, items=16)
    tell(RunStart(id="root", run="251122-1810-7f3a", task=QUESTION, context=notes, config={"max_depth": 3}))
    tell.node("root", 0, QUESTION, notes, max_iterations=30, max_depth=3)
    system = Message(role="system", content="You have a REPL.\nWrite code in ```repl fences.")
    tell.ask("root/i1", LOOKING,
             600, system, Message(role="user", content=f'"{QUESTION}"'))  # fmt: skip
    tell(ExecStart(id="root/i1/b1", code="print(len(context))"))
    rows = (VariableRow(name="n", type="int", brief="16"),)
    tell(ExecEnd(id="root/i1/b1", status="ok", stdout="16 notes; 5 kinds of title\n", ms=4.0, changed=rows))
    tell(Obs(id="root/i1", text="REPL output:\n16 notes; 5 kinds of title", raw_length=611))
    tell.ask("root/i2", HOPPING,
             900, Message(role="user", content="16 notes"), base=2)  # fmt: skip
    code = 'station = rlm_query("which station?")\nprint("station:", station)'
    tell(ExecStart(id="root/i2/b1", code=code))
    _station(tell)
    tell(ExecEnd(id="root/i2/b1", status="ok", stdout="station: Cold Fell\n", ms=5200.0))
    tell(Obs(id="root/i2", text="station: Cold Fell", raw_length=18))


def _station(tell: Teller) -> None:
    hop = address.call("root/i2/b1", "rlm", HOP, None, 1)
    tell(CallStart(id=hop, fn="rlm_query", prompt=HOP, ran_as="rlm"))
    tell.node(hop, 1, HOP, ContextInfo(kind="str", text=HOP, length=14), max_iterations=30)
    for k, prompt in ((1, "who designed Harrow Bridge"), (2, "what did I. Thorne found")):
        tell.ask(f"{hop}/i{k}", f"Step {k}.", 300)
        tell(ExecStart(id=f"{hop}/i{k}/b1", code=f"x = llm_query({prompt!r})"))
        tell.leaf(f"{hop}/i{k}/b1", prompt, "I. Thorne", 212)
        tell(ExecEnd(id=f"{hop}/i{k}/b1", status="ok", ms=1100.0))
        tell(Obs(id=f"{hop}/i{k}", text="ok", raw_length=2))
    tell(NodeEnd(id=hop, status="final", value="Cold Fell", via="FINAL_VAR", seconds=5.1))
    tell(CallEnd(id=hop, status="ok", value="Cold Fell", seconds=5.1))


def _batch(tell: Teller) -> None:
    tell.ask("root/i3", "Cold Fell has five gust logs. One child for each, all at once, then I compare.\n```repl\n…```",
             1100, Message(role="user", content="station: Cold Fell"), base=3)  # fmt: skip
    code = "logs = [n for n in context if n.startswith('[logs/cold-fell')]\ntops = rlm_query_batched(logs)  # one each"
    tell(ExecStart(id="root/i3/b1", code=code))
    for n in range(5):
        prompt = LOG_PROMPT.format(LOGS[n])
        tell(
            CallStart(id=log_call(n), fn="rlm_query_batched", prompt=prompt, ran_as="rlm", batch=1, item=n + 1, size=5)
        )
    for n in range(5):
        prompt = LOG_PROMPT.format(LOGS[n])
        tell.node(log_call(n), 1, prompt, ContextInfo(kind="str", text=prompt, length=418), max_iterations=30)
        tell.ask(f"{log_call(n)}/i1", "First I look at what I was given.", 300, after=0.7)
        tell(ExecStart(id=f"{log_call(n)}/i1/b1", code="head, body = context.split('---')"))
        names = (VariableRow(name="head", type="str", size=49, brief="Report '<id> <max>' for this gust log."),
                 VariableRow(name="body", type="str", size=366, brief="[logs/cold-fell/g-305] 9.8 12.4"))  # fmt: skip
        out = "question 49, data 366 characters\n"
        tell(ExecEnd(id=f"{log_call(n)}/i1/b1", status="ok", stdout=out, ms=3.0, changed=names))
        tell(Obs(id=f"{log_call(n)}/i1", text="question 49", raw_length=198))
    for n in (0, 1):
        tell(NodeEnd(id=log_call(n), status="final", value="38.4", via="FINAL_VAR", seconds=3.1))
        tell(CallEnd(id=log_call(n), status="ok", value="38.4", seconds=3.1))
    wrong = ErrorInfo(kind="rate", message="rate limit, 3 tries")
    tell(LlmStart(id=f"{log_call(3)}/i2", model=MODEL, base=2))
    tell(LlmEnd(id=f"{log_call(3)}/i2", status="error", error=wrong))
    tell(NodeEnd(id=log_call(3), status="error", error=wrong, seconds=6.0))
    tell(CallEnd(id=log_call(3), status="error", error=wrong, seconds=6.0))
    tell(LlmStart(id=f"{log_call(4)}/i2", model=MODEL, base=2))
    reply = f"The data is one gust log of 60 values. I take the largest of them.\n```repl\n{MODELS_CODE}\n```"
    tell.ask(f"{log_call(2)}/i2", reply, 600, Message(role="user", content="question 49"), base=2, after=1.2)
    block = f"{log_call(2)}/i2/b1"
    value = {"code": MODELS_CODE}
    tell(Hold(id=block, point="block", node=log_call(2), value=value, why="step"))
    tell(Edit(id=block, field="code", value=EDITED_CODE, was=MODELS_CODE, by="human"), 3.0)


def view(events: list[Event] | Iterator[Event], **options: Any) -> View:
    """A view of a run, 35 s after its last event, without a running clock."""
    run = Run(events)
    last = run.last or START
    made = View(run, lambda value: "" if value is None else value if isinstance(value, str) else value.head,
                clock=lambda: last + 35.0, scenario="multi-hop", **options)  # fmt: skip
    made.size = "wide"
    return made


def feed(view: View, *events: Event) -> None:
    """Tell a view of more events, each a tenth of a second after the one before."""
    for event in events:
        view.apply(event.model_copy(update={"seq": view.run.seen, "t": (view.run.last or 0.0) + 0.1}))


def begun(*events: Event) -> View:
    """A view of the run's beginning, and of more events."""
    made = view(held_run()[:2])
    feed(made, *events)
    return made
