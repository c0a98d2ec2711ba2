"""Journals as Hypothesis makes them: any event after any other, at addresses that know one another."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from rlm_tui.journal import address
from rlm_tui.journal.events import (
    CallEnd,
    CallStart,
    Chunk,
    ContextInfo,
    CutInfo,
    Edit,
    ErrorInfo,
    Event,
    ExecEnd,
    ExecStart,
    Finding,
    Go,
    Hold,
    LlmEnd,
    LlmStart,
    Message,
    NodeEnd,
    NodeStart,
    Obs,
    Point,
    Proposal,
    Rebuild,
    RunEnd,
    RunStart,
    Unknown,
    Usage,
    VariableRow,
)
from rlm_tui.journal.tree import IN_FRAME

CALL = address.call("root/i1/b1", "rlm", "part", None, 1)
LEAF = address.call("root/i1/b1", "llm", "part", None, 1)
IDS = st.sampled_from(
    ["root", "root/i1", "root/i2", "root/i1/b1", "root/i1/b2", "root/i1/b1+h1", "root/i1/b1+e1", "root/i1+e1", "root/i1+s1", "root/default",
     "root/i2/final", CALL, LEAF, f"{CALL}/i1", f"{CALL}/i1/b1", f"{CALL}/i1/b1+h1", "nowhere", ""]
)  # fmt: skip

SHORT = st.text(st.characters(), max_size=20)
TEXTS = SHORT | st.builds(lambda text, n: (text or "·") * n, SHORT, st.sampled_from([300, 5000]))
KEYS = SHORT | st.sampled_from(["$blob", "$$blob", "length", "head", "sha256"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=3)
COUNTS = st.none() | st.integers(0, 10**6)
USAGES = st.none() | st.builds(
    Usage, prompt=COUNTS, completion=COUNTS, cost=st.none() | st.floats(0, 5),
    source=st.sampled_from(["provider", "scripted", "estimate", None]),
)  # fmt: skip
ERRORS = st.none() | st.builds(ErrorInfo, kind=st.sampled_from(["rate", "died"]), message=SHORT, detail=TEXTS)
CONTEXTS = st.builds(ContextInfo, kind=st.sampled_from(["str", "list"]), text=TEXTS, length=st.integers(0, 99))
MESSAGES = st.lists(st.builds(Message, role=SHORT, content=TEXTS), max_size=3).map(tuple)
PROPOSALS = st.builds(Proposal, text=TEXTS, data=st.none() | TEXTS, span=st.none() | st.just((1, 2)))
ROWS = st.lists(st.builds(VariableRow, name=SHORT, type=SHORT, brief=SHORT), max_size=2).map(tuple)
BY = st.sampled_from([None, "human", "rule:1", "import"])
MAYBE = st.none() | TEXTS


def _event(made: type[Event], **fields: Any) -> st.SearchStrategy[Event]:
    return st.builds(made, id=IDS, by=BY, **fields)


NODE_STATUS = st.sampled_from(["final", "exhausted", "limit", "error", "killed"])
KINDS: dict[str, st.SearchStrategy[Event]] = {
    "run.start": _event(RunStart, run=SHORT, task=TEXTS, context=CONTEXTS, config=OBJECTS, environment=OBJECTS),
    "run.end": _event(RunEnd, status=NODE_STATUS, value=MAYBE, totals=OBJECTS, error=ERRORS),
    "node.start": _event(
        NodeStart, depth=st.integers(0, 3), prompt=TEXTS, context=CONTEXTS, model=SHORT, limits=OBJECTS
    ),
    "node.end": _event(
        NodeEnd, status=NODE_STATUS, value=MAYBE, via=st.sampled_from(["FINAL", "forced", None]), usage=USAGES,
        partial=MAYBE,
    ),
    "llm.start": _event(
        LlmStart, attempt=st.integers(1, 3), base=st.integers(0, 6), add=MESSAGES, model=SHORT, params=OBJECTS
    ),
    "llm.end": _event(
        LlmEnd, attempt=st.integers(1, 3), status=st.sampled_from(["ok", "error", "cancelled", "partial"]),
        reply=TEXTS, reasoning=TEXTS, usage=USAGES, error=ERRORS, wait=st.none() | st.floats(0, 9),
    ),
    "exec.start": _event(
        ExecStart, code=TEXTS, origin=st.sampled_from(["model", "human", "eval"]),
        reasons=st.sampled_from([(), (IN_FRAME,), ("one_line",)]),
    ),
    "exec.end": _event(
        ExecEnd, status=st.sampled_from(["ok", "error", "aborted", "died", "skipped", "timeout"]), stdout=TEXTS,
        raw=TEXTS, value=MAYBE, error=MAYBE, changed=ROWS, removed=st.lists(SHORT, max_size=2).map(tuple), finals=st.lists(PROPOSALS, max_size=2).map(tuple),
        answer=st.none() | PROPOSALS, cuts=st.dictionaries(SHORT, st.builds(CutInfo, kept=COUNTS.map(lambda n: n or 0),
        total=st.integers(0, 9)), max_size=1),
    ),
    "rebuild": _event(
        Rebuild, done=st.integers(0, 3), of=st.integers(0, 3), finding=st.sampled_from(get_args(Finding)),
        differs=TEXTS,
    ),
    "call.start": _event(CallStart, fn=SHORT, prompt=TEXTS, ran_as=st.sampled_from(["llm", "rlm", "opaque"])),
    "call.end": _event(
        CallEnd, status=st.sampled_from(["ok", "error", "supplied", "killed"]), value=MAYBE, usage=USAGES, error=ERRORS
    ),
    "obs": _event(Obs, text=TEXTS, raw_length=st.integers(0, 99)),
    "chunk": _event(Chunk, kind=st.sampled_from(["reply", "reasoning", "stdout", "raw"]), text=SHORT,
                    late=st.booleans()),
    "hold": _event(
        Hold, point=st.sampled_from(get_args(Point)),
        node=st.sampled_from(["root", CALL]), why=st.sampled_from(["step", "pause"]), value=OBJECTS,
    ),
    "go": _event(Go, verb=SHORT),
    "edit": _event(
        Edit, field=st.sampled_from(["messages", "code", "skip", "prompt", "answer", "obs", "final", "reply", "note"]),
        value=JSON, was=JSON, note=st.sampled_from(["", "reverted"]),
    ),
}  # fmt: skip
EVENTS: st.SearchStrategy[Event] = st.one_of(
    *KINDS.values(), st.builds(lambda id, more: Unknown.model_validate({"ev": "moon.rise", "id": id, "more": more}),
                               IDS, OBJECTS),
)  # fmt: skip
RUNS = st.lists(EVENTS, max_size=40).map(
    lambda events: [e.model_copy(update={"seq": n, "t": 1.0 + n}) for n, e in enumerate(events)]
)
