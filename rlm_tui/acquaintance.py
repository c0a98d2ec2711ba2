"""A model as a run would have it: its name, key and address looked at, and one short request when that is wished."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from rlm_tui.findings import Check
from rlm_tui.llm.about import About, about
from rlm_tui.llm.base import ChatRequest, Delta, ModelError, Reply
from rlm_tui.llm.litellm import LiteLLMModel, Timeouts
from rlm_tui.llm.prices import Price
from rlm_tui.llm.providers import base_url, check, keys_of, public_url
from rlm_tui.usage import printable

CONNECT_S = 5.0
"""Seconds that an address may take to answer."""
ASKED = "Reply with the one word: ready"
OWN = "the provider's own address"
MOST_TOKENS = 200
"""Tokens that the answer may take: a reasoning model thinks before it says even one word."""
PATIENCE = Timeouts(connect=10, read=60, between=30, total=90)


@dataclass(frozen=True, slots=True)
class Met:
    """What was found without a token.

    Attributes:
        base: Where its requests go, without any secret; None is its provider's own address.
        about: Window and price; None where the name is of no use.
        error: What is wrong, and what to do about it; None when nothing was found to be.
    """

    base: str | None
    about: About | None = None
    error: ModelError | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one short request.

    Attributes:
        reply: The reply.
        seconds: From sending it to the end of the reply.
        first_s: To its first piece.
        pieces: In how many it came; 1 is whole.
    """

    reply: Reply
    seconds: float
    first_s: float
    pieces: int


def checks(
    name: str,
    api_base: str | None,
    environ: Mapping[str, str] = os.environ,
    *,
    thorough: bool,
    ask: bool,
    prices: Mapping[str, Price] = MappingProxyType({}),
) -> tuple[Check, ...]:
    """The rows about one model.

    Args:
        name: ``provider/model``.
        api_base: The base URL, where one was given.
        environ: Where keys and addresses are.
        thorough: Look it up in what the provider library brings along, and try its address.
        ask: Send it one short request.
        prices: What models cost, where somebody says so.
    """
    met = meet(name, api_base, environ) if thorough else Met(public_url(base_url(name, api_base, environ)))
    wrong = met.error or (None if thorough else check(name, api_base, environ))
    shown = printable(name, 100)
    facts: dict[str, Any] = {"model": name, "base": met.base}
    if met.about is not None and (own := prices.get(name)) is not None:
        met = replace(met, about=replace(met.about, prompt=own.prompt, completion=own.completion, table="your price"))
    if met.about is not None:
        facts |= {"window": met.about.window, "prompt": met.about.prompt, "completion": met.about.completion}
    details = [] if wrong is not None and wrong.kind == "model" else [_where(name, met, environ)]
    details += [_known(met.about)] if met.about is not None else []
    if wrong is not None:
        facts["error"] = {"kind": wrong.kind, "message": wrong.message}
        row = Check("model", "missing", f"{shown} can't be asked", tuple(details), printable(wrong.message, 300), facts)
        return (row,)
    words = f"{shown}: its name and key are in order" if thorough else f"{shown} is set"
    remedy = "" if thorough else "what is known of it: rlm-tui doctor --model NAME; whether it answers: --ask"
    row = Check("model", "ok", words, tuple(details), remedy, facts)
    return (row, _answer(name, api_base, prices)) if ask else (row,)


def _where(name: str, met: Met, environ: Mapping[str, str]) -> str:
    """Where the context goes, and which key with it."""
    variable = next((key for key in keys_of(name) if environ.get(key)), None)
    key = f", and {variable} with it" if variable else ""
    return f"your context goes to {met.base or OWN}{key}"


def _known(about: About) -> str:
    window = "?" if about.window is None else f"{about.window:,} tokens"
    if about.free:
        return f"window {window}; local, without a price ({about.table})"
    if about.prompt is None or about.completion is None:
        return f"window {window}; price ? ({about.table} has none: a budget will ask you once)"
    return f"window {window}; ${about.prompt:.4g} a million tokens in, ${about.completion:.4g} out ({about.table})"


