"""The house: which room may know which. import-linter reads the sources; here fresh interpreters are looked into."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROOMS = [
    ("rlm_tui", (), ("rlm_tui.", "pydantic", "textual", "litellm")),
    ("rlm_tui.journal.run, rlm_tui.journal.store, rlm_tui.journal.follow", ("rlm_tui.journal",), ("textual", "litellm")),
    ("rlm_tui.repl.process", ("rlm_tui.repl",), ("pydantic", "textual", "litellm")),
    ("rlm_tui.llm.base, rlm_tui.llm.scripted, rlm_tui.llm.callable", ("rlm_tui.llm", "rlm_tui.journal"), ("textual", "litellm")),
    ("rlm_tui.engine.runner", ("rlm_tui.engine", "rlm_tui.llm", "rlm_tui.repl", "rlm_tui.journal"), ("textual", "litellm")),
    (
        "rlm_tui.debugger.session",
        ("rlm_tui.debugger", "rlm_tui.engine", "rlm_tui.llm", "rlm_tui.repl", "rlm_tui.journal"),
        ("textual", "litellm"),
    ),
    ("rlm_tui.demo.catalogue", ("rlm_tui.demo", "rlm_tui.llm", "rlm_tui.journal"), ("textual", "litellm")),
    ("rlm_tui.cli, rlm_tui.config, rlm_tui.usage", ("rlm_tui.cli", "rlm_tui.config", "rlm_tui.usage"), ("pydantic", "textual", "litellm")),
    ("rlm_tui.tui.app", (), ("litellm",)),
]  # fmt: skip


def loaded(statement: str) -> list[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(("modules", "rooms", "never"), ROOMS, ids=[row[0].split(",")[0] for row in ROOMS])
def test_a_room_loads_itself_and_what_is_below_it(modules: str, rooms: tuple[str, ...], never: tuple[str, ...]) -> None:
    names = loaded(f"import {modules}")
    for name in never:
        assert not [m for m in names if (m + ".").startswith(name.rstrip(".") + ".") and m != "rlm_tui"]
    if rooms:
        ours = [m for m in names if m.startswith("rlm_tui.")]
        strangers = [m for m in ours if not m.startswith(tuple(f"{room}." for room in rooms)) and m not in rooms]
        assert strangers == []


def test_version_and_help_load_no_room() -> None:
    for flag in ("--version", "--help"):
        names = loaded(f"from rlm_tui.cli import main\ntry: main(['{flag}'])\nexcept SystemExit: pass")
        assert not [m for m in names if m.split(".")[0] in ("textual", "litellm", "pydantic")]


def test_the_public_names_are_there() -> None:
    import rlm_tui

    for name in rlm_tui.__all__:
        assert getattr(rlm_tui, name) is not None
    with pytest.raises(AttributeError):
        _ = rlm_tui.nothing_of_the_kind  # type: ignore[attr-defined]
