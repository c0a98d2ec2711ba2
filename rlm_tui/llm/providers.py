"""What the big providers' names, keys and addresses are called, known without loading any provider library."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import urlsplit, urlunsplit

from rlm_tui.llm.base import ModelError

DUMMY_KEY = "no-key-needed"
"""Sent to a server of one's own when there is no key: the client refuses to start without any."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The environment variables of one provider.

    Attributes:
        keys: Any one of these will do; the first is the one to name to a person. Empty where none is needed.
        bases: Where another base URL may be set.
    """

    keys: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()


PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider(("OPENAI_API_KEY",), ("OPENAI_BASE_URL", "OPENAI_API_BASE")),
    "anthropic": Provider(
        ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_FEDERATION_RULE_ID"),
        ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    ),
    "gemini": Provider(("GEMINI_API_KEY", "GOOGLE_API_KEY"), ("GEMINI_API_BASE",)),
    "mistral": Provider(("MISTRAL_API_KEY", "MISTRAL_AZURE_API_KEY"), ("MISTRAL_API_BASE",)),
    "groq": Provider(("GROQ_API_KEY",), ("GROQ_API_BASE",)),
    "openrouter": Provider(("OPENROUTER_API_KEY", "OR_API_KEY"), ("OPENROUTER_API_BASE",)),
    "deepseek": Provider(("DEEPSEEK_API_KEY",), ("DEEPSEEK_API_BASE",)),
    "xai": Provider(("XAI_API_KEY",), ("XAI_API_BASE",)),
    "together_ai": Provider(
        ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_AI_TOKEN"),
        ("TOGETHER_AI_API_BASE",),
    ),
    "cohere": Provider(("COHERE_API_KEY", "CO_API_KEY"), ("COHERE_API_BASE",)),
    "azure": Provider(
        ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_AD_TOKEN", "AZURE_OPENAI_AD_TOKEN", "AZURE_CLIENT_ID"),
        ("AZURE_API_BASE",),
    ),
    "perplexity": Provider(("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"), ("PERPLEXITY_API_BASE",)),
    "cerebras": Provider(("CEREBRAS_API_KEY",), ("CEREBRAS_API_BASE",)),
    "deepinfra": Provider(("DEEPINFRA_API_KEY",), ("DEEPINFRA_API_BASE",)),
    "ollama": Provider((), ("OLLAMA_API_BASE",)),
    "ollama_chat": Provider((), ("OLLAMA_API_BASE",)),
    "hosted_vllm": Provider((), ("HOSTED_VLLM_API_BASE",)),
    "lm_studio": Provider((), ("LM_STUDIO_API_BASE",)),
}


def provider_of(name: str) -> str:
    """The provider's part of a model name; empty when it has none."""
    return name.partition("/")[0] if "/" in name else ""


def keys_of(name: str) -> tuple[str, ...]:
    """The environment variables that the key of this model's provider may be in; none where we know of none."""
    return PROVIDERS.get(provider_of(name), Provider()).keys


def key_variable(name: str) -> str | None:
    """The environment variable to name to a person when the key of this model's provider is wrong or missing."""
    known = PROVIDERS.get(provider_of(name))
    return known.keys[0] if known and known.keys else None


def base_url(name: str, api_base: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The base URL that was asked for, by argument or by the provider's variable; None for the provider's own."""
    known = PROVIDERS.get(provider_of(name), Provider())
    return api_base or next((environ[variable] for variable in known.bases if environ.get(variable)), None)


def lacks_key(name: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the provider is one we know, wants a key, and finds none in the environment."""
    known = PROVIDERS.get(provider_of(name))
    return known is not None and known.keys != () and not any(environ.get(variable) for variable in known.keys)


def public_url(url: str | None) -> str | None:
    """A URL as it may be shown and kept: without user name, password, query and fragment."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is not a URL"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def how_to_write(name: str) -> str:
    """What to do about a name whose provider is not known, with near names where there are any."""
    provider = provider_of(name)
    near = get_close_matches(provider or name.partition("-")[0], PROVIDERS, n=3)
    rest = name.partition("/")[2] or name
    hint = f" (did you mean {' or '.join(f'{candidate}/{rest}' for candidate in near)}?)" if near else ""
    return f"no provider answers to the model {name!r}: write it as provider/model, like openai/gpt-4o{hint}"


def check(name: str, api_base: str | None = None, environ: Mapping[str, str] = os.environ) -> ModelError | None:
    """What can be known to be wrong with a model before anything is loaded or sent.

    Args:
        name: The model's name, ``provider/model``.
        api_base: The base URL that was given, if one was.
        environ: Where the keys are.

    Returns:
        What is wrong, or None. A provider that is not in `PROVIDERS` passes: the provider library decides later.
    """
    provider, _, model = name.partition("/")
    if not provider or not model:
        return ModelError("model", how_to_write(name))
    base = base_url(name, api_base, environ)
    if base is not None and _scheme(base) not in ("http", "https"):
        return ModelError("network", "the base URL must begin with http:// or https://")
    if base is not None and "@" in urlsplit(base).netloc:
        # The library has no way to send them beside a key, and says only that there was no connection.
        return ModelError("network", "the base URL holds a user name or a password: leave them out, only a key is sent")
    if base is None and lacks_key(name, environ):
        return ModelError("key", f"set {key_variable(name)}: there is no key for {name}")
    return None


def _scheme(url: str) -> str:
    """The scheme of a URL, empty for what is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.scheme if parts.netloc else ""
