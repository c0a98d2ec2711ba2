"""A process that shuts itself in: what it says it reached, what is refused then, and that ordinary things go on."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.repl import confine, policy
from rlm_tui.repl.results import Conditions
from tests.repl.cell import ATTEMPT, Cell, landlock_here, outcomes, why_not_confined

HERE = landlock_here()
pytestmark = pytest.mark.skipif(why_not_confined() is not None, reason=str(why_not_confined()))
NOBODY = 65534
NEWEST_FIRST = [pytest.param(abi, id=f"landlock {abi}") for abi in range(HERE, 0, -1)]
OFF = Conditions(confine="off")


@pytest.fixture
def server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def still_open(found: dict[str, str]) -> set[str]:
    return {name for name, how in found.items() if how == "open"}


# What it says


def levels() -> list[Any]:
    newest, signals = f"landlock {HERE}", "" if HERE >= 6 else "; signals by seccomp only"
    rows: list[tuple[dict[str, Any], dict[str, Any], str, list[str]]] = [
        ({}, {}, f"confined ({newest}, seccomp{signals})", []),
        ({"landlock": 1}, {}, "confined (landlock 1, seccomp; signals by seccomp only)", ["truncation"]),
        ({"landlock": 0}, {}, "partial (seccomp, no Landlock)", ["read and write every file"]),
        ({"seccomp": False, "landlock": 1}, {}, "partial (landlock 1, no seccomp)", ["truncation", "signal this"]),
        ({"seccomp": False, "landlock": 0}, {}, "process (no Landlock, no seccomp)", ["every file", "run programs"]),
        ({}, {"confine": "off"}, "process (confinement off)", []),
        ({}, {"confine": "off", "site": True, "network": True}, "process + site (confinement off)", []),
        ({}, {"site": True, "network": True}, f"confined + site + network ({newest}, seccomp{signals})", []),
    ]
    return [pytest.param(*row, id=row[2]) for row in rows]


@pytest.mark.parametrize(("changes", "asked", "words", "notices"), levels())
def test_it_says_what_it_reached(
    tmp_path: Path, changes: dict[str, Any], asked: dict[str, Any], words: str, notices: list[str]
) -> None:
    reached = Cell(tmp_path, Conditions(**asked), changes).run("").reached
    assert reached is not None
    assert reached.words == words
    assert reached.level == words.partition(" ")[0]
    assert len(reached.notices) == len(notices)
    for sentence, part in zip(reached.notices, notices, strict=True):
        assert part in sentence
        assert re.fullmatch(r"[A-Z].*\.", sentence)


def test_a_machine_without_a_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confine, "_machine", lambda: "riscv64")
    given = policy.policy(Conditions(), Path("/"))
    assert confine._calls(given) == {}
    assert "no seccomp table for riscv64" in confine._notices(given, 7, False)[0]


def test_calls_have_the_numbers_of_the_kernels_headers() -> None:
    includes = Path("/usr/include")
    headers = [*includes.glob("x86_64-linux-gnu/asm/unistd_64.h"), *includes.glob("asm-generic/unistd.h")]
    if len(headers) < 2:
        pytest.skip("the kernel's headers for x86_64 and for every other architecture are not installed")
    for column, header in enumerate(headers):
        found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
        known = {name: int(number) for name, number in found}
        newest = max(number for number in known.values() if number < 1000)
        for name, numbers in confine.CALLS.items():
            number = numbers[column]
            if number is None or number <= newest:
                assert known.get(name) == number, name


# What is refused, on this kernel and on older ones

ATTEMPTS = """
attempt("read", lambda: open(outside + "/secret").read())
attempt("list", lambda: os.listdir(outside))
attempt("rename into home", lambda: os.rename(outside + "/other", home + "/other"))
attempt("link into home", lambda: os.link(outside + "/secret", home + "/link"))
attempt("write", lambda: open(outside + "/new", "w"))
attempt("overwrite", lambda: open(outside + "/secret", "r+"))
attempt("make a folder", lambda: os.mkdir(outside + "/folder"))
attempt("remove", lambda: os.unlink(outside + "/third"))
attempt("truncate", lambda: os.truncate(outside + "/secret", 10))
attempt("own", lambda: os.chown(outside + "/secret", os.getuid(), os.getgid()))
attempt("attribute", lambda: os.setxattr(outside + "/secret", "user.a", b"b"))
attempt("environment", lambda: open(f"/proc/{os.getppid()}/environ").read())
attempt("run", lambda: subprocess.run(["/bin/true"]))
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", port)))
attempt("listen", lambda: socket.create_server(("127.0.0.1", 0)))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("unix", lambda: socket.socket(socket.AF_UNIX))
attempt("datagram pair", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
attempt("signal", lambda: os.kill(os.getppid(), 0))
attempt("signal a thread", lambda: call("tgkill", os.getppid(), os.getppid(), 0))
attempt("limit", lambda: __import__("resource").prlimit(os.getppid(), 7))
attempt("priority", lambda: os.setpriority(0, os.getppid(), os.getpriority(0, os.getppid())))
"""
FILES = {"read", "list", "write", "overwrite", "make a folder", "remove", "rename into home", "link into home"}
SOCKETS = {"udp", "unix", "datagram pair"}


def plant(outside: Path, **cell: Any) -> Cell:
    for name in ("secret", "other", "third"):
        (outside / name).write_text("sk-planted")
    return Cell(outside / "base", **cell)


@pytest.mark.parametrize("abi", NEWEST_FIRST)
def test_all_is_refused_whatever_the_version_of_landlock(tmp_path: Path, server: int, abi: int) -> None:
    found = plant(tmp_path, changes={"landlock": abi}).attempt(f"port = {server}\n{ATTEMPTS}")
    assert len(found) == ATTEMPTS.count("attempt(")
    # To move something between folders is an error of its own kind, which programs know from other file systems.
    assert {found.pop("rename into home"), found.pop("link into home")} <= {"PermissionError", "OSError"}
    assert set(found.values()) == {"PermissionError"}
    assert (tmp_path / "secret").read_text() == "sk-planted"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "other", "secret", "third"]


def test_without_confinement_the_same_is_open(tmp_path: Path, server: int) -> None:
    found = plant(tmp_path, conditions=OFF).attempt(f"port = {server}\n{ATTEMPTS}")
    # Not every file system has attributes.
    assert {name for name, how in found.items() if how != "open"} <= {"attribute"}


def test_each_half_refuses_its_own(tmp_path: Path, server: int) -> None:
    for folder in ("no Landlock", "no seccomp"):
        (tmp_path / folder).mkdir()
    code = f"port = {server}\n{ATTEMPTS}"
    by_seccomp = plant(tmp_path / "no Landlock", changes={"landlock": 0}).attempt(code)
    assert FILES <= still_open(by_seccomp) <= FILES | {"environment"}
    by_landlock = plant(tmp_path / "no seccomp", changes={"seccomp": False}).attempt(code)
    assert still_open(by_landlock) >= SOCKETS
    assert not still_open(by_landlock) & (FILES | {"environment", "run"} | ({"tcp"} if HERE >= 4 else set()))


def test_modes_and_times_of_other_files_stay(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    change = "import os\nos.chmod(outside + '/secret', 0o777)\nos.utime(outside + '/secret', (1, 1))"
    secret.write_text("sk-planted")
    before = secret.stat()
    Cell(tmp_path / "base").tell(change)
    assert (secret.stat().st_mode, secret.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    Cell(tmp_path / "base", OFF).tell(change)
    assert (secret.stat().st_mode & 0o777, secret.stat().st_mtime) == (0o777, 1)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="this architecture has no second way in")
@pytest.mark.parametrize(
    "code", ["libc.syscall(0x40000000 | 39)", r"run(b'\xb8\x14\x00\x00\x00\xcd\x80\xc3')"], ids=["x32", "i386"]
)
def test_the_other_ways_into_the_kernel_end_the_process(tmp_path: Path, code: str) -> None:
    machine_code = """
import mmap
def run(code):
    pages = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    pages.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(pages)))()
