"""The front door, as a person's shell sees it: real processes, exit codes, one clear line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlm_tui import commands
from rlm_tui.config import Settings
from rlm_tui.demo.catalogue import DEFAULT_SEED, SCENARIOS, scenario
from rlm_tui.llm.pace import Pace
from rlm_tui.making import Making
from tests.terminal import Terminal

WITHOUT_LANDLOCK = """
import ctypes, os, struct, sys
rows = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7FFF0000)]
filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(rows), ctypes.addressof(filters)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
os.execv(sys.executable, [sys.executable, "-m", "rlm_tui.cli", *sys.argv[1:]])
"""
"""Runs the program on a kernel that seems to be built without Landlock: its first system call is answered ENOSYS."""


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """An environment with nothing of the person's: runs, settings and home in a fresh folder."""
    keep = {
        k: v for k, v in os.environ.items() if not k.startswith(("RLM_TUI_", "XDG_")) and not k.endswith("_API_KEY")
    }
    return keep | {"RLM_TUI_RUNS_DIR": str(tmp_path / "runs"), "HOME": str(tmp_path)}


def rlm(
    place: dict[str, str], *args: str, stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "rlm_tui.cli", *args], env=place, input=stdin, capture_output=True, timeout=60, cwd=cwd
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def without_landlock(place: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    """Run the program where the kernel has no Landlock."""
    if sys.platform != "linux":
        pytest.skip("Landlock is Linux's")
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_LANDLOCK, *args], env=place, capture_output=True, text=True, timeout=60
    )


def runs_of(place: dict[str, str]) -> list[Path]:
    folder = Path(place["RLM_TUI_RUNS_DIR"])
    return sorted(folder.iterdir(), key=lambda run: run.stat().st_ctime_ns) if folder.exists() else []


def test_without_a_command_and_a_terminal_it_is_the_help(place: dict[str, str]) -> None:
    done = rlm(place)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: rlm-tui" in done.stdout and "doctor" in done.stdout
    assert runs_of(place) == []


@pytest.mark.parametrize("flag", ["--ascii", "--no-mouse", "--theme=rlm-light", "--runs-dir=elsewhere"])
def test_what_is_homes_is_not_quietly_dropped_before_a_command(place: dict[str, str], flag: str) -> None:
    done = rlm(place, flag, "demo", "--list")
    name = flag.partition("=")[0]
    assert done.returncode == 2
    assert done.stderr == f"rlm-tui: {name} goes after the command: rlm-tui demo … {name}\n"


