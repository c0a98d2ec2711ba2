"""Changes by hand: which are legal where, what was there before, and how a value in a gate's hand is written down."""

from __future__ import annotations

import json
import math
from typing import Any, cast

from rlm_tui.engine.gate import (
    Answer,
    Ask,
    Broken,
    Code,
    Failure,
    GateValue,
    LimitHit,
    Observation,
    Request,
    Verdict,
    apply_edit,
    from_a_person,
    with_message,
)
from rlm_tui.journal import address
from rlm_tui.journal.events import EditField, Point
from rlm_tui.llm.base import Reply

LEGAL: dict[Point, tuple[EditField, ...]] = {
    "llm": ("messages", "model", "params", "say"),
    "reply": ("reply",),
    "block": ("code", "skip", "insert"),
    "call": ("prompt", "model", "answer", "kill"),
    "return": ("answer",),
    "observe": ("obs", "say"),
    "final": ("final",),
    "error": ("messages", "prompt", "model", "params", "answer"),
    "limit": ("limit",),
    "line": (),
}
"""What a person may change at each point. At an error, it is of what is asked for again."""

_OF_A_LEAF, _OF_A_NODE = "prompt", "messages"
"""How the words of a failed request are changed; neither for the other."""

_OF_A_BLOCK: dict[str, tuple[EditField, ...]] = {"died": ("code",), "aborted": ("code",), "diverged": ()}
"""At the error of a block, by its kind: it ended with its REPL, or by a person; or the blocks before it differ."""

_NOTHING = {
    "line": "In a block that stands nothing can be changed; evaluate code in it, or abort it and change its code then.",
    "error": "Nothing can be changed here; release goes on with the REPL as it is now, retry makes it anew once more.",
}
"""What can be done instead, where nothing can be changed."""

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
    "line": "a running block",
}


def shown(value: GateValue) -> dict[str, Any]:
    """A value in a gate's hand, as its ``hold`` event keeps it."""
    match value:
        case Request(messages=messages, model=model, params=params):
            return {"messages": [dict(m) for m in messages], "model": model, "params": dict(params)}
        case Reply(text=text):
            return {"text": text}
        case Code(code=code, after=after):
            return {"code": code, **({"after": [*after]} if after else {})}
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
        case Broken(line=line, frames=frames, locals=locals_, threads=threads):
            return {"line": line, "frames": [*frames], "locals": [*locals_], "threads": threads}


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
        case Code(), "skip":
            return value.skip
        case Ask(), "prompt":
            return value.prompt
        case Ask(), "answer":
            return value.supplied
        case Ask(), "kill":
            return value.killed
        case Answer(), "answer":
            return value.text
        case Observation(), "obs":
            return value.text
        case Verdict(), "final":
            message = {} if value.accepted else {"message": value.message}
            return {"text": value.proposal.text, "accept": value.accepted, **message}
        case Failure(), "answer":
            return value.text if value.action == "supply" else None
        case LimitHit(name=name, limit=limit, raised=raised), "limit":
            return {"name": name, "to": limit if raised is None else raised}
        case _:
            return None


def with_said(value: dict[str, Any], text: str) -> dict[str, Any]:
    """What a message to the model changes of a held value, as `shown` gives it.

    Args:
        value: A held request or observation.
        text: The message.
    """
    if "messages" in value:
        return {"messages": [dict(message) for message in with_message(tuple(value["messages"]), text)]}
    whole = apply_edit(Observation(value["text"]), "say", {"text": text, "at": "observe"})
    return {"text": shown(whole)["text"]}


def without_said(content: str, text: str) -> str | None:
    """What a message of a request was before a message to the model was put at its end; None when it has none there.

    Args:
        content: The message of the request.
        text: The message to the model.
    """
    said = from_a_person(text)
    return content.removesuffix(said).removesuffix("\n\n") if content.endswith(said) else None


def fields(point: Point, id: str, value: GateValue) -> tuple[EditField, ...]:
    """What a person may change of a held value."""
    if not isinstance(value, Failure):
        return LEGAL[point]
    if value.error.kind in _OF_A_BLOCK:
        return _OF_A_BLOCK[value.error.kind]
    other = _OF_A_NODE if address.is_node(id) else _OF_A_LEAF
    return tuple(field for field in LEGAL["error"] if field != other)


def illegal(point: Point, id: str, value: GateValue, field: str, new: Any) -> str | None:
    """Why a change of a held value can't be made, in words; None when it can.

    Args:
        point: Where it is held.
        id: Its address.
        value: What is held.
        field: What is to be changed.
        new: What it is to be.
    """
    allowed = fields(point, id, value)
    if not allowed:
        return _NOTHING[point]
    if field not in allowed:
        can = " or ".join(allowed)
        return f"At {POINT_NAMES[point]}, {field} can't be changed; {can} can."
    if not fits(field, new):
        return f"That is no {field}."
    return _no_limit(value, new) if isinstance(value, LimitHit) else None


def too_low(name: str, used: float) -> str:
    """What is said of a new limit that is not above what is used.

    Args:
        name: The limit.
        used: What is used of it, in its own unit.
    """
    return f"{name} has {used:g} used already; a new limit must be above that."


def fits(field: str, new: Any) -> bool:
    """Whether a value is one that a field can have."""
    match field, new:
        case "messages", [_, *_]:
            return all(_is_message(message) for message in cast(list[Any], new))
        case "limit", {"name": str(), "to": int() | float() as to}:
            return not isinstance(to, bool) and math.isfinite(to)
        case "final", {"accept": False, **rest}:
            return set(rest) <= {"message"} and isinstance(rest.get("message", ""), str)
        case "final", {**rest}:
            return set(rest) <= {"accept", "text"} and isinstance(rest.get("text", ""), str)
        case "params", {**params}:
            return _is_json(params)
        case "model", str():
            return bool(new.strip())
        case (("reply" | "code" | "prompt" | "obs" | "answer"), str()):
            return True
        case "skip", {"say": bool()}:
            return True
        case "insert", {"code": str(), "say": bool()}:
            return True
        case "say", {"text": str(), "at": "llm" | "observe"}:
            return True
        case "kill", _:
            return new is True
        case _:
            return False


def _is_message(message: Any) -> bool:
    match message:
        case {"role": "system" | "user" | "assistant", "content": str(), **rest}:
            return not rest
        case _:
            return False


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _no_limit(hit: LimitHit, new: Any) -> str | None:
    if new["name"] != hit.name:
        return f"The limit that is held here is {hit.name}."
    if new["to"] <= hit.used:
        return too_low(hit.name, hit.used)
    return None
