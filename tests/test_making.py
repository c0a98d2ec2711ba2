"""What a run that is gone on with is made of: whom it asked is asked again only when somebody says so here."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlm_tui.config import Settings
from rlm_tui.journal.store import Journal
from rlm_tui.llm.pace import Pace
from rlm_tui.making import GoingOn
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
