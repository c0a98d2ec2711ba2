"""What is typed and not applied: beside the run, whole, and gone when it is no draft any more."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.debugger.session import Session
from rlm_tui.demo.catalogue import DEFAULT_SEED, model_for, scenario
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.store import Journal
from rlm_tui.tui import drafts
from rlm_tui.tui.app import DebuggerApp
from rlm_tui.tui.drafts import FILE, Drafts
from rlm_tui.tui.screens.edit import EditScreen
from tests.runs import DEADLINE_S, Watched
from tests.terminal import Terminal
from tests.tui.stage import Stage, staged
from tests.tui.test_edit import open_editor, type_into

KEY = ("root/i1/b1", "code")


def test_a_draft_is_there_in_another_process(tmp_path: Path) -> None:
    one = Drafts(tmp_path)
    one.put(KEY, "x = 1\n\x1b[31m")
    assert one.save() is None
    assert Drafts(tmp_path).get(KEY) == "x = 1\n\x1b[31m"
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_what_is_dropped_is_gone_from_the_file_at_once(tmp_path: Path) -> None:
    one = Drafts(tmp_path)
    one.put(KEY, "x")
    one.save()
    one.drop(KEY)
    assert list(tmp_path.iterdir()) == []
    assert len(one) == 0


def test_in_memory_there_is_no_file() -> None:
    one = Drafts(None)
    one.put(KEY, "x")
    assert (one.save(), one.get(KEY)) == (None, "x")


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_any_text_comes_back(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        one = Drafts(Path(place))
        one.put(KEY, text)
        one.save()
        assert Drafts(Path(place)).get(KEY) == text


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[1, 2]", b'{"a": 1}', b'[["a", "b"]]', b'[["a", "b", 3]]', b"\xff\xfe", b"[" * 100_000]
)
def test_a_damaged_file_is_no_draft_and_in_nobodys_way(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / FILE).write_bytes(raw)
    one = Drafts(tmp_path)
    assert len(one) == 0
    one.put(KEY, "x")
    assert one.save() is None
    assert Drafts(tmp_path).get(KEY) == "x"


def test_a_place_that_cannot_be_written_is_said_and_the_text_is_still_here(tmp_path: Path) -> None:
    one = Drafts(tmp_path / "gone")
    one.put(KEY, "x")
    assert "could not be saved" in (one.save() or "")
    assert one.get(KEY) == "x"
    (tmp_path / "gone").mkdir()
    assert one.save() is None
    assert Drafts(tmp_path / "gone").get(KEY) == "x"


def test_a_write_that_breaks_off_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Drafts(tmp_path)
    one.put(KEY, "first")
    one.save()
    one.put(KEY, "second")
    monkeypatch.setattr(drafts.os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert one.save() == "What is typed here could not be saved: No space left on device."
    assert Drafts(tmp_path).get(KEY) == "first"
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_huge_draft_lives_in_memory_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MOST", 10)
    one = Drafts(tmp_path)
    one.put(KEY, "x" * 11)
    one.put(("root", "note.note"), "short")
    one.save()
    assert [row[2] for row in json.loads((tmp_path / FILE).read_text())] == ["short"]
    assert one.get(KEY) == "x" * 11


# On the screen -------------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def run_of(stage: Stage) -> Path:
    path = stage.session.path
    assert path is not None
    return path


def test_a_draft_is_written_soon_after_typing_and_never_to_the_journal(place: Path) -> None:
    @staged(runs=place)
    async def play(stage: Stage) -> None:
        await stage.next_to("block")
        screen = await open_editor(stage)
        await type_into(stage, "half a thought")
        await stage.until((run_of(stage) / FILE).exists, "the file")
        assert Drafts(run_of(stage)).get((screen._held.id, "code")) == "half a thought"
        assert "half a thought" not in (run_of(stage) / "journal.jsonl").read_text()
        await stage.press("ctrl+s")
        await stage.until(lambda: stage.app.screen is stage.main, "applied")
        assert not (run_of(stage) / FILE).exists()

    play()


def test_a_draft_thrown_away_is_gone_from_the_file(place: Path) -> None:
    @staged(runs=place)
    async def play(stage: Stage) -> None:
        await stage.next_to("block")
        screen = await open_editor(stage)
        await type_into(stage, "half a thought")
        await stage.until((run_of(stage) / FILE).exists, "the file")
        await stage.press("ctrl+t")
        await stage.until(lambda: not screen.dirty and not (run_of(stage) / FILE).exists(), "gone")

    play()


def test_a_draft_at_one_place_is_not_offered_at_another(place: Path) -> None:
    @staged(runs=place)
    async def play(stage: Stage) -> None:
        await stage.next_to("reply")
        await open_editor(stage)
        await type_into(stage, "half a thought")
        await stage.press("escape", "escape")
        await stage.next_to("block")
        screen = await open_editor(stage)
        assert "half a thought" not in screen.text
        assert len(stage.main.drafts) == 1

    play()


def test_a_killed_process_loses_nothing_that_was_typed(tmp_path: Path) -> None:
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("RLM_TUI_", "XDG_", "TEXTUAL")) and k != "NO_COLOR"
    }
    runs = tmp_path / "runs"
    env = kept | {"RLM_TUI_RUNS_DIR": str(runs), "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    with Terminal("-m", "rlm_tui.cli", "demo", "--hold", env=env) as one:
        _open(one)
        one.type("Lost_and_found")
        one.until("changed")
        _wait(lambda: any("Lost_and_found" in path.read_text() for path in runs.glob(f"*/{FILE}")))
        os.kill(one.pid, signal.SIGKILL)
        assert one.ended() == -signal.SIGKILL
    asyncio.run(offered_again(next(runs.iterdir())))


async def offered_again(run: Path) -> None:
    """Go on with a run, held, and edit the same thing."""
    data, journal = scenario("multi-hop").make(DEFAULT_SEED), Journal.open(run)
    session = Session(
        journal,
        lambda gates: EngineRun(
            journal, lambda _: model_for("multi-hop", None), context=data.context, task=data.question,
            model="scripted:multi-hop", options=Options(max_depth=3), gates=gates,
        ),
        hold=True,
    )  # fmt: skip
    app = DebuggerApp(session)
    async with app.run_test(size=(120, 36)) as pilot:
        stage = Stage(app, pilot, Watched(session, data))
        await stage.ready("llm")
        screen = await open_editor(stage)
        assert "This is what you had typed before." in stage.text
        assert "Lost_and_found" in screen.text
        assert screen.dirty


def _open(terminal: Terminal) -> None:
    """Press the key until it is taken: not in the moment in which the bar has only just appeared."""
    terminal.until("before a request")
    terminal.until("e edit")
    terminal.type("e")
    while "edit the request" not in terminal.text:
        terminal._read()
        if "Not taken" in terminal.text:
            terminal.type("e")


def _wait(state: object) -> None:
    import time

    assert callable(state)
    end = time.monotonic() + DEADLINE_S
    while not state():
        assert time.monotonic() < end, "never"
        time.sleep(0.02)


def test_the_editor_keeps_its_draft_when_the_app_goes_at_once(place: Path) -> None:
    @staged(runs=place)
    async def play(stage: Stage) -> None:
        await stage.next_to("block")
        await open_editor(stage)
        await type_into(stage, "half a thought")
        assert isinstance(stage.app.screen, EditScreen)
        kept.append(run_of(stage))

    kept: list[Path] = []
    play()
    assert [text for *_, text in json.loads((kept[0] / FILE).read_text())] == ["half a thought"]
