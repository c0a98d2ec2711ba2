"""Home: its first frame, what is listed, and its keys."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_tui.config import Settings
from rlm_tui.demo.catalogue import SCENARIOS
from rlm_tui.homing import doors
from rlm_tui.journal.places import list_runs
from rlm_tui.journal.summary import Summary, summarize
from rlm_tui.tui.glyphs import ASCII
from rlm_tui.tui.keys import HOME
from rlm_tui.tui.rows import home
from rlm_tui.tui.screens.help import HelpDialog
from rlm_tui.tui.view import View
from tests.tui.branched import played
from tests.tui.homes import NOW, at_home, every_state
from tests.tui.panes import in_loop

FIRST = """
import sys
import rlm_tui.cli, rlm_tui.homing
from rlm_tui.config import Settings
from rlm_tui.tui.home import HomeApp

heavy = []

class Seen(HomeApp):
    def _load(self, work):
        painted = "rlm" in str(self.query_one("#mark").content)
        heavy.extend(name for name in ("litellm", "pydantic", "rlm_tui.engine", "rlm_tui.journal", "rlm_tui.demo.catalogue") if name in sys.modules)
        self.exit(None if painted else "left")

assert Seen(rlm_tui.homing.doors(Settings({}))).run(headless=True) is None
assert not heavy, heavy
"""


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that went through."""
    return played(tmp_path_factory.mktemp("runs"), "needle")


@pytest.fixture
def ended(answered: Path, tmp_path: Path) -> Path:
    """The same, in a folder of its own."""
    return Path(shutil.copytree(answered, tmp_path / answered.name))


def test_the_first_frame_needs_nothing_that_is_slow_to_import() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# What is listed ------------------------------------------------------------------------------------------------------


def view(ascii: bool = False) -> View:
    return View(None, clock=lambda: NOW, **({"glyphs": ASCII} if ascii else {}))


def listed(runs: Path, cells: int, *, ascii: bool = False) -> dict[str, str]:
    every_state(runs)
    shown = view(ascii)
    return {path.name[-4:]: home.run(shown, summarize(path), cells, selected=False).plain for path in list_runs(runs)}


@pytest.mark.parametrize("cells", [59, 79, 99, 100, 119, 159, 199])
def test_every_row_fits_and_says_how_the_run_stands(tmp_path: Path, cells: int) -> None:
    rows = listed(tmp_path, cells)
    assert list(rows) == ["66b1", "7f3a", "b20c", "19de", "f004", "a9c7", "c001", "dead"]
    assert {len(row) for row in rows.values()} == {cells}
    for id, words in {
        "66b1": ("○", "left", "now", "i3", "?"),
        "7f3a": ("◆", "A. Quill", "12 min", "i4", "scripted"),
        "b20c": ("◆", "M. Osei", "15 min", "i4", "$0.0123"),
        "19de": ("◆", "RETRY_FLAT␇", "2 h", "i5", "$12.30"),
        "f004": ("∅", "no answer", "1 day", "i30", "$0.41"),
        "a9c7": ("✗", "failed", "2 days", "i1", "?"),
        "c001": ("†", "killed", "29 Sep 2023"),
        "dead": ("✗", "unreadable" if cells >= home.FROM else "can't be read"),
    }.items():
        # In the narrowest window there is no room for the last two.
        assert all(word in rows[id] for word in (words if cells >= home.NUMBERS_FROM else words[:3])), rows[id]


def test_a_wide_row_has_the_name_or_the_question_and_what_stopped_it(tmp_path: Path) -> None:
    rows = listed(tmp_path, 199)
    assert "one more degree" in rows["b20c"] and "anemometer" in rows["7f3a"]
    assert "max_iterations" in rows["f004"] and "OPENAI_API_KEY" in rows["a9c7"]


def test_what_a_journal_says_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    row = listed(tmp_path, 199)["19de"]
    assert "␛[2JWhich [b]setting[/b] skips the delay, and \\u202ewhich" in row
    assert "[red]env/prod.py" in row
    assert not any(ord(c) < 32 or c == "\u202e" for c in row)


def test_in_ascii_all_of_it_is(tmp_path: Path) -> None:
    rows = listed(tmp_path, 119, ascii=True)
    del rows["19de"]
    assert all(row.isascii() for row in rows.values())


