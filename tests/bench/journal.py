"""Writing, opening and folding a journal."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rlm_tui.journal.events import Chunk, Event, dump
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, read
from tests.bench.table import Row, seconds
from tests.runs import running

COUNT = 20_000


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.create(Path(folder))
        event = Chunk(id="root/i1", kind="reply", text="a piece of a reply")
        ours = seconds(lambda: [journal.append(event) for _ in range(COUNT)])
        with (Path(folder) / "bare").open("ab", buffering=0) as file:
            floor = seconds(lambda: [file.write(json.dumps(dump(event)).encode() + b"\n") for _ in range(COUNT)])
        yield Row("append an event", ours / COUNT * 1e6, "µs", floor / COUNT * 1e6, "dump, encode, write")
        assert journal.path is not None
        journal.close()
        lines = (journal.path / "journal.jsonl").read_bytes().splitlines()
        loaded: list[Event] = []
        ours = seconds(lambda: loaded.extend(read(journal.path).events()))  # type: ignore[arg-type]
        floor = seconds(lambda: [json.loads(line) for line in lines])
        yield Row("load an event", ours / COUNT * 1e6, "µs", floor / COUNT * 1e6, "json.loads")
    with running("multi-hop") as one:
        one.ended()
        events = one.events
    times = 200
    ours = seconds(lambda: [Run(events) for _ in range(times)]) / (times * len(events))
    yield Row("fold an event", ours * 1e6, "µs")