print(run(b"\\xb8\\x27\\x00\\x00\\x00\\x0f\\x05\\xc3") == os.getpid(), flush=True)
"""
    ended = Cell(tmp_path).run(ATTEMPT + machine_code + code)
    assert ended.output == "True\n"
    assert ended.returncode == -signal.SIGSYS


def test_a_call_newer_than_the_table_is_not_there(tmp_path: Path) -> None:
    assert Cell(tmp_path).tell(ATTEMPT + "print(libc.syscall(470, 0), ctypes.get_errno())") == "-1 38\n"


def test_a_copy_gets_no_namespace_and_no_other_parent(tmp_path: Path) -> None:
    flags = {"user": 0x10000000, "mounts": 0x20000, "parent": 0x8000}
    code = f"for name, flag in {flags}.items(): attempt(name, lambda: call('clone', flag | 17, 0, 0, 0, 0))"
    assert Cell(tmp_path).attempt(code) == dict.fromkeys(flags, "PermissionError")


# Ordinary things go on

ORDINARY = """
import asyncio, concurrent.futures, ctypes, os, pathlib, random, shutil, socket, sqlite3, subprocess, tempfile
import datetime, hashlib, mimetypes, platform, ssl, uuid, zoneinfo
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    assert sum(pool.map(len, ["x"] * 100)) == 100
assert asyncio.run(asyncio.wait_for(asyncio.to_thread(len, "abc"), 60)) == 3
one, two = socket.socketpair()
one.send(b"x")
assert two.recv(1) == b"x"
copy = os.fork()
if not copy:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 7
with tempfile.NamedTemporaryFile("w+") as file, tempfile.TemporaryDirectory() as folder:
    file.write("x")
    assert file.name.startswith(home) and folder.startswith(home)
