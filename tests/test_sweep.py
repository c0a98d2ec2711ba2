"""The kill sweep: whatever event a process is killed at, its run is gone on with, and nothing is asked or done twice.

Every point of every run: ``pytest -m full tests/test_sweep.py``.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from rlm_tui.demo.catalogue import DEFAULT_SEED, model_for, scenario
from rlm_tui.journal.events import LlmStart
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, read
from tests.engine.test_effects import Counting, asked, outcomes, settled
from tests.runs import DEADLINE_S
from tests.victims import engine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="victims are forked")

SCENARIOS = ("multi-hop", "aggregation")
SAMPLE = 16
"""Points of each scenario and kind in the ordinary suite."""
LATEST = 10**6


class Killer:
    """Has victims killed, and tells what they left."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.victims"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def kill(self, name: str, at: int, *, torn: bool) -> tuple[Path, bool]:
        """The directory of a run whose process was killed at an event, and whether it came to that."""
        assert self._process.stdin is not None and self._process.stdout is not None
        order = {"scenario": name, "runs": str(self.runs), "at": at, "torn": torn}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        return Path(told["path"]), told["signal"] == 9

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(DEADLINE_S)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    made = Killer(tmp_path_factory.mktemp("runs"))
    yield made
    made.close()


def check(killer: Killer, name: str, at: int, *, torn: bool) -> None:
    path, killed = killer.kill(name, at, torn=torn)
    before = tuple(read(path).events())
    assert killed and len(before) == at + (0 if torn else 1)

    journal = Journal.open(path)
    assert any("cut off" in notice for notice in journal.notices) == torn
    model = Counting(model_for(name))
    try:
        end = asyncio.run(asyncio.wait_for(engine(journal, name, model).go(), 3 * DEADLINE_S))
        after = tuple(journal.events())
        assert journal.text(end.value) == scenario(name).make(DEFAULT_SEED).oracle
    finally:
        journal.close()
    assert [event.seq for event in after] == list(range(len(after)))
    assert after[: len(before)] == before
    assert max(outcomes(after).values()) == 1
    assert model.asked == sum(isinstance(e, LlmStart) for e in after[len(before) :])
    assert model.asked == len(asked(after) - settled(before))
    assert Run(after).state == "ended" and not Run(after).held


def points(killer: Killer, name: str, most: int) -> list[int]:
    """Numbers of events: a sample with the first and the last among them."""
    path, killed = killer.kill(name, LATEST, torn=False)
    assert not killed
    count = sum(1 for _ in read(path).events())
    # Children that run side by side gather what they print in more or fewer pieces, so the last few may not come.
    numbers = range(1, count - 6)
    if len(numbers) <= most:
        return list(numbers)
    return [0, *sorted(Random(7).sample(numbers, most - 1))]


@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_run_whose_process_was_killed_comes_to_the_same_end(killer: Killer, name: str, torn: bool) -> None:
    for at in points(killer, name, SAMPLE):
        check(killer, name, at, torn=torn)


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_every_event(killer: Killer, name: str, torn: bool) -> None:
    for at in points(killer, name, LATEST):
        check(killer, name, at, torn=torn)
