"""What models ordinarily write does what it always did, however far its REPL is shut in."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import ExecEnd
from rlm_tui.journal.store import Journal
from rlm_tui.llm.callable import CallableModel
from tests.engine.scripts import Chat, of_kind, repl
from tests.hostile.ordinary import CONTEXT, ORDINARY
from tests.hostile.trial import LEVELS, spawned

NUMBER = {name: n for n, name in enumerate(ORDINARY, 1)}


def play(scratch: Path, **options: Any) -> dict[str, tuple[str, str, str]]:
    """Run all blocks in one REPL, a reply each; status, output and error by the block's address."""
    journal = Journal.memory()
    model = CallableModel(Chat(*(repl(code) for code, _ in ORDINARY.values()), repl("FINAL('done')")))
    chosen = Options(max_iterations=len(ORDINARY) + 1, **options)
    run = EngineRun(journal, lambda _: model, context=CONTEXT, task="What?", options=chosen, scratch=scratch)
    end = asyncio.run(run.go())
    assert (end.status, end.value) == ("final", "done")
    text = journal.text
    return {e.id: (e.status, text(e.stdout) + text(e.value), text(e.error)) for e in of_kind(journal, ExecEnd)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The outcomes at a level, or of a spawned worker; each is played once."""
    known: dict[str, dict[str, tuple[str, str, str]]] = {}

    def at(way: str) -> dict[str, tuple[str, str, str]]:
        if way not in known:
            with spawned() if way == "spawned" else nullcontext():
                known[way] = play(tmp_path_factory.mktemp(way), **LEVELS.get(way, {}))
        return known[way]

    return at


@pytest.mark.xdist_group("ordinary")
@pytest.mark.parametrize("way", [*LEVELS, "spawned"])
@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_block(played: Any, name: str, way: str) -> None:
    assert played(way)[f"root/i{NUMBER[name]}/b1"] == ("ok", ORDINARY[name][1], "")
