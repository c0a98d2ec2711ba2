"""Searching a run of ten thousand events with thousands of long texts; the floor is reading the same texts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from rlm_tui.journal.query import Query, parse
from rlm_tui.journal.run import Run
from rlm_tui.journal.search import Search
from rlm_tui.journal.store import Journal, read
from rlm_tui.journal.subjects import subjects
from tests.bench.table import Row, seconds
from tests.journal.build import Tape, run_start

ITERATIONS = 2_000
"""Five events each."""
LINES = 200


def _write(folder: Path) -> Path:
    journal = Journal.create(folder)
    tape = Tape()
    tape.begin()
    for k in range(1, ITERATIONS + 1):
        said = "\n".join(f"line {n} of reply {k}: nothing to be seen here" for n in range(LINES))
        tape.ask(f"root/i{k}", said + (" a needle" if k == ITERATIONS - 1 else ""))
        tape.code(f"root/i{k}/b1", f"print({k})")
        tape.ran(f"root/i{k}/b1", stdout=said.replace("reply", "output"))
        tape.say(f"root/i{k}", f"output {k}")
    journal.append(run_start())
    for event in tape.events[1:]:
        journal.append(event)
    journal.close()
    assert journal.path is not None
    return journal.path


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = _write(Path(folder))
        run = Run(read(path).events())
        texts = [piece.text for subject in subjects(run) for piece in subject.pieces]

        def bare() -> None:
            reader = read(path)
            for text in texts:
                reader.text(text)

        bare()
        floor = min(seconds(bare) for _ in range(3))
        for name, typed in (
            ("a word in one text", "needle"), ("a word in every text, each line", "nothing"),
            ("two words", "needle seen"), ("a regular expression", r"/ne+dle$/"), ("by status, no text", "status:error"),
        ):  # fmt: skip
            query = parse(typed)
            assert isinstance(query, Query)
            took = min(seconds(lambda query=query: list(Search(run, query, read(path).text))) for _ in range(3))
            yield Row(f"search {run.seen:,} events for {name}", took, "s", floor, f"reading {len(texts):,} texts")
        query = parse("nothing")
        assert isinstance(query, Query)
        first = seconds(lambda: next(iter(Search(run, query, read(path).text))))
        yield Row("first hit", first * 1e3, "ms")
