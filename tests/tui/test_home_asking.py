"""The form for a run of one's own: checked as it is typed, once more at enter, and nothing is made before."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlm_tui.config import Settings
from rlm_tui.demo.catalogue import scenario
from rlm_tui.homing import doors
from rlm_tui.journal.places import list_runs
from rlm_tui.tui.screens.ask import AskDialog
from rlm_tui.usage import UsageError
from tests.tui.homes import HomeStage, asked, at_home
from tests.tui.panes import in_loop


def follows(said: dict[str, str], **settings: object) -> str:
    return " ".join(doors(Settings(dict(settings))).follows(said))


def test_what_a_run_would_be_is_said_before_it_is_made(tmp_path: Path) -> None:
    text, value = tmp_path / "a.txt", tmp_path / "a.json"
    text.write_text("one\n\x1btwo")
    value.write_text("[1]")
    said = {"model": "scripted:needle", "limits": "iterations 3, budget 2, block timeout 5"}
    assert follows(said) == "No context. It asks scripted:needle; 3 iterations, depth 2, at most $2."
    assert "A text of 8 bytes: 'one two'." in follows(said | {"context": f" {text} "})
    assert "JSON of 3 bytes" in follows(said | {"context": str(value)})
    assert "A folder" in follows(said | {"context": str(tmp_path)})
    assert "No model is named yet" in follows({})
    assert "It asks scripted:needle; 7 iterations" in follows({}, model="scripted:needle", max_iterations=7)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"context": "/no/such/file"}, "/no/such/file can't be read: No such file or directory"),
        ({"context": "-"}, "standard input is the keyboard here"),
        ({"context": "~nobody-of-this-name/x"}, "~nobody-of-this-name/x: "),
        ({"model": "scripted:nothing"}, "no scenario 'nothing'"),
        ({"model": "openai/gpt-5-mini"}, "set OPENAI_API_KEY"),
        ({"limits": "speed 3"}, "'speed 3' is no limit; they are depth, iterations, budget"),
        ({"limits": "iterations"}, "'iterations' is no limit"),
        ({"limits": "iterations 0"}, "iterations must be at least 1, not 0"),
        ({"limits": "budget much"}, "budget must be a number, not 'much'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch, said: dict[str, str], words: str) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError) as wrong:
        follows(said)
    assert words in str(wrong.value) and "\n" not in str(wrong.value)


def test_the_fields_have_what_is_set() -> None:
    shown = doors(Settings({"model": "scripted:needle", "max_depth": 3, "per_child_timeout": 1.5})).shown()
    assert shown.fields == {"model": "scripted:needle", "limits": "depth 3, per child timeout 1.5"}


async def form(stage: HomeStage) -> None:
    await stage.press("2", "enter")
    await stage.until(lambda: isinstance(stage.app.screen, AskDialog), "the form")


async def typed(stage: HomeStage, *texts: str) -> None:
    """Type into the fields, the first one first."""
    for n, text in enumerate(texts):
        await stage.press(*(["tab"] if n else []), *("space" if c == " " else c for c in text))


@in_loop
async def test_a_question_of_ones_own_is_answered(tmp_path: Path) -> None:
    data, log, runs = scenario("needle").make(5), tmp_path / "log.txt", tmp_path / "runs"
    assert isinstance(data.context, str)
    log.write_text(data.context)
    async with at_home(runs, model="scripted:needle") as stage:
        await form(stage)
        await typed(stage, data.question, str(log))
        await stage.until(lambda: "A text of " in stage.text, "the beginning of the context")
        assert list_runs(runs) == []
        await stage.press("enter")
        await stage.inside()
        await stage.until(lambda: stage.run.end is not None, "the end")
        assert stage.run.root is not None and stage.run.root.value == data.oracle


@in_loop
async def test_it_can_begin_held_with_limits_of_its_own_and_asks_nothing_then(tmp_path: Path) -> None:
    async with at_home(tmp_path, model="scripted:needle", max_iterations=9) as stage:
        await form(stage)
        await typed(stage, "why", "", "", ", depth 1")
        await stage.press("tab", "right")
        await stage.until(lambda: "It is held before its first request." in stage.text, "how it begins")
        await stage.press("enter")
        await stage.inside()
        await stage.ready("llm")
        assert (stage.run.config["max_iterations"], stage.run.config["max_depth"]) == (9, 1)
        assert stage.app.session.path is not None and asked(stage.app.session.path) == 0


@in_loop
async def test_what_is_refused_is_said_in_the_form_and_nothing_typed_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"\xff\xfe\x00")
    runs = tmp_path / "runs"
    async with at_home(runs) as stage:
        await form(stage)
        await stage.press("enter")
        assert "Type the question first." in stage.text
        await typed(stage, "why", str(bad), "openai/gpt-5-mini")
        await stage.until(lambda: "set OPENAI_API_KEY: there is no key for openai/gpt-5-mini" in stage.text, "why not")
        await stage.press("enter")
        assert "Put that right first." in stage.text
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        await stage.until(lambda: "It asks openai/gpt-5-mini" in stage.text, "that there is a key")
        await stage.press("enter")
        await stage.until(lambda: "is not UTF-8 text" in " ".join(stage.text.split()), "what is wrong with the context")
        assert isinstance(stage.app.screen, AskDialog)
        await stage.press("escape")
        await form(stage)
        await stage.until(
            lambda: "openai/gpt-5-mini" in stage.text and "A text of 3 bytes" in stage.text, "what was typed"
        )
        assert list_runs(runs) == []


@in_loop
async def test_what_was_left_out_of_a_context_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("alpha")
    (folder / "b.bin").write_bytes(b"\xff\xfe")
    async with at_home(tmp_path / "runs", model="scripted:needle") as stage:
        await form(stage)
        await typed(stage, "why", str(folder))
        await stage.press("enter")
        await stage.inside()
        assert any("1 file that is no UTF-8 text left out" in said for said in stage.said())
