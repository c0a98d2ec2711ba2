"""What the host decides for its workers, and the sandbox it puts around them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rlm_tui.repl import policy
from rlm_tui.repl.results import Conditions
from tests.repl.cell import Cell

WHY = policy.bwrap_refusal()
sandbox = pytest.mark.skipif(WHY is not None, reason=f"there is no sandbox: {WHY}")
linux = pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap and /proc exist on Linux only")


def test_the_policy_names_no_place_of_a_person(tmp_path: Path) -> None:
    given = policy.policy(Conditions(network=True, site=True), tmp_path)
    assert json.loads(json.dumps(given)) == given
    home, prefix = Path.home().resolve(), Path(sys.base_prefix).resolve()
    for path in map(Path, given["read"]):
        assert path.is_absolute()
        assert path == path.resolve(strict=True)
        assert path not in (home, *home.parents, Path("/etc"), Path("/usr"), prefix, tmp_path)
        assert not path.is_relative_to("/proc")
    assert given["write"] == [str(tmp_path.resolve())]
    assert given["memory"] == Conditions().memory_bytes + policy.SITE_BYTES


def test_resolver_files_are_readable_with_the_network_only(tmp_path: Path) -> None:
    def opened(network: bool) -> set[str]:
        return set(policy.policy(Conditions(network=network), tmp_path)["read"])

    assert opened(False) < opened(True)
    assert os.path.realpath("/etc/hosts") in opened(True) - opened(False)
    assert not any(Path("/etc/ssl/private").is_relative_to(path) for path in opened(True))


@linux
def test_what_the_user_runs_already_is_counted(tmp_path: Path) -> None:
    before = policy.policy(Conditions(), tmp_path)["tasks"]
    assert before > policy.TASKS
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(200)]
    for thread in threads:
        thread.start()
    try:
        assert policy.policy(Conditions(), tmp_path)["tasks"] > before + 100
    finally:
        end.set()
        for thread in threads:
            thread.join()


def test_numeric_libraries_get_one_thread_with_site_only() -> None:
    assert policy.extra_environment(Conditions()) == {}
    assert policy.extra_environment(Conditions(site=True))["OPENBLAS_NUM_THREADS"] == "1"


INSIDE = """
import os
print(os.getcwd() == base + "/homes", sorted(os.environ), os.getpid(), os.getppid())
print(open(mail + "/letter").read(), os.listdir(base + "/homes"))
size = os.statvfs(home)
print(size.f_blocks * size.f_frsize, os.path.exists(outside + "/secret"), os.path.exists("/proc"))
for place in ("/", "/dev", "/dev/shm", "/tmp", base, mail):
    try:
        print("wrote", open(place + "/new", "w").name)
    except OSError as error:
        print(type(error).__name__)
open("/dev/null", "w").write("x")
open(home + "/new", "w").write("x" * 1000)
"""


def in_sandbox(cell: Cell, code: str) -> list[str]:
    argv = policy.bwrap(cell.conditions, cell.command(), cell.base, {"PATH": "/usr/bin"})
    done = subprocess.run(argv, input=cell.given(code), capture_output=True, text=True, env={}, timeout=90)
    assert done.returncode == 0, done
    return done.stdout.splitlines()


@sandbox
@pytest.mark.parametrize("landlock", [None, 0])
def test_a_sandbox_holds_the_interpreter_and_the_mail_and_nothing_else(tmp_path: Path, landlock: int | None) -> None:
    (tmp_path / "secret").write_text("sk-planted")
    # Without Landlock it must hold just as well.
    cell = Cell(tmp_path / "base", Conditions(confine="bwrap"), {"landlock": landlock}, narrow=False)
    (cell.mail / "letter").write_text("a letter")
    ready, where, seen, size, *refused = in_sandbox(cell, INSIDE)
    level, words, notices = json.loads(ready)
    assert level == "bwrap"
    assert words.startswith("bwrap (")
    assert len(notices) == (1 if landlock == 0 else 0)
    assert where == "True ['LC_CTYPE', 'PATH', 'PWD'] 2 1"
    assert seen == "a letter ['1']"
    assert size == f"{policy.SANDBOX_BYTES} False False"
    assert len(refused) == 6
    assert set(refused) <= {"PermissionError", "OSError", "FileNotFoundError"}
    assert list(cell.home.parent.iterdir()) == [cell.home]
    assert list(cell.home.iterdir()) == []


@sandbox
def test_a_letter_written_later_is_seen_in_a_sandbox(tmp_path: Path) -> None:
    cell = Cell(tmp_path / "base", Conditions(confine="bwrap"))
    argv = policy.bwrap(cell.conditions, cell.command(), cell.base, {})
    code = "import sys\nprint('go', flush=True)\nsys.stdin.read()\nprint(open(mail + '/letter').read())"
    reads = "json.load(sys.stdin)", "json.loads(sys.stdin.readline())"
    argv[-1] = argv[-1].replace(*reads)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={}) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(cell.given(code) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())[0] == "bwrap"
        assert process.stdout.readline() == "go\n"
        (cell.mail / "letter").write_text("a letter")
        process.stdin.close()
        assert process.stdout.read() == "a letter\n"


@linux
def test_a_sandbox_that_is_not_there_is_not_claimed(tmp_path: Path) -> None:
    ended = Cell(tmp_path, Conditions(confine="bwrap")).run("print('on')")
    assert ended.reached is None
    assert ended.returncode == 1
    assert "the sandbox is not there" in ended.errors


@linux
def test_why_there_is_no_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not installed" in (policy.bwrap_refusal() or "")
    broken = "#!/bin/sh\nprintf 'setting up uid map: \\033[31mdenied\\n' >&2\nexit 1\n"
    for name, script in (("true", ""), ("bwrap", broken)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    why = policy.bwrap_refusal()
    assert why == "bubblewrap is installed but may not be used here: setting up uid map: ?[31mdenied."
