"""What a block of ill will tries: refused at the default level, open without confinement, and the block goes on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.repl.birth import open_source
from rlm_tui.repl.policy import bwrap_refusal
from rlm_tui.repl.process import Repl
from rlm_tui.repl.results import ReplConfig
from tests.repl.cell import outcomes, why_not_confined
from tests.repl.desk import NAMES, Desk, echo

pytestmark = pytest.mark.skipif(why_not_confined() is not None, reason=str(why_not_confined()))
VICTIM = """
import ctypes, sys
secret = ctypes.create_string_buffer(b"sk-in-memory")
print(ctypes.addressof(secret), flush=True)
sys.stdin.read()
"""
ATTEMPT = """
import ctypes, os, platform, resource, signal, socket, struct, subprocess
def attempt(name, act):
    try:
        how = act() or "open"
    except OSError as error:
        how = type(error).__name__
    print(f"{name}: {how}")
libc = ctypes.CDLL(None, use_errno=True)
def call(function, *arguments):
    if getattr(libc, function)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), function)
"""
FILES = """
attempt("read a key", lambda: open(outside + "/key").read())
attempt("read a key through a link", lambda: os.symlink(outside + "/key", "key") or open("key").read())
attempt("list a folder", lambda: os.listdir(outside))
attempt("write to a home", lambda: open(outside + "/new", "w"))
attempt("change a file", lambda: open(outside + "/key", "a"))
attempt("remove a file", lambda: os.remove(outside + "/other"))
attempt("write to the temp folder", lambda: open(temp, "w"))
attempt("read a sibling's scratch", lambda: open(sibling_home + "/mine").read())
attempt("write to a sibling's scratch", lambda: open(sibling_home + "/new", "w"))
attempt("read a sibling's mail", lambda: open(sibling_mail + "/letter").read())
attempt("write to the mail", lambda: open(mail + "/new", "w"))
attempt("change what Python is", lambda: open(os.__file__, "r+"))
"""
PROCESSES = """
class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
def peek():
    ours = ctypes.create_string_buffer(12)
    here, there = Part(ctypes.addressof(ours), 12), Part(address, 12)
    call("process_vm_readv", victim, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    return ours.raw.decode()
def memory():
    with open(f"/proc/{victim}/mem", "rb", 0) as file:
        file.seek(address)
        return file.read(12).decode()
def environment():
    return "sk-in-environment" if b"sk-in-environment" in open(f"/proc/{victim}/environ", "rb").read() else None
attempt("environment", environment)
attempt("memory", memory)
attempt("memory by call", peek)
attempt("trace", lambda: call("ptrace", 0x4206, victim, None, None))
attempt("its descriptors", lambda: call("syscall", 438, os.pidfd_open(victim), 0, 0))
attempt("signal", lambda: os.kill(victim, 0))
attempt("signal by descriptor", lambda: signal.pidfd_send_signal(os.pidfd_open(victim), 0))
attempt("signal the host", lambda: os.kill(host, 0))
attempt("signal the parent", lambda: os.kill(os.getppid(), 0))
attempt("limit", lambda: resource.prlimit(victim, resource.RLIMIT_NOFILE, (9, 9)))
"""
SOCKETS = """
def send(kind, where):
    with socket.socket(kind, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", where)
def connect(kind, where):
    with socket.socket(kind) as client:
        client.connect(where)
attempt("TCP", lambda: connect(socket.AF_INET, tcp))
attempt("UDP", lambda: send(socket.AF_INET, udp))
attempt("unix by path", lambda: connect(socket.AF_UNIX, outside + "/socket"))
attempt("unix by name", lambda: connect(socket.AF_UNIX, name))
attempt("datagram pair", lambda: [s.close() for s in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)] and None)
"""
PROGRAMS = """
def ended(status):
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise PermissionError(code)
def replaced():
    copy = os.fork()
    if not copy:
        try:
            os.execv("/bin/true", ["true"])
        finally:
            os._exit(1)
    ended(os.waitpid(copy, 0)[1])
attempt("execve", replaced)
attempt("posix_spawn", lambda: ended(os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)[1]))
attempt("subprocess", lambda: subprocess.run(["true"], check=True) and None)
attempt("shell", lambda: ended(os.system("true")))
"""
SUITES = {"files": FILES, "processes": PROCESSES, "sockets": SOCKETS, "programs": PROGRAMS}


@dataclass
class Scene:
    """A machine with something to steal on it, and what a block is told of where to look."""

    places: dict[str, Any]
    outside: Path

    def block(self, suite: str) -> str:
        return "\n".join([*(f"{name} = {value!r}" for name, value in self.places.items()), ATTEMPT, SUITES[suite]])


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "key").write_text("sk-in-a-file")
    (outside / "other").write_text("other")
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        name = f"\0rlm-tui-test-{os.getpid()}-{udp.getsockname()[1]}"
        for where in (str(outside / "socket"), name):
            unix = stack.enter_context(socket.socket(socket.AF_UNIX))
            unix.bind(where)
            unix.listen()
        victim = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", VICTIM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={"KEY": "sk-in-environment"},
            )
        )
        assert victim.stdout is not None
        stack.callback(victim.kill)
        temp = Path(tempfile.gettempdir(), f"rlm-tui-test-{os.getpid()}-{tcp.getsockname()[1]}")
        stack.callback(temp.unlink, missing_ok=True)
        places = {
            "outside": str(outside),
            "temp": str(temp),
            "host": os.getpid(),
            "victim": victim.pid,
            "address": int(victim.stdout.readline()),
            "tcp": tcp.getsockname(),
            "udp": udp.getsockname(),
            "name": name,
        }
        yield Scene(places, outside)


class Family(Desk):
    """Two workers of one source: the one that is used, and its sibling."""

    def __enter__(self) -> Family:
        self.source = self.wait(open_source(self.config.conditions))
        try:
            self.repl = self.wait(Repl.start(self.config, self.source))
            self.sibling = self.wait(Repl.start(ReplConfig(NAMES, conditions=self.config.conditions), self.source))
        except BaseException:
            self.wait(self.source.close())
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self.wait(self.source.close())
        self.runner.close()

    def tell_where(self, scene: Scene) -> None:
        """Plant something with the sibling, and tell the scene of it and of this worker's own places."""
        own, other = self.repl._worker, self.sibling._worker
        plant = "with open('mine', 'w') as file: file.write('sk-of-a-sibling')"
        done = self.wait(self.sibling.execute("root/i1/b1", plant, on_output=lambda *_: None, on_call=echo))
        assert done.status == "ok", done.error
        Path(other.mail, "letter").write_text("sk-in-a-letter")
        scene.places |= {
            "mail": str(own.mail),
            "sibling_home": str(other.home),
            "sibling_mail": str(other.mail),
        }


