"""What a block prints is seen at once, whole up to the cap, and filed under the block that printed it."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from rlm_tui.repl.bell import Bell
from rlm_tui.repl.process import BlockResult
from rlm_tui.repl.protocol import OUTPUT_CAP, RAW_CAP
from rlm_tui.repl.running import LATE_CUT
from rlm_tui.repl.streams import PIECE_CAP, Output, Owners
from tests.repl.desk import DEADLINE_S, Desk, Watch


def test_quick_prints_are_seen_while_the_block_sleeps(desk: Desk) -> None:
    async def see(watch: Watch) -> None:
        await watch.said("second")
        await desk.repl.interrupt()

    code = "import time\nprint('go', flush=True)\nprint('first')\nprint('second')\ntime.sleep(1e6)"
    result = desk.while_running(code, see)
    assert (result.status, result.stdout) == ("aborted", "go\nfirst\nsecond\n")


def test_what_was_streamed_is_what_was_kept(desk: Desk) -> None:
    watch = Watch()
    code = "import sys, os\nfor i in range(20000):\n    print(i)\n    print(-i, file=sys.stderr)\nos.write(1, b'raw')"
    result = desk.run(code, on_output=watch)
    assert result.stdout == watch.text() == "".join(f"{i}\n" for i in range(20000))
    assert result.stderr == watch.text("stderr") == "".join(f"{-i}\n" for i in range(20000))
    assert result.raw == watch.text("raw") == "raw"
    assert result.cuts == {}


class Gate:
    """A lock that says when it is asked for a second time."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._asked = 0
        self.wanted = threading.Event()

    def __enter__(self) -> None:
        self._asked += 1
        if self._asked > 1:
            self.wanted.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_what_another_thread_is_sending_is_waited_for() -> None:
    """Else the block's end would be told before what it printed."""
    told: list[str] = []
    sending = threading.Event()
    ours, theirs = socket.socketpair()

    def send(message: dict[str, Any]) -> None:
        sending.set()
        assert gate.wanted.wait(DEADLINE_S)
        told.append(message["text"])

    def end() -> None:
        output.flush()
        told.append("the end")
        gate.wanted.set()

    with ours, theirs:
        output = Output(send, Bell(ours.fileno()), Owners())
        gate = output._flushing = Gate(output._flushing)
        output.add("b", "stdout", "printed")
        timer, ending = threading.Thread(target=output.flush), threading.Thread(target=end)
        timer.start()
        assert sending.wait(DEADLINE_S)
        ending.start()
        ending.join()
        timer.join()
    assert told == ["printed", "the end"]


def test_what_could_not_be_sent_for_want_of_memory_is_sent_later() -> None:
    sent: list[str] = []
    full = True

    def send(message: dict[str, Any]) -> None:
        if full and message["stream"] == "stderr":
            raise MemoryError
        sent.append(message["text"])

    ours, theirs = socket.socketpair()
    with ours, theirs:
        output = Output(send, Bell(ours.fileno()), Owners())
        for number, stream in enumerate(("stdout", "stdout", "stderr", "stderr", "stdout")):
            output.add("b", stream, str(number))
        with pytest.raises(MemoryError):
            output.flush()
        output.add("b", "stdout", "5")
        full = False
        output.flush()
    assert (sent, output.cuts("b")) == (["01", "23", "45"], {})


def test_output_over_the_cap_is_cut_and_counted(desk: Desk) -> None:
    result = desk.run("print('x' * 10**7)\nfor i in range(1_200_000): print(i)\nprint('the end')")
    whole = "x" * 10**7 + "\n" + "".join(f"{i}\n" for i in range(1_200_000)) + "the end\n"
    assert result.stdout == whole[:OUTPUT_CAP]
    cut = result.cuts["stdout"]
    assert (cut.kept, cut.total) == (OUTPUT_CAP, len(whole))
    assert cut.tail.endswith("1199999\nthe end\n")
    assert whole.endswith(cut.tail)
    assert desk.run("print('next')").stdout == "next\n"