base = sqlite3.connect("a.db")
base.execute("create table t(a)")
base.commit()
assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
note = pathlib.Path("note")
note.touch()
note.touch()
note.write_text("x")
os.mkdir("folder")
shutil.copy("note", "folder/copy")
shutil.copytree("folder", "tree")
shutil.move("folder/copy", "tree/moved")
os.rename("tree/moved", "tree/renamed")
shutil.unpack_archive(shutil.make_archive("all", "gztar", "tree"), "out")
shutil.rmtree("tree")
os.symlink("note", "link")
assert pathlib.Path("link").read_text() == "x" and pathlib.Path("~").expanduser() == pathlib.Path(home)
assert datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Lisbon")).utcoffset().seconds == 3600
assert hashlib.new("sha256", b"").hexdigest().startswith("e3b0") and ssl.create_default_context()
assert ctypes.CDLL(None).getpid() == os.getpid() and ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 3)() == 3
assert mimetypes.guess_type("a.html")[0] == "text/html" and platform.platform() and uuid.uuid1() and uuid.uuid4()
assert os.cpu_count() == processors and os.urandom(4) and random.SystemRandom().random() < 1
open(os.devnull, "w").write("x")
os.kill(os.getpid(), 0)
os.nice(1)
print("fine")
"""
RUN_ORDINARY = f"processors = {os.cpu_count()}\n{ORDINARY}"


@pytest.mark.parametrize("abi", [*NEWEST_FIRST, pytest.param(0, id="no Landlock")])
def test_ordinary_things_go_on(tmp_path: Path, abi: int) -> None:
    assert Cell(tmp_path, changes={"landlock": abi}).tell(RUN_ORDINARY) == "fine\n"


def test_every_extension_of_the_standard_library_can_be_imported(tmp_path: Path) -> None:
    folder = Path(sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix}), "lib-dynload")
    names = sorted(name for path in folder.glob("*.so") if "test" not in (name := path.name.partition(".")[0]))
    assert len(names) > 30
    code = f"for name in {names}:\n try: __import__(name)\n except ImportError as error: print(name, error)"
    assert Cell(tmp_path / "shut in").tell(code) == Cell(tmp_path / "free", OFF).tell(code)


def interpreter_for_everybody() -> str | None:
    """An interpreter that a user without rights may run, and that is new enough."""
    for path in (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"):
        command = [path, "-c", "import sys; print(sys.version_info >= (3, 11))"]
        try:
            if subprocess.run(command, user=NOBODY, capture_output=True).stdout == b"True\n":
                return path
        except OSError:
            continue
    return None


def test_no_privilege_is_needed(server: int) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user, and nobody else has a privilege")
    interpreter = interpreter_for_everybody()
    if interpreter is None:
        pytest.skip("there is no interpreter that the user `nobody` may run")
    with tempfile.TemporaryDirectory() as folder:
        outside = Path(folder)
        cell = plant(outside, user=NOBODY, interpreter=interpreter)
        for path in (outside, *outside.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        ended = cell.run(f"{ATTEMPT}\nport = {server}\n{ATTEMPTS}\nprint('uid:', os.getuid())")
        assert ended.reached is not None
        assert ended.reached.level == "confined"
        found = outcomes(ended.output)
        assert found.pop("uid") == str(NOBODY)
        assert len(found) == ATTEMPTS.count("attempt(")
        assert still_open(found) == set()
        assert cell.tell(RUN_ORDINARY) == "fine\n"


def test_root_gives_its_capabilities_up(tmp_path: Path) -> None:
    code = """
