"""The command ``runs``: the list, and what is done to a run from it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.cli import main
from rlm_tui.debugger.fork import branch
from rlm_tui.journal.events import Edit
from rlm_tui.journal.places import list_runs
from rlm_tui.journal.store import Journal, read


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    assert main(["demo", "needle", "--headless", "--runs-dir", str(runs)]) == 0
    branch(read(list_runs(runs)[0]), "root/i2", "llm")
    return runs


@pytest.fixture
def runs(played: Path, tmp_path: Path) -> Path:
    """Runs of one's own to do things to: one, and its branch."""
    for path in list_runs(played):
        made = Journal.create(tmp_path, run_id=path.name)
        source = read(path)
        for event in source.events():
            made.copy(event, source)
        made.close()
    return tmp_path


Said = pytest.CaptureFixture[str]


def listed(runs: Path, said: Said, *flags: str) -> list[dict[str, Any]]:
    assert main(["runs", "--json", "--runs-dir", str(runs), *flags]) == 0
    return json.loads(said.readouterr().out)


def names(runs: Path, said: Said) -> tuple[str, str]:
    """The ids of the run and of its branch."""
    run, child = listed(runs, said)
    assert (run["parent"], child["parent"]["run"]) == (None, run["id"])
    return run["id"], child["id"]


def test_the_list_as_json_tells_everything(runs: Path, capsys: Said) -> None:
    run, child = listed(runs, capsys)
    assert set(run) == {
        "id", "path", "name", "state", "question", "answer", "model", "scenario", "cost", "tokens", "started",
        "seconds", "size", "parent", "notes",
    }  # fmt: skip
    assert run["state"] == "final" and run["started"][10] == "T" and run["size"] > 1_000
    assert (child["state"], child["answer"]) == ("left", None)
    assert listed(runs, capsys, "--most", "1") == [run]
    assert listed(runs, capsys, "--search", "fingerprint") == [run, child]
    assert listed(runs, capsys, "--search", "nowhere") == []


@pytest.mark.parametrize("columns", [80, 120])
def test_a_branch_stands_under_its_run_and_no_line_is_too_long(
    runs: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    run, child = names(runs, capsys)
    assert main(["runs", "--runs-dir", str(runs)]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(run) and second.startswith(f"  {child}")
    assert max(map(len, (head, first, second))) <= columns
    assert head.index("state") == first.index("final") == second.index("left")
    assert ("size" in head) == (columns == 120)


def test_a_run_is_named_and_noted(runs: Path, capsys: Said) -> None:
    run, _ = names(runs, capsys)
    flags = ["--runs-dir", str(runs)]
    assert main(["runs", "--rename", run, "a \x1b[31mred\x1b[0m name", *flags]) == 0
    assert main(["runs", "--note", run[-4:], "keep this", *flags]) == 0
    first, _ = listed(runs, capsys)
    assert (first["name"], first["notes"]) == ("a \x1b[31mred\x1b[0m name", ["keep this"])
    assert main(["runs", *flags]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "red" in shown


def test_deleting_asks_a_person_and_nobody_else(runs: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    run, child = names(runs, capsys)
    flags = ["--runs-dir", str(runs)]
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert main(["runs", "--delete", run, *flags]) == 2
    assert "--yes" in capsys.readouterr().err
    assert len(list_runs(runs)) == 2
    assert main(["runs", "--delete", run, "--yes", *flags]) == 0
    assert "its branch stays and does not need it" in capsys.readouterr().err
    assert [path.name for path in list_runs(runs)] == [child]


def test_what_is_written_stays(runs: Path, capsys: Said) -> None:
    run, _ = names(runs, capsys)
    journal = Journal.open(runs / run)
    journal.append(Edit(id="root", field="note", value="x", by="human"))
    for act in (["--delete", run, "--yes"], ["--rename", run, "x"], ["--note", run, "x"]):
        assert main(["runs", *act, "--runs-dir", str(runs)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    journal.close()
    assert len(list_runs(runs)) == 2


def test_what_is_no_run_is_refused(runs: Path, capsys: Said) -> None:
    assert main(["runs", "--delete", "nope", "--yes", "--runs-dir", str(runs)]) == 2
    assert capsys.readouterr().err == f"rlm-tui: no run 'nope' in {runs}\n"
