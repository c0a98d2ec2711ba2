"""The seam: every value that crosses a point of the loop passes here, and may be held, looked at, changed, released.

``value = await gates.pass_(point, address, value)``. A headless run uses `OpenGates`. Holding is the debugger's.
A value that is remembered rather than done never reaches a gate (`rlm_tui.engine.run` sees to that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeVar

from rlm_tui.journal.events import CallStatus, ErrorInfo, Point, Proposal
from rlm_tui.llm.base import ChatMessage, Reply


@dataclass(frozen=True, slots=True)
class Request:
    """``llm``: a model request about to be sent."""

    messages: tuple[ChatMessage, ...]
    model: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Inserted:
    """Code that a person put in before a block. ``say``: the model is shown it, and what came of it."""

    code: str
    say: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """``block``: code about to run. ``say_skipped`` lets the model know of a block that a person skipped.

    Attributes:
        before: What runs before it, in this order.
        after: The code of the later blocks of the same reply; to be seen, not to be changed here.
    """

    code: str
    skip: bool = False
    say_skipped: bool = False
    before: tuple[Inserted, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """``call``: a sub-call's prompt. ``supplied`` answers it without asking anyone; ``killed`` ends it.

    ``unrecorded`` is one that a rebuild met and the first run did not: it is asked only when a person lets it go.
    """

    fn: str
    prompt: str
    model: str
    supplied: str | None = None
    killed: bool = False
    unrecorded: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """``return``: a sub-call's outcome, before the REPL sees it. ``text`` is what a single call would receive.

    ``retry``: it is to be asked once more; only a plain sub-call can be.
    """

    status: CallStatus
    text: str
    error: ErrorInfo | None = None
    supplied: bool = False
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """``observe``: the text the model is about to see."""

    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``final``: an answer about to be accepted. Not ``accepted``: rejected, with a message to the model."""

    proposal: Proposal
    others: tuple[Proposal, ...] = ()
    accepted: bool = True
    message: str = ""
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """``error``: something failed that is not the model's code.

    ``action`` is what happens next: let it ``apply``, ``retry`` (with the request or code that was asked for),
    or ``supply`` the text in ``text``. ``partial`` is what had come of a reply that broke off.
    """

    error: ErrorInfo
    attempt: int = 1
    action: Literal["apply", "retry", "supply"] = "apply"
    text: str = ""
    partial: str = ""


@dataclass(frozen=True, slots=True)
class LimitHit:
    """``limit``: a limit is about to be exceeded. ``raised`` is the new limit; while None, it applies."""

    name: str
    used: float
    limit: float
    scope: str
    reason: str = ""
    raised: float | None = None

    @property
    def applied(self) -> bool:
        """Whether nobody raised it."""
        return self.raised is None


@dataclass(frozen=True, slots=True)
class Broken:
    """``line``: a block that runs, stopped where it is.

    ``action`` is what happens next: it goes on, to the next line of a block or for good, or is aborted.

    Attributes:
        line: The innermost line of a block's code.
        frames: Line, function and block, outermost first.
        locals: Name, type, size and brief of the innermost frame's names.
        threads: Other threads of the block, which go on running.
    """

    line: int
    frames: tuple[tuple[int, str, str], ...] = ()
    locals: tuple[tuple[str, str, int | None, str], ...] = ()
    threads: int = 0
    action: Literal["go", "step", "abort"] = "go"


GateValue = Request | Reply | Code | Ask | Answer | Observation | Verdict | Failure | LimitHit | Broken
V = TypeVar("V", Request, Reply, Code, Ask, Answer, Observation, Verdict, Failure, LimitHit, Broken)


class Gates(Protocol):
    """Who may hold a run."""

    async def pass_(self, point: Point, id: str, value: V, *, node: str) -> V:
        """Hand a value on, as it is or as someone made it.

        Args:
            point: Where in the loop.
            id: The address of the value.
            node: The address of the node that waits meanwhile.
        """
        ...


class OpenGates:
    """Gates that are always open: a headless run."""

    async def pass_(self, point: Point, id: str, value: V, *, node: str) -> V:
        """Hand the value on as it is."""
        return value


def apply_edit(value: GateValue, field_: str, new: Any) -> GateValue:
    """A gate's value after one recorded edit; the only reading of ``edit`` events there is.

    Args:
        value: What is in the gate's hand.
        field_: The edit's ``field``.
        new: The edit's ``value``.

    Returns:
        The changed value, or the same one when the field does not concern it.
    """
    match value, field_:
        case Request(), "messages":
            return replace(value, messages=tuple({"role": m["role"], "content": m["content"]} for m in new))
        case Request() | Ask(), "model":
            return replace(value, model=new)
        case Request(), "params":
            return replace(value, params=dict(new))
        case Request(), "say" if new.get("at") == "llm":
            return replace(value, messages=with_message(value.messages, new["text"]))
        case Reply(), "reply":
            return replace(value, text=new)
        case Code(), "code":
            return replace(value, code=new, skip=False)
        case Code(), "insert":
            return replace(value, before=(*value.before, Inserted(new["code"], bool(new.get("say")))))
        case Code(), "skip":
            return replace(value, skip=True, say_skipped=bool(new and new.get("say")))
        case Ask(), "prompt":
            return replace(value, prompt=new)
        case Ask(), "answer":
            return replace(value, supplied=new)
        case Ask(), "kill":
            return replace(value, killed=True)
        case Answer(), "answer":
            return replace(value, status="supplied", text=new, error=None, supplied=True)
        case Observation(), "obs":
            return replace(value, text=new)
        case Observation(), "say" if new.get("at") == "observe":
            return replace(value, text=f"{value.text}\n\n{from_a_person(new['text'])}".lstrip("\n"))
        case Verdict(), "final":
            return _judge(value, new)
        case Failure(), "answer":
            return replace(value, action="supply", text=new)
        case LimitHit(name=name), "limit" if new.get("name") == name:
            return replace(value, raised=float(new["to"]))
        case _:
            return value


def from_a_person(text: str) -> str:
    """A message to the model, as the model sees it."""
    return f"A message from the person who runs this:\n{text}"


def with_message(messages: tuple[ChatMessage, ...], text: str) -> tuple[ChatMessage, ...]:
    """A request's messages with one more from a person: at the end of the last one, if that is a user's."""
    said = from_a_person(text)
    if messages and messages[-1]["role"] == "user":
        return (*messages[:-1], {"role": "user", "content": f"{messages[-1]['content']}\n\n{said}"})
    return (*messages, {"role": "user", "content": said})


def _judge(verdict: Verdict, new: Mapping[str, Any]) -> Verdict:
    if not new.get("accept", True):
        return replace(verdict, accepted=False, message=str(new.get("message", "")))
    verdict = replace(verdict, accepted=True, message="")
    if "text" not in new:
        return verdict
    proposal = verdict.proposal.model_copy(update={"text": new["text"], "data": None, "type": "str", "origin": "human"})
    return replace(verdict, proposal=proposal, edited=True)
