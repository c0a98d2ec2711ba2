"""A server on loopback that speaks OpenAI's chat completions, and gets them wrong in every way on request.

What it does with a request is chosen by the model's name, unless `Server.choose` says otherwise: a name of `FAULTS` is
that fault, any other is answered.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Policy = Callable[[list[dict[str, str]]], str]

DEADLINE = 30.0
"""Seconds that anything here may take before a test is given up."""

TEXT = "Let me look.\n```repl\nprint(len(context))\n```"
USAGE: dict[str, Any] = {
    "prompt_tokens": 120,
    "completion_tokens": 30,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 100},
    "completion_tokens_details": {"reasoning_tokens": 8},
}
HTML = b"<!doctype html><html><body>Welcome to the router's login page</body></html>"

STATUSES: dict[str, tuple[int, str, str | None]] = {
    "s400": (400, "'temperature' must be at most 2", None),
    "s401": (401, "Incorrect API key provided: {key}", "invalid_api_key"),
    "s403": (403, "Your region may not use this model", None),
    "s404": (404, "The model does not exist", "model_not_found"),
    "s408": (408, "Request took too long", None),
    "s422": (422, "messages: field required", None),
    "s429": (429, "Rate limit reached for requests", "rate_limit_exceeded"),
    "s500": (500, "The server had an error", None),
    "s502": (502, "Bad gateway", None),
    "s503": (503, "Service unavailable", None),
    "s529": (529, "Overloaded", None),
    "quota": (429, "You exceeded your current quota, please check your plan", "insufficient_quota"),
    "context": (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", "context_length_exceeded"),
    "context-vllm": (400, "The decoder prompt (length 9000) is longer than the maximum model length of 8192.", None),
    "filter": (400, "The response was filtered due to the prompt triggering our content_policy_violation", "content_policy_violation"),
}  # fmt: skip
"""Model name to status, message (``{key}`` is the key that was sent) and error code."""

BODIES: dict[str, tuple[int, dict[str, Any]]] = {
    "vllm-context": (400, {
        "object": "error", "type": "BadRequestError", "param": None, "code": 400,
        "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
    }),
    "vllm-name": (404, {
        "object": "error", "type": "NotFoundError", "param": None, "code": 404,
        "message": "The model `served` does not exist.",
    }),
    "llama-context": (500, {"error": {
        "code": 500, "type": "exceed_context_size_error", "n_prompt_tokens": 1407, "n_ctx": 256,
        "message": "the request exceeds the available context size. try increasing the context size",
    }}),
    "llama-loading": (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}),
    "ollama-name": (404, {"error": {
        "message": 'model "served" not found, try pulling it first', "type": "api_error", "param": None, "code": None,
    }}),
    "wrong-path": (404, {"detail": "Not Found"}),
}  # fmt: skip
"""How servers of one's own say no: model name to status and body."""

