# pyright: basic
"""Models of every provider, through litellm, which is loaded when the first request is made and not before."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from rlm_tui.journal.events import Usage
from rlm_tui.llm.base import ChatRequest, Delta, ModelError, Reply
from rlm_tui.llm.classify import Asked, classify
from rlm_tui.llm.prices import Price
from rlm_tui.llm.providers import DUMMY_KEY, base_url, check, key_variable, lacks_key, public_url
from rlm_tui.llm.secrets import known_secrets
from rlm_tui.llm.threads import in_thread

__all__ = ["LiteLLMModel", "Timeouts", "check"]

T = TypeVar("T")

ENVIRONMENT = {
    # Otherwise the import itself fetches a price list from the network.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    # Otherwise the first .env above the package is loaded into our environment, keys and base URLs included.
    "LITELLM_MODE": "PRODUCTION",
    # Otherwise a model with "llama-3" in its name contacts a hub for a tokenizer: 47 s a call when offline.
    "HF_HUB_OFFLINE": "1",
}
LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "huggingface_hub")

RESERVED = frozenset({
    "model", "messages", "stream", "stream_options", "timeout", "request_timeout", "api_key", "api_base",
    "base_url", "max_retries", "num_retries",
})  # fmt: skip
"""Parameters that are ours to set: a request that brings one of them is refused."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a request may take, in seconds.

    Attributes:
        connect: Until the connection stands.
        read: Silence before the first piece; a reasoning model may think for minutes.
        between: Silence between pieces, once they flow.
        total: The whole request.
    """

    connect: float = 10
    read: float = 300
    between: float = 60
    total: float = 600

    def silence(self, streamed: bool) -> float:
        """Seconds without a byte that are allowed.

        An answer asked for whole may be silent nearly to the end: a little less, to tell silence from a drip.
        """
        return self.read if streamed else self.total * 0.95


class LiteLLMModel:
    """One model of one provider, as litellm names it.

    Args:
        name: ``provider/model``. A request that names another model is sent to that one.
        api_base: The base URL; None for the provider's own variable, then its own address.
        api_key: The key; None for the provider's own variable.
        timeouts: How long a request may take.
        prices: What models cost, by name, where somebody says so.
        log: A file for what the library logs (warnings and worse); None keeps none of it.

    Attributes:
        library: The provider library, once it is loaded.
    """

    def __init__(
        self,
        name: str,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        timeouts: Timeouts = Timeouts(),
        prices: Mapping[str, Price] = MappingProxyType({}),
        log: Path | None = None,
    ) -> None:
        self.name = name
        self.timeouts = timeouts
        self._api_base = api_base
        self._api_key = api_key
        self._prices = prices
        self._log = log
        self.library: Any = None

    async def load(self) -> None:
        """Load the provider library: seconds of work in a thread of its own, once per process.

        Called by `stream`; call it before, so that the first request's time is the model's alone.
        """
        if self.library is None:
            self.library = await in_thread(_import, self._log)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta | Reply, None]:
        """Answer a request, in pieces when ``request.stream`` says so; see `ChatModel.stream`.

        Close the iterator when leaving it early (``contextlib.aclosing``): that ends the request at the provider.

        Raises:
            ModelError: For everything that goes wrong, sorted by `classify`.
        """
        asked, partial = self._asked(request), _Partial()
        try:
            await self.load()
            if not request.stream:
                yield await self._whole(request, asked)
                return
            async with aclosing(self._pieces(request, asked, partial)) as pieces:
                async for piece in pieces:
                    yield piece
        except ModelError:
            raise
        # A failure of the library nobody has seen yet is an error with a text, never a dead run.
        except Exception as error:  # noqa: BLE001
            raise classify(error, asked, partial.text) from None

    def _asked(self, request: ChatRequest) -> Asked:
        name = request.model or self.name
        return Asked(
            model=name,
            url=public_url(base_url(name, self._api_base)),
            variable=key_variable(name),
            secrets=known_secrets([self._api_key]),
            connect=self.timeouts.connect,
            silence=self.timeouts.silence(request.stream),
        )

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        """What litellm is called with.

        Raises:
            ModelError: When the request sets a parameter that is not its to set.
        """
        if taken := sorted(RESERVED & set(request.params)):
            raise ModelError("request", f"not a parameter of a request here: {', '.join(taken)}; remove it")
        name, limits = request.model or self.name, self.timeouts
        arguments: dict[str, Any] = {
            **request.params,
            "model": name,
            "messages": [dict(message) for message in request.messages],
            "max_retries": 0,
            "timeout": importlib.import_module("httpx").Timeout(limits.silence(request.stream), connect=limits.connect),
            "stream": request.stream,
        }
        if request.stream:
            arguments["stream_options"] = {"include_usage": True}
        # Also when it comes from the environment: left to itself, the library reports another one than it uses.
        if (base := base_url(name, self._api_base)) is not None:
            arguments["api_base"] = base
        if self._api_key is not None:
            arguments["api_key"] = self._api_key
        elif base is not None and lacks_key(name):
            arguments["api_key"] = DUMMY_KEY
        return arguments

    async def _whole(self, request: ChatRequest, asked: Asked) -> Reply:
        limit = self.timeouts.total

        def expired() -> ModelError:
            return ModelError("timeout", f"no whole answer from {asked.where} within {limit:g} s")

        return self._read(await _within(limit, self.library.acompletion(**self._arguments(request)), expired), asked)

    async def _pieces(
        self, request: ChatRequest, asked: Asked, partial: _Partial
    ) -> AsyncGenerator[Delta | Reply, None]:
        clock = _Clock(self.timeouts, asked, partial)
        stream: Any = await clock.wait(self.library.acompletion(**self._arguments(request)))
        if not isinstance(stream, self.library.CustomStreamWrapper):
            yield self._read(stream, asked)
            return
        try:
            while (chunk := await clock.wait(anext(stream, None))) is not None:
                clock.flows = True
                delta = chunk.choices[0].delta if chunk.choices else None
                if thought := getattr(delta, "reasoning_content", None):
                    partial.thoughts.append(thought)
                    yield Delta(thought, "reasoning")
                if text := getattr(delta, "content", None):
                    partial.pieces.append(text)
                    yield Delta(text)
            yield self._assemble(stream, asked, partial)
        finally:
            await stream.aclose()

    def _read(self, response: Any, asked: Asked) -> Reply:
        """The reply in an answer that came whole."""
        choice = response.choices[0] if response.choices else None
        message = getattr(choice, "message", None)
        return self._reply(
            asked,
            text=getattr(message, "content", None) or "",
            reasoning=getattr(message, "reasoning_content", None) or "",
            finish_reason=getattr(choice, "finish_reason", None),
            usage=self._usage(asked.model, getattr(response, "usage", None)),
            model=response.model,
            api_base=asked.url or _api_base(response),
        )

    def _assemble(self, stream: Any, asked: Asked, partial: _Partial) -> Reply:
        """The reply in a stream that is over.

        The library's last chunk has a finish reason and a usage even where the provider sent neither: its own
        guesses. What the provider did send is in the chunks as recorded, and in the two finish reasons.
        """
        usages = [usage for chunk in stream.chunks if (usage := getattr(chunk, "usage", None)) is not None]
        models = [chunk._hidden_params.get("provider_response_model") for chunk in stream.chunks]
        return self._reply(
            asked,
            text=partial.text,
            reasoning="".join(partial.thoughts),
            finish_reason=stream.received_finish_reason or stream.intermittent_finish_reason,
            usage=self._usage(asked.model, usages[-1] if usages else None),
            model=next((model for model in reversed(models) if model), None),
            api_base=asked.url or _api_base(stream),
        )

    def _reply(self, asked: Asked, *, text: str, finish_reason: str | None, **rest: Any) -> Reply:
        """The reply, or the error that a reply can be.

        Raises:
            ModelError: ``filter``, or ``empty`` when nothing was said and nothing thought.
        """
        if finish_reason == "content_filter":
            message = "the provider's content filter stopped the reply"
            raise ModelError("filter", message, partial=text, usage=rest["usage"])
        if not text and not rest["reasoning"] and finish_reason != "length":
            message = f"no text came back from {asked.where}; is it the address of an API?"
            raise ModelError("empty", message, retry="once", usage=rest["usage"])
        return Reply(text=text, finish_reason=finish_reason, **rest)

    def _usage(self, name: str, reported: Any) -> Usage | None:
        """Tokens as the provider counted them; None when it reported none (the library then says zero)."""
        prompt, completion = getattr(reported, "prompt_tokens", None), getattr(reported, "completion_tokens", None)
        if not prompt and not completion:
            return None
        return Usage(
            prompt=prompt,
            completion=completion,
            cached=getattr(getattr(reported, "prompt_tokens_details", None), "cached_tokens", None),
            reasoning=getattr(getattr(reported, "completion_tokens_details", None), "reasoning_tokens", None),
            cost=self._cost(name, reported, prompt or 0, completion or 0),
            source="provider",
        )

    def _cost(self, name: str, reported: Any, prompt: int, completion: int) -> float | None:
        """US dollars: by a person's own prices, as the provider says, by the library's table; None when none knows."""
        if (own := self._prices.get(name)) is not None:
            had = getattr(getattr(reported, "prompt_tokens_details", None), "cached_tokens", None)
            return own.of(prompt, completion, had)
        said = getattr(reported, "cost", None)
        if isinstance(said, int | float):
            return float(said)
        try:
            return float(sum(self.library.cost_per_token(model=name, usage_object=reported)))
        # Whatever the price table does not like, the reply is there: its price is unknown.
        except Exception:  # noqa: BLE001
            return None


@dataclass(slots=True)
class _Partial:
    """What has arrived of a reply."""

    pieces: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class _Clock:
    """The limits of one streamed request: before the first piece, between pieces, in all."""

    def __init__(self, timeouts: Timeouts, asked: Asked, partial: _Partial) -> None:
        self.flows = False
        self._limits, self._asked, self._partial = timeouts, asked, partial
        self._end = asyncio.get_running_loop().time() + timeouts.total

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait for the next thing.

        Raises:
            ModelError: When a limit is hit.
        """
        limits, left = self._limits, self._end - asyncio.get_running_loop().time()
        silence = limits.between if self.flows else limits.read + limits.connect
        return await _within(min(silence, left), awaitable, lambda: self._expired(silent=silence < left))

    def _expired(self, *, silent: bool) -> ModelError:
        text, where, limits = self._partial.text, self._asked.where, self._limits
        if not silent:
            message = f"not finished after {limits.total:g} s: {len(text)} characters came from {where}"
            return ModelError("timeout", message, partial=text)
        if self.flows:
            message = f"the reply stopped after {len(text)} characters: nothing more for {limits.between:g} s"
            return ModelError("cut", message, retry=True, partial=text)
        return ModelError("timeout", f"nothing came from {where} for {limits.read:g} s", retry=True)


