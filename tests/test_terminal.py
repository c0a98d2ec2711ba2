"""The debugger in a real pseudo-terminal: it comes up, it goes down, and it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.terminal import Terminal
from tests.test_cli import rlm, runs_of


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    keep = {
        k: v for k, v in os.environ.items() if not k.startswith(("RLM_TUI_", "XDG_", "TEXTUAL")) and k != "NO_COLOR"
    }
    return keep | {"RLM_TUI_RUNS_DIR": str(tmp_path / "runs"), "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}


@pytest.fixture
def start(place: dict[str, str]) -> Callable[..., Terminal]:
    def begin(*args: str, **keywords: int) -> Terminal:
        return Terminal("-m", "rlm_tui.cli", *args, env=place, **keywords)

    return begin


def workers(run_by: int) -> list[int]:
    """Processes that a process started and that live."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            if parent == run_by:
                found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: list[int]) -> bool:
    import time

    end = time.monotonic() + 20
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(alive(pid) for pid in pids)


def test_a_demo_comes_up_held_and_quitting_is_one_question(
    start: Callable[..., Terminal], place: dict[str, str]
) -> None:
    with start("demo", "--hold") as terminal:
        terminal.until("held before a request")
        terminal.type("Q")
        terminal.until("leave")
        terminal.type("\r")
        assert terminal.ended() == 130
        assert f"rlm-tui resume {runs_of(place)[0].name}" in terminal.text
        assert "Traceback" not in terminal.text


def test_a_demo_played_to_its_end_prints_its_answer(start: Callable[..., Terminal], place: dict[str, str]) -> None:
    with start("demo", "needle", "--pace", "instant") as terminal:
        terminal.until("answered")
        terminal.type("Q")
        assert terminal.ended() == 0
        answer = json.loads(rlm(place, "demo", "needle", "--headless", "--json").stdout)["final_answer"]
        assert answer in terminal.text


def test_a_run_is_opened_again_and_quits_at_once(start: Callable[..., Terminal], place: dict[str, str]) -> None:
    rlm(place, "demo", "needle", "--headless")
    (run,) = runs_of(place)
    before = (run / "journal.jsonl").read_bytes()
    with start("open", run.name[-4:]) as terminal:
        terminal.until("Which key fingerprint")
        terminal.type("Q")
        assert terminal.ended() == 0
    assert (run / "journal.jsonl").read_bytes() == before


def test_home_plays_a_demo_comes_back_and_tells_what_is_kept(
    start: Callable[..., Terminal], place: dict[str, str]
) -> None:
    with start("--ascii") as terminal:
        terminal.until("No runs yet.")
        terminal.type("1")
        terminal.until("= 1 demos =")
        terminal.type("\r")
        terminal.until("Which key fingerprint")
        terminal.type("q")
        terminal.until("leave")
        terminal.type("\r")
        terminal.until("the debugger for Recursive Language Models")
        terminal.until("scripted")
        terminal.type("Q")
        assert terminal.ended() == 0
        (run,) = runs_of(place)
        assert f"A run is kept, left: rlm-tui resume {run.name}" in terminal.text
        assert "Traceback" not in terminal.text


def test_home_takes_its_folder_and_theme_from_flags(start: Callable[..., Terminal], tmp_path: Path) -> None:
    rlm({**os.environ, "RLM_TUI_RUNS_DIR": str(tmp_path / "other")}, "demo", "needle", "--headless")
    with start("--runs-dir", str(tmp_path / "other"), "--theme", "rlm-light", "--no-mouse") as terminal:
        terminal.until("Which key fingerprint")
        assert b"\x1b[?1000h" not in terminal.raw
        terminal.type("Q")
        assert terminal.ended() == 0
    with start("--theme", "sepia") as terminal:
        assert terminal.ended() == 2
        assert "there is no theme 'sepia'" in terminal.text


def test_a_killed_debugger_leaves_no_worker_and_a_journal_that_opens(
    start: Callable[..., Terminal], place: dict[str, str]
) -> None:
    with start("demo", "--pace", "slow") as terminal:
        terminal.until("iteration 2")
        left = workers(terminal.pid)
        assert left
        os.kill(terminal.pid, signal.SIGKILL)
        assert terminal.ended() == -signal.SIGKILL
        assert gone(left)
    (run,) = runs_of(place)
    assert "left" in rlm(place, "runs").stdout
    with start("open", run.name) as terminal:
        terminal.until("iteration")
        terminal.type("Q")
        assert terminal.ended() == 0


def test_a_closed_terminal_leaves_no_process(start: Callable[..., Terminal]) -> None:
    with start("demo", "--hold") as terminal:
        terminal.until("0:01")  # decision keys are not taken in the first half second
        terminal.type("n")
        terminal.until("held before block 1")
        left = workers(terminal.pid)
        os.kill(terminal.pid, signal.SIGHUP)
        terminal.ended()
        assert gone(left)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (160, 45), (59, 15), (20, 5)])
def test_it_comes_up_in_any_size(start: Callable[..., Terminal], columns: int, rows: int) -> None:
    with start("demo", "--hold", columns=columns, rows=rows) as terminal:
        terminal.until("held" if columns >= 80 else "This window is")
        terminal.resize(120, 36)
        terminal.until("held before a request")
        terminal.type("Q")
        terminal.until("leave")
        terminal.type("\r")
        assert terminal.ended() == 130


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("demo", "--theme", "sepia", "--hold"), "there is no theme 'sepia'"),
        (("open", "nowhere"), "nowhere"),
        (("run", "why?", "--model", "openai/x"), "OPENAI_API_KEY"),
    ],
)
def test_bad_input_never_opens_a_screen(
    start: Callable[..., Terminal], place: dict[str, str], args: tuple[str, ...], words: str
) -> None:
    with start(*args) as terminal:
        assert terminal.ended() in (2, 3)
        assert words in terminal.text
        assert b"\x1b[?1049h" not in terminal.raw
        assert "Traceback" not in terminal.text
    assert runs_of(place) == []


@pytest.mark.parametrize("state", ["held", "running"])
def test_a_closed_terminal_leaves_a_run_that_can_be_gone_on_with(place: dict[str, str], state: str) -> None:
    temporary = Path(place["HOME"]) / "temporary"
    temporary.mkdir()
    place = place | {"TMPDIR": str(temporary)}
    hold = ["--hold"] if state == "held" else []
    with Terminal("-m", "rlm_tui.cli", "demo", "multi-hop", *hold, "--pace", "slow", env=place) as terminal:
        terminal.until("held before a request" if hold else "writing")
        terminal.hang_up()
        assert terminal.ended() != 0
    (run,) = runs_of(place)
    kinds = [json.loads(line)["ev"] for line in (run / "journal.jsonl").read_text().splitlines()]
    assert "node.end" not in kinds and "run.end" not in kinds
    assert list(temporary.iterdir()) == []
    assert json.loads(rlm(place, "resume", run.name, "--json").stdout)["status"] == "final"