@pytest.mark.parametrize(
    ("ago", "words"),
    [(-5, "now"), (59, "now"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (86_400, "1 day"), (9e6, "02 Aug 2023")],
)
def test_an_age_is_a_word_or_two(ago: float, words: str) -> None:
    assert home.age(NOW - ago, NOW) == words


def test_nothing_known_is_never_a_false_number() -> None:
    one = Summary("x", Path("x"), state="left")
    assert (home.cost(one), home.age(one.started, NOW)) == ("?", "")


@in_loop
async def test_the_demos_are_those_of_the_catalogue_and_the_cursor_is_on_the_one_to_begin_with(tmp_path: Path) -> None:
    async with at_home(tmp_path / "none yet") as stage:
        for name, scenario in SCENARIOS.items():
            assert any(name in line and scenario.title in line for line in stage.text.split("\n"))
        assert stage.home.listed.at == "demo:multi-hop"
        assert "No runs yet. enter plays the demo above." in stage.text
        assert "no model is set" in stage.text
        assert 'rlm-tui run "QUESTION" --context FILE --model provider/name' in stage.text
        assert "enter play" in stage.footer and "? help" in stage.footer and "Q quit" in stage.footer
        assert not (tmp_path / "none yet").exists()


def test_a_model_that_is_set_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    from rlm_tui import config

    monkeypatch.setenv("RLM_TUI_MODEL", "openai/gpt-5-mini")
    shown = doors(config.settings({})).shown()
    assert shown.model == "openai/gpt-5-mini, from RLM_TUI_MODEL"
    assert shown.command == 'rlm-tui run "QUESTION" --context FILE'


# Keys ----------------------------------------------------------------------------------------------------------------


@in_loop
async def test_one_cursor_goes_through_all_lists_and_sections_have_keys(tmp_path: Path) -> None:
    every_state(tmp_path)
    async with at_home(tmp_path, clock=lambda: NOW) as stage:
        at = stage.home.listed
        await stage.press("home")
        assert at.at == "demo:needle"
        await stage.press("down", "down", "down", "down")
        assert at.at == "new:" and "enter ask   y copy" in stage.footer
        await stage.press("down")
        assert at.at == "run:231114-2259-66b1" and "enter go on   o look" in stage.footer
        await stage.press("j")
        assert at.at.endswith("7f3a") and "enter open   tab section" in stage.footer
        for key, section in (("tab", "demos"), ("tab", "new"), ("tab", "recent"), ("shift+tab", "new"), ("3", "recent"),
                             ("1", "demos"), ("2", "new")):  # fmt: skip
            await stage.press(key)
            assert at.section == section, key
        await stage.press("end")
        assert at.at.endswith("dead")


@in_loop
async def test_without_runs_sections_go_on_to_the_next(tmp_path: Path) -> None:
    async with at_home(tmp_path) as stage:
        await stage.press("tab", "tab")
        assert stage.home.listed.section == "demos"
        await stage.press("3")
        assert stage.home.listed.section == "demos"


@in_loop
async def test_help_names_every_key_of_home(tmp_path: Path) -> None:
    async with at_home(tmp_path) as stage:
        for key in ("question_mark", "f1"):
            await stage.press(key)
            assert isinstance(stage.app.screen, HelpDialog)
            await stage.until(lambda: "The demos, how a question of your own" in stage.text, "the help")
            assert all(f"{key.word}: " in stage.text for key in HOME.values())
            await stage.press("escape")
            await stage.read()


@in_loop
async def test_the_command_for_a_new_run_is_copied(tmp_path: Path) -> None:
    async with at_home(tmp_path) as stage:
        await stage.press("2", "y")
        assert stage.app.clipboard == 'rlm-tui run "QUESTION" --context FILE --model provider/name'
        assert "Copied." in stage.footer


@in_loop
async def test_back_at_home_goes_nowhere_and_quit_quits(tmp_path: Path) -> None:
    async with at_home(tmp_path) as stage:
        await stage.press("q", "escape")
        assert stage.app.screen is stage.home and "Q quits." in stage.footer
        await stage.press("Q")
        await stage.until(lambda: stage.app._exit, "the exit")
        assert stage.app.return_value is None


@in_loop
async def test_a_second_click_on_a_row_opens_it_and_elsewhere_it_does_nothing(ended: Path) -> None:
    async with at_home(ended.parent) as stage:
        await stage.pilot.click("#home-mark", times=2)
        await stage.pilot.click("#home-list", offset=(5, 0), times=2)
        await stage.pilot.pause()
        assert stage.app.screen is stage.home
        row = stage.text.split("\n").index(next(line for line in stage.text.split("\n") if ended.name[-4:] in line))
        await stage.pilot.click(offset=(20, row), times=2)
        await stage.inside()
        assert stage.app.session.path == ended


@in_loop
async def test_in_a_window_too_small_it_says_so(tmp_path: Path) -> None:
    async with at_home(tmp_path, (50, 12)) as stage:
        assert "This window is 50 by 12. Make it 60 by 16 or more. Q quits." in " ".join(stage.text.split())
        await stage.press("enter")
        await stage.pilot.pause()
        assert stage.app.screen is stage.home
        await stage.press("Q")
        await stage.until(lambda: stage.app._exit, "the exit")


def test_home_without_a_model_names_the_whole_command() -> None:
    shown = doors(Settings({})).shown()
    assert shown.command.endswith("--model provider/name") and shown.model == "no model is set"
