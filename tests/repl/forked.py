"""A desk whose worker is forked, and a plugin that makes every desk one: `pytest -p tests.repl.forked tests/repl`."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.repl.birth import open_source
from rlm_tui.repl.process import Repl, ReplConfig
from tests.repl import desk


class ForkedDesk(desk.Desk):
    """A source, and a worker from it in use."""

    def __enter__(self) -> ForkedDesk:
        self.source = self.wait(open_source(self.config.conditions))
        self.more: list[Repl] = []
        self.repl = self.wait(Repl.start(self.config, self.source))
        return self

    def __exit__(self, *failure: object) -> None:
        try:
            for repl in self.more:
                self.wait(repl.close())
            self.wait(self.repl.close())
            self.wait(self.source.close())
        finally:
            self.runner.close()

    def another(self, **changed: Any) -> Repl:
        """Another worker of the same source."""
        fields = {name: getattr(self.config, name) for name in ("names", "restore", "seed", "conditions")}
        self.more.append(self.wait(Repl.start(ReplConfig(**{**fields, **changed}), self.source)))
        return self.more[-1]

    def ask(self, repl: Repl, code: str) -> str:
        """What a block printed."""
        result = self.wait(repl.execute(self.address(), code, on_output=lambda *_: None, on_call=desk.echo))
        assert result.status == "ok", result.error
        return result.stdout

    def number(self, repl: Repl) -> int:
        """The process id of a worker that is in no sandbox."""
        return int(self.ask(repl, "import os\nprint(os.getpid())"))


def children(pid: int | None = None) -> set[int]:
    """The processes that a process is the parent of."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended meanwhile
            found.update(map(int, (task / "children").read_text().split()))
    return found


def pytest_configure(config: pytest.Config) -> None:
    desk.Desk.__enter__ = ForkedDesk.__enter__  # type: ignore[method-assign]
    desk.Desk.__exit__ = ForkedDesk.__exit__  # type: ignore[method-assign]
