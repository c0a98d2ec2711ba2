from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repl.desk import Desk
from tests.repl.plain import PlainDesk, needed


@pytest.fixture(
    params=[
        "forked",
        pytest.param("spawned", marks=pytest.mark.full),
        pytest.param("open", marks=pytest.mark.full),
        pytest.param("plain", marks=pytest.mark.full),
    ]
)
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A worker as a run has it, forked and shut in.

    `-m full` adds a spawned one, one that is not shut in, and one with no more than every system has.
    """
    if request.param == "plain":
        if (what := needed(request.node.nodeid)) is not None:
            pytest.skip(f"this takes {what}")
        with PlainDesk(tmp_path) as plain:
            yield plain
        return
    with Desk(tmp_path, forked=request.param == "forked", confine="off" if request.param == "open" else "auto") as desk:
        yield desk
