"""Floods of output on the real screen: keys are answered while they come in and afterwards, and what was cut is said."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from rlm_tui.journal.events import Chunk
from rlm_tui.journal.tree import Block
from rlm_tui.llm.callable import CallableModel
from rlm_tui.repl.protocol import OUTPUT_CAP, RAW_CAP
from tests.engine.scripts import Chat, repl
from tests.tui.stage import Stage, staged

BLOCK, NEXT = "root/i1/b1", "root/i2/b1"
OUTPUT = 1
"""The inspector's tab with output."""
RAW = "import os\ndef raw(fd, data):\n    while data: data = data[os.write(fd, data):]\n"
STRANGE = "\x1b[2J\x1b[31mred\x1b]52;c;aGk=\x07\x1b]0;title\x07\rover\0\x08\u202e ▌ HELD at root [bold]b[/]"


class Flood:
    """A model whose first block floods, then waits for a call until that is answered; the next block prints one line."""

    def __init__(self, code: str, after: str = "print('the next block')") -> None:
        self._let = threading.Semaphore(0)
        block = f"print('go', flush=True)\n{code}\nllm_query('wait')"
        self.model = CallableModel(Chat(repl(block), repl(after), repl("FINAL('done')"), leaf=self._leaf))

    async def _leaf(self, prompt: str) -> str:
        await asyncio.get_running_loop().run_in_executor(None, self._let.acquire)
        return prompt

    def let_go(self) -> None:
        """Answer one call."""
        self._let.release()


def on_screen(flood: Flood, play: Callable[[Stage], object]) -> None:
    """Play on a stage whose run is the flood's."""

    async def watched(stage: Stage) -> None:
        try:
            await play(stage)  # type: ignore[misc]
        finally:
            flood.let_go()

    staged(size=(120, 36), hold=False, model=flood.model, stream=False)(watched)()


def block(stage: Stage) -> Block | None:
    return stage.run.blocks.get(BLOCK)


async def see_output(stage: Stage) -> None:
    """Have the output of the block in view, while it runs or after."""
    await stage.until(lambda: (b := block(stage)) and (b.stream or b.ended), "the first output")
    stage.view.select_item(BLOCK)
    while stage.view.tab != OUTPUT:
        await stage.press("right")


async def zoom(stage: Stage) -> None:
    """A key whose effect can be seen."""
    was = stage.main.zoomed
    await stage.press("z")
    await stage.until(lambda: stage.main.zoomed is not was, "the key's effect")


async def use_keys(stage: Stage, came: Callable[[], object]) -> None:
    """Press keys while a flood comes in, and some more when all of it has been taken."""
    pressed = 0
    while not came() or pressed < 4 or pressed % 2:
        await zoom(stage)
        pressed += 1


async def look_back_for(stage: Stage, words: str) -> None:
    """From the end of the output upwards, page by page: what was kept of its end is a few screens long."""
    await stage.press("3", "z", "end")
    for _ in range(40):
        if words in stage.text:
            return
        await stage.press("pageup")
    raise AssertionError(f"{words!r} is nowhere\n{stage.text}")


FLOODS = {
    "ten megabytes": ("print('x' * 10 ** 7)", "stdout", 3 + 10**7 + 1),
    "one line of fifty": ("print('y' * (50 << 20))", "stdout", 3 + (50 << 20) + 1),
    "a million lines": ("for n in range(1_000_000): print(n)", "stdout", 3 + 6_888_890),
    "many long lines": ("for n in range(2000): print(str(n) * 2000)", "stdout", 3 + 2000 + 2000 * 6890),
    "raw": (RAW + "raw(1, b'r' * 10 ** 7)\nraw(2, b'end\\n')", "raw", 10**7 + 4),
}


@pytest.mark.parametrize(("code", "stream", "total"), FLOODS.values(), ids=FLOODS)
def test_a_flood_leaves_the_keys_alive_and_is_told(code: str, stream: str, total: int) -> None:
    flood = Flood(code)
    cap = RAW_CAP if stream == "raw" else OUTPUT_CAP

    async def play(stage: Stage) -> None:
        await see_output(stage)
        await use_keys(stage, lambda: stage.run.calls)
        assert block(stage).status == "open"  # type: ignore[union-attr]
        flood.let_go()
        await stage.until(lambda: stage.run.end, "the end")
        ended = block(stage)
        assert ended is not None
        assert ended.status == "ok"
        kept = stage.session.text(getattr(ended, stream))
        if total <= cap:
            assert (len(kept), ended.cuts) == (total, {})
        else:
            assert (len(kept), ended.cuts[stream].kept, ended.cuts[stream].total) == (cap, cap, total)
        await see_output(stage)
        await use_keys(stage, lambda: True)
        if total > cap:
            name = "process output" if stream == "raw" else stream
            await look_back_for(stage, f"more of {name}, not kept")

    on_screen(flood, play)


def test_strange_text_is_shown_and_never_obeyed() -> None:
    flood = Flood(f"print({STRANGE!r})\n{RAW}raw(1, {STRANGE.encode()!r} + b'\\n')")

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.run.calls, "the call")
        await see_output(stage)
        await stage.until(lambda: stage.text.count("␛]52;c;aGk=␇") >= 2, "both, spelled out")
        assert not {c for c in stage.text if (ord(c) < 32 and c != "\n") or c in "\x7f\u202e"}
        assert "[bold]b[/]" in stage.text
        assert stage.run.held == {}
        flood.let_go()
        await stage.until(lambda: stage.run.end, "the end")

    on_screen(flood, play)


def test_late_output_stands_under_its_own_block() -> None:
    leak = (
        "import threading, time\ngo, stop, printed = threading.Event(), [], []\ndef leak():\n    go.wait()\n"
        "    while not stop:\n        print('leaked')\n        printed.append(1)\n        time.sleep(0.001)\n"
        "thread = threading.Thread(target=leak)\nthread.start()"
    )
    after = (
        "go.set()\nwhile len(printed) < 20: time.sleep(0.001)\nstop.append(1)\n"
        "thread.join()\nprint('the next block')\nllm_query('wait too')"
    )
    flood = Flood(leak, after)

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.run.calls, "the call of the first block")
        flood.let_go()
        await stage.until(lambda: (b := block(stage)) and b.late, "late output")
        flood.let_go()
        await stage.until(lambda: stage.run.end, "the end")
        events = [event for event in stage.session.events() if isinstance(event, Chunk) and event.late]
        assert {event.id for event in events} == {BLOCK}
        assert stage.session.text(stage.run.blocks[NEXT].stdout) == "the next block\n"
        assert "leaked" not in stage.session.text(stage.run.iterations["root/i2"].obs)
        await see_output(stage)
        await stage.until(lambda: "late, after the block had ended" in stage.text, "the rule above late output")
        await stage.until(lambda: "leaked" in stage.text, "late output")

    on_screen(flood, play)
