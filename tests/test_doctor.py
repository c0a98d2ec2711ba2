"""`rlm-tui doctor`, as a person's shell sees it: every row was looked at or tried on this machine."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.config import Settings
from rlm_tui.doctor import Check, Report
from rlm_tui.repl.results import Conditions
from rlm_tui.tui.glyphs import ASCII, UNICODE
from tests.terminal import Terminal
from tests.test_cli import place, rlm, runs_of, without_landlock
from tests.test_contracts import loaded

__all__ = ["place"]
ROWS = ["python", "terminal", "repl", "limits", "bwrap", "runs", "settings", "keys"]


def examined(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The checks of ``doctor --json``, once it is sure that the exit code says the same."""
    said = json.loads(done.stdout)
    assert done.stderr == ""
    assert said["ready"] == (done.returncode == 0) == all(c["state"] != "missing" for c in said["checks"].values())
    return said["checks"]


def doctor(place: dict[str, str], *args: str, cwd: Path | None = None) -> dict[str, Any]:
    return examined(rlm(place, "doctor", "--json", *args, cwd=cwd))


def test_it_says_what_is_there_and_leaves_nothing_behind(place: dict[str, str], tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    found = doctor(place | {"TMPDIR": str(temporary)})
    assert list(found) == ROWS
    assert found["repl"]["birth"] in ("fork", "spawn")
    assert min(found["repl"][name] for name in ("open_ms", "birth_ms", "block_ms")) > 0
    assert found["limits"]["memory"] == Conditions().memory_bytes
    assert found["limits"]["block_timeout_s"] == 300
    assert found["limits"]["file_size"] > 0
    assert found["limits"]["open_files"] > 0
    assert found["runs"]["count"] == 0
    assert list(temporary.iterdir()) == []
    assert not Path(place["RLM_TUI_RUNS_DIR"]).exists()


def test_its_level_is_the_one_a_run_has(place: dict[str, str]) -> None:
    for flags in ([], ["--confine", "off"], ["--allow-imports", "site", "--allow-network"]):
        repl = doctor(place, *flags)["repl"]
        run = json.loads(rlm(place, "demo", "needle", "--headless", "--json", *flags).stdout)
        assert repl["confinement"] == run["confinement"]
        assert repl["notices"] == run["confinement_notices"]


def test_a_repl_that_is_not_shut_in_is_no_tick(place: dict[str, str]) -> None:
    repl = doctor(place, "--confine", "off")["repl"]
    assert (repl["state"], repl["level"]) == ("warning", "process")
    assert "read your files" in repl["details"][0]
    assert "auto" in repl["remedy"]


def test_a_kernel_without_landlock_is_told_with_everything_that_is_open_then(place: dict[str, str]) -> None:
    repl = examined(without_landlock(place, "doctor", "--json"))["repl"]
    assert repl["state"] == "warning"
    assert repl["level"] != "confined"
    assert any("landlock" in notice.lower() for notice in repl["notices"])
    assert set(repl["notices"]) <= set(repl["details"])


def test_bubblewrap_that_is_not_there_is_told_and_stops_only_who_asks_for_it(place: dict[str, str]) -> None:
    without = place | {"PATH": ""}
    found = doctor(without)
    assert found["bwrap"]["state"] == "warning"
    assert "refuse" in found["bwrap"]["words"]
    found = doctor(without, "--confine", "bwrap")
    assert found["repl"]["state"] == "missing"
    assert found["bwrap"]["refusal"] in found["repl"]["words"]
    assert "auto" in found["repl"]["remedy"]


def test_it_names_keys_and_never_shows_them(place: dict[str, str]) -> None:
    assert doctor(place)["keys"]["state"] == "warning"
    secret = {
        "OPENAI_API_KEY": "sk-openai-secret",
        "GROQ_API_KEY": "gsk-secret",
        "RLM_TUI_API_BASE": "http://me:secret@host/v1",
    }
    for args in (("--json",), ()):
        said = rlm(place | secret, "doctor", *args).stdout
        assert "OPENAI_API_KEY" in said
        assert "GROQ_API_KEY" in said
        assert "ANTHROPIC_API_KEY" not in said
        assert "http://host/v1" in said
        assert "secret" not in said


def test_settings_are_told_with_their_places(place: dict[str, str], tmp_path: Path) -> None:
    project, user = tmp_path / "project" / ".rlm-tui", tmp_path / ".config" / "rlm-tui"
    project.mkdir(parents=True)
    user.mkdir(parents=True)
    (user / "config.toml").write_text('confine = "off"\nmodel = "a/b"\nblock_timeout = 7\n')
    (project / "config.toml").write_text('model = "c/d"\n')
    found = doctor(place | {"RLM_TUI_MAX_DEPTH": "4"}, "--allow-network", cwd=tmp_path / "project")
    told = {name: (each["value"], each["place"]) for name, each in found["settings"]["set"].items()}
    assert told == {
        "confine": ("off", "user file"),
        "block_timeout": ("7.0", "user file"),
        "model": ("c/d", "project file"),
        "max_depth": ("4", "environment"),
        "runs_dir": (place["RLM_TUI_RUNS_DIR"], "environment"),
        "allow_network": ("True", "flag"),
    }
    assert found["limits"]["block_timeout_s"] == 7
    assert re.match(r"6 set, \d+ left at their defaults", found["settings"]["words"])


@pytest.mark.parametrize(
    ("variables", "project", "words"),
    [
        ({"RLM_TUI_CONFINE": "maybe"}, "", "RLM_TUI_CONFINE: confine must be auto or off or bwrap, not 'maybe'"),
        ({}, "allow_network = true\n", "allow_network is not taken from a project's file"),
    ],
)
def test_a_wrong_setting_is_a_finding(
    place: dict[str, str], tmp_path: Path, variables: dict[str, str], project: str, words: str
) -> None:
    (tmp_path / ".rlm-tui").mkdir()
    (tmp_path / ".rlm-tui" / "config.toml").write_text(project)
    found = doctor(place | variables, cwd=tmp_path)
    assert found["settings"]["state"] == "missing"
    assert words in found["settings"]["words"]
    assert found["repl"]["level"]


def test_runs_that_cannot_be_kept_are_told(place: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = doctor(place, "--runs-dir", str(tmp_path / "file" / "runs"))["runs"]
    assert found["state"] == "missing"
    assert "--runs-dir" in found["remedy"]
    rlm(place, "demo", "needle", "--headless")
    assert doctor(place)["runs"]["count"] == len(runs_of(place)) == 1


def test_in_a_terminal_it_is_one_screen(place: dict[str, str]) -> None:
    with Terminal("-m", "rlm_tui.cli", "doctor", env=place | {"LC_ALL": "C.UTF-8"}, columns=80, rows=40) as terminal:
        assert terminal.ended() == 0
        lines = terminal.text.splitlines()
    assert "80 by 40" in terminal.text
    assert "16 million colours, UTF-8" in terminal.text
    assert "A run can start here." in lines
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("columns", "rows", "words"), [(50, 40, "make the window at least 60 by 16"), (80, 40, "")])
def test_a_window_that_is_too_small_is_told(place: dict[str, str], columns: int, rows: int, words: str) -> None:
    with Terminal("-m", "rlm_tui.cli", "doctor", env=place, columns=columns, rows=rows) as terminal:
        assert terminal.ended() == 0
        said = " ".join(terminal.text.split())
    assert ("make the window" in said) == bool(words)
    assert words in said


@pytest.mark.parametrize(
    ("args", "variables"),
    [
        (("--ascii",), {}),
        ((), {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}),
    ],
)
def test_where_only_ascii_can_be_shown_it_is(
    place: dict[str, str], tmp_path: Path, args: tuple[str, ...], variables: dict[str, str]
) -> None:
    said = rlm(place | variables | {"RLM_TUI_RUNS_DIR": str(tmp_path / "ñandú")}, "doctor", *args)
    assert said.returncode == 0, said.stderr
    assert said.stdout.isascii()
    assert "v Python" in said.stdout
    assert ("\\xf1and\\xfa" in said.stdout) == bool(args)  # in the other one the name itself is no text
    assert max(map(len, said.stdout.splitlines())) <= 100


def test_foreign_text_is_shown_and_not_obeyed(place: dict[str, str], tmp_path: Path) -> None:
    said = rlm(place | {"RLM_TUI_RUNS_DIR": str(tmp_path / "a\x1b]0;owned\x07b")}, "doctor").stdout
    assert "owned" in said
    assert not set(said) & {"\x1b", "\x07"}


def test_it_loads_neither_a_provider_library_nor_the_screen() -> None:
    names = loaded("from rlm_tui.doctor import examine\nimport sys\nexamine({}, sys.stderr)")
    assert "rlm_tui.doctor" in names
    assert not [name for name in names if name.split(".")[0] in ("textual", "litellm")]


def test_a_report_is_ready_unless_something_is_missing_and_its_rows_are_aligned() -> None:
    long = Check("REPL", "missing", "words " * 30, ("detail " * 20,), "remedy " * 20)
    report = Report((Check("Python", "ok", "3.11"), Check("keys", "warning", "none"), long), Settings())
    assert not report.ready
    assert Report(report.checks[:2], Settings()).ready
    for signs in (UNICODE, ASCII):
        lines = report.text(signs, 60).splitlines()
        assert lines[2:4] == [f"{signs.done} Python    3.11", "! keys      none"]
        assert lines[4].startswith(f"{signs.error} REPL      words")
        assert max(map(len, lines)) <= 60
        assert {line[:12].strip() for line in lines[5:-2]} == {""}
        assert sum(line.strip().startswith((signs.sent, signs.arrow)) for line in lines[5:-2]) == 2
        assert "No run can start here" in lines[-1]
