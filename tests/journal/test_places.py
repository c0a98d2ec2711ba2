from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_tui.journal.places import new_id
from rlm_tui.journal.store import Journal, JournalError, find_run, list_runs, runs_dir

NAMES = ["231114-2213-00aa", "231114-2213-01ab", "231115-0900-ffab", "official-import"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for n, name in enumerate(NAMES):
        Journal.create(tmp_path, run_id=name).close()
        # All in one minute of 2023 as far as the file system knows, the import between the days.
        os.utime(tmp_path / name / "journal.jsonl", (1_700_000_000 + n, 1_700_000_000 + n))
    (tmp_path / "no-run").mkdir()
    (tmp_path / "file").write_text("")
    return tmp_path


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_an_id_sorts_by_time_and_tells_runs_apart():
    ids = {new_id(1_700_000_000.9) for _ in range(50)}
    assert all(re.fullmatch(r"231114-2213-[0-9a-f]{4}", id) for id in ids)
    assert len(ids) > 40
    assert new_id(1_700_000_000) < new_id(1_700_000_060)


def test_a_flag_before_the_variable_before_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("RLM_TUI_RUNS_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    default = runs_dir()
    assert (default.name, default.parent.name) == ("runs", "rlm-tui")
    if sys.platform == "linux":
        assert default == tmp_path / "data" / "rlm-tui" / "runs"
    monkeypatch.setenv("RLM_TUI_RUNS_DIR", "~/mine")
    assert runs_dir() == Path("~/mine").expanduser()
    assert runs_dir(tmp_path) == tmp_path


def test_newest_first_and_only_runs(runs: Path):
    assert [path.name for path in list_runs(runs)] == [
        "231115-0900-ffab", "official-import", "231114-2213-01ab", "231114-2213-00aa",
    ]  # fmt: skip
    assert list_runs(runs / "nowhere") == list_runs(runs / "file") == []


@pytest.mark.parametrize(
    ("text", "name"),
    [("231114-2213-00aa", 0), ("00aa", 0), ("0aa", 0), ("1ab", 1), ("fab", 2), ("import", 3), ("official-import", 3)],
)
def test_an_id_or_any_end_that_only_one_has(runs: Path, text: str, name: int):
    assert find_run(runs, text) == runs / NAMES[name]


def test_a_path(runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert find_run(elsewhere, str(runs / NAMES[0])) == runs / NAMES[0]
    assert find_run(elsewhere, str(runs / NAMES[0] / "journal.jsonl")) == runs / NAMES[0]
    monkeypatch.chdir(runs)
    assert find_run(elsewhere, NAMES[1]) == Path(NAMES[1])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ab", "2 runs end in 'ab': 231115-0900-ffab, 231114-2213-01ab"),
        ("zz", "no run 'zz' in "),
        ("", "no run '' in "),
        ("a\0b", r"no run 'a\x00b' in "),
        ("\x1b[31m", r"no run '\x1b[31m' in "),
        ("*", "no run '*' in "),
        ("/", "'/' is not a run: it has no journal.jsonl"),
        ("~nobody-of-that-name/x", "no run '~nobody-of-that-name/x' in "),
    ],
)
def test_what_is_no_run_is_told_in_one_line(runs: Path, text: str, line: str):
    with pytest.raises(JournalError) as error:
        find_run(runs, text)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_the_journal_brings_nothing_of_ours_along():
    script = (
        "import sys, rlm_tui.journal.store, rlm_tui.journal.follow, rlm_tui.journal.redact, rlm_tui.journal.run\n"
        "print(*sorted(m for m in sys.modules if m.startswith(('rlm_tui.', 'textual', 'litellm'))"
        " and not m.startswith('rlm_tui.journal')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
