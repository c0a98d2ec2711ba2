"""`rlm-tui doctor --model … --ask`: what can be known of a model without a token, and what came of one short request."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from rlm_tui.acquaintance import checks, unreachable
from rlm_tui.findings import Check
from tests.llm.server import Server, serve
from tests.test_cli import place, rlm
from tests.test_contracts import loaded

__all__ = ["place"]
pytestmark = [
    pytest.mark.xdist_group("litellm"),
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning"),
]
KEY = "sk-not-a-real-key-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(lambda _: "ready") as running:
        yield running


@pytest.fixture(autouse=True)
def _no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "REPLICATE_API_KEY", "OLLAMA_API_BASE"):
        monkeypatch.delenv(variable, raising=False)


def look(name: str, base: str | None = None, environ: dict[str, str] | None = None) -> Check:
    (row,) = checks(name, base, environ or {}, thorough=True, ask=False)
    return row


def asked(server: Server, name: str) -> tuple[Check, Check]:
    row, answer = checks(f"openai/{name}", server.base_url, {}, thorough=True, ask=True)
    assert row.state == "ok"
    return row, answer


def a_free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


# Without a token --------------------------------------------------------------------------------------------------------


def test_window_and_price_are_told_with_their_table_and_the_key_by_its_name_alone() -> None:
    row = look("openai/gpt-4o-mini", environ={"OPENAI_API_KEY": KEY})
    assert row.state == "ok" and row.facts["window"] == 128_000
    assert (row.facts["prompt"], row.facts["completion"]) == (pytest.approx(0.15), pytest.approx(0.6))
    assert row.details[0] == "your context goes to the provider's own address, and OPENAI_API_KEY with it"
    assert "128,000 tokens; $0.15 a million tokens in, $0.6 out (litellm " in row.details[1]
    assert KEY not in str(row)


def test_what_nobody_knows_is_a_question_mark(server: Server) -> None:
    row = look("openai/mine", server.base_url)
    assert row.details[1].startswith("window ?; price ? ")
    assert (row.facts["window"], row.facts["prompt"]) == (None, None)


def test_a_model_of_ones_own_machine_has_no_price_to_show(server: Server) -> None:
    assert "local, without a price" in look("ollama/llama3", server.base_url).details[1]


@pytest.mark.parametrize(
    ("name", "environ", "remedy"),
    [
        ("openai/gpt-4o-mini", {}, "set OPENAI_API_KEY: there is no key for openai/gpt-4o-mini"),
        ("replicate/a/b", {}, "set REPLICATE_API_KEY: replicate/a/b wants it"),
        ("opnai/gpt", {}, "did you mean openai/gpt?"),
        ("gpt-4o", {}, "write it as provider/model"),
        ("/", {}, "write it as provider/model"),
        ("openai/\x1b[31mred", {"OPENAI_API_KEY": KEY}, ""),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(name: str, environ: dict[str, str], remedy: str) -> None:
    row = look(name, environ=environ)
    assert (row.state, remedy in row.remedy) == ("missing" if remedy else "ok", True)
    assert "\x1b" not in str(row.words) + row.remedy


def test_an_address_is_tried_and_shown_without_its_secrets(server: Server) -> None:
    secret = server.base_url.replace("http://", "http://me:hunter22@")
    row = look("openai/x", secret)
    assert row.state == "missing" and "leave them out" in row.remedy
    assert "hunter22" not in str(row) and f"127.0.0.1:{server.server_port}" in row.details[0]
    assert look("openai/x", server.base_url).state == "ok"

    gone = look("openai/x", f"http://127.0.0.1:{a_free_port()}/v1")
    assert gone.state == "missing" and "nothing answers at" in gone.remedy and "is the server running?" in gone.remedy
    assert "begin with http" in look("openai/x", "ftp://127.0.0.1/v1").remedy


def test_a_name_that_nobody_knows_and_a_port_that_is_none_are_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", nobody)
    found = unreachable("http://models.invalid/v1")
    assert found is not None and "the name in http://models.invalid/v1 is not known" in found.message
    wrong = unreachable("http://127.0.0.1:99999/v1")
    assert wrong is not None and "the port in" in wrong.message


def test_nothing_is_sent_unless_it_is_wished(server: Server) -> None:
    before = len(server.requests)
    look("openai/plain", server.base_url)
    assert len(server.requests) == before


# One short request ------------------------------------------------------------------------------------------------------


def test_an_answer_is_told_with_its_time_its_pieces_and_its_tokens(server: Server) -> None:
    before = len(server.requests)
    _, row = asked(server, "plain")
    assert (row.state, len(server.requests) - before) == ("ok", 1)
    assert row.words.startswith("'ready' after ") and "120 tokens in, 30 out, cost ?" in row.words
    assert (row.facts["pieces"], row.facts["model"]) == (3, "plain-2026-01-01")
    assert 0 < row.facts["first_s"] <= row.facts["seconds"]
    assert server.requests[-1].body["max_tokens"] <= 200


def test_where_no_usage_is_reported_it_is_said_what_follows(server: Server) -> None:
    _, row = asked(server, "no-usage")
    assert (row.state, row.facts["usage"]) == ("warning", None)
    assert "no tokens reported" in row.words and "shown as ?" in row.remedy


@pytest.mark.parametrize(
    ("mode", "kind", "says"),
    [
        ("s401", "key", "OPENAI_API_KEY was refused"),
        ("s404", "model", "no model openai/s404 at"),
        ("s429", "rate", "asks to wait 7 s"),
        ("quota", "quota", "no credit left"),
        ("s503", "server", "server error 503"),
        ("filter", "filter", "content filter refused"),
        ("html", "empty", "is it the address of an API?"),
        ("reset", "network", "broke the connection off"),
    ],
)
def test_every_fault_is_one_sentence_with_what_to_do(server: Server, mode: str, kind: str, says: str) -> None:
    before = len(server.requests)
    _, row = asked(server, mode)
    assert (row.state, row.facts["error"]["kind"]) == ("missing", kind)
    assert says in row.remedy and "\n" not in row.remedy
    # It is asked once: a person is there to ask again.
    assert len(server.requests) == before + 1


# The command ------------------------------------------------------------------------------------------------------------


def test_the_command_tells_by_its_exit_code_what_came_of_it(place: dict[str, str], server: Server) -> None:
    served = ("--model", "openai/plain", "--api-base", server.base_url, "--json")
    done = rlm(place, "doctor", *served, "--ask")
    said = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(said["checks"])[-2:] == ["model", "answer"]
    failed = rlm(place | {"OPENAI_API_KEY": KEY}, "doctor", "--model", "openai/s401", *served[2:], "--ask")
    assert failed.returncode == 3
    # The server says the key back in its error.
    assert KEY not in failed.stdout + failed.stderr
    assert rlm(place, "doctor", "--model", "openai/gpt-4o-mini").returncode == 1


def test_to_ask_nobody_is_bad_usage(place: dict[str, str]) -> None:
    done = rlm(place, "doctor", "--ask")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "rlm-tui: --ask whom? Name a model: --model provider/name\n"


def test_a_model_that_is_only_set_is_looked_at_without_the_library(place: dict[str, str]) -> None:
    code = (
        "import os, sys\nos.environ['RLM_TUI_MODEL'] = 'openai/gpt-4o-mini'\nos.environ.pop('OPENAI_API_KEY', None)\n"
        "from rlm_tui.doctor import examine\nprint([c.remedy for c in examine({}, sys.stdout).checks if c.name == 'model'])"
    )
    assert "litellm" not in loaded(code)