class Alone(Desk):
    """One worker that no zygote has forked."""

    def tell_where(self, scene: Scene) -> None:
        base = scene.outside / "sibling"
        for folder, name in (("homes", "mine"), ("mail", "letter")):
            (base / folder).mkdir(parents=True)
            (base / folder / name).write_text("sk-of-a-sibling")
        scene.places |= {
            "mail": str(self.repl._worker.mail),
            "sibling_home": str(base / "homes"),
            "sibling_mail": str(base / "mail"),
        }


NO_SANDBOX = bwrap_refusal()
CONFINED = [
    pytest.param(Family, "confined", {}, id="forked"),
    pytest.param(Alone, "confined", {}, id="spawned"),
    pytest.param(
        *(Family, "bwrap", {"confine": "bwrap"}),
        id="in a sandbox",
        marks=pytest.mark.skipif(NO_SANDBOX is not None, reason=f"there is no sandbox: {NO_SANDBOX}"),
    ),
]


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(("kind", "level", "conditions"), CONFINED)
def test_refused_and_the_block_goes_on(
    tmp_path: Path, scene: Scene, kind: type[Family | Alone], level: str, conditions: dict[str, Any], suite: str
) -> None:
    with kind(tmp_path, **conditions) as desk:
        assert desk.repl.ready.level == level
        desk.tell_where(scene)
        result = desk.run(scene.block(suite) + "\nprint('end: reached')")
        assert result.status == "ok", result.error
        assert "sk-" not in result.stdout
        found = outcomes(result.stdout)
        assert found.pop("end") == "reached"
        assert len(found) == SUITES[suite].count("\nattempt(")
        # What lies outside a sandbox is not even there, and what is there is on a file system that is read-only.
        absent = {"FileNotFoundError", "ProcessLookupError", "OSError"} if level == "bwrap" else set[str]()
        assert set(found.values()) <= {"PermissionError"} | absent, found
        assert desk.still_there()
    assert (scene.outside / "key").read_text() == "sk-in-a-file"
    assert not Path(scene.places["temp"]).exists()
    assert {path.name for path in scene.outside.iterdir()} - {"sibling"} == {"key", "other", "socket"}


