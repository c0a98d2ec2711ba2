"""Processes that are killed, disks that are full, directories that may not be written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rlm_tui.journal import linefile
from rlm_tui.journal.events import Edit, Obs
from rlm_tui.journal.store import Journal, JournalError, in_use, read
from tests.journal.build import run_start

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals, limits and permissions of POSIX")

WRITER = """
import sys
from pathlib import Path
from rlm_tui.journal.events import Obs
from rlm_tui.journal.store import Journal
journal = Journal.create(Path(sys.argv[1]))
print(journal.path, flush=True)
n = 0
while True:
    journal.append(Obs(id=f"root/i{n}", text=f"{n} " * (3000 if n % 20 == 0 else 30)))
    n += 1
    if n % 100 == 0:
        print(n, flush=True)
"""

FULL = """
import resource, sys
from pathlib import Path
from rlm_tui.journal.events import Obs
from rlm_tui.journal.store import Journal, JournalError
journal = Journal.create(Path(sys.argv[1]))
kept = [journal.append(Obs(id="root/i1", text="a" * 100)) for _ in range(10)]
size = (journal.path / "journal.jsonl").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, resource.RLIM_INFINITY))
for text in ("b" * 100, "c" * 5000):
    try:
        journal.append(Obs(id="root/i2", text=text))
    except JournalError as error:
        print(error)
assert (journal.path / "journal.jsonl").stat().st_size == size
assert list(journal.events()) == kept
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert journal.append(Obs(id="root/i3", text="d" * 5000)).seq == 10
journal.close()
print(journal.path)
"""

UNPRIVILEGED = """
import os, sys
from pathlib import Path
from rlm_tui.journal.events import parse
from rlm_tui.journal.store import Journal, JournalError, read
parse({"ev": "go", "id": "root", "verb": "step"})  # loads what the interpreter may not be allowed to read afterwards
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
runs, run = Path(sys.argv[1]), Path(sys.argv[2])
for act in (lambda: Journal.create(runs), lambda: Journal.create(runs / "deeper"), lambda: Journal.open(run)):
    try:
        act()
    except JournalError as error:
        print(error)
