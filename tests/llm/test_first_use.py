"""What only a fresh interpreter can show: when the library is loaded, what is printed, whom it looks up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.llm.server import TEXT, serve

SCRIPT = r"""
import asyncio, json, socket, sys, threading

looked_up, real = [], socket.getaddrinfo
def getaddrinfo(host, *rest, **more):
    looked_up.append(host)
    if host not in ("127.0.0.1", "localhost"):
        raise socket.gaierror(socket.EAI_NONAME, "no name is looked up here")
    return real(host, *rest, **more)
socket.getaddrinfo = getaddrinfo

from rlm_tui.llm.litellm import LiteLLMModel, Timeouts, check
from tests.llm.asking import ask, answer, request

base, result = sys.argv[1:]
short = Timeouts(connect=5, read=0.5, between=0.5, total=1.5)
def model(name, timeouts=short):
    return LiteLLMModel("openai/" + name, api_base=base, api_key="sk-not-a-real-key-1234", timeouts=timeouts)

# One that is to answer has the time that a busy machine takes.
first = model("meta-llama-3-8b-instruct", Timeouts(connect=30, read=30, between=30, total=60))
assert check(first.name, base) is None
before = "litellm" in sys.modules
got = ask(first, request())
after = "litellm" in sys.modules
texts = [got.reply.text]
texts.append(ask(first, request()).reply.text)

def elsewhere():
    texts.append(ask(first, request(stream=False)).reply.text)
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()

kinds = []
for name in ("s401", "s500", "s529", "quota", "cut", "html", "no-choices", "silence", "drip", "filtered"):
    for stream in (True, False):
        error = ask(model(name), request(stream=stream)).error
        kinds.append(error.kind if error else None)
kinds.append(ask(LiteLLMModel("ollama/llama3", api_base="http://127.0.0.1:9", timeouts=short), request()).error.kind)
kinds.append(ask(LiteLLMModel("nosuch/model"), request()).error.kind)
kinds.append(ask(LiteLLMModel("openai/m", api_base="http://name.invalid/v1", timeouts=short), request()).error.kind)

async def left():
    stream = model("stall").stream(request())
    await anext(stream)
    await stream.aclose()
asyncio.run(left())

with open(result, "w") as file:
    json.dump({"before": before, "after": after, "texts": texts, "kinds": kinds, "looked_up": looked_up}, file)
"""


pytestmark = pytest.mark.xdist_group("litellm")


def environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2])}


def test_a_fresh_interpreter(tmp_path: Path) -> None:
    """One process for all of it: the library takes seconds to load."""
    result = tmp_path / "result.json"
    with serve() as server:
        arguments = [sys.executable, "-c", SCRIPT, server.base_url, str(result)]
        done = subprocess.run(
            arguments, env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    saw = json.loads(result.read_text())
    assert (saw["before"], saw["after"]) == (False, True)
    assert saw["texts"] == [TEXT] * 3, "three event loops, one of them in another thread"
    assert None not in saw["kinds"] and "unknown" not in saw["kinds"]
    assert saw["kinds"][-3:] == ["network", "model", "network"]
    assert set(saw["looked_up"]) <= {"127.0.0.1", "localhost", "name.invalid"}


def test_a_function_that_never_comes_back_does_not_hold_the_exit(tmp_path: Path) -> None:
    script = """
import asyncio, threading
from rlm_tui.llm.callable import CallableModel
from tests.llm.asking import answer, request

called = threading.Event()
def sleeps(messages):
    called.set()
    threading.Event().wait()

async def run():
    task = asyncio.create_task(answer(CallableModel(sleeps), request()))
    while not called.is_set():
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

asyncio.run(run())
print("over")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", "")