@pytest.mark.parametrize("suite", SUITES)
def test_open_without_confinement(tmp_path: Path, scene: Scene, suite: str) -> None:
    with Family(tmp_path, confine="off") as desk:
        assert desk.repl.ready.level == "process"
        desk.tell_where(scene)
        result = desk.run(scene.block(suite))
        assert result.status == "ok", result.error
        found = outcomes(result.stdout)
    refused = {name for name, how in found.items() if how == "PermissionError"}
    # A kernel may keep one's own processes apart, and whoever installed Python may be somebody else.
    assert refused <= {"environment", "memory", "memory by call", "trace", "its descriptors", "change what Python is"}
    assert len(found) == SUITES[suite].count("\nattempt(")
    if suite == "files":
        assert [found[name] for name in ("read a key", "read a sibling's scratch", "read a sibling's mail")] == [
            "sk-in-a-file",
            "sk-of-a-sibling",
            "sk-in-a-letter",
        ]


def test_the_level_is_said_in_words(tmp_path: Path) -> None:
    with Family(tmp_path) as desk:
        assert desk.source.ready == desk.repl.ready
        assert desk.repl.ready.confinement.startswith("confined (landlock ")
    with Family(tmp_path, confine="off") as desk:
        assert desk.repl.ready.confinement == "process (confinement off)"
        assert desk.repl.ready.notices == ()


def test_with_the_network_open_nothing_else_is(tmp_path: Path, scene: Scene) -> None:
    with Family(tmp_path, network=True) as desk:
        desk.tell_where(scene)
        opened = outcomes(desk.run(scene.block("sockets")).stdout)
        assert {name for name, how in opened.items() if how == "open"} == {"TCP", "UDP"}
        for suite in ("files", "processes", "programs"):
            assert set(outcomes(desk.run(scene.block(suite)).stdout).values()) == {"PermissionError"}


def test_a_limit_that_was_reached_is_named(tmp_path: Path) -> None:
    with Family(tmp_path, memory_bytes=300 << 20) as desk:
        error = desk.run("kept = 1\nlarge = bytearray(1 << 30)").error
        assert error is not None
        assert error.endswith("\nThe REPL's memory limit of 300 MiB is reached.")
        assert desk.run("kept").value == "1"
        error = desk.run("import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))").error
        assert error is not None
        assert "not allowed to raise maximum limit" in error


def test_a_copy_of_a_worker_cannot_leave_its_group(tmp_path: Path) -> None:
    with Family(tmp_path) as desk:
        code = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
reading, writing = os.pipe()
if not libc.fork():
    os.write(writing, repr((libc.setsid(), libc.setpgid(0, 0), os.getpgid(0) == os.getppid())).encode())
    os._exit(0)
os.read(reading, 100).decode()
"""
        assert desk.run(code).value == "'(-1, -1, True)'"
