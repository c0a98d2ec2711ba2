"""Changes by hand: which are legal where, what was there before, and how a value in a gate's hand is written down."""

from __future__ import annotations

from typing import Any, cast

from rlm_tui.engine.gate import (
    Answer,
    Ask,
    Code,
    Failure,
    GateValue,
    LimitHit,
    Observation,
    Request,
    Verdict,
)
from rlm_tui.journal.events import EditField, Point
from rlm_tui.llm.base import Reply

LEGAL: dict[Point, tuple[EditField, ...]] = {
    "llm": ("messages", "model", "params"),
    "reply": ("reply",),
    "block": ("code", "skip"),
    "call": ("prompt", "model", "answer", "kill"),
    "return": ("answer",),
    "observe": ("obs",),
    "final": ("final",),
    "error": ("answer", "messages", "model", "params", "code", "prompt"),
    "limit": ("limit",),
}
"""What a person may change at each point."""

POINT_NAMES: dict[Point, str] = {
    "llm": "a model request",
    "reply": "a reply",
    "block": "a block",
    "call": "a sub-call",
    "return": "an answer",
    "observe": "an observation",
    "final": "a final answer",
    "error": "an error",
    "limit": "a limit",
}


def shown(value: GateValue) -> dict[str, Any]:
    """A value in a gate's hand, as its ``hold`` event keeps it."""
    match value:
        case Request(messages=messages, model=model, params=params):
            return {"messages": [dict(m) for m in messages], "model": model, "params": dict(params)}
        case Reply(text=text):
            return {"text": text}
        case Code(code=code):
            return {"code": code}
        case Ask(fn=fn, prompt=prompt, model=model):
            return {"fn": fn, "prompt": prompt, "model": model}
        case Answer(status=status, text=text):
            return {"status": status, "text": text}
        case Observation(text=text):
            return {"text": text}
        case Verdict(proposal=proposal, others=others, accepted=accepted):
            seen = [{"text": p.text, "via": p.via, "refused": p.refused} for p in others]
            return {
                "text": proposal.text, "via": proposal.via, "type": proposal.type, "accepted": accepted,
                "reasons": list(proposal.reasons), "others": seen,
            }  # fmt: skip
        case Failure(error=error, attempt=attempt):
            return {"kind": error.kind, "message": error.message, "detail": error.detail, "attempt": attempt}
        case LimitHit(name=name, used=used, limit=limit, scope=scope, reason=reason):
            return {"name": name, "used": used, "limit": limit, "scope": scope, "reason": reason}


def current(value: GateValue, field: str) -> Any:
    """What a field of a held value is now: the ``was`` of an edit."""
    match value, field:
        case Request(), "messages":
            return [dict(message) for message in value.messages]
        case ((Request() | Ask()), "model"):
            return value.model
        case Request(), "params":
            return dict(value.params)
        case Reply(), "reply":
            return value.text
        case Code(), "code":
            return value.code
        case Ask(), "prompt":
            return value.prompt
        case Answer(), "answer":
            return value.text
        case Observation(), "obs":
            return value.text
        case Verdict(), "final":
            return {"text": value.proposal.text, "accept": value.accepted}
        case LimitHit(), "limit":
            return {"name": value.name, "to": value.limit}
        case _:
            return None


def illegal(point: Point, field: str, value: Any) -> str | None:
    """Why a change can't be made at a point, in words; None when it can."""
    if field not in LEGAL[point]:
        can = " or ".join(LEGAL[point])
        return f"At {POINT_NAMES[point]}, {field} can't be changed; {can} can."
    return None if _fits(field, value) else f"That is no {field}."


def _fits(field: str, value: Any) -> bool:
    match field, value:
        case "messages", [*messages]:
            return all(isinstance(m, dict) and {"role", "content"} <= set(cast(dict[str, Any], m)) for m in messages)
        case "limit", {"to": int() | float()}:
            return True
        case (("params" | "final"), dict()):
            return True
        case "model", str():
            return bool(value.strip())
        case (("reply" | "code" | "prompt" | "obs" | "answer"), str()):
            return True
        case (("skip" | "kill"), _):
            return True
        case _:
            return False
