"""A person's own question on a person's own file, through the command line, litellm and a real HTTP server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_tui.demo.catalogue import DEFAULT_SEED, scenario
from tests.engine.test_http import policy
from tests.llm.server import serve
from tests.test_cli import place, rlm, runs_of

__all__ = ["place"]
pytestmark = pytest.mark.xdist_group("litellm")
KEY = "sk-never-written-anywhere-0123456789"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    data = scenario("needle").make(DEFAULT_SEED)
    assert isinstance(data.context, str)
    file = tmp_path / "service.log"
    file.write_text(data.context, encoding="utf-8")
    return file


def command(log: Path, base: str, *more: str) -> list[str]:
    question = scenario("needle").make(DEFAULT_SEED).question
    return ["run", question, "--context", str(log), "--model", "openai/served", "--api-base", base, *more]


@pytest.mark.parametrize("more", [(), ("--no-stream",)], ids=["streamed", "whole"])
def test_a_run_over_http_equals_the_oracle_and_keeps_no_key(
    place: dict[str, str], log: Path, more: tuple[str, ...]
) -> None:
    with serve(policy) as server:
        done = rlm(place | {"OPENAI_API_KEY": KEY}, *command(log, server.base_url, "--headless", "--json", *more))
    said = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert said["final_answer"] == scenario("needle").make(DEFAULT_SEED).oracle
    assert said["usage"]["source"] == "provider"
    assert said["usage"]["prompt"] > 0
    assert {bool(r.body.get("stream")) for r in server.requests if len(r.body["messages"]) > 1} == {not more}
    assert done.stderr == ""
    (run,) = runs_of(place)
    for file in run.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes()


def test_a_local_server_needs_no_key(place: dict[str, str], log: Path) -> None:
    with serve(policy) as server:
        done = rlm(place, *command(log, server.base_url, "--headless"))
    assert done.stdout == scenario("needle").make(DEFAULT_SEED).oracle + "\n"


def test_an_endpoint_that_is_not_there_is_one_line_and_exit_3(place: dict[str, str], log: Path) -> None:
    with serve(policy) as server:
        base = server.base_url
    done = rlm(place, *command(log, base, "--headless", "--json", "--max-iterations", "2"))
    said = json.loads(done.stdout)
    assert (done.returncode, said["final_answer"], said["error"]["kind"]) == (3, None, "network")
    assert base in said["error"]["message"]
    assert "Traceback" not in done.stderr


def test_an_interrupted_run_closes_its_connection(place: dict[str, str], log: Path) -> None:
    with serve(policy) as server:
        args = command(log, server.base_url, "--headless")
        args[args.index("openai/served")] = "openai/stall"
        process = subprocess.Popen(
            [sys.executable, "-m", "rlm_tui.cli", *args], env=place, stderr=subprocess.PIPE, text=True
        )
        server.wait(lambda: len(server.requests) == 1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "the run is kept" in err
        server.wait(lambda: server.gone >= 1)