def test_raw_output_over_the_cap_is_drained_and_counted(desk: Desk) -> None:
    result = desk.run("import os\nx = b'x' * 10**7\nwhile x: x = x[os.write(1, x):]\nos.write(2, b'end')")
    assert result.raw == "x" * RAW_CAP
    cut = result.cuts["raw"]
    assert (cut.kept, cut.total, cut.tail[-4:]) == (RAW_CAP, 10**7 + 3, "xend")


def test_a_large_value_is_cut(desk: Desk) -> None:
    result = desk.run("'v' * 3_000_000")
    assert len(result.value or "") == result.cuts["value"].kept == 1 << 20
    assert result.cuts["value"].total == 3_000_002


def test_hostile_text_round_trips(desk: Desk) -> None:
    text = "\x1b[2J\x1b]52;c;aGk=\x07\r\0\x08\ud800\udc00 \udfff é 🦊 [bold]x[/] HELD at root"
    result = desk.run(f"print({text!r}, end='')\nFINAL({text!r})")
    assert result.stdout == text
    assert result.finals[0].text == text


def test_print_is_the_real_one(desk: Desk) -> None:
    code = "import sys\nprint(1, 2, sep='-', end='!')\nsys.stdout.writelines(['a', 'b'])\nsys.stdout.write(1)"
    result = desk.run(code)
    assert result.stdout == "1-2!ab"
    assert "TypeError: write() argument must be str, not int" in (result.error or "")


def test_a_leaked_thread_prints_late_output_of_its_own_block(desk: Desk) -> None:
    async def work() -> tuple[BlockResult, Watch]:
        watch = Watch()
        code = (
            "import threading\ngo = threading.Event()\ndef f():\n    go.wait()\n    while not stop: print('leaked')\n"
        )
        await desk.execute(code + "stop = []\nt = threading.Thread(target=f, daemon=True)\nt.start()", watch)
        second = await desk.execute(
            "go.set()\nimport time\nfor i in range(5): print('mine'); time.sleep(0.02)\nstop.append(1)\nt.join()"
        )
        await watch.until(lambda watch: "leaked" in watch.text(late=True))
        return second, watch

    second, watch = desk.wait(work())
    assert second.stdout == "mine\n" * 5
    assert watch.text(late=False) == ""
    assert {block for block, *_ in watch.pieces} == {"root/i1/b1"}


def test_threads_of_a_running_block_print_for_it(desk: Desk) -> None:
    code = "import threading\nt = threading.Thread(target=print, args=('from a thread',))\nt.start(); t.join()"
    assert desk.run("1").stdout == ""
    assert desk.run(code).stdout == "from a thread\n"


