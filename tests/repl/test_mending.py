"""What a block breaks, floods or leaves behind, and what the next one finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlm_tui.repl.protocol import NOTES_CAP, NOTES_SIZE
from tests.repl.cell import why_not_confined
from tests.repl.desk import Desk, never, ring_for_the_past


@pytest.mark.parametrize(
    "code",
    [
        "type(sys.stdout).write = lambda *a: 1 / 0",
        "type(sys.stdout).flush = None",
        "type(sys.stdout).__getattribute__ = lambda *a: 1 / 0",
        "sys.stdout.write = lambda *a: 1 / 0",
        "sys.stderr.__dict__.clear()",
        "sys.stdout = None",
        "class Meta(type(type(sys.stdout))):\n    def __setattr__(self, *a): raise RuntimeError\n"
        "    __delattr__ = __setattr__\ntype(sys.stdout).__class__ = Meta\ntype.__setattr__(type(sys.stdout), 'write', 1)",
        "class Mine(type(sys.stdout)):\n    def __getattribute__(self, name): raise RuntimeError(name)\n"
        "sys.stdout.__class__ = Mine",
        "class Same:\n    def __eq__(self, other): raise SystemExit\n    __ne__ = __eq__\nsys.stdout._output = Same()",
    ],
)
def test_streams_are_put_back(desk: Desk, code: str) -> None:
    desk.run(f"import sys\n{code}")
    result = desk.run("import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert (result.status, result.stdout, result.stderr) == ("ok", "out\n", "err\n")
    assert result.put_back
    assert set(result.put_back) <= {"sys.stdout", "sys.stderr"}
    assert desk.run("1").put_back == ()


@pytest.mark.parametrize("timer, name", [("ITIMER_REAL", "SIGALRM"), ("ITIMER_VIRTUAL", "SIGVTALRM")])
def test_a_timer_ends_with_its_block(desk: Desk, timer: str, name: str) -> None:
    code = (
        "import signal\nkept = 1\ndef ring(*_): raise ValueError('from a timer')\n"
        f"signal.signal(signal.{name}, ring)\nsignal.setitimer(signal.{timer}, 0.001, 0.001)"
    )
    for _ in range(20):
        assert desk.run(code).status in ("ok", "error")
        result = desk.run("sum(range(300_000))\nkept")
        assert (result.status, result.value, result.put_back) == ("ok", "1", (f"signal.{name}",))


def test_a_timer_that_never_lets_go_ends_with_its_block(desk: Desk) -> None:
    code = (
        "import signal\nkept = 1\ndef ring(*_): raise SystemExit('from a timer')\n"
        "for name in ('PROF', 'VIRTUAL', 'REAL'):\n"
        "    signal.signal(getattr(signal, {'PROF': 'SIGPROF', 'VIRTUAL': 'SIGVTALRM', 'REAL': 'SIGALRM'}[name]), ring)\n"
        "    signal.setitimer(getattr(signal, 'ITIMER_' + name), 1e-4, 1e-4)\nwhile True: pass"
    )
    for _ in range(5):
        assert (desk.run(code).error or "").endswith("SystemExit: from a timer")
        result = desk.run("sum(range(300_000))\nkept")
        assert (result.status, result.value) == ("ok", "1")
        assert "signal.SIGALRM" in result.put_back or "signal.SIGPROF" in result.put_back


def test_handlers_are_put_back_at_the_end_of_a_block_not_at_the_next(desk: Desk) -> None:
    code = (
        "import os, signal, threading\nclass Odd:\n    def __call__(self, *_): raise SystemExit\n"
        "    def __eq__(self, other): raise SystemExit\n"
        "signal.signal(signal.SIGINT, Odd())\nsignal.signal(signal.SIGUSR1, signal.SIG_DFL)\n"
        "signal.signal(signal.SIGTERM, Odd())\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)"
    )
    assert desk.run(code).status == "ok"

    async def late_bells() -> None:
        ring_for_the_past(desk.repl)

    desk.wait(late_bells())
    names = tuple(f"signal.SIG{name}" for name in ("INT", "PIPE", "TERM", "USR1"))
    assert desk.run("1").put_back == names
    assert desk.run("1").put_back == ()
    assert desk.abort_while_running("while True: pass").status == "aborted"


def test_an_abort_that_comes_while_an_error_is_told_garbles_nothing(desk: Desk) -> None:
    for _ in range(20):
        result = desk.abort_while_running("llm_query('never')", on_call=never)
        assert result.status == "aborted"
        assert (result.error or "").endswith(("BlockAborted", "SubcallError: cancelled")), result.error


def test_declared_answers_are_counted(desk: Desk) -> None:
    result = desk.run("for n in range(10 ** 5): FINAL(n)")
    assert result.status == "error"
    assert (result.error or "").endswith(f"FINAL was called more than {NOTES_CAP} times in this block")
    assert [final.text for final in result.finals] == [str(n) for n in range(NOTES_CAP)]
    assert desk.run("FINAL('again')").finals[0].text == "again"


def test_declared_answers_are_measured(desk: Desk) -> None:
    result = desk.run("text = 'x' * 2_000_000\nfor _ in range(100): FINAL(text)")
    assert result.status == "error"
    assert f"FINAL was given more than {NOTES_SIZE >> 20} MiB in this block" in (result.error or "")
    assert [len(final.text) for final in result.finals] == [2_000_000] * 8
    assert desk.still_there()


def test_more_declared_answers_than_a_worker_lets_through_end_it(desk: Desk) -> None:
    code = (
        "import sys\nchannel = sys.stdout._channel\n"
        "fields = {'via': 'FINAL', 'text': 'x', 'json': None, 'type': 'str', 'name': None, 'reason': None}\n"
        "for _ in range(500): channel.send({'kind': 'note', 'block': BLOCK, **fields})"
    )
    result = desk.run(code.replace("BLOCK", "'root/i1/b1'"))
    assert result.status == "died"
    assert "broke the protocol" in (result.error or "")


def test_threads_together_declare_no_more_than_one_could(desk: Desk) -> None:
    code = (
        "import threading\ndef many():\n    try:\n        for _ in range(100): FINAL('x')\n    except RuntimeError: pass\n"
        "threads = [threading.Thread(target=many) for _ in range(16)]\n"
        "for thread in threads: thread.start()\nfor thread in threads: thread.join()"
    )
    result = desk.run(code)
    assert (result.status, len(result.finals)) == ("ok", NOTES_CAP)


def test_an_answer_is_declared_once(desk: Desk) -> None:
    code = (
        "import sys\nchannel = sys.stdout._channel\n"
        "fields = {'via': 'answer', 'text': 'x', 'json': None, 'type': 'str', 'name': None, 'reason': None}\n"
        "for _ in range(2): channel.send({'kind': 'note', 'block': 'root/i1/b1', **fields})"
    )
    result = desk.run(code)
    assert (result.status, "broke the protocol" in (result.error or "")) == ("died", True)


REFUSED = ["open('/etc/passwd')", "import subprocess; subprocess.run(['true'])", "import socket; socket.socket()"]


@pytest.mark.parametrize("code", REFUSED)
def test_a_refusal_says_why(tmp_path: Path, code: str) -> None:
    if why := why_not_confined():
        pytest.skip(why)
    with Desk(tmp_path, forked=True) as desk:
        error = desk.run(code).error or ""
        words = "it can't start programs, use the network, or reach files outside its own folder."
        assert error.endswith(f"\nThe REPL is confined: {words}")
        assert error.count("confined") == 1


def test_a_refusal_says_what_is_so(tmp_path: Path) -> None:
    if why := why_not_confined():
        pytest.skip(why)
    with Desk(tmp_path, forked=True, network=True, site=True) as desk:
        words = "it can't start programs or reach files outside its own folder and the installed packages."
        assert (desk.run(REFUSED[0]).error or "").endswith(words)


OTHERS = [
    "open('missing')",
    "raise PermissionError('mine')",
    "class Mine(PermissionError): pass\nraise Mine(13, 'mine')",
    "class N(int):\n    def __eq__(self, other): return True\n    __hash__ = None\nraise PermissionError(N(13), 'mine')",
]


@pytest.mark.parametrize("code", OTHERS)
def test_what_is_no_refusal_says_nothing_of_it(desk: Desk, code: str) -> None:
    error = desk.run(code).error or ""
    assert "Error" in error or "Mine" in error
    assert "confined" not in error


def test_one_that_is_not_shut_in_says_nothing_of_it(tmp_path: Path) -> None:
    with Desk(tmp_path, forked=True, confine="off") as desk:
        error = desk.run("raise PermissionError(13, 'Permission denied')").error or ""
        assert error.endswith("PermissionError: [Errno 13] Permission denied")


def test_many_variables_that_stay_are_left_alone(desk: Desk) -> None:
    desk.run("for n in range(10 ** 5): globals()[f'v{n:06}'] = [n] if n % 2 else n + 1000")
    assert desk.run("1").changed == ()
    result = desk.run("v000001.append(1); v000002 = 'new'; v099998 = 'new'; v099999 = [3]; del v050000")
    assert [row.name for row in result.changed] == ["v000001", "v000002", "v099998", "v099999"]
    assert (result.removed, result.more_variables) == (("v050000",), 0)
    # Too many can change for each to be looked into.
    assert desk.run("v099997.append(1)").changed == ()
    assert [row.name for row in desk.run("v099997 = [*v099997]").changed] == ["v099997"]


def test_a_package_that_is_shut_out_is_told_of(tmp_path: Path) -> None:
    with Desk(tmp_path) as desk:
        for code in ("import no_such_package", "from no_such_package.part import it"):
            assert (desk.run(code).error or "").endswith("shut out, unless --allow-imports site was given.")
        for code in ("import os.no_such_part", "raise ModuleNotFoundError('x')", "import abc; abc.x"):
            assert "--allow-imports" not in (desk.run(code).error or "")
    with Desk(tmp_path, site=True) as desk:
        error = desk.run("import no_such_package").error or ""
        assert error.endswith("No module named 'no_such_package'")
