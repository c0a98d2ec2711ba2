"""Events built by hand: a run told in a few lines, numbered and timed as a journal would."""

from __future__ import annotations

from typing import Any

from rlm_tui.journal import address
from rlm_tui.journal.events import (
    CallEnd,
    CallStart,
    ContextInfo,
    Edit,
    Event,
    ExecEnd,
    ExecStart,
    Go,
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
)
from rlm_tui.journal.run import Run

START = 1_700_000_000.0
USAGE = Usage(prompt=90, completion=10, cost=0.01, source="provider")


def context(text: str = "a lake") -> ContextInfo:
    return ContextInfo(kind="str", text=text, length=len(text))


def run_start(run: str = "231114-2213-00aa", **fields: Any) -> RunStart:
    return RunStart(id="root", run=run, task="how deep?", context=context(), **fields)


def system_and(text: str) -> tuple[Message, ...]:
    return Message(role="system", content="You write code."), Message(role="user", content=text)


class Tape:
    """A growing list of events, one second apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, event: Event, after: float = 1.0) -> Event:
        t = (self.events[-1].t if self.events else START) + after
        self.events.append(event.model_copy(update={"seq": len(self.events), "t": t}))
        return self.events[-1]

    def run(self) -> Run:
        return Run(self.events)

    def begin(self) -> None:
        self.add(run_start())
        self.node("root")

    def node(self, id: str, depth: int = 0) -> None:
        self.add(NodeStart(id=id, depth=depth, prompt="how deep?", context=context(), model="scripted:x"))

    def ask(self, id: str, reply: str = "ok", *, base: int = 0, add: tuple[Message, ...] = (), **end: Any) -> None:
        """A model request that came back."""
        attempt = end.get("attempt", 1)
        self.add(LlmStart(id=id, attempt=attempt, base=base, add=add or system_and("go"), model="scripted:x"))
        self.add(LlmEnd(**{"id": id, "status": "ok", "reply": reply, "usage": USAGE, **end}))

    def code(self, id: str, code: str = "print(1)", **fields: Any) -> None:
        """A block begins to run."""
        self.add(ExecStart(id=id, code=code, **fields))

    def ran(self, id: str, status: Any = "ok", **fields: Any) -> None:
        """A block has run."""
        self.add(ExecEnd(id=id, status=status, **fields))

    def batch(self, block: str, size: int, kind: str = "rlm", ran_as: Any = None) -> list[str]:
        """The calls of one batch, asked for; their addresses."""
        ids = [address.call(block, kind, f"part {n}", None, 1) for n in range(size)]
        for n, id in enumerate(ids):
            self.add(
                CallStart(
                    id=id, fn=f"{kind}_query_batched", prompt=f"part {n}", batch=1, item=n, size=size,
                    ran_as=ran_as or kind,
                ),
            )  # fmt: skip
        return ids

    def child(self, id: str, answer: str = "7 m") -> None:
        """A child that answers in one iteration, and its call's end."""
        self.node(id, depth=1)
        self.ask(f"{id}/i1", f"FINAL({answer})")
        self.add(NodeEnd(id=id, status="final", value=answer, via="FINAL", type="str"))
        self.back(id, answer)

    def back(self, id: str, answer: str | None = "7 m", status: Any = "ok", **fields: Any) -> None:
        """A call's answer is there."""
        self.add(CallEnd(id=id, status=status, value=answer, **fields))

    def say(self, id: str, text: str) -> None:
        self.add(Obs(id=id, text=text, raw_length=len(text)))

    def hold(self, id: str, point: Any, node: str = "root", why: Any = "step", **value: Any) -> None:
        self.add(Hold(id=id, point=point, node=node, why=why, value=value))

    def go(self, id: str, verb: str = "release") -> None:
        self.add(Go(id=id, verb=verb))

    def edit(self, id: str, field: Any, value: Any = None, was: Any = None, by: str = "human", note: str = "") -> None:
        self.add(Edit(id=id, field=field, value=value, was=was, by=by, note=note))

    def end(self, answer: str | None = "7 m", status: Any = "final", **fields: Any) -> None:
        """The root's end, and the run's."""
        self.add(NodeEnd(**{"id": "root", "status": status, "value": answer, "via": "FINAL", **fields}))
        self.add(RunEnd(id="root", status=status, value=answer))


def two_levels() -> Tape:
    """A whole run: three iterations, a batch of three children in the second, an answer."""
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", "```repl\nprint(1)\n```")
    tape.code("root/i1/b1")
    tape.ran("root/i1/b1", stdout="1\n")
    tape.say("root/i1", "1")
    tape.ask("root/i2", base=2, add=(Message(role="assistant", content="…"), Message(role="user", content="1")))
    tape.code("root/i2/b1", "rlm_query_batched(parts)")
    for id in tape.batch("root/i2/b1", 3):
        tape.child(id)
    tape.ran("root/i2/b1")
    tape.say("root/i2", "7 m")
    tape.ask("root/i3", "FINAL(7 m)", base=4, add=(Message(role="assistant", content="…"),))
    tape.end()
    return tape


def picture(run: Run) -> dict[str, Any]:
    """All that a fold says, as plain values that compare: references are addresses."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        if type(value).__module__ != "rlm_tui.journal.tree":
            return value
        return fields(value)

    def fields(thing: Any) -> dict[str, Any]:
        found: dict[str, Any] = {"state": getattr(thing, "state", None), "row_mark": getattr(thing, "row_mark", None)}
        for name in thing.__slots__:
            value = getattr(thing, name)
            if name in ("block", "node", "parent", "call", "previous", "last_attempt", "default", "resolved"):
                found[name] = getattr(value, "id", value)
            elif name in ("iterations", "blocks", "calls"):
                found[name] = [item.id for item in value]
            else:
                found[name] = plain(value)
        return found

    flat = {k: v for k, v in vars(run).items() if k not in ("root", "nodes", "iterations", "calls", "blocks")}
    flat = {k: plain(v) for k, v in flat.items()}
    flat["state"], flat["root"] = run.state, run.root and run.root.id
    for name in ("nodes", "iterations", "calls", "blocks"):
        flat[name] = {id: fields(thing) for id, thing in getattr(run, name).items()}
    return flat
