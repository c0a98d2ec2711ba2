"""The person's own editor: what it is given, what comes back, and that nothing is lost when it fails."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.app import App

from rlm_tui.tui import elsewhere
from rlm_tui.tui.elsewhere import Back
from rlm_tui.tui.screens.edit import EditScreen
from tests.terminal import Terminal
from tests.tui.stage import Stage, staged
from tests.tui.test_edit import open_editor, type_into

Name = Callable[[str], str]


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Name:
    """Names an editor: a script whose body has ``file``, a path, and notes what it was given."""

    def named(body: str, *options: str) -> str:
        script = tmp_path / "my editor.py"
        seen = tmp_path / "seen"
        script.write_text(
            "import os, stat, sys\nfrom pathlib import Path\nfile = Path(sys.argv[-1])\n"
            f"Path({str(seen)!r}).write_bytes(file.read_bytes())\n"
            f"Path({str(tmp_path / 'facts')!r}).write_text(' '.join([file.suffix, oct(stat.S_IMODE(file.stat().st_mode)),"
            " oct(stat.S_IMODE(file.parent.stat().st_mode)), *sys.argv[1:-1]]))\n"
            f"Path({str(tmp_path / 'path')!r}).write_text(str(file))\n" + body + "\n"
        )
        command = f"'{sys.executable}' '{script}' {' '.join(options)}"
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", command)
        return command

    return named


@pytest.fixture(autouse=True)
def given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal there is nothing to give away; that it is given away is tested in one."""

    @contextlib.contextmanager
    def suspend(self: App[object]) -> Iterator[None]:
        yield

    monkeypatch.setattr(App, "suspend", suspend)


def edit(text: str, language: str = "python") -> Back | str:
    return elsewhere.edit(App(), text, language)  # type: ignore[arg-type]


# The editor itself ---------------------------------------------------------------------------------------------------


def test_it_gets_the_text_in_a_private_file_that_is_gone_afterwards(editor: Name, tmp_path: Path) -> None:
    editor("file.write_text('y = 2\\n')", "--wait", "'a b'")
    assert edit("x = 1") == Back("y = 2")
    assert (tmp_path / "seen").read_text() == "x = 1"
    assert (tmp_path / "facts").read_text() == ".py 0o600 0o700 --wait a b"
    assert not Path((tmp_path / "path").read_text()).parent.exists()


@pytest.mark.parametrize(("language", "suffix"), [("python", ".py"), ("markdown", ".md"), ("", ".txt")])
def test_the_suffix_says_what_it_is(editor: Name, tmp_path: Path, language: str, suffix: str) -> None:
    editor("")
    edit("x", language)
    assert (tmp_path / "facts").read_text().split()[0] == suffix


@pytest.mark.parametrize("text", ["", "x", "x\n", "x\n\n", "a\r\nb", "a\rb", "\x1b[31m\x00", "\ud800", "é\u202e𝔊"])
def test_a_text_that_nobody_changes_comes_back_as_it_went(editor: Name, text: str) -> None:
    editor("")
    assert edit(text) == Back(text)


def test_the_end_that_editors_give_a_last_line_is_no_change(editor: Name) -> None:
    editor("file.write_bytes(file.read_bytes() + b'\\n')")
    assert edit("x = 1") == Back("x = 1")
    assert edit("x = 1\n") == Back("x = 1\n\n")


