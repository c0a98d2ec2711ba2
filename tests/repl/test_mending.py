"""What a block breaks, floods or leaves behind, and what the next one finds."""

from __future__ import annotations

import pytest

from rlm_tui.repl.protocol import NOTES_CAP, NOTES_SIZE
from tests.repl.desk import Desk, never


@pytest.mark.parametrize(
    "code",
    [
        "type(sys.stdout).write = lambda *a: 1 / 0",
        "type(sys.stdout).flush = None",
        "type(sys.stdout).__getattribute__ = lambda *a: 1 / 0",
        "sys.stdout.write = lambda *a: 1 / 0",
        "sys.stderr.__dict__.clear()",
        "sys.stdout = None",
    ],
)
def test_streams_are_put_back(desk: Desk, code: str) -> None:
    desk.run(f"import sys\n{code}")
    result = desk.run("import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert (result.status, result.stdout, result.stderr) == ("ok", "out\n", "err\n")
    assert {name for name in result.put_back if name.startswith("sys.std")} <= {"sys.stdout", "sys.stderr"}
    assert result.put_back
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
    assert f"more than {NOTES_SIZE:,} characters in this block" in (result.error or "")
    assert sum(len(final.text) for final in result.finals) <= NOTES_SIZE
    assert desk.still_there()


def test_more_declared_answers_than_a_worker_lets_through_end_it(desk: Desk) -> None:
    code = (
        "import gc\nchannel = next(o for o in gc.get_objects() if type(o).__name__ == 'Channel')\n"
        "fields = {'via': 'FINAL', 'text': 'x', 'json': None, 'type': 'str', 'name': None, 'reason': None}\n"
        "for _ in range(500): channel.send({'kind': 'note', 'block': BLOCK, **fields})"
    )
    result = desk.run(code.replace("BLOCK", "'root/i1/b1'"))
    assert result.status == "died"
    assert "broke the protocol" in (result.error or "")


@pytest.mark.parametrize("code", ["open('/etc/passwd')", "import subprocess; subprocess.run(['true'])"])
def test_a_refusal_says_why(desk: Desk, code: str) -> None:
    if desk.repl.ready.level == "process":
        pytest.skip("nothing is refused at this level")
    error = desk.run(code).error or ""
    assert error.endswith(
        "The REPL is confined: it can't start programs, use the network or reach files outside its own folder."
    )
    # One that the block makes itself, or that has nothing to do with it, stays as it is where it is not refused.
    assert "confined" not in (desk.run("open('missing')").error or "")