import struct
held = ctypes.create_string_buffer(24)
libc.capget(struct.pack("=Ii", 0x20080522, 0), held)
print([word & ~4 for word in struct.unpack("=6I", held.raw)])
"""
    assert Cell(tmp_path).tell(ATTEMPT + code) == "[0, 0, 0, 0, 0, 0]\n"


# One worker of several

SIBLINGS = """
import fcntl
def folders(name):
    for kind in ("homes", "mail"):
        os.makedirs(f"{base}/{kind}/{name}", exist_ok=True)
    return f"{base}/homes/{name}", f"{base}/mail/{name}"
def child(name, act):
    pid = os.fork()
    if not pid:
        os.setsid()
        confine.Narrower(policy)(*folders(name))
        act()
        os._exit(0)
    return pid
for name in "ab":
    open(folders(name)[1] + "/letter", "w").write("for " + name)
signal.signal(signal.SIGURG, lambda *_: print("reached: the parent", flush=True))
waiting, ready = os.pipe()
sleeper = child("a", lambda: (os.write(ready, b"x"), signal.pause()))
os.read(waiting, 1)
def attack():
    own, mail = folders("b")
    attempt("own home", lambda: open(own + "/x", "w"))
    attempt("own mail", lambda: open(mail + "/letter").read())
    attempt("itself", lambda: os.kill(os.getpid(), 0))
    attempt("write own mail", lambda: open(mail + "/x", "w"))
    attempt("write a home", lambda: open(base + "/homes/a/x", "w"))
    attempt("read a home", lambda: os.listdir(base + "/homes/a"))
    attempt("read mail", lambda: open(base + "/mail/a/letter").read())
    attempt("remove mail", lambda: os.unlink(base + "/mail/a/letter"))
    attempt("list homes", lambda: os.listdir(base + "/homes"))
    attempt("signal a sibling", lambda: os.kill(sleeper, 0))
    attempt("signal by descriptor", lambda: signal.pidfd_send_signal(os.pidfd_open(sleeper), 0))
    attempt("signal the parent", lambda: os.kill(os.getppid(), 0))
    attempt("signal a group", lambda: os.killpg(sleeper, 0))
    if abi < 6:
        attempt("signal from a pipe", lambda: fcntl.fcntl(waiting, 8, os.getppid()))
    try:
        # Where Landlock refuses, the kernel says nothing when it has reached nobody.
        os.kill(-1, signal.SIGURG)
    except PermissionError:
        pass
    copy = os.fork()
    if not copy:
        attempt("a new session", os.setsid)
        attempt("a new group", lambda: os.setpgid(0, 0))
        os._exit(0)
    os.waitpid(copy, 0)
os.waitpid(child("b", attack), 0)
os.kill(sleeper, signal.SIGKILL)
print("sleeper:", os.waitstatus_to_exitcode(os.waitpid(sleeper, 0)[1]))
"""


@pytest.mark.parametrize("abi", sorted({1, min(5, HERE), HERE}))
def test_workers_of_one_run_cannot_reach_each_other(tmp_path: Path, abi: int) -> None:
    found = Cell(tmp_path, changes={"landlock": abi}, narrow=False).attempt(f"abi = {abi}\n{SIBLINGS}")
    assert [found.pop(name) for name in ("own home", "own mail", "itself", "sleeper")] == ["open"] * 3 + ["-9"]
    assert len(found) == (13 if abi < 6 else 12)
    assert set(found.values()) == {"PermissionError"}


# Opened up


def test_the_network_can_be_opened_and_nothing_else_is(tmp_path: Path, server: int) -> None:
    resolve = "attempt('resolve', lambda: socket.create_connection(('localhost', port)))"
    cell = plant(tmp_path, conditions=Conditions(network=True))
    assert still_open(cell.attempt(f"port = {server}\n{ATTEMPTS}{resolve}")) == {"tcp", "listen", "udp", "resolve"}


def test_installed_packages_can_be_opened(tmp_path: Path) -> None:
    import pluggy

    folder = str(Path(pluggy.__file__).parents[1])
    code = f"import sys\nsys.path.append({folder!r})\nattempt('import', lambda: __import__('pluggy'))"
    assert Cell(tmp_path, Conditions(site=True)).attempt(code) == {"import": "open"}
    if sys.prefix == sys.base_prefix:
        pytest.skip("without a virtual environment the packages lie in the folder of the standard library")
    ended = Cell(tmp_path).run(ATTEMPT + code)
    assert "No module named 'pluggy'" in ended.errors
