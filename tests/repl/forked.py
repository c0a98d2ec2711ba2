"""A source of workers in use."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from rlm_tui.repl.process import Repl, ReplConfig
from tests.repl.desk import Desk, echo


class ForkedDesk(Desk):
    """A desk whose worker is forked, and more of them."""

    def __init__(self, scratch: Path, **config: Any) -> None:
        super().__init__(scratch, forked=True, **config)
        self.more: list[Repl] = []

    def __exit__(self, *failure: object) -> None:
        try:
            for repl in self.more:
                self.wait(repl.close())
        finally:
            super().__exit__(*failure)

    def another(self, **changed: Any) -> Repl:
        """Another worker of the same source."""
        fields = {name: getattr(self.config, name) for name in ("names", "restore", "seed", "conditions")}
        self.more.append(self.wait(Repl.start(ReplConfig(**{**fields, **changed}), self.source)))
        return self.more[-1]

    def ask(self, repl: Repl, code: str) -> str:
        """What a block printed."""
        result = self.wait(repl.execute(self.address(), code, on_output=lambda *_: None, on_call=echo))
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
