from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.journal.events import Event, Obs
from rlm_tui.journal.follow import Follower
from rlm_tui.journal.run import Run
from rlm_tui.journal.scan import Scan
from rlm_tui.journal.store import Journal
from rlm_tui.journal.wire import encode
from tests.journal.build import picture, run_start, two_levels

DEADLINE = 60.0

WRITER = """
import sys
from pathlib import Path
from rlm_tui.journal.scan import Scan
from rlm_tui.journal.store import Journal
from rlm_tui.journal.wire import encode
from tests.journal.build import two_levels
journal = Journal.create(Path(sys.argv[1]), run_id="run", clock=lambda: 1.0)
for event in two_levels().events:
    journal.append(event)
    input()
"""


def until(follower: Follower, wanted: int) -> list[Event]:
    """Everything a follower gives until it has given so much."""
    found: list[Event] = []
    limit = time.monotonic() + DEADLINE
    while len(found) < wanted:
        assert time.monotonic() < limit, f"{len(found)} of {wanted} events"
        found += follower.poll()
    return found


def test_it_keeps_up_with_another_process(tmp_path: Path):
    told = two_levels().events
    follower = Follower(tmp_path / "run")
    assert follower.poll() == []
    run = Run()
    command = [sys.executable, "-c", WRITER, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        for n in range(len(told)):
            (event,) = until(follower, 1)
            assert event.seq == n
            run.apply(event)
            assert follower.poll() == []
            writer.stdin.write("\n")
            writer.stdin.flush()
    assert writer.returncode == 0
    assert follower.poll() == []
    assert picture(run) == picture(Run(event.model_copy(update={"t": 1.0}) for event in told))
    assert follower.notices == []


@given(st.data())
def test_however_the_bytes_come_no_line_is_torn_or_lost(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    folder = tmp_path_factory.mktemp("runs")
    journal = Journal.create(folder, clock=lambda: 1.5)
    kept = [journal.append(Obs(id="root/i1", text=data.draw(st.text(st.characters(), max_size=9)))) for _ in range(8)]
    journal.close()
    assert journal.path is not None
    whole = (journal.path / "journal.jsonl").read_bytes()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    grown = folder / "grown" / "journal.jsonl"
    follower = Follower(grown)
    found = follower.poll()
    grown.parent.mkdir()
    for cut in [*cuts, len(whole)]:
        grown.write_bytes(whole[:cut])
        found += follower.poll()
        assert len(found) == whole[:cut].count(b"\n")
    assert found == kept
    assert follower.notices == []


@pytest.mark.parametrize("torn", [b'{"seq":2,"t":1.0,"ev":"obs","id":"ro', b"not an event\n"])
def test_a_torn_tail_that_the_next_writer_cuts_is_never_seen(tmp_path: Path, torn: bytes):
    journal = Journal.create(tmp_path)
    first = [journal.append(run_start()), journal.append(Obs(id="root/i1", text="a"))]
    journal.close()
    assert journal.path is not None
    follower = Follower(journal.path)
    with (journal.path / "journal.jsonl").open("ab") as file:
        file.write(torn)
    assert follower.poll() == first
    assert follower.poll() == []
    again = Journal.open(journal.path)
    assert again.notices
    more = [again.append(Obs(id="root/i2", text="b" * 5000)), again.append(Obs(id="root/i3", text="c"))]
    again.close()
    assert follower.poll() == more
    assert follower.text(more[0].text) == "b" * 5000
    assert follower.notices == []


def test_damage_stops_it_and_is_told_once(tmp_path: Path):
    journal = Journal.create(tmp_path)
    first = journal.append(run_start())
    assert journal.path is not None
    with (journal.path / "journal.jsonl").open("ab") as file:
        file.write(b"###\n")
    journal.append(Obs(id="root/i1", text="a"))
    follower = Follower(journal.path)
    assert [follower.poll() for _ in range(4)] == [[first], [], [], []]
    assert len(follower.notices) == 1
    assert follower.notices[0].startswith("line 2 is damaged")
    journal.close()


def test_damage_that_is_gone_the_next_time_was_none(tmp_path: Path):
    journal = Journal.create(tmp_path)
    first, second = journal.append(run_start()), journal.append(Obs(id="root/i1", text="a"))
    journal.close()
    assert journal.path is not None
    file = journal.path / "journal.jsonl"
    whole = file.read_bytes().splitlines(keepends=True)
    follower = Follower(journal.path)
    file.write_bytes(whole[0] + b"###\n" + whole[1])
    assert [follower.poll(), follower.poll()] == [[first], []]
    file.write_bytes(b"".join(whole))
    assert follower.poll() == [second]
    assert follower.notices == []


def test_a_line_that_is_finished_while_it_is_read_is_not_damage():
    line = encode(Obs(id="root/i1", text="a", seq=0))

    class Growing(io.BytesIO):
        """Has half a line when it is read, and the rest a moment later."""

        def readline(self, size: int | None = -1, /) -> bytes:
            self.seek(10)
            return line[:10]

    scan = Scan()
    assert list(scan.events(Growing(line))) == []
    assert scan.stopped == "torn"
    assert list(scan.events(io.BytesIO(line))) == [Obs(id="root/i1", text="a", seq=0)]


def test_as_many_at_a_time_as_asked_for(tmp_path: Path):
    journal = Journal.create(tmp_path)
    kept = [journal.append(event) for event in two_levels().events]
    assert journal.path is not None
    follower = Follower(journal.path)
    assert [follower.poll(limit=4), follower.poll(limit=4)] == [kept[:4], kept[4:8]]
    assert follower.poll() == kept[8:]
    journal.close()
