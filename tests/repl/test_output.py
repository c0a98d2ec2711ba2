"""What a block prints is seen at once, whole up to the cap, and filed under the block that printed it."""

from __future__ import annotations

import asyncio

from rlm_tui.repl.process import BlockResult
from rlm_tui.repl.protocol import OUTPUT_CAP, RAW_CAP
from tests.repl.desk import Desk, Watch


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
