"""What a block prints on its way to the journal: gathered, in order at the end, and whole though the run is over."""

from __future__ import annotations

import asyncio
from itertools import groupby

from rlm_tui.engine.pieces import CHANGES, MOST, Pieces
from rlm_tui.journal.events import Chunk, ExecEnd, NodeEnd
from rlm_tui.journal.store import Journal
from tests.engine.scripts import of_kind, play, repl

ALTERNATING = "import sys\nfor i in range(5000): print('out', i); print('err', i, file=sys.stderr)"
LATE = """
import threading, sys
begun = threading.Event()
def late():
    begun.wait()
    print('far too late', flush=True)
thread = threading.Thread(target=late)
thread.start()
"""


def chunks(journal: Journal) -> list[Chunk]:
    return list(of_kind(journal, Chunk))


def test_kinds_that_change_all_the_time_make_few_events() -> None:
    journal = Journal.memory()
    play(repl(ALTERNATING), repl("FINAL(1)"), journal=journal)
    end = next(of_kind(journal, ExecEnd))
    told = sum(len(chunk.text) for chunk in chunks(journal))
    assert told == len(journal.text(end.stdout)) + len(journal.text(end.stderr))
    assert len(chunks(journal)) < told / MOST * (CHANGES + 1) + CHANGES
    # The end of the block has the order that the pieces may not have.
    assert [length for _, length in end.stderr_at] == [len(f"err {i}\n") for i in range(5000)]


def test_a_few_changes_keep_their_order() -> None:
    async def write() -> list[tuple[str, str]]:
        journal = Journal.memory()
        pieces = Pieces(journal, "root/i1/b1")
        for n in range(CHANGES - 1):
            pieces.add("stdout" if n % 2 else "stderr", str(n))
        pieces.flush()
        return [(chunk.kind, chunk.text) for chunk in chunks(journal)]

    written = asyncio.run(write())
    assert [text for _, text in written] == [str(n) for n in range(CHANGES - 1)]
    assert all(len(list(group)) == 1 for _, group in groupby(kind for kind, _ in written))


def test_late_output_is_written_before_its_node_ends() -> None:
    journal = Journal.memory()
    last = "begun.set()\nthread.join()\nFINAL('done')"
    play(repl(LATE), repl(last), journal=journal)
    events = list(journal.events())
    late = next(n for n, e in enumerate(events) if isinstance(e, Chunk) and e.late)
    assert events[late].id == "root/i1/b1"
    assert late < next(n for n, e in enumerate(events) if isinstance(e, NodeEnd))
