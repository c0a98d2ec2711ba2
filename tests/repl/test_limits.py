"""What a worker may use up, and the words in which it is told."""

from __future__ import annotations

import errno
import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.repl import limits
from rlm_tui.repl.results import Conditions
from tests.repl.cell import Cell
from tests.repl.test_confine import NOBODY, interpreter_for_everybody

resource = pytest.importorskip("resource", reason="this system has no resource limits")

TELL = """
import json, os, socket, threading, time
limit = limits.limit_resources(policy)
def tell(act):
    limit(True)
    try:
        act()
        print(json.dumps(["nothing", None]), flush=True)
    except BaseException as error:
        limit(False)
        print(json.dumps([type(error).__name__, limits.reached(error)]), flush=True)
"""


def told(cell: Cell, code: str) -> list[list[str | None]]:
    return [json.loads(line) for line in cell.tell(TELL + code).splitlines()]


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return Cell(tmp_path, Conditions(confine="off", memory_bytes=300 << 20))


def test_memory_and_what_is_left_of_it_afterwards(cell: Cell) -> None:
    code = """
kept = bytearray(1000)
tell(lambda: bytearray(1 << 30))
tell(lambda: [bytearray(50 << 20) for _ in range(100)])
def small():
    everything = []
    while True:
        everything.append(object())
tell(small)
tell(lambda: bytearray(100 << 20) and 1 / 0)
"""
    memory = ["MemoryError", "the REPL's memory limit of 300 MiB"]
    assert told(cell, code) == [memory, memory, memory, ["ZeroDivisionError", None]]


def test_the_head_room_opens_when_no_block_runs(cell: Cell) -> None:
    code = """
import resource
for tight in (True, False):
    limit(tight)
    print(json.dumps([str(value) for value in resource.getrlimit(resource.RLIMIT_AS)]))
"""
    room, most = 300 << 20, (300 << 20) + limits.HEAD_ROOM
    assert told(cell, code) == [[str(room), str(most)], [str(most), str(most)]]


def test_the_size_of_a_file(cell: Cell) -> None:
    code = """
def large():
    with open("large", "wb", buffering=0) as file:
        file.seek((256 << 20) - 10)
        file.write(b"x" * 10)
        file.write(b"x")
tell(large)
print(json.dumps([str(os.path.getsize("large")), None]))
"""
    assert told(cell, code) == [["OSError", "the REPL's limit of 256 MiB for a file"], [str(256 << 20), None]]


def test_the_number_of_open_files(cell: Cell) -> None:
    code = "tell(lambda: [open('/dev/null') for _ in range(1000)])\ntell(lambda: open('/dev/null').close())"
    assert told(cell, code)[0] == ["OSError", "the REPL's limit of 256 open files"]
    assert told(cell, code)[1] == ["nothing", None]


def test_the_number_of_processes_and_threads() -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become a user of whom nothing runs, so that the number is known")
    interpreter = interpreter_for_everybody()
    if interpreter is None:
        pytest.skip("there is no interpreter that the user `nobody` may run")
    code = """
end = threading.Event()
def start():
    while True:
        threading.Thread(target=end.wait, daemon=True).start()
tell(start)
tell(lambda: os.fork())
tell(lambda: __import__("subprocess").run(["true"]))
end.set()
"""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        changes = {"tasks": 40}
        base = Path(folder, "base")
        cell = Cell(base, Conditions(confine="off"), changes, interpreter=interpreter, user=NOBODY)
        words = "the REPL's limit of processes and threads"
        assert told(cell, code) == [["RuntimeError", words], ["BlockingIOError", words], ["BlockingIOError", words]]


def test_threads_that_fill_the_memory(cell: Cell) -> None:
    code = """
end, started = threading.Event(), []
def start():
    while True:
        started.append(threading.Thread(target=end.wait, daemon=True))
        started[-1].start()
tell(start)
end.set()
for thread in started[:-1]: thread.join()
try:
    raise RuntimeError("can't start new thread")
except RuntimeError as error:
    print(json.dumps(["later", limits.reached(error)]))
"""
    memory, tasks = "the REPL's memory limit of 300 MiB", "the REPL's limit of processes and threads"
    assert told(cell, code) == [["RuntimeError", memory], ["later", f"{tasks}, or {memory},"]]


def test_a_refusal_of_the_system() -> None:
    refusals = [PermissionError(errno.EACCES, "no"), PermissionError(errno.EPERM, "no")]
    assert [limits.refused(error) for error in refusals] == [True, True]
    others = [PermissionError("no"), OSError(errno.ENOENT, "no"), RuntimeError(errno.EPERM, "no"), Trap()]
    assert [limits.refused(error) for error in others] == [False] * 4


def test_what_only_looks_like_a_limit(cell: Cell) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        with pytest.raises(BlockingIOError) as waiting:
            ours.recv(1)
    errors = [waiting.value, OSError("a text"), OSError(errno.ENOENT, "no"), RuntimeError("can't"), RecursionError()]
    assert [limits.reached(error) for error in errors] == [None] * 5


class Trap(BaseException):
    """Fails the test when any of its code is run."""

    def __getattribute__(self, name: str) -> Any:
        pytest.fail(f"{name} was asked for")


class TrapMemory(Trap, MemoryError):
    pass


class TrapOS(Trap, OSError):
    pass


class TrapThread(Trap, RuntimeError):
    pass


class TrapNumber(int):
    def __eq__(self, _: object) -> bool:
        pytest.fail("a number of the block's was compared")

    __hash__ = int.__hash__


class TrapText(str):
    __slots__ = ()

    def __eq__(self, _: object) -> bool:
        pytest.fail("a text of the block's was compared")

    __hash__ = str.__hash__


HOSTILE = {
    "memory": TrapMemory,
    "OS": lambda: TrapOS(errno.EMFILE, "no"),
    "thread": lambda: TrapThread("can't start new thread"),
    "number": lambda: OSError(TrapNumber(errno.EMFILE), "no"),
    "text": lambda: RuntimeError(TrapText("can't start new thread")),
    "nothing": RuntimeError,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_code_of_an_exception_is_run(kind: str) -> None:
    assert limits.reached(HOSTILE[kind]()) is None


def test_a_system_without_limits_is_lived_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "resource", None)
    limits.limit_resources({"memory": 1, "tasks": 1})(True)
    assert limits.reached(MemoryError()) is None


def test_a_limit_that_is_lower_already_stays(tmp_path: Path) -> None:
    code = """
import json, resource
kinds = resource.RLIMIT_NOFILE, resource.RLIMIT_AS
for kind, value in zip(kinds, (100, 1 << 30)):
    resource.setrlimit(kind, (value, value))
limits.limit_resources(policy)(True)
print(json.dumps([resource.getrlimit(kind)[0] for kind in kinds]))
"""
    assert json.loads(Cell(tmp_path, Conditions(confine="off")).tell(code)) == [100, 1 << 30]