def test_visual_wins(editor: Name, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", editor("file.write_text('by visual')"))
    monkeypatch.setenv("EDITOR", "/no/such/editor")
    assert edit("x") == Back("by visual")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", "No editor is named: set VISUAL or EDITOR."),
        ("  ", "No editor is named: set VISUAL or EDITOR."),
        ("/no/such/editor", "editor could not be used: No such file or directory. Nothing was changed."),
        ("vi 'oops", "EDITOR can't be read: No closing quotation."),
        (f"'{sys.executable}' -c 'raise SystemExit(3)'", "ended with 3; nothing was changed."),
        (f"'{sys.executable}' -c 'import os; os.kill(os.getpid(), 9)'", "ended with -9; nothing was changed."),
    ],
)
def test_an_editor_that_fails_is_one_line(command: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", command)
    found = edit("x = 1")
    assert isinstance(found, str)
    assert words in found
    assert "\n" not in found


def test_what_a_failing_editor_had_written_is_not_lost(editor: Name) -> None:
    editor("file.write_text('y = 2'); raise SystemExit(1)")
    found = edit("x = 1")
    assert isinstance(found, Back)
    assert found.text == "y = 2"
    assert "ended with 1" in found.said


def test_a_file_that_the_editor_removed_is_one_line(editor: Name) -> None:
    editor("file.unlink()")
    assert "could not be used" in str(edit("x"))


def test_what_is_no_utf8_comes_back_as_far_as_it_is(editor: Name) -> None:
    editor("file.write_bytes(b'ok \\xff')")
    found = edit("x")
    assert isinstance(found, Back)
    assert (found.text, bool(found.said)) == ("ok \ufffd", True)


def test_interrupts_are_the_editors_while_it_has_the_terminal(editor: Name) -> None:
    before = signal.getsignal(signal.SIGINT)
    editor("import signal; os.kill(os.getppid(), signal.SIGINT); file.write_text(str(signal.getsignal(signal.SIGINT)))")
    found = edit("x")
    assert isinstance(found, Back)
    assert "default_int_handler" in found.text
    assert signal.getsignal(signal.SIGINT) is before


# On the screen -------------------------------------------------------------------------------------------------------


def on_stage(play: Callable[[Stage], object], **options: object) -> None:
    staged(**options)(play)()  # type: ignore[arg-type]


def test_what_comes_back_is_applied(editor: Name) -> None:
    editor("file.write_text('print(1)\\n')")

    async def play(stage: Stage) -> None:
        await stage.next_to("block")
        await stage.press("E")
        await stage.until(lambda: stage.edits() == [("code", "print(1)")], "applied")
        await stage.until(lambda: " a run edited " in stage.bar, "shown")
        assert stage.app.screen is stage.main
        assert len(stage.main.drafts) == 0

    on_stage(play)


def test_unchanged_is_nothing_done(editor: Name) -> None:
    editor("")

    async def play(stage: Stage) -> None:
        await stage.next_to("block")
        await stage.press("E")
        await stage.until(lambda: "Nothing was changed." in stage.text, "said")
        assert stage.edits() == []

    on_stage(play)


def test_a_syntax_error_comes_back_to_the_editor_here_and_is_still_applicable(editor: Name) -> None:
    editor("file.write_text('x = (1\\n')")

    async def play(stage: Stage) -> None:
        await stage.next_to("block")
        await stage.press("E")
        await stage.until(lambda: isinstance(stage.app.screen, EditScreen), "the editor here")
        await stage.until(lambda: "line 1: '(' was never closed. ctrl+s applies it all the same." in stage.text, "why")
        assert stage.edits() == []
        await stage.press("ctrl+s")
        await stage.until(lambda: stage.edits() == [("code", "x = (1")], "applied")

    on_stage(play)


def test_messages_that_cannot_be_read_come_back_to_the_editor_here(editor: Name) -> None:
    editor("file.write_text('no heading')")

    async def play(stage: Stage) -> None:
        await stage.ready("llm")
        await stage.press("E")
        await stage.until(lambda: "must begin with" in stage.text, "why")
        screen = stage.app.screen
        assert isinstance(screen, EditScreen)
        assert screen.text == "no heading"

    on_stage(play)


def test_a_refusal_keeps_what_came_back_as_a_draft(editor: Name, monkeypatch: pytest.MonkeyPatch) -> None:
    editor("file.write_text('30')")

    async def play(stage: Stage) -> None:
        await stage.next_to("block")
        from concurrent.futures import Future

        no: Future[str | None] = Future()
        no.set_result("No.")
        monkeypatch.setattr(stage.session, "edit", lambda *a, **k: no)
        await stage.press("E")
        await stage.until(lambda: "Not applied, kept as a draft: No." in stage.text, "refused")
        screen = await open_editor(stage)
        assert screen.text == "30"

    on_stage(play)


def test_without_an_editor_it_is_said_in_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)

    async def play(stage: Stage) -> None:
        await stage.next_to("block")
        await stage.press("E")
        await stage.until(lambda: "No editor is named" in stage.text, "said")

    on_stage(play)


def test_a_draft_is_gone_on_with_elsewhere_and_back(editor: Name, tmp_path: Path) -> None:
    editor("file.write_text(file.read_text() + ' there')")

    async def play(stage: Stage) -> None:
        await stage.next_to("block")
        screen = await open_editor(stage)
        await type_into(stage, "x = 'here'")
        await stage.press("ctrl+o")
        await stage.until(lambda: screen.text == "x = 'here' there", "back here")
        assert (tmp_path / "seen").read_text() == "x = 'here'"
        assert stage.edits() == []

    on_stage(play)


def test_nothing_opens_where_nothing_is_held(editor: Name, tmp_path: Path) -> None:
    editor("")

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.run.end is not None, "the end")
        await stage.press("E")
        assert not (tmp_path / "seen").exists()

    on_stage(play, hold=False)


def test_a_real_terminal_is_given_away_and_taken_back(editor: Name, tmp_path: Path) -> None:
    command = editor(
        "try:\n    print('MY EDITOR HAS IT', sys.stdin.isatty())\n    input()\nexcept KeyboardInterrupt:\n    print('INTERRUPTED')\n    input()\n"
        "file.write_text('=== user ===\\nby hand')"
    )
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("RLM_TUI_", "XDG_", "TEXTUAL")) and k != "NO_COLOR"
    }
    env = kept | {
        "RLM_TUI_RUNS_DIR": str(tmp_path / "runs"), "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "EDITOR": command,
    }  # fmt: skip
    with Terminal("-m", "rlm_tui.cli", "demo", "--hold", env=env) as terminal:
        terminal.until("e edit")
        terminal.type("E")
        while "MY EDITOR HAS IT True" not in terminal.text:
            terminal._read()
            if "Not taken" in terminal.text:
                terminal.type("E")
        terminal.type("\x03")
        terminal.until("INTERRUPTED")
        terminal.type("\n")
        terminal.until("What follows from your edit")
        terminal.type("Q")
        terminal.until("leave")
        terminal.type("\r")
        assert terminal.ended() == 130
    journal = next((tmp_path / "runs").glob("*/journal.jsonl")).read_text()
    assert "by hand" in journal