@pytest.mark.parametrize("name", sorted(SCENARIOS.keys() - {"broken"}))
def test_a_demo_without_a_screen_equals_its_oracle(place: dict[str, str], name: str) -> None:
    done = rlm(place, "demo", name, "--headless", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert said["final_answer"] == scenario(name).make(DEFAULT_SEED).oracle
    assert said["status"] == "final"
    assert said["via"] == ("answer" if name == "aggregation" else "FINAL_VAR")
    assert said["iterations"] == 4
    assert said["usage"]["source"] == "scripted"
    assert said["cost"] is None
    assert said["error"] is None
    assert said["run_id"] == runs_of(place)[0].name


def test_another_seed_is_another_question(place: dict[str, str]) -> None:
    said = json.loads(rlm(place, "demo", "needle", "--seed", "3", "--headless", "--json").stdout)
    assert said["final_answer"] == scenario("needle").make(3).oracle


def test_headless_prints_the_answer_alone_and_tells_progress_apart(place: dict[str, str]) -> None:
    done = rlm(place, "demo", "--headless")
    assert done.stdout == scenario("multi-hop").make(DEFAULT_SEED).oracle + "\n"
    assert "root begins" in done.stderr
    assert "i4" in done.stderr


def test_an_own_file_and_an_own_question_on_a_scripted_model(place: dict[str, str], tmp_path: Path) -> None:
    data = scenario("needle").make(5)
    log = tmp_path / "log.txt"
    assert isinstance(data.context, str)
    log.write_text(data.context, encoding="utf-8")
    done = rlm(place, "run", data.question, "--context", str(log), "--model", "scripted:needle", "--headless", "--json")
    assert json.loads(done.stdout)["final_answer"] == data.oracle
    piped = rlm(
        place, "run", data.question, "--context", "-", "--model", "scripted:needle", "--headless",
        stdin=data.context.encode(),
    )  # fmt: skip
    assert piped.stdout == data.oracle + "\n"


def test_a_json_context_is_a_value_and_a_folder_is_a_dict(place: dict[str, str], tmp_path: Path) -> None:
    data = scenario("multi-hop").make(5)
    notes = tmp_path / "notes.json"
    notes.write_text(json.dumps(data.context), encoding="utf-8")
    options = ("--model", "scripted:multi-hop", "--max-depth", "3", "--headless", "--json")
    assert (
        json.loads(rlm(place, "run", data.question, "--context", str(notes), *options).stdout)["final_answer"]
        == data.oracle
    )
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_text("alpha")
    (folder / "b.bin").write_bytes(b"\xff\xfe\x00")
    (folder / ".hidden").write_text("no")
    done = rlm(place, "run", "what?", "--context", str(folder), *options)
    assert "1 file that is no UTF-8 text left out" in done.stderr
    journal = (runs_of(place)[-1] / "journal.jsonl").read_text()
    start = json.loads(journal.splitlines()[0])
    assert json.loads(start["context"]["text"]) == {"sub/a.txt": "alpha"}


def test_breakpoints_that_hold_nothing_do_what_they_do_without_a_screen(place: dict[str, str], tmp_path: Path) -> None:
    line = 'call if n == 3 do log "{fn} of {n}"'
    done = rlm(place, "demo", "needle", "--headless", "--break", line, "--break", 'return do answer "x"', cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.strip() == "no activation was found"
    assert done.stderr.count("    llm_query_batched of 3\n") == 3
    (journal,) = runs_of(place)[0].glob("*.jsonl")
    notes = [event for event in map(json.loads, journal.read_text().splitlines()) if event.get("field") == "note"]
    assert [(note["value"], note["by"]) for note in notes] == [("llm_query_batched of 3", f"rule:{line}")] * 3
    assert not (tmp_path / ".rlm-tui").exists()


BAD = [
    (["demo", "nope"], 2, "no scenario 'nope' (known: "),
    (["demo", "--pace", "warp", "--headless"], 2, "warp"),
    (["demo", "--seed", "x"], 2, "--seed"),
    (["demo", "--max-depth", "-1", "--headless"], 2, "must be at least 0"),
    (["demo", "--max-budget", "free", "--headless"], 2, "must be a number"),
    (["demo", "--max-iterations", "0", "--headless"], 2, "must be at least 1"),
    (["demo", "--frobnicate"], 2, "--frobnicate"),
    (["demo", "--system-prompt", "missing.txt", "--headless"], 2, "missing.txt can't be read"),
    (["run", "why?", "--headless"], 2, "RLM_TUI_MODEL"),
    (["run", "  ", "--model", "scripted:needle", "--headless"], 2, "the question is empty"),
    (["run", "why?", "--model", "scripted:nope", "--headless"], 2, "needle"),
    (["run", "why?", "--model", "scripted:needle", "--sub-model", "scripted:x", "--headless"], 2, "needle"),
    (["run", "why?", "--model", "openai/gpt-x", "--headless"], 3, "OPENAI_API_KEY"),
    (["run", "why?", "--model", "scripted:needle", "--context", "missing.log", "--headless"], 2, "missing.log can't be read"),
    (["run", "why?", "--model", "scripted:needle", "--context", "bad.json", "--headless"], 2, "bad.json is not JSON"),
    (["run", "why?", "--model", "scripted:needle", "--context", "five.json", "--headless"], 2, "five.json holds a int"),
    (["run", "why?", "--model", "scripted:needle", "--context", "bytes.txt", "--headless"], 2, "is not UTF-8 text"),
    (["run", "why?", "--model", "scripted:needle"], 2, "this is not a terminal"),
    (["demo"], 2, "this is not a terminal"),
    (["demo", "--confine", "strict", "--headless"], 2, "confine must be auto or off or bwrap, not 'strict'"),
    (["demo", "--allow-imports", "all", "--headless"], 2, "allow imports must be site, not 'all'"),
    (["run", "why?", "--model", "scripted:needle", "--confine", "", "--headless"], 2, "confine must be"),
    (["demo", "--break", "block if cots > 1", "--headless"], 2, "at 'cots > 1': There is no 'cots' here"),
    (["demo", "--break", "block if", "--headless"], 2, "at its end: After if comes a condition"),
    (["demo", "--break", "block", "--headless"], 2, "nobody can let it go without a screen"),
    (["doctor", "--confine", "strict"], 2, "confine must be auto or off or bwrap"),
    (["open", "nothing"], 2, "nothing"),
    (["juggle"], 2, "juggle"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "code", "words"), BAD, ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_bad_input_is_one_clear_line_and_leaves_nothing_behind(
    place: dict[str, str], tmp_path: Path, args: list[str], code: int, words: str
) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "five.json").write_text("5")
    (tmp_path / "bytes.txt").write_bytes(b"abc\xff\xfe")
    done = rlm(place, *args, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert words in lines[0]
    assert "Traceback" not in done.stderr
    assert runs_of(place) == []


def test_a_place_that_cannot_be_written_is_one_line(place: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = rlm(place, "demo", "--headless", "--runs-dir", str(tmp_path / "file"))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_settings_come_from_flag_environment_project_and_user_in_this_order(
    place: dict[str, str], tmp_path: Path
) -> None:
    project, user = tmp_path / "project" / ".rlm-tui", tmp_path / ".config" / "rlm-tui"
    project.mkdir(parents=True)
    user.mkdir(parents=True)
    question = ("run", scenario("needle").make(1).question, "--headless", "--json")

    def model(*flags: str, **variables: str) -> str:
        rlm(place | variables, *question, *flags, cwd=tmp_path / "project")
        return str(json.loads((runs_of(place)[-1] / "journal.jsonl").read_text().splitlines()[0])["config"]["model"])

    (user / "config.toml").write_text('model = "scripted:needle"\nmax_iterations = 3\n')
    assert model() == "scripted:needle"
    (project / "config.toml").write_text('model = "scripted:multi-hop"\n')
    runs = len(runs_of(place))
    assert model() == "scripted:multi-hop"
    assert len(runs_of(place)) == runs + 1
    assert model(RLM_TUI_MODEL="scripted:needle") == "scripted:needle"
    assert model("--model", "scripted:multi-hop", RLM_TUI_MODEL="scripted:needle") == "scripted:multi-hop"
    (project / "config.toml").write_text('api_base = "http://elsewhere.invalid/v1"\n')
    done = rlm(place, *question, cwd=tmp_path / "project")
    assert done.returncode == 2
    assert "api_base is not taken from a project's file" in done.stderr
    (project / "config.toml").write_text("colour = 1\n")
    assert "there is no setting 'colour'" in rlm(place, *question, cwd=tmp_path / "project").stderr


def test_models_by_depth_and_prices_are_written_in_a_line_or_in_a_table(place: dict[str, str], tmp_path: Path) -> None:
    project, user = tmp_path / "project" / ".rlm-tui", tmp_path / ".config" / "rlm-tui"
    project.mkdir(parents=True)
    user.mkdir(parents=True)

    def found(*flags: str, **variables: str) -> dict[str, str]:
        done = rlm(place | variables, "doctor", "--json", *flags, cwd=project.parent)
        settings = json.loads(done.stdout)["checks"]["settings"]
        return {name: one["value"] for name, one in settings["set"].items()} or {"words": settings["words"]}

    (user / "config.toml").write_text(
        'read_timeout = 20\n[depth_models]\n1 = "scripted:needle"\n[prices]\n"openai/x" = "0.15/0.6/0.075"\n'
    )
    assert found() | {"runs_dir": ""} == {
        "depth_models": "1=scripted:needle", "prices": "openai/x=0.15/0.6/0.075", "read_timeout": "20.0", "runs_dir": "",
    }  # fmt: skip
    assert found("--prices", "openai/x=1/2,openai/y=3/4")["prices"] == "openai/x=1/2, openai/y=3/4"
    assert "in/out" in found(RLM_TUI_PRICES="openai/x=free")["words"]
    assert "1=provider/name" in found(RLM_TUI_DEPTH_MODELS="openai/x")["words"]
    (project / "config.toml").write_text('[prices]\n"openai/x" = "0/0"\n')
    assert "prices is not taken from a project's file" in found()["words"]

    (project / "config.toml").unlink()
    question = ("run", scenario("needle").make(1).question, "--headless", "--json", "--model", "scripted:needle")
    assert rlm(place, *question, "--depth-models", "1=scripted:needle,2=gpt", cwd=project.parent).returncode == 3
    rlm(place, *question, cwd=project.parent)
    config = json.loads((runs_of(place)[-1] / "journal.jsonl").read_text().splitlines()[0])["config"]
    assert config["depth_models"] == {"1": "scripted:needle"}


def test_how_far_repls_are_shut_in_is_set_everywhere_but_in_a_projects_file(
    place: dict[str, str], tmp_path: Path
) -> None:
    project, user = tmp_path / "project" / ".rlm-tui", tmp_path / ".config" / "rlm-tui"
    project.mkdir(parents=True)
    user.mkdir(parents=True)

    def demo(*flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return rlm(place | variables, "demo", "needle", "--headless", *flags, cwd=project.parent)

    def options(*flags: str, **variables: str) -> tuple[object, ...]:
        assert demo(*flags, **variables).returncode == 0
        config = json.loads((runs_of(place)[-1] / "journal.jsonl").read_text().splitlines()[0])["config"]
        return config["confine"], config["allow_site"], config["allow_network"]

    assert options() == ("auto", False, False)
    assert options("--confine", "off", "--allow-imports", "site", "--allow-network") == ("off", True, True)
    assert options(RLM_TUI_CONFINE="off", RLM_TUI_ALLOW_NETWORK="yes") == ("off", False, True)
    (user / "config.toml").write_text('confine = "off"\nallow_imports = "site"\nallow_network = true\n')
    assert options() == ("off", True, True)
    assert options("--confine", "auto", RLM_TUI_ALLOW_NETWORK="no") == ("auto", True, False)
    for line in ('confine = "off"', 'allow_imports = "site"', "allow_network = true"):
        (project / "config.toml").write_text(line + "\n")
        done = demo("--confine", "auto")
        assert done.returncode == 2
        assert f"{line.split()[0]} is not taken from a project's file" in done.stderr


def test_json_says_how_far_repls_were_shut_in(place: dict[str, str]) -> None:
    said = json.loads(rlm(place, "demo", "needle", "--headless", "--json").stdout)
    environment = json.loads((runs_of(place)[-1] / "journal.jsonl").read_text().splitlines()[0])["environment"]
    assert said["confinement"] == environment["confinement"]
    assert said["confinement_notices"] == environment["confinement_notices"]
    off = json.loads(rlm(place, "demo", "needle", "--headless", "--json", "--confine", "off").stdout)
    assert off["confinement"].startswith("process")


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_confinement_that_is_not_to_be_had_is_told_in_one_line(
    place: dict[str, str], json_too: tuple[str, ...]
) -> None:
    done = without_landlock(place, "demo", "needle", "--headless", *json_too)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "confinement" in line]
    assert line.startswith("rlm-tui: confinement: ")
    assert "landlock" in line.lower()
    if json_too:
        said = json.loads(done.stdout)
        assert said["confinement"] in line
        assert said["confinement_notices"]
        assert all(notice in line for notice in said["confinement_notices"])


def test_bubblewrap_is_had_or_nothing_begins(place: dict[str, str]) -> None:
    without = place | {"PATH": ""}
    for args in (("demo", "--headless"), ("run", "why?", "--model", "scripted:needle", "--json")):
        done = rlm(without, *args, "--confine", "bwrap")
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
        assert done.stderr.startswith("rlm-tui: --confine bwrap can't be had: ")
        assert "leave confine at auto" in done.stderr
    with Terminal("-m", "rlm_tui.cli", "demo", "--confine", "bwrap", env=without) as terminal:
        assert terminal.ended() == 2
        assert "--confine bwrap can't be had" in terminal.text
        assert b"\x1b[?1049h" not in terminal.raw
    assert runs_of(place) == []


@pytest.fixture
def failing(tmp_path: Path) -> str:
    """A PATH with a sandbox that passes its trial, and can't do more."""
    sandbox = tmp_path / "bin" / "bwrap"
    sandbox.parent.mkdir()
    sandbox.write_text('#!/bin/sh\nfor last; do :; done\nexec "$last"\n')
    sandbox.chmod(0o755)
    return f"{sandbox.parent}:{os.environ['PATH']}"


def test_a_sandbox_that_fails_after_its_trial_leaves_nothing_behind(place: dict[str, str], failing: str) -> None:
    done = rlm(place | {"PATH": failing}, "demo", "--headless", "--confine", "bwrap")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "can't be shut in as far as asked for" in done.stderr
    assert runs_of(place) == []


def test_a_run_that_could_not_begin_is_told_after_the_screen(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", failing)
    found = Settings({"confine": "bwrap", "runs_dir": tmp_path / "runs"})
    making = Making(found, lambda: commands.scripted("needle", None), Pace("instant"), None)
    session = making.session()
    session.start(lambda event: None)
    end = time.monotonic() + 30
    while not session.notices:
        assert time.monotonic() < end, "the run goes on"
    session.close()
    assert commands._farewell(session) == 2
    assert capsys.readouterr().err.startswith("rlm-tui: The run broke off: ConfinementError")
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_confinement_lacks_is_told_again_after_the_screen(place: dict[str, str]) -> None:
    with Terminal("-c", WITHOUT_LANDLOCK, "demo", "needle", "--pace", "instant", env=place) as terminal:
        terminal.until("answered")
        terminal.type("Q")
        assert terminal.ended() == 0
        after = terminal.raw.partition(b"\x1b[?1049l")[2].decode()
    assert "rlm-tui: confinement: partial" in after


def test_a_run_without_an_answer_exits_1(place: dict[str, str]) -> None:
    done = rlm(place, "demo", "needle", "--max-tokens", "1", "--headless", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["final_answer"], said["status"]) == (1, None, "limit")


def test_an_interrupted_run_is_kept_and_exits_130(place: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "rlm_tui.cli", "demo", "--headless", "--pace", "slow"],
        env=place, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline() == "root begins\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    (run,) = runs_of(place)
    assert f"the run is kept: rlm-tui resume {run.name}" in err
    kinds = [json.loads(line)["ev"] for line in (run / "journal.jsonl").read_text().splitlines()]
    assert "node.end" not in kinds
    assert "run.end" not in kinds
    assert run.name in rlm(place, "runs").stdout
    assert "left" in rlm(place, "runs").stdout


def test_runs_lists_newest_first_with_question_and_answer(place: dict[str, str]) -> None:
    assert "No runs yet" in rlm(place, "runs").stderr
    rlm(place, "demo", "needle", "--headless")
    rows = rlm(place, "runs").stdout.splitlines()
    assert re.match(r"run +state +cost +name or question +answer", rows[0])
    assert scenario("needle").make(DEFAULT_SEED).oracle in rows[1]
    assert "scripted" in rows[1]
    (runs_of(place)[0] / "journal.jsonl").write_bytes(b"garbage\x00")
    assert "unreadable" in rlm(place, "runs").stdout


def test_help_and_version(place: dict[str, str]) -> None:
    assert re.fullmatch(r"rlm-tui \d+\.\d+\.\d+\n", rlm(place, "--version").stdout)
    assert "demo" in rlm(place).stdout
    for command in ("demo", "run", "open", "runs", "doctor"):
        shown = rlm(place, command, "--help")
        assert shown.returncode == 0
        assert ("--confine" in shown.stdout) == (command in ("demo", "run", "doctor"))
    listed = rlm(place, "demo", "--list").stdout
    assert [line.split()[0] for line in listed.splitlines()] == list(SCENARIOS)


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files can't be limited there")
def test_a_full_disk_is_one_line_and_the_run_can_be_gone_on_with(place: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 40; exec {sys.executable} -m rlm_tui.cli demo multi-hop --json"],
        env=place, capture_output=True, text=True,
    )  # fmt: skip
    (run,) = runs_of(place)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.count("\n") == 1 and f"rlm-tui resume {run.name}" in done.stderr
    assert json.loads(rlm(place, "resume", run.name, "--json").stdout)["status"] == "final"
