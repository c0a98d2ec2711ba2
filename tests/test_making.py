"""What a run that is gone on with is made of: whom it asked is asked again only when somebody says so here."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlm_tui.config import Settings
from rlm_tui.journal.store import Journal
from rlm_tui.llm.pace import Pace
from rlm_tui.making import GoingOn, Making, Material
from rlm_tui.usage import UsageError
from tests.journal.build import run_start

ELSEWHERE = "http://elsewhere.invalid/v1"


def left(runs: Path) -> Path:
    journal = Journal.create(runs)
    journal.append(run_start(journal.id, config={"model": "openai/served", "api_base": ELSEWHERE}))
    journal.close()
    assert journal.path is not None
    return journal.path


@pytest.mark.parametrize("how", ["session", "unattended"])
def test_a_server_that_a_journal_names_is_not_asked_by_itself(tmp_path: Path, how: str) -> None:
    path = left(tmp_path)
    with pytest.raises(UsageError, match=r"this run asked http://elsewhere.invalid/v1; .* --api-base URL"):
        getattr(GoingOn(Settings({}), path, Pace("instant")), how)()


def test_it_is_asked_when_somebody_says_so(tmp_path: Path) -> None:
    making = GoingOn(Settings({"api_base": ELSEWHERE}), left(tmp_path), Pace("instant"))
    assert making.material.model == "openai/served"


def test_what_stands_in_the_way_is_known_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = left(tmp_path)
    with pytest.raises(UsageError, match="--api-base URL"):
        GoingOn(Settings({}), path, Pace("instant")).check()
    GoingOn(Settings({"api_base": ELSEWHERE}), path, Pace("instant")).check()
    journal = Journal.create(tmp_path)
    journal.append(run_start(journal.id, config={"model": "openai/gpt-5-mini"}))
    journal.close()
    assert journal.path is not None
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        GoingOn(Settings({}), journal.path, Pace("instant")).check()


def test_a_run_in_which_nothing_was_written_is_one_line(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    journal.close()
    assert journal.path is not None
    with pytest.raises(UsageError, match=f"{journal.path.name}: nothing of this run was written"):
        GoingOn(Settings({}), journal.path, Pace("instant")).check()


def test_the_limits_that_a_scenario_sets_are_not_those_of_the_next_run(tmp_path: Path) -> None:
    found = Settings({"runs_dir": tmp_path})
    deep = Making(found, lambda: Material("", "why?", "scripted:needle", defaults={"max_depth": 9}), Pace(), None)
    assert deep.material.task == "why?" and deep.options.max_depth == 9
    assert "max_depth" not in found.values