def test_output_comes_before_the_call_it_was_printed_before(desk: Desk) -> None:
    async def work() -> list[str]:
        seen: list[str] = []

        async def call(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str:
            seen.append(f"call {prompt}")
            return ""

        watch = Watch()

        def output(block: str, stream: str, text: str, late: bool) -> None:
            watch(block, stream, text, late)
            seen.append(text.strip())

        await desk.execute("for i in range(3):\n    print(i)\n    llm_query(str(i))", output, call)
        return seen

    assert desk.wait(work()) == ["0", "call 0", "1", "call 1", "2", "call 2"]


def test_stdout_printed_before_death_is_kept(desk: Desk) -> None:
    async def work() -> BlockResult:
        watch = Watch()
        task = asyncio.create_task(desk.execute("print('go')\nimport time\ntime.sleep(1e6)", watch))
        await watch.said("go")
        await desk.repl.kill()
        return await task

    assert desk.wait(work()).stdout == "go\n"


@pytest.mark.parametrize("code", ["", "import time; time.sleep(0.001)\n", "import sys; sys.stderr.write('x')\n"])
def test_what_was_printed_before_the_process_is_left_is_kept(desk: Desk, code: str) -> None:
    result = desk.run(f"import os\nfor i in range(3000): print(i)\n{code}os._exit(3)")
    assert (result.status, result.stdout) == ("died", "".join(f"{i}\n" for i in range(3000)))
    assert "exit code 3" in (result.error or "")


def test_a_line_of_50_mb_is_cut_and_counted(desk: Desk) -> None:
    watch = Watch()
    result = desk.run("print('x' * 50_000_000, end='end')", on_output=watch)
    assert result.stdout == watch.text() == "x" * OUTPUT_CAP
    cut = result.cuts["stdout"]
    assert (cut.kept, cut.total, cut.tail[-5:]) == (OUTPUT_CAP, 50_000_003, "xxend")
    assert max(len(text) for *_, text, _ in watch.pieces) <= PIECE_CAP


def test_a_million_short_lines_come_whole_and_in_few_pieces(desk: Desk) -> None:
    watch = Watch()
    result = desk.run("for i in range(1_000_000): print(i)", on_output=watch)
    assert result.stdout == "".join(f"{i}\n" for i in range(1_000_000))
    assert result.cuts == {}
    assert len(watch.pieces) < 1000


def test_late_output_that_is_cut_says_so_once(desk: Desk) -> None:
    code = (
        "import threading\ngo, done = threading.Event(), threading.Event()\ndef f():\n    go.wait()\n"
        "    for _ in range(40): print('l' * 1_000_000)\n    done.set()\n"
        "threading.Thread(target=f, daemon=True).start()\nprint('mine')"
    )

    async def work() -> tuple[BlockResult, Watch]:
        watch = Watch()
        result = await desk.execute(code, watch)
        await desk.execute("go.set(); done.wait()")
        await watch.until(lambda watch: LATE_CUT in watch.text(late=True))
        await desk.execute("1")
        return result, watch

    result, watch = desk.wait(work())
    assert (result.stdout, result.cuts) == ("mine\n", {})
    late = watch.text(late=True)
    assert late.count(LATE_CUT) == 1
    assert len(late) == OUTPUT_CAP - len("mine\n") + len(LATE_CUT)


def test_late_process_output_that_is_cut_says_so_once(desk: Desk) -> None:
    code = (
        "import os, threading\ngo = threading.Event()\ndef f():\n    go.wait()\n"
        "    for _ in range(30): os.write(1, b'r' * 50_000)\n    os.write(1, b'end')\n"
        "threading.Thread(target=f, daemon=True).start()\ngo.set()"
    )

    async def work() -> Watch:
        watch = Watch()
        result = await desk.execute(code, watch)
        await watch.until(lambda watch: "raw" in result.cuts or LATE_CUT in watch.text("raw", late=True))
        return watch

    watch = desk.wait(work())
    assert len(watch.text("raw", late=False) + watch.text("raw", late=True).replace(LATE_CUT, "")) == RAW_CAP


def test_an_on_output_that_raises_does_not_break_the_line(desk: Desk) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("ours")

    with pytest.raises(ZeroDivisionError, match="ours"):
        desk.run("print(1)\nllm_query('x')\nkept = 1", on_output=broken)
    assert desk.repl.alive
    assert desk.run("kept").value == "1"


def test_an_on_output_that_raises_late_is_told_to_the_loop(desk: Desk) -> None:
    seen: list[BaseException] = []

    async def work() -> None:
        told = asyncio.Event()

        def handle(_: object, context: dict[str, Any]) -> None:
            seen.append(context["exception"])
            told.set()

        asyncio.get_running_loop().set_exception_handler(handle)

        def broken(*_: object) -> None:
            raise ZeroDivisionError("ours")

        code = (
            "import threading\ngo = threading.Event()\nt = threading.Thread(target=lambda: (go.wait(), print('late')))"
        )
        await desk.execute(code + "\nt.start()", broken)
        await desk.execute("go.set(); t.join()")
        await told.wait()

    desk.wait(work())
    assert isinstance(seen[0], ZeroDivisionError)
    assert desk.still_there()
