"""From whatever a provider library raises to a `ModelError`: its kind, what to do, and whether to try again.

Exceptions are known by the names of their classes, so nothing is loaded to look at one. The library gives the
same class to different failures (a missing key is an internal server error, 403 and 529 are bare API errors),
which is why the order of the questions matters: most specific first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from rlm_tui.journal.events import ErrorKind
from rlm_tui.llm.base import ModelError
from rlm_tui.llm.providers import how_to_write
from rlm_tui.llm.secrets import redact

Retry = bool | Literal["once"]

DETAIL = 4000
"""Characters of a provider's own words that are kept."""

_CONTEXT = re.compile(
    r"maximum (context|model) length|context[_ ]length|context window|longer than the maximum|"
    r"prompt is too long|too many (input )?tokens|input (is )?too long|exceeds? the (available )?context",
    re.IGNORECASE,
)
_FILTER = re.compile(
    r"content[_ ]?(policy|filter|management)|responsible ?ai|safety (system|filter|settings)", re.IGNORECASE
)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|credit balance|billing|no credits?", re.IGNORECASE)
_NO_KEY = re.compile(
    r"missing credentials|missing .{0,40}api.?key|api.?key.{0,30}(not set|not found|missing|required)|"
    r"unable to locate credentials",
    re.IGNORECASE,
)
_NOT_JSON = re.compile(r"empty or invalid response|expecting (value|property name)|not valid json", re.IGNORECASE)
_SAYS = re.compile(r"^(?:litellm\.)?(?:\w*(?:Error|Timeout)(?: Error)?: )*(?:\w+Exception\b[\s:-]*)?(?:\w+Error - )?")
_NEVER_ANSWERED = {"ConnectError", "ClientConnectorError", "ConnectionRefusedError"}
_BROKEN = {
    "ReadError", "WriteError", "RemoteProtocolError", "ServerDisconnectedError", "ConnectionResetError",
    "BrokenPipeError", "ClientPayloadError", "ClientOSError",
}  # fmt: skip
_NO_NAME = {"gaierror", "ClientConnectorDNSError"}
_CONNECT = {"ConnectTimeout", "ConnectionTimeoutError"}
_SILENCE = {"ReadTimeout", "WriteTimeout", "PoolTimeout", "APITimeoutError", "ServerTimeoutError", "TimeoutError"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request was, for the words of its error.

    Attributes:
        model: The name as it was sent.
        url: Where it went, without any secret; None for the provider's own address.
        variable: The environment variable of the provider's key, where it is known.
        secrets: Values that no text may hold.
        connect: Seconds the connection may take.
        silence: Seconds of silence that were allowed.
    """

    model: str
    url: str | None = None
    variable: str | None = None
    secrets: tuple[str, ...] = ()
    connect: float = 10
    silence: float = 300

    @property
    def where(self) -> str:
        """The address as a person reads it."""
        return self.url or "the provider's address"


def classify(error: BaseException, asked: Asked, partial: str = "") -> ModelError:
    """What happened, from the exception that a provider library raised.

    Args:
        error: The exception.
        asked: The request it answers.
        partial: The text that had arrived before it.

    Returns:
        The error to raise. It keeps the words and not the exception, whose text may hold a key.
    """
    original = getattr(error, "original_exception", None)
    if _is(error, "MidStreamFallbackError") and original is not None and not partial:
        error = original
    words = says(error)
    kind, message, retry = _broke_off(words, partial) if partial else _judge(error, words, asked)
    wait = retry_after(error) or (retry_after(original) if original is not None else None)
    if wait is not None and retry:
        message += f"; it asks to wait {wait:g} s"
    return ModelError(
        kind,
        one_line(redact(message, asked.secrets), 600),
        detail=redact(f"{type(error).__name__}: {_without_traceback(str(error))}", asked.secrets)[:DETAIL],
        retry=retry,
        retry_after=wait,
        partial=partial,
    )


def _judge(error: BaseException, words: str, asked: Asked) -> tuple[ErrorKind, str, Retry]:
    """The table: one row after the other, most specific first."""
    status, links = status_of(error), {type(link).__name__ for link in chain(error)}
    first = one_line(words)
    if _is(error, "ContextWindowExceededError") or (status in (400, 413, 422, 500) and _CONTEXT.search(words)):
        return "context", f"too long for {asked.model}: {first} Shorten the messages", False
    if _is(error, "ContentPolicyViolationError") or (status in (400, 403) and _FILTER.search(_code(error) + words)):
        return "filter", f"the provider's content filter refused the request: {first}", False
    if "LLM Provider NOT provided" in words:
        return "model", how_to_write(asked.model), False
    if status in (None, 401, 500) and _NO_KEY.search(words):
        return "key", f"set {asked.variable or 'the key of its provider'}: there is no key for {asked.model}", False
    if _is(error, "Timeout", "APITimeoutError", "TimeoutError") or status == 408:
        return "timeout", _which_limit(links | {type(error).__name__}, asked), True
    if links & (_NEVER_ANSWERED | _NO_NAME | _BROKEN):
        return "network", _no_connection(links, asked), True
    if _NOT_JSON.search(words) or "JSONDecodeError" in links:
        return "malformed", f"{asked.where} did not answer as an API does; is this its address? {first}", "once"
    return _by_status(error, status, first, words, asked)


def _by_status(
    error: BaseException, status: int | None, first: str, words: str, asked: Asked
) -> tuple[ErrorKind, str, Retry]:
    """What only the status tells."""
    if status == 401:
        return "key", f"{asked.variable or 'the key'} was refused by {asked.where} (401)", False
    if status == 402 or (status == 429 and _QUOTA.search(_code(error) + words)):
        return "quota", f"no credit left at {asked.where}: {first}", False
    if status == 403:
        return "forbidden", f"this key may not use {asked.model} at {asked.where} (403): {first}", False
    if status == 404:
        return "model", f"no model {asked.model} at {asked.where} (404): {first}", False
    if status == 429:
        return "rate", f"rate limited by {asked.where}", True
    if status == 529:
        return "overloaded", f"{asked.where} is overloaded (529)", True
    if status is not None and 400 <= status < 500:
        return "request", f"the provider refused the request ({status}): {first}", False
    if status is not None and status >= 500 and not _is(error, "APIConnectionError"):
        return "server", f"server error {status} at {asked.where}: {first}", True
    return "unknown", f"{type(error).__name__}: {first}", False


def _broke_off(words: str, partial: str) -> tuple[ErrorKind, str, Retry]:
    return "cut", f"the reply broke off after {len(partial)} characters: {one_line(words)}", True


def _which_limit(links: set[str], asked: Asked) -> str:
    if links & _CONNECT:
        return f"no connection to {asked.where} within {asked.connect:g} s"
    if links & _SILENCE:
        return f"nothing came from {asked.where} for {asked.silence:g} s"
    return f"{asked.where} gave the request up (408)"


def _no_connection(links: set[str], asked: Asked) -> str:
    if links & _NO_NAME:
        return f"the name in {asked.where} is not known to this network"
    if not links & _NEVER_ANSWERED:
        return f"{asked.where} broke the connection off"
    local = asked.url is not None and re.search(r"//(localhost|127\.|\[::1\]|0\.0\.0\.0)", asked.url)
    return f"nothing answers at {asked.where}" + ("; is the server running?" if local else "")


def chain(error: BaseException) -> Iterator[BaseException]:
    """The causes of an exception, nearest first, itself left out."""
    seen = {id(error)}
    link = error.__cause__ or error.__context__
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def status_of(error: BaseException) -> int | None:
    """The HTTP status an exception stands for; None when it has none."""
    status: Any = getattr(error, "status_code", None)
    return int(status) if isinstance(status, int | str) and str(status).isdecimal() else None


def says(error: BaseException) -> str:
    """The provider's own words, without the names of classes that a library puts before them."""
    text = _without_traceback(str(error)).partition(" Original exception: ")[0]
    while (bare := _SAYS.sub("", text, count=1)) != text:
        text = bare
    return text.strip()


def retry_after(error: BaseException) -> float | None:
    """Seconds to wait, as the provider asked in a header (a number, or a date); None when it did not."""
    response = getattr(error, "response", None)
    for headers in (getattr(error, "litellm_response_headers", None), getattr(response, "headers", None)):
        value = headers.get("retry-after") if isinstance(headers, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        if isinstance(value, str | int | float):
            return _seconds(str(value))
    return None


def _seconds(value: str) -> float | None:
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def one_line(text: str, limit: int = 200) -> str:
    """A text on one line, printable, and no longer than the limit."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _without_traceback(text: str) -> str:
    return text.partition("\nTraceback (most recent call last)")[0]


def _code(error: BaseException) -> str:
    """The provider's error code, which the library keeps in several places."""
    parts = [str(getattr(error, "code", None) or "")]
    parts += [str(link) for link in chain(error) if "Error code:" in str(link)]
    return " ".join(parts) + " "


def _is(error: BaseException, *names: str) -> bool:
    return any(cls.__name__ in names for cls in type(error).__mro__)