FAULTS = frozenset(STATUSES) | frozenset(BODIES) | {
    "silence", "drip", "stall", "html", "badjson", "no-choices", "null", "cut", "badchunk", "error-event", "no-done",
    "no-usage", "length", "filtered", "reasoning", "reset", "own-cost",
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Server(ThreadingHTTPServer):
    """What arrived, how many at once, and how many clients went away before they had their answer."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, policy: Policy) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.policy = policy
        self.choose: Callable[[dict[str, Any]], str] = lambda body: str(body["model"])
        self.count: Callable[[dict[str, Any], str], dict[str, Any]] = lambda body, text: USAGE
        self.requests: list[Request] = []
        self.peak = 0
        self.gone = 0
        self._busy = 0
        self._changed = threading.Condition()
        self._wake, self._waker = socket.socketpair()

    @property
    def base_url(self) -> str:
        """Where it answers, as an ``api_base``."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    @contextlib.contextmanager
    def handling(self, request: Request) -> Iterator[None]:
        """Count a request in, and out."""
        with self._changed:
            self.requests.append(request)
            self._busy += 1
            self.peak = max(self.peak, self._busy)
            self._changed.notify_all()
        try:
            yield
        except ConnectionError:
            self.lost()
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def lost(self) -> None:
        """A client went away."""
        with self._changed:
            self.gone += 1
            self._changed.notify_all()

    def hold(self, connection: socket.socket, seconds: float | None = None) -> bool:
        """Wait until the client is gone, the server closes, or the seconds are over. True if it is still there."""
        ready, _, _ = select.select([connection, self._wake], [], [], seconds)
        if connection in ready and not connection.recv(1, socket.MSG_PEEK):
            raise ConnectionError("client gone")
        return not ready

    def wait(self, state: Callable[[], bool]) -> None:
        """Wait until a state of this server is so."""
        with self._changed:
            assert self._changed.wait_for(state, DEADLINE), "the server never got there"

    def close(self) -> None:
        """Stop answering; whoever waits here is let go."""
        self._waker.send(b"x")
        self.shutdown()
        self.server_close()
        self._wake.close()
        self._waker.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what a client does to its connection is not this server's failure."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.handling(Request(self.path, dict(self.headers.items()), body)):
            mode, streamed = self.server.choose(body), bool(body.get("stream"))
            if mode in STATUSES:
                self.fail(mode)
            elif mode in BODIES:
                self.send(BODIES[mode][0], json.dumps(BODIES[mode][1]).encode())
            elif mode == "silence":
                self.server.hold(self.connection)
            elif mode == "reset":
                self.drop()
            elif mode in ("html", "badjson"):
                self.send(200, HTML if mode == "html" else b'{"choices": [', "text/html" if mode == "html" else None)
            elif streamed:
                self.pieces(mode, body)
            else:
                self.whole(mode, body)

    def send(self, status: int, body: bytes, kind: str | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind or "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def fail(self, mode: str) -> None:
        status, message, code = STATUSES[mode]
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        error = {"message": message.format(key=key), "type": code, "param": None, "code": code}
        more = {"Retry_After": "7"} if mode in ("s429", "s503") else {}
        self.send(status, json.dumps({"error": error}).encode(), **more)

    def drop(self) -> None:
        """End the connection as a crash does."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def answer(self, mode: str, body: dict[str, Any]) -> str:
        return self.server.policy(body["messages"]) if mode not in FAULTS else TEXT

    def whole(self, mode: str, body: dict[str, Any]) -> None:
        text = self.answer(mode, body)
        message: dict[str, Any] = {"role": "assistant", "content": None if mode == "null" else text}
        if mode == "reasoning":
            message["reasoning_content"] = "Thinking it over."
        choice = {"index": 0, "message": message, "finish_reason": FINISH.get(mode, "stop")}
        data = {**envelope(body, "chat.completion"), "choices": [] if mode == "no-choices" else [choice]}
        if mode != "no-usage":
            data["usage"] = self.usage(mode, body, text)
        payload = json.dumps(data).encode()
        if mode in ("cut", "drip", "stall"):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload[:40])
            if mode == "cut":
                return self.drop()
            while mode == "drip" and self.server.hold(self.connection, 0.05):
                self.wfile.write(b" ")
            self.server.hold(self.connection)
        else:
            self.send(200, payload)

    def pieces(self, mode: str, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if mode == "reasoning":
            self.event(body, {"reasoning_content": "Thinking "})
            self.event(body, {"reasoning_content": "it over."})
        text = self.answer(mode, body)
        if mode not in ("null", "no-choices"):
            size = max(1, -(-len(text) // 3))
            for start in range(0, len(text), size):
                self.event(body, {"role": "assistant", "content": text[start : start + size]})
                if start == size and mode in BREAKS:
                    return BREAKS[mode](self, body)
        if mode == "no-done":
            return self.chunk(b"")
        self.event(body, {"content": None}, FINISH.get(mode, "stop"), choices=mode != "no-choices")
        if mode != "no-usage":
            counted = self.usage(mode, body, text)
            self.raw({**envelope(body, "chat.completion.chunk"), "choices": [], "usage": counted})
        self.chunk(b"data: [DONE]\n\n")
        return self.chunk(b"")

    def usage(self, mode: str, body: dict[str, Any], text: str) -> dict[str, Any]:
        counted = self.server.count(body, text)
        return {**counted, "cost": 0.0125} if mode == "own-cost" else counted

    def stall(self, body: dict[str, Any]) -> None:
        self.server.hold(self.connection)

    def drip(self, body: dict[str, Any]) -> None:
        while self.server.hold(self.connection, 0.05):
            self.event(body, {"content": "."})

    def cut(self, body: dict[str, Any]) -> None:
        self.drop()

    def bad_chunk(self, body: dict[str, Any]) -> None:
        self.chunk(b'data: {"choices": [{"delta": \n\n')
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def error_event(self, body: dict[str, Any]) -> None:
        self.raw({"error": {"message": "The engine ran out of memory", "type": "server_error", "code": 500}})
        self.chunk(b"")

    def event(
        self, body: dict[str, Any], delta: dict[str, Any], finish: str | None = None, *, choices: bool = True
    ) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self.raw({**envelope(body, "chat.completion.chunk"), "choices": [choice] if choices else []})

    def raw(self, data: dict[str, Any]) -> None:
        self.chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


FINISH = {"length": "length", "filtered": "content_filter"}
BREAKS = {
    "stall": Handler.stall,
    "drip": Handler.drip,
    "cut": Handler.cut,
    "badchunk": Handler.bad_chunk,
    "error-event": Handler.error_event,
}


def envelope(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": f"{body['model']}-2026-01-01"}


@contextlib.contextmanager
def serve(policy: Policy = lambda messages: TEXT) -> Iterator[Server]:
    """A server that answers by a policy, for as long as the block runs.

    Args:
        policy: The reply to a list of messages, for every model name that is not one of `FAULTS`.
    """
    server = Server(policy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(DEADLINE)
