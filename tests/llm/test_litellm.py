"""The adapter against a real server that goes wrong in every way, streamed and whole."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_tui.llm.base import ChatRequest, ModelError
from rlm_tui.llm.litellm import LiteLLMModel, Timeouts
from tests.llm.asking import Answer, answer, ask, request
from tests.llm.server import TEXT, Server, serve

pytestmark = [
    pytest.mark.xdist_group("litellm"),
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning"),
]

KEY = "sk-not-a-real-key-0123456789"
SHORT = Timeouts(connect=0.5, read=0.5, between=0.3, total=1.5)
BOTH = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
PARTIAL = TEXT[: 2 * -(-len(TEXT) // 3)]


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def server(shared: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(variable, raising=False)
    shared.requests.clear()
    return shared


def model(server: Server, name: str, timeouts: Timeouts = SHORT) -> LiteLLMModel:
    return LiteLLMModel(f"openai/{name}", api_base=server.base_url, api_key=KEY, timeouts=timeouts)


@BOTH
def test_a_reply(server: Server, stream: bool) -> None:
    got = ask(model(server, "plain"), request(stream=stream, temperature=0.5))
    assert got.error is None and got.reply is not None
    assert (got.reply.text, got.reply.finish_reason) == (TEXT, "stop")
    assert (got.reply.model, got.reply.api_base) == ("plain-2026-01-01", server.base_url)
    assert (got.text, len(got.deltas)) == ((TEXT, 3) if stream else ("", 0))
    usage = got.reply.usage
    assert usage is not None
    assert (usage.prompt, usage.completion, usage.cached, usage.reasoning) == (120, 30, 100, 8)
    assert (usage.cost, usage.source) == (None, "provider"), "nobody knows what this model costs"
    assert server.requests[0].body["temperature"] == 0.5
    assert server.requests[0].body["messages"] == [{"role": "user", "content": "How long is it?"}]


@BOTH
def test_the_model_of_the_request_is_asked(server: Server, stream: bool) -> None:
    ask(model(server, "plain"), request("openai/other", stream=stream))
    assert [asked.body["model"] for asked in server.requests] == ["other"]


@BOTH
def test_usage_that_was_not_reported_is_unknown(server: Server, stream: bool) -> None:
    got = ask(model(server, "no-usage"), request(stream=stream))
    assert got.reply is not None and got.reply.usage is None


@BOTH
def test_cost_comes_from_the_price_table_and_knows_the_cache(server: Server, stream: bool) -> None:
    got = ask(model(server, "gpt-4o"), request(stream=stream))
    assert got.reply is not None and got.reply.usage is not None and got.reply.usage.cost is not None
    library = __import__("litellm")
    full = sum(library.cost_per_token(model="gpt-4o", prompt_tokens=120, completion_tokens=30))
    assert 0 < got.reply.usage.cost < full


@BOTH
def test_what_the_provider_says_it_cost_wins(server: Server, stream: bool) -> None:
    got = ask(model(server, "own-cost"), request(stream=stream))
    assert got.reply is not None and got.reply.usage is not None
    assert got.reply.usage.cost == 0.0125


@BOTH
def test_thoughts_come_apart(server: Server, stream: bool) -> None:
    got = ask(model(server, "reasoning"), request(stream=stream))
    assert got.reply is not None
    assert (got.reply.text, got.reply.reasoning) == (TEXT, "Thinking it over.")
    assert [delta.text for delta in got.deltas if delta.kind == "reasoning"] == ["Thinking ", "it over."] * stream


@BOTH
def test_stopped_by_the_token_limit_is_a_reply(server: Server, stream: bool) -> None:
    got = ask(model(server, "length"), request(stream=stream))
    assert got.reply is not None and (got.reply.text, got.reply.finish_reason) == (TEXT, "length")


def test_a_stream_that_ends_without_a_finish_reason_has_none(server: Server) -> None:
    got = ask(model(server, "no-done"), request())
    assert got.reply is not None
    assert (got.reply.text, got.reply.finish_reason, got.reply.usage) == (TEXT, None, None)


ROWS = [
    ("s400", "request", False, "'temperature' must be at most 2"),
    ("s401", "key", False, "OPENAI_API_KEY was refused by http://127.0.0.1"),
    ("s403", "forbidden", False, "Your region may not use this model"),
    ("s404", "model", False, "no model openai/s404 at http://127.0.0.1"),
    ("s408", "timeout", True, "gave the request up (408)"),
    ("s422", "request", False, "messages: field required"),
    ("s429", "rate", True, "it asks to wait 7 s"),
    ("quota", "quota", False, "no credit left"),
    ("s500", "server", True, "500"),
    ("s502", "server", True, "502"),
    ("s503", "server", True, "503"),
    ("s529", "overloaded", True, "529"),
    ("context", "context", False, "maximum context length is 8192 tokens"),
    ("context-vllm", "context", False, "maximum model length of 8192"),
    ("filter", "filter", False, "content filter"),
    ("reset", "network", True, "broke the connection off"),
    ("silence", "timeout", True, "nothing came from"),
    ("null", "empty", "once", "no text came back"),
    ("no-choices", "empty", "once", "no text came back"),
    # As servers of one's own say it: vLLM, llama.cpp, Ollama, and whatever answers at a wrong path.
    ("vllm-context", "context", False, "maximum context length is 4096 tokens"),
    ("vllm-name", "model", False, "no model openai/vllm-name at http://127.0.0.1"),
    ("llama-context", "context", False, "exceeds the available context size"),
    ("llama-loading", "server", True, "Loading model"),
    ("ollama-name", "model", False, "try pulling it first"),
    ("wrong-path", "model", False, "(404)"),
]


@BOTH
@pytest.mark.parametrize(("mode", "kind", "retry", "says"), ROWS, ids=[row[0] for row in ROWS])
def test_what_goes_wrong(
    server: Server, capfd: pytest.CaptureFixture[str], mode: str, kind: str, retry: bool | str, says: str, stream: bool
) -> None:
    error = failed(ask(model(server, mode), request(stream=stream)))
    assert (error.kind, error.retry) == (kind, retry), error.message
    assert says in error.message and "\n" not in error.message
    assert error.retry_after == (7.0 if mode in ("s429", "s503") else None)
    assert KEY not in error.message + error.detail
    assert len(server.requests) == 1, "one attempt is one request"
    assert capfd.readouterr() == ("", "")


ONE_FORM = [
    ("html", False, "malformed", "once", "router's login page"),
    ("html", True, "empty", "once", "is it the address of an API?"),
    ("badjson", False, "malformed", "once", "is this its address?"),
    ("badjson", True, "empty", "once", "is it the address of an API?"),
    ("cut", False, "network", True, "broke the connection off"),
    ("stall", False, "timeout", True, "nothing came from"),
    ("drip", False, "timeout", False, "no whole answer"),
]


@pytest.mark.parametrize(
    ("mode", "stream", "kind", "retry", "says"), ONE_FORM, ids=[f"{row[0]}-{row[1]}" for row in ONE_FORM]
)
def test_what_differs_between_the_forms(
    server: Server, mode: str, stream: bool, kind: str, retry: bool | str, says: str
) -> None:
    error = failed(ask(model(server, mode), request(stream=stream)))
    assert (error.kind, error.retry) == (kind, retry), error.message
    assert says in error.message


BROKEN = [
    ("cut", "cut", True, "broke off after"),
    ("badchunk", "cut", True, "broke off after"),
    ("error-event", "cut", True, "The engine ran out of memory"),
    ("stall", "cut", True, "nothing more for 0.3 s"),
]


@pytest.mark.parametrize(("mode", "kind", "retry", "says"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_broken_stream_keeps_what_came(server: Server, mode: str, kind: str, retry: bool, says: str) -> None:
    got = ask(model(server, mode), request())
    error = failed(got)
    assert (error.kind, error.retry) == (kind, retry)
    assert says in error.message
    assert error.partial == got.text == PARTIAL


def test_a_slow_drip_ends_at_the_total(server: Server) -> None:
    got = ask(model(server, "drip"), request())
    error = failed(got)
    assert (error.kind, error.retry) == ("timeout", False)
    assert "not finished after 1.5 s" in error.message
    assert error.partial == got.text and error.partial.startswith(PARTIAL + ".")


@BOTH
def test_a_filtered_reply_keeps_what_came(server: Server, stream: bool) -> None:
    error = failed(ask(model(server, "filtered"), request(stream=stream)))
    assert (error.kind, error.retry, error.partial) == ("filter", False, TEXT)
    assert error.usage is not None and error.usage.prompt == 120


@BOTH
def test_nobody_answers(server: Server, stream: bool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        for name in ("openai/m", "ollama/m"):
            error = failed(ask(LiteLLMModel(name, api_base=url, timeouts=SHORT), request(stream=stream)))
            assert (error.kind, error.retry) == ("network", True)
            assert f"nothing answers at {url}; is the server running?" in error.message


@BOTH
def test_no_connection_in_time(server: Server, stream: bool) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        slow = Timeouts(connect=0.3, read=20, between=20, total=20)
        error = failed(ask(LiteLLMModel("openai/m", api_base=url, timeouts=slow), request(stream=stream)))
        assert (error.kind, error.retry) == ("timeout", True)
        assert "no connection to" in error.message and "0.3 s" in error.message
        for one in waiting:
            one.close()


@BOTH
def test_no_key(server: Server, monkeypatch: pytest.MonkeyPatch, stream: bool) -> None:
    for name, variable in (
        ("openai/gpt-4o", "OPENAI_API_KEY"),
        ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.0-flash", "GEMINI_API_KEY"),
    ):
        monkeypatch.delenv(variable, raising=False)
        error = failed(ask(LiteLLMModel(name), request(stream=stream)))
        assert (error.kind, error.retry) == ("key", False)
        assert f"set {variable}" in error.message


@BOTH
@pytest.mark.parametrize("name", ["opnai/gpt", "just-a-name"])
def test_no_such_provider(server: Server, stream: bool, name: str) -> None:
    error = failed(ask(LiteLLMModel(name), request(stream=stream)))
    assert (error.kind, error.retry) == ("model", False)
    assert "write it as provider/model" in error.message
    assert ("did you mean openai/gpt" in error.message) == (name == "opnai/gpt")


@BOTH
def test_a_key_that_is_echoed_does_not_come_back(server: Server, monkeypatch: pytest.MonkeyPatch, stream: bool) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "an-odd-looking-key/+7")
    error = failed(ask(LiteLLMModel("openai/s401", api_base=server.base_url), request(stream=stream)))
    assert server.requests[0].headers["authorization"] == "Bearer an-odd-looking-key/+7"
    assert "an-odd-looking-key" not in error.message + error.detail + repr(error.info)
    assert "[removed]" in error.detail
    assert error.original is None and error.__cause__ is None


def test_a_keyless_server_gets_a_dummy_key(server: Server) -> None:
    got = ask(LiteLLMModel("openai/local", api_base=server.base_url), request())
    assert got.reply is not None
    assert server.requests[0].headers["authorization"] == "Bearer no-key-needed"


def test_the_base_url_may_come_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    got = ask(LiteLLMModel("openai/local"), request())
    assert got.reply is not None and got.reply.api_base == server.base_url


def test_a_parameter_that_is_not_the_requests_is_refused(server: Server) -> None:
    error = failed(ask(model(server, "plain"), request(num_retries=3, timeout=1)))
    assert error.kind == "request" and "num_retries, timeout" in error.message
    assert not server.requests


@BOTH
@pytest.mark.parametrize("mode", ["silence", "stall"])
def test_cancelling_closes_the_connection(server: Server, mode: str, stream: bool) -> None:
    async def run() -> None:
        before = server.gone
        patient = Timeouts(60, 60, 60, 60)
        task = asyncio.create_task(answer(model(server, mode, patient), request(stream=stream)))
        await asyncio.to_thread(server.wait, lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(server.wait, lambda: server.gone == before + 1)

    asyncio.run(run())


def test_leaving_a_stream_closes_the_connection(server: Server) -> None:
    async def run() -> None:
        before = server.gone
        stream = model(server, "stall").stream(request())
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.to_thread(server.wait, lambda: server.gone == before + 1)

    asyncio.run(run())


def test_many_at_once_do_not_mix() -> None:
    everyone = 8
    with serve(lambda messages: f"You said {messages[-1]['content']}, and nothing else.") as server:
        asked = [
            ChatRequest(({"role": "user", "content": f"<{number}>"},), "openai/echo") for number in range(everyone)
        ]

        async def run() -> list[Answer]:
            one = LiteLLMModel("openai/echo", api_base=server.base_url, api_key=KEY)
            return await asyncio.gather(*(answer(one, each) for each in asked))

        for number, got in enumerate(asyncio.run(run())):
            assert got.reply is not None
            assert got.reply.text == got.text == f"You said <{number}>, and nothing else."
        assert len(server.requests) == everyone


def test_all_of_them_at_once_keep_apart(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fault, streamed and whole, eight at a time: each gets its own, and nobody else is looked up or asked."""
    everyone = [(row, stream) for row in ROWS for stream in (True, False)] * 2
    looked_up: set[str] = set()
    look_up = socket.getaddrinfo
    # Eight at a time on a busy machine: only silence may look like silence.
    patient = Timeouts(connect=3, read=3, between=5, total=6)

    def noted(host: str, *rest: object, **options: object) -> object:
        looked_up.add(host)
        return look_up(host, *rest, **options)  # type: ignore[arg-type]

    async def run(server: Server) -> list[Answer]:
        room = asyncio.Semaphore(8)

        async def one(mode: str, stream: bool) -> Answer:
            async with room:
                return await answer(model(server, mode, patient), request(stream=stream))

        return await asyncio.gather(*(one(row[0], stream) for row, stream in everyone))

    with serve() as server:
        monkeypatch.setattr(socket, "getaddrinfo", noted)
        came = asyncio.run(run(server))
    for (mode, kind, retry, says), got in zip([row for row, _ in everyone], came, strict=True):
        error = failed(got)
        assert (error.kind, error.retry) == (kind, retry) and says in error.message, mode
        assert f"openai/{mode}" in error.message or "openai/" not in error.message
    assert len({row[0] for row in ROWS}) >= 18
    assert len(server.requests) == len(everyone)
    assert 1 < server.peak <= 8
    assert looked_up <= {"127.0.0.1"}
    assert capfd.readouterr() == ("", "")


def test_what_the_library_logs_goes_to_the_file(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import logging

    log = tmp_path / "provider.log"
    ask(LiteLLMModel("openai/plain", api_base=server.base_url, log=log), request())
    logging.getLogger("LiteLLM").warning("something odd")
    logging.getLogger("LiteLLM").info("something dull")
    assert "something odd" in log.read_text() and "dull" not in log.read_text()
    assert capfd.readouterr() == ("", "")


def failed(got: Answer) -> ModelError:
    assert got.reply is None and got.error is not None
    return got.error