print(len(list(read(run).events())))
"""


def python(script: str, *args: object) -> list[str]:
    done = subprocess.run([sys.executable, "-c", script, *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@posix
@pytest.mark.parametrize("after", [100, 300, 700])
def test_a_killed_writer_loses_nothing_that_it_had_returned_from(tmp_path: Path, after: int):
    with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        path = Path(writer.stdout.readline().strip())
        while int(writer.stdout.readline()) < after:
            pass
        assert in_use(path)
        writer.send_signal(signal.SIGKILL)
        returned = max([after, *(int(line) for line in writer.stdout)])
    journal = Journal.open(path)
    events = list(journal.events())
    assert len(events) >= returned
    texts = [journal.text(event.text, strict=True) for event in events]
    assert texts == [f"{n} " * (3000 if n % 20 == 0 else 30) for n in range(len(events))]
    assert journal.append(Obs(id="root/i1", text="on")).seq == len(events)
    journal.close()


@posix
def test_no_room_is_one_line_an_intact_journal_and_no_end(tmp_path: Path):
    *said, path = python(FULL, tmp_path)
    assert said == [
        "cannot write the journal: the file has reached the largest size allowed",
        f"cannot write in {path}: the file has reached the largest size allowed",
    ]
    reader = read(Path(path))
    assert len(list(reader.events())) == 11
    assert reader.notices == []
    assert [blob.suffix for blob in (Path(path) / "blobs").iterdir()] == [""]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    journal = Journal.create(tmp_path)
    journal.append(run_start())
    full = os.open("/dev/full", os.O_WRONLY)
    write = os.write
    monkeypatch.setattr(linefile.os, "write", lambda fd, data: write(full, data))
    with pytest.raises(JournalError, match=r"^cannot write the journal: the disk is full$"):
        journal.append(Obs(id="root/i1", text="a"))
    monkeypatch.undo()
    os.close(full)
    assert journal.append(Obs(id="root/i1", text="a")).seq == 1
    journal.close()
    assert journal.path is not None
    assert len(list(read(journal.path).events())) == 2


def test_half_a_line_that_cannot_be_taken_back_is_taken_back_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    journal = Journal.create(tmp_path)
    first = journal.append(run_start())
    write = os.write
    written: list[int] = []

    def half(fd: int, data: memoryview) -> int:
        if written:
            raise OSError(5, "Input/output error")
        written.append(write(fd, data[: len(data) // 2]))
        return written[0]

    def refuse(fd: int, size: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(linefile.os, "write", half)
    monkeypatch.setattr(linefile.os, "ftruncate", refuse)
    with pytest.raises(JournalError, match="Input/output error"):
        journal.append(Obs(id="root/i1", text="a"))
    with pytest.raises(JournalError, match="Input/output error"):
        journal.append(Obs(id="root/i1", text="a"))
    assert journal.path is not None
    assert list(read(journal.path).events()) == [first]
    monkeypatch.undo()
    second = journal.append(Obs(id="root/i1", text="b"))
    journal.close()
    reader = read(journal.path)
    assert list(reader.events()) == [first, second]
    assert reader.notices == []


def test_an_edit_and_a_runs_end_wait_for_the_disk_and_others_do_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    synced: list[str] = []
    journal = Journal.create(tmp_path)
    sync = linefile.LineFile.sync

    def told(file: linefile.LineFile) -> None:
        sync(file)
        synced.append("synced")

    monkeypatch.setattr(linefile.LineFile, "sync", told)
    monkeypatch.setattr(linefile.LineFile, "_sync_often", lambda file: None)
    journal.subscribe(lambda event: synced.append(event.ev))
    journal.append(Obs(id="root/i1", text="x" * 5000))
    journal.append(Edit(id="root/i1", field="note", value="y" * 5000, by="human"))
    assert synced == ["obs", "synced", "edit"]
    journal.close()


def test_what_is_written_is_synced_before_long_with_its_texts_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []
    for name in ("fsync", "fdatasync"):
        if (real := getattr(os, name, None)) is not None:
            monkeypatch.setattr(os, name, lambda fd, name=name, real=real: (order.append(name), real(fd))[1])
    journal = Journal.create(tmp_path)
    journal.append(Obs(id="root/i1", text="x" * 5000))
    journal.close()
    assert "fdatasync" in order or sys.platform != "linux"
    assert order[0] == "fsync"


def test_a_disk_that_does_not_confirm_is_told_once_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", refuse, raising=False)
    journal = Journal.create(tmp_path)
    for n in range(3):
        assert journal.append(Edit(id="root", field="note", value="a")).seq == n
    journal.close()
    assert journal.notices == ["the disk does not confirm what was written: Input/output error"]


@posix
def test_a_directory_that_may_not_be_written_is_one_line():
    # Not below tmp_path, which the other user that a privileged test becomes could not enter.
    with tempfile.TemporaryDirectory() as name:
        runs = Path(name)
        journal = Journal.create(runs)
        journal.append(run_start())
        journal.close()
        assert journal.path is not None
        (journal.path / "journal.jsonl").chmod(0o444)
        journal.path.chmod(0o555)
        runs.chmod(0o555)
        first, deeper, opened, count = python(UNPRIVILEGED, runs, journal.path)
        runs.chmod(0o755)
        journal.path.chmod(0o755)
    assert first.startswith(f"cannot make {runs}/")
    assert first.endswith(": permission denied")
    assert deeper.startswith(f"cannot make {runs}/deeper/")
    assert opened == f"cannot write {journal.path}/journal.jsonl: permission denied"
    assert count == "1"


def test_runs_cannot_be_where_a_file_is(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"file is there already$"):
        Journal.create(tmp_path / "file")
    with pytest.raises(JournalError, match="cannot make"):
        Journal.create(tmp_path / "file" / "deeper")
