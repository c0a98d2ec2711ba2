"""Code nobody trusts, through the engine: the host stays free, the next block runs, nothing is left behind."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from rlm_tui.repl.birth import can_fork
from tests.hostile.matrix import ROWS, check, check_host, play
from tests.hostile.row import Row
from tests.hostile.trial import DEADLINE_S, spawned, workers
from tests.repl.cell import why_not_confined


def gone(pids: set[int]) -> None:
    """Wait until processes have ended."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([descriptor], [], [], DEADLINE_S)[0], f"{pid} has survived"
        finally:
            os.close(descriptor)


def survive(row: Row, folder: Path, level: str, capfd: pytest.CaptureFixture[str], *, forked: bool = True) -> None:
    told = play(row, folder, level)
    gone(set(workers()))
    assert told.forked is (forked and can_fork())
    if why_not_confined() is None:
        assert told.level == level
    elif row.level is not None:
        pytest.skip(str(why_not_confined()))
    check(row, told)
    check_host(told)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("row", [row for row in ROWS if row.level != "process"], ids=lambda row: row.id)
def test_a_hostile_block(row: Row, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    survive(row, tmp_path, "confined", capfd)


@pytest.mark.full
@pytest.mark.parametrize("row", [row for row in ROWS if row.level != "process"], ids=lambda row: row.id)
def test_a_hostile_block_in_a_spawned_worker(row: Row, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with spawned():
        survive(row, tmp_path, "confined", capfd, forked=False)


@pytest.mark.full
@pytest.mark.parametrize("row", [row for row in ROWS if row.level != "confined"], ids=lambda row: row.id)
def test_a_hostile_block_that_is_not_shut_in(row: Row, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    survive(row, tmp_path, "process", capfd)
