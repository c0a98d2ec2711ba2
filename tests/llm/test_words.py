"""What is said about an error, what is kept out of it, and what is known before anything is loaded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.llm.classify import Asked, classify, one_line, retry_after, says
from rlm_tui.llm.providers import check, public_url
from rlm_tui.llm.secrets import known_secrets, redact


class Refused(Exception):
    def __init__(self, text: str, status: int | None = None, **headers: str) -> None:
        super().__init__(text)
        self.status_code = status
        self.litellm_response_headers = {name.replace("_", "-"): value for name, value in headers.items()}


ASKED = Asked("openai/m", "http://127.0.0.1:1/v1", "OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "prompt is too long: 210000 tokens > 200000 maximum", "context"),
        (413, "input is too long for requested model", "context"),
        (400, "The response was filtered due to Azure OpenAI's content management policy", "filter"),
        (402, "Insufficient balance", "quota"),
        (400, "Your credit balance is too low to access the API", "request"),
        (429, "Your credit balance is too low to access the API", "quota"),
        (429, "Too many requests", "rate"),
        (401, "litellm.AuthenticationError: Missing Anthropic API Key - no key is set", "key"),
        (None, "something else", "unknown"),
        (418, "I'm a teapot", "request"),
        (504, "gateway timeout", "server"),
    ],
)
def test_status_and_words(status: int | None, text: str, kind: str) -> None:
    assert classify(Refused(text, status), ASKED).kind == kind


def test_an_error_of_the_library_itself_is_not_tried_again() -> None:
    error = classify(AttributeError("'NoneType' object has no attribute 'choices'"), ASKED)
    assert (error.kind, error.retry) == ("unknown", False)
    assert error.message == "AttributeError: 'NoneType' object has no attribute 'choices'"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("litellm.RateLimitError: RateLimitError: OpenAIException - slow down", "slow down"),
        ("litellm.AuthenticationError: AnthropicException - no", "no"),
        ("litellm.Timeout: Timeout Error: OpenAIException - late", "late"),
        ("litellm.APIConnectionError: gone\nTraceback (most recent call last):\n  File x", "gone"),
        ("a plain sentence: with a colon", "a plain sentence: with a colon"),
    ],
)
def test_the_providers_own_words(text: str, words: str) -> None:
    assert says(ValueError(text)) == words


def test_the_wait_that_was_asked_for() -> None:
    assert retry_after(Refused("x", 429, retry_after="7")) == 7
    assert retry_after(Refused("x", 429, retry_after="1.5")) == 1.5
    assert retry_after(Refused("x", 429)) is None
    assert retry_after(Refused("x", 429, retry_after="soon")) is None
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    assert retry_after(Refused("x", 429, retry_after=past)) == 0
    later = retry_after(Refused("x", 429, retry_after=format_datetime(datetime.now(UTC) + timedelta(hours=1))))
    assert later is not None and 0 < later <= 3600


@given(st.text())
def test_one_line_is_one_printable_line(text: str) -> None:
    line = one_line(text, 40)
    assert len(line) <= 40 and line.isprintable()


def test_hostile_words_are_made_one_printable_line() -> None:
    error = classify(Refused("\x1b[2J\x1b]0;owned\x07 no\r\n\u202eyes", 400), ASKED)
    assert error.message.isprintable()


def test_secrets_go_by_value() -> None:
    environ = {"SOME_API_KEY": "plain words/+8", "MY_TOKEN": "tiny", "HOME": "/home/somebody"}
    secrets = known_secrets(["given-key"], environ)
    text = "at plain words/+8 and plain%20words%2F%2B8 and given-key in /home/somebody, tiny"
    assert redact(text, secrets) == "at [removed] and [removed] and [removed] in /home/somebody, tiny"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer QUITE-SECRET-1",
        "{'authorization': 'Bearer QUITE-SECRET-1'}",
        "Authorization: Basic QUITE-SECRET-1",
        "you sent Bearer QUITE-SECRET-1",
        "Incorrect API key provided: sk-proj-****QUITE-SECRET-1",
        "POST https://host/v1?key=QUITE-SECRET-1&alt=sse",
        "http://me:QUITE-SECRET-1@host/v1",
    ],
)
def test_secrets_go_by_pattern(text: str) -> None:
    clean = redact(text)
    assert "QUITE-SECRET-1" not in clean and "[removed]" in clean


def test_ordinary_words_stay() -> None:
    text = "The bearer of this task-force note may ask-for more; see http://127.0.0.1:8000/v1?page=2"
    assert redact(text).replace("[removed]", "of") == text


def test_a_url_as_it_may_be_shown() -> None:
    assert public_url("https://me:secret@host:8000/v1?key=secret#x") == "https://host:8000/v1"
    assert public_url("http://[::1]:8000/v1") == "http://[::1]:8000/v1"
    assert public_url("http://[broken") == "an address that is not a URL"
    assert public_url(None) is None


@pytest.mark.parametrize(
    ("name", "base", "environ", "kind", "words"),
    [
        ("openai/gpt-4o", None, {}, "key", "OPENAI_API_KEY"),
        ("openai/gpt-4o", None, {"OPENAI_API_KEY": ""}, "key", "OPENAI_API_KEY"),
        ("anthropic/x", None, {"OPENAI_API_KEY": "k"}, "key", "ANTHROPIC_API_KEY"),
        ("openrouter/meta/llama", None, {}, "key", "OPENROUTER_API_KEY"),
        ("gpt-4o", None, {}, "model", "write it as provider/model"),
        ("openai/", None, {}, "model", "write it as provider/model"),
        ("/x", None, {}, "model", "write it as provider/model"),
        ("openai/x", "localhost:8000/v1", {}, "network", "http://"),
        ("openai/x", "http:/localhost", {}, "network", "http://"),
    ],
)
def test_what_is_wrong_before_anything_is_sent(
    name: str, base: str | None, environ: dict[str, str], kind: str, words: str
) -> None:
    error = check(name, base, environ)
    assert error is not None and error.kind == kind and words in error.message


@pytest.mark.parametrize(
    ("name", "base", "environ"),
    [
        ("openai/gpt-4o", None, {"OPENAI_API_KEY": "k"}),
        ("openai/local", "http://127.0.0.1:8000/v1", {}),
        ("openai/local", None, {"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}),
        ("gemini/x", None, {"GOOGLE_API_KEY": "k"}),
        ("ollama/llama3", None, {}),
        ("some_new_provider/x", None, {}),
    ],
)
def test_what_may_go_on(name: str, base: str | None, environ: dict[str, str]) -> None:
    assert check(name, base, environ) is None