def _answer(name: str, api_base: str | None, prices: Mapping[str, Price]) -> Check:
    """The row about one short request."""
    try:
        answered = asyncio.run(ask(name, api_base, prices))
    except ModelError as wrong:
        facts = {"error": {"kind": wrong.kind, "message": wrong.message}}
        detail = (printable(wrong.detail, 300),) if wrong.detail else ()
        return Check("answer", "missing", f"none: {wrong.kind}", detail, printable(wrong.message, 300), facts)
    reply, usage = answered.reply, answered.reply.usage
    streams = answered.pieces > 1
    lacks = usage is None or usage.total is None
    tokens = (
        "no tokens reported" if usage is None else f"{usage.prompt or '?'} tokens in, {usage.completion or '?'} out"
    )
    cost = "" if lacks else ", cost ?" if usage is None or usage.cost is None else f", ${usage.cost:.6f}"
    words = f"{printable(reply.text or reply.reasoning, 40)!r} after {answered.seconds:.1f} s; {tokens}{cost}"
    details = [
        f"it says it is {printable(reply.model or '?', 100)}",
        f"it streams: {answered.pieces} pieces, the first after {answered.first_s:.1f} s" if streams
        else "it came in one piece: a person sees nothing until a reply is whole",
    ]  # fmt: skip
    remedy = "tokens will be shown as ?, and limits on them can't be kept" if lacks else ""
    facts = {
        "seconds": round(answered.seconds, 3), "first_s": round(answered.first_s, 3), "pieces": answered.pieces,
        "usage": None if usage is None else usage.model_dump(), "model": reply.model,
    }  # fmt: skip
    return Check("answer", "warning" if lacks else "ok", words, tuple(details), remedy, facts)


def meet(name: str, api_base: str | None, environ: Mapping[str, str] = os.environ) -> Met:
    """Look at a model's name, its key and its address. No token is spent: of the address only the port is tried.

    Args:
        name: ``provider/model``.
        api_base: The base URL, where one was given.
        environ: Where keys and addresses are.
    """
    base = base_url(name, api_base, environ)
    shown = public_url(base)
    if (wrong := check(name, api_base, environ)) is not None:
        return Met(shown, error=wrong)
    try:
        found = asyncio.run(about(name))
    except ModelError as wrong:
        return Met(shown, error=wrong)
    if found.lacks and base is None:
        return Met(shown, found, ModelError("key", f"set {' and '.join(found.lacks)}: {name} wants it"))
    return Met(shown, found, None if base is None else unreachable(base))


def unreachable(base: str) -> ModelError | None:
    """Why nothing can be had at an address; None when its port answers.

    Args:
        base: A base URL.
    """
    parts, shown = urlsplit(base), public_url(base)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return ModelError("network", f"the port in {shown} is none")
    try:
        socket.create_connection((parts.hostname or "", port), CONNECT_S).close()
    except socket.gaierror:
        return ModelError("network", f"the name in {shown} is not known to this network")
    except TimeoutError:
        return ModelError("network", f"no connection to {shown} within {CONNECT_S:g} s")
    except OSError as error:
        local = (parts.hostname or "") in ("localhost", "::1", "0.0.0.0") or (parts.hostname or "").startswith("127.")
        why = "; is the server running?" if local else f": {error.strerror or error}"
        return ModelError("network", f"nothing answers at {shown}{why}")
    return None


async def ask(name: str, api_base: str | None, prices: Mapping[str, Price]) -> Answered:
    """Send one short request.

    Args:
        name: ``provider/model``.
        api_base: The base URL, where one was given.
        prices: What models cost, where somebody says so.

    Raises:
        ModelError: What came instead of a reply.
    """
    model = LiteLLMModel(name, api_base=api_base, timeouts=PATIENCE, prices=prices)
    await model.load()
    request = ChatRequest(({"role": "user", "content": ASKED},), name, {"max_tokens": MOST_TOKENS})
    began, first, pieces, reply = time.monotonic(), 0.0, 0, None
    async with aclosing(model.stream(request)) as parts:
        async for part in parts:
            first = first or time.monotonic() - began
            pieces += isinstance(part, Delta)
            reply = part if isinstance(part, Reply) else None
    assert reply is not None, "a stream ends with a reply"
    return Answered(reply, time.monotonic() - began, first, max(1, pieces))