async def _within(seconds: float, awaitable: Awaitable[T], expired: Callable[[], ModelError]) -> T:
    """Wait for so long; whatever the library makes of being stopped, the error is ours."""
    clock = asyncio.timeout(seconds)
    try:
        async with clock:
            return await awaitable
    except Exception:
        if clock.expired():
            raise expired() from None
        raise


def _import(log: Path | None) -> Any:
    """Import the library, and make it say nothing to anybody."""
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    library: Any = importlib.import_module("litellm")
    library.suppress_debug_info = True
    library.disable_hf_tokenizer_download = True
    # Printed to stderr otherwise: the first about its own types, when it first meets certain providers.
    warnings.filterwarnings("ignore", message=r".*`ReadOnly` qualifier", category=UserWarning)
    warnings.filterwarnings("ignore", module=r"litellm(\.|$)")
    for name in LOGGERS:
        _redirect(logging.getLogger(name), log)
    return library


def _redirect(logger: logging.Logger, log: Path | None) -> None:
    """Send a logger's warnings to a file, or to nobody; files given before are kept."""
    kept = [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]
    if log is not None and str(log.absolute()) not in {handler.baseFilename for handler in kept}:
        kept.append(logging.FileHandler(log, encoding="utf-8", delay=True))
        kept[-1].setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    logger.handlers[:] = kept or [logging.NullHandler()]
    logger.propagate = False
    logger.setLevel(logging.WARNING)


def _api_base(response: Any) -> str | None:
    """Where the library says the request went."""
    return public_url((getattr(response, "_hidden_params", None) or {}).get("api_base"))
