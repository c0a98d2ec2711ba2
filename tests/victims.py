"""Processes that are killed while they write a run: each at an event of its own, after the line or in its middle.

One process loads everything and forks a victim for each order it is given, a line of JSON: ``scenario``, ``runs``
(where the run is made), ``at`` (the event's number) and ``torn`` (whether half its line is written). It answers with a
line of JSON: ``path`` of the run, and ``signal`` that ended the victim.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from rlm_tui.demo.catalogue import DEFAULT_SEED, model_for, scenario
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.linefile import LineFile
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import ChatModel


def engine(journal: Journal, name: str, model: ChatModel | None = None) -> EngineRun:
    """A run of a scenario over a journal that is kept somewhere."""
    assert journal.path is not None
    data = scenario(name).make(DEFAULT_SEED)
    options = Options(max_depth=data.limits.max_depth, max_iterations=data.limits.max_iterations)
    answers = model or model_for(name)
    return EngineRun(
        journal, lambda _: answers, context=data.context, task=data.question, model=f"scripted:{name}",
        options=options, scratch=journal.path.parent,
    )  # fmt: skip


class Deadly(LineFile):
    """A file whose process dies with one of its lines."""

    at = -1
    torn = False
    written = 0

    def write(self, line: bytes) -> None:
        """Write a line, or die of it."""
        if self.written == self.at and self.torn:
            os.write(self._fd, line[: len(line) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(line)
        if self.written == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.written += 1


def victim(order: dict[str, Any]) -> None:
    """Run until the kill."""
    journal = Journal.open(Path(order["path"]))
    file = journal._file
    assert file is not None
    file.__class__ = Deadly
    file.at, file.torn = order["at"], order["torn"]  # type: ignore[attr-defined]
    asyncio.run(engine(journal, order["scenario"]).go())


def main() -> None:
    """Serve until the end of stdin."""
    for line in sys.stdin:
        order = json.loads(line)
        made = Journal.create(Path(order["runs"]))
        made.close()
        order["path"] = str(made.path)
        pid = os.fork()
        if pid == 0:
            try:
                victim(order)
            finally:
                os._exit(0)
        _, status = os.waitpid(pid, 0)
        died_of = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        print(json.dumps({"path": order["path"], "signal": died_of}), flush=True)


if __name__ == "__main__":
    main()
