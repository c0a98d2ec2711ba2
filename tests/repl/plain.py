"""A worker with no more than every system has, in use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rlm_tui.repl import launch
from rlm_tui.repl.birth import Source, Spawning
from tests.repl.desk import Desk

OF_HOST = ["pidfd_open", "waitid", "killpg", "set_blocking"]


class PlainDesk(Desk):
    """A desk whose worker is talked to by pipes and threads, and runs where there is no fork and no signal for it."""

    def __enter__(self) -> PlainDesk:
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(launch, "WORKER", Path(__file__).with_name("bare.py"))
        for name in OF_HOST:
            self._patch.delattr(os, name, raising=False)
        try:
            super().__enter__()
        except BaseException:
            self._patch.undo()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        try:
            super().__exit__(*failure)
        finally:
            self._patch.undo()

    async def open(self) -> Source:
        source = Spawning(self.config.conditions, plain=True)
        try:
            await source.open()
        except BaseException:
            await source.close()
            raise
        return source


NEEDS = {
    "a signal from outside to stand at": ["test_break_in.py", "test_evaluate.py", "test_stepping.py"],
    "a signal from outside to wake a wait, or native code": [
        "test_abort_keeps_the_worker_and_its_variables[plain-import ",
        "test_abort_keeps_the_worker_and_its_variables[plain-7 ",
        "test_a_masked_signal_still_stops_the_block",
        "test_quick_prints_are_seen_while_the_block_sleeps",
    ],
    "a fork": ["::TestLook::", "test_a_fork_ends_nothing_of_ours", "test_forks_of_forks_end_nothing_of_ours"],
    "limits of the kernel's": ["test_a_large_file_is_refused", "test_a_worker_is_alone"],
    "timers and signals of the kernel's": ["test_a_timer_", "test_handlers_are_put_back_at_the_end"],
    "ctypes": ["[plain-import ctypes"],
}
"""What not every system has, and the tests that are about it."""
ASYNC_SLEEP = "[plain-import asyncio; asyncio.run(asyncio.sleep(1e6))]"
"""An event loop is woken by the interrupt, as it listens for it."""


def needed(name: str) -> str | None:
    """What a test takes that not every system has, if anything."""
    if name.endswith(ASYNC_SLEEP) and "test_abort_keeps" in name:
        return None
    return next((what for what, parts in NEEDS.items() if any(part in name for part in parts)), None)
