"""The README tells the truth: its commands run, its table is the registry's, its pictures are there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from rlm_tui.tui.actions import markdown_table
from tests import readme
from tests.engine.test_http import policy
from tests.llm.server import serve
from tests.terminal import Terminal
from tests.test_cli import place, rlm, runs_of

__all__ = ["place"]
OURS = [line for line in readme.commands() if line.split()[0] == "rlm-tui"]
INSTALLING = [line for line in readme.commands() if line not in OURS]


def test_the_two_first_commands_are_those_that_ci_runs() -> None:
    assert INSTALLING[0] == "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/rlm-tui demo"
    assert INSTALLING[1] == "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest"
    assert len(INSTALLING) == 2
    ci = (readme.ROOT / ".ci" / "run").read_text()
    assert "tests.readme" in ci
    assert "README.md" in ci


RESUMED = [line for line in OURS if line.startswith("rlm-tui resume ")]
BWRAP = [line for line in OURS if "--confine bwrap" in line]
QUIET = [
    line
    for line in OURS
    if ("--headless" in line or line.endswith(("--list", " runs", " doctor"))) and line not in (*BWRAP, *RESUMED)
]
HELD = [
    line
    for line in OURS
    if line.startswith("rlm-tui demo") and ("--hold" in line or "--break" in line) and line not in QUIET
]
REAL = [line for line in OURS if line.startswith("rlm-tui run ")]
MODELS = [line for line in OURS if line.startswith("rlm-tui doctor --model")]


def test_no_command_is_left_out_here() -> None:
    assert sorted(["rlm-tui", *QUIET, *BWRAP, *HELD, *REAL, *MODELS, "rlm-tui open RUN", *RESUMED]) == sorted(OURS)


def test_without_a_command_it_begins_at_home(place: dict[str, str]) -> None:
    assert "rlm-tui" in OURS
    with Terminal("-m", "rlm_tui.cli", env=place) as terminal:
        terminal.until("No runs yet.")
        terminal.type("Q")
        assert terminal.ended() == 0


@pytest.mark.parametrize("line", QUIET)
def test_commands_without_a_screen_run(place: dict[str, str], line: str) -> None:
    done = rlm(place, *shlex.split(line)[1:])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", BWRAP)
def test_bubblewrap_runs_or_refuses_as_the_doctor_says(place: dict[str, str], line: str) -> None:
    refusal = json.loads(rlm(place, "doctor", "--json").stdout)["checks"]["bwrap"]["refusal"]
    done = rlm(place, *shlex.split(line)[1:])
    assert done.returncode == (0 if refusal is None else 2), done.stderr
    assert (refusal or "").rstrip(".") in done.stderr


@pytest.mark.parametrize("line", HELD)
def test_demos_with_a_screen_come_up(place: dict[str, str], line: str) -> None:
    with Terminal("-m", "rlm_tui.cli", *shlex.split(line)[1:], env=place) as terminal:
        terminal.until("held at a reply" if "--break" in line else "held before a request")


def test_a_run_is_opened(place: dict[str, str]) -> None:
    assert "rlm-tui open RUN" in OURS
    rlm(place, "demo", "needle", "--headless")
    with Terminal("-m", "rlm_tui.cli", "open", runs_of(place)[0].name, env=place) as terminal:
        terminal.until("answered")


@pytest.mark.parametrize("line", RESUMED)
def test_a_run_that_was_left_is_gone_on_with(place: dict[str, str], line: str) -> None:
    with Terminal("-m", "rlm_tui.cli", "demo", "needle", "--hold", env=place) as terminal:
        terminal.until("held before a request")
        terminal.type("Q")
        terminal.until("leave")
        terminal.type("Q")
        assert terminal.ended() == 130
    words = shlex.split(line.replace("RUN", runs_of(place)[0].name))[1:]
    if "--headless" in line:
        done = rlm(place, *words)
        assert done.returncode == 0 and json.loads(done.stdout)["status"] == "final", done.stderr
        return
    with Terminal("-m", "rlm_tui.cli", *words, env=place) as terminal:
        terminal.until("resumed, held")
        # What only just appeared takes no key for half a second; its clock ticks once a second.
        terminal.raw = b""
        terminal.until("resumed, held")
        terminal.type("a")
        terminal.until("answered")


@pytest.mark.xdist_group("litellm")
@pytest.mark.parametrize("line", REAL)
def test_runs_on_a_model_run(place: dict[str, str], tmp_path: Path, line: str) -> None:
    (tmp_path / "tickets.txt").write_text("#0001 refund promised\n")
    (tmp_path / "log.txt").write_text("nothing happened\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "retry.py").write_text("DELAY = 1\n")
    with serve(policy) as server:
        args = [server.base_url if word.startswith("http://127.0.0.1") else word for word in shlex.split(line)[1:]]
        env = place | {"RLM_TUI_API_BASE": server.base_url, "OPENAI_API_KEY": "sk-none"}
        done = rlm(env, *args, "--headless", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "does not know" in done.stdout or "script" in done.stdout


@pytest.mark.xdist_group("litellm")
@pytest.mark.parametrize("line", MODELS)
def test_a_model_is_looked_at(place: dict[str, str], line: str) -> None:
    with serve(lambda _: "ready") as server:
        args = [server.base_url if word.startswith("http://127.0.0.1") else word for word in shlex.split(line)[1:]]
        done = rlm(place | {"OPENAI_API_KEY": "sk-none"}, *args)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("'ready' after" in done.stdout) == ("--ask" in line)


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = readme.blocks("python")

    def chat_fn(messages: list[dict[str, str]], model: str | None) -> str:
        return "```repl\nFINAL(context.count('refund'))\n```"

    exec(compile(example, "README.md", "exec"), {"chat_fn": chat_fn, "context": "refund, refund"})
    assert capsys.readouterr().out.startswith("2 Node(")


def test_the_table_of_keys_is_the_registrys() -> None:
    found = re.search(r"<!-- keys -->\n(.*?)<!-- /keys -->", readme.TEXT, re.DOTALL)
    assert found is not None
    assert found.group(1).strip() == markdown_table().strip()


def test_every_picture_and_page_it_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", readme.TEXT):
        assert (readme.ROOT / target).exists(), target


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_documents_name_files_that_are_there(name: str) -> None:
    text = (readme.ROOT / name).read_text()
    for path in re.findall(r"`((?:rlm_tui|tests|screenshots|\.ci)/[\w./]*)`", text):
        assert (readme.ROOT / path).exists(), path
