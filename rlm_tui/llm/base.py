"""What a chat model is. Above this room nobody knows which library, script or function answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from rlm_tui.journal.events import ErrorInfo, ErrorKind, Usage

ChatMessage = dict[str, str]
"""``{"role": …, "content": …}``, as every provider takes it."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One attempt at one request.

    Attributes:
        messages: The history, a fresh list of fresh dicts that the model may keep.
        model: The model's name as the engine chose it, prefix included.
        params: Request parameters (``temperature``, ``max_tokens`` …), given to the provider as they are.
        attempt: 1, and one more for each retry or resample.
        stream: Whether pieces are wanted. A leaf's answer is asked for whole.
        leaf: Whether this is a plain sub-LM request, not a node's turn.
    """

    messages: tuple[ChatMessage, ...]
    model: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    attempt: int = 1
    stream: bool = True
    leaf: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a reply on its way. Pieces joined equal the reply's text exactly."""

    text: str
    kind: Literal["reply", "reasoning"] = "reply"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply.

    Attributes:
        text: What the model said, reasoning apart.
        finish_reason: ``stop``, ``length``, ``content_filter`` … as the provider reports it; None when it does not.
        usage: Tokens and cost; None when nothing was reported.
        reasoning: The thoughts, where they come apart from the text. Never parsed, never sent back.
        model: The model as the provider reports it.
        api_base: Where the request went, without any secret.
    """

    text: str
    finish_reason: str | None = "stop"
    usage: Usage | None = None
    reasoning: str = ""
    model: str | None = None
    api_base: str | None = None


class ModelError(Exception):
    """A request failed.

    Attributes:
        kind: One of `ErrorKind`.
        message: One line that says what to do; never holds a key.
        detail: The provider's own words, secrets removed.
        retry: Whether another attempt may help: ``True``, ``False`` or ``"once"``.
        retry_after: Seconds the provider asked to wait, when it did.
        partial: The text that had arrived.
        original: What was raised, for a caller who wants it as it was.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        detail: str = "",
        retry: bool | Literal["once"] = False,
        retry_after: float | None = None,
        partial: str = "",
        usage: Usage | None = None,
        original: BaseException | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message
        self.detail = detail
        self.retry: bool | Literal["once"] = retry
        self.retry_after = retry_after
        self.partial = partial
        self.usage = usage
        self.original = original

    @property
    def info(self) -> ErrorInfo:
        """The error as the journal keeps it."""
        return ErrorInfo(kind=self.kind, message=self.message, detail=self.detail)


class ChatModel(Protocol):
    """Anything that answers a conversation. One attempt per call; the engine decides about the next."""

    def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        """Answer a request: any number of `Delta`, then exactly one `Reply`.

        Cancelling the task that iterates ends the request at once.

        Raises:
            ModelError: When there is no reply.
        """
        ...


class UnknownModelError(LookupError):
    """No implementation takes a model of this name. The message is one line for a person."""


class Models:
    """Model names to implementations, by prefix (``scripted:needle``), with a default for all others.

    Args:
        default: Makes the model for a name without a registered prefix; None refuses such names.
    """

    def __init__(self, default: Callable[[str], ChatModel] | None = None) -> None:
        self._default = default
        self._makers: dict[str, Callable[[str], ChatModel]] = {}
        self._made: dict[str, ChatModel] = {}

    def register(self, prefix: str, make: Callable[[str], ChatModel]) -> None:
        """Let ``make(name)`` answer for every name that begins with ``prefix``.

        ``make`` raises `UnknownModelError` for a name it does not know.
        """
        self._makers[prefix] = make

    def get(self, name: str) -> ChatModel:
        """The model of this name, made on first use and kept.

        Raises:
            UnknownModelError: When nothing answers to the name.
        """
        if name not in self._made:
            prefixes = [prefix for prefix in self._makers if name.startswith(prefix)]
            make = self._makers[max(prefixes, key=len)] if prefixes else self._default
            if make is None:
                known = ", ".join(sorted(self._makers)) or "none"
                raise UnknownModelError(f"no model answers to {name!r} (known prefixes: {known})")
            self._made[name] = make(name)
        return self._made[name]
