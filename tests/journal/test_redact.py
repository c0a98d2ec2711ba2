from __future__ import annotations

import copy
import json

import pytest

from rlm_tui.journal.redact import REDACTED, redact, redact_text

KEY = "Zx81-not-a-shape"


@pytest.mark.parametrize(
    "name",
    ["api_key", "apiKey", "API-KEY", "OPENAI_API_KEY", "key", "token", "auth", "access_token", "HF_TOKEN", "client_secret",
     "password", "db_passwd", "Authorization", "aws_secret_access_key", "aws_access_key_id", "aws_session_token",
     "azure_ad_token_authorization", "vertex_credentials", "cookie", "api_keys"],
)  # fmt: skip
@pytest.mark.parametrize("value", [KEY, [KEY], {"a": KEY}, 12345])
def test_what_is_named_like_a_key_goes(name: str, value: object):
    assert redact({"deep": [{"er": {name: value, "model": "m"}}]}) == {"deep": [{"er": {name: REDACTED, "model": "m"}}]}


def test_what_is_not_a_key_stays():
    config = {
        "max_tokens": 5, "tokens": 7, "prompt_cache_key": "run-1", "model": "claude-sk", "stop": ["sk-", "key"],
        "api_key": None, "token": False, "note": "ask-the-oracle-about-the-risk-of-long-words", "temperature": 0.5,
        "api_base": "https://example.org/v1?model=x", "keyboard": "us", "author": "Ann", "monkey": "see",
    }  # fmt: skip
    assert redact(config) == config


@pytest.mark.parametrize(
    "key",
    [
        "sk-abcdefghijklmnop1234", "sk-ant-api03-AAAAAAAAAAAAAAAA", "sk-proj-abc_def-ghi_jkl_mno", "gsk_aaaaaaaaaaaaaaaaaaaa",
        "AIza" + "x" * 35, "ghp_" + "a" * 36, "github_pat_" + "a" * 30, "hf_" + "a" * 34, "AKIA" + "A" * 16,
        "xoxb-123456789012-abc", "xai-" + "a" * 30, "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM", "glpat-" + "a" * 20,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)  # fmt: skip
def test_what_has_the_shape_of_a_key_goes_wherever_it_is(key: str):
    config = {"why": f"use {key}, please", "list": [key]}
    assert redact(config) == {"why": f"use {REDACTED}, please", "list": [REDACTED]}


def test_headers_and_addresses():
    config = {
        "extra_headers": {"X-Gateway": KEY, "Authorization": KEY},
        "proxy": "http://ann:hunter2@proxy.example:8080/x",
        "api_base": f"https://example.org/v1?api-key={KEY}&model=m",
        "curl": f"-H 'Authorization: Bearer {KEY}'",
    }
    assert redact(config) == {
        "extra_headers": {"X-Gateway": REDACTED, "Authorization": REDACTED},
        "proxy": f"http://{REDACTED}@proxy.example:8080/x",
        "api_base": f"https://example.org/v1?api-key={REDACTED}&model=m",
        "curl": f"-H 'Authorization: Bearer {REDACTED}'",
    }
    assert KEY not in json.dumps(redact(config))


def test_what_is_given_is_not_changed():
    config = {"a": [{"api_key": KEY}], "b": (1, "sk-abcdefghijklmnop1234")}
    before = copy.deepcopy(config)
    redact(config)
    assert config == before


def test_long_texts_are_gone_through_without_getting_lost():
    assert redact_text("a" * 200_000 + "://" + "b" * 200_000 + "-----BEGIN " * 5000)
