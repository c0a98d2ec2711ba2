"""Scenes worth a picture: a real scripted run brought to a state, with everything that moves pinned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.demo.catalogue import model_for
from rlm_tui.journal.events import CallEnd, Event, ExecEnd, LlmEnd, NodeEnd, RunStart
from rlm_tui.llm.base import ChatModel, ChatRequest, Delta, Reply
from rlm_tui.llm.callable import CallableModel
from rlm_tui.tui.app import DebuggerApp
from rlm_tui.tui.screens.edit import Editor, EditScreen
from rlm_tui.tui.screens.stops import StopsScreen
from rlm_tui.tui.widgets.prompt import Asking
from tests.debugger.small import chat, code
from tests.runs import watched
from tests.tui.stage import SHUT_IN, Stage, shut_in

START = 1_700_000_000.0
NOW = START + 41.0
Scene = Callable[[Stage], Awaitable[None]]


def pinned(event: Event, environment: dict[str, Any] = SHUT_IN) -> Event:
    """An event without what differs from run to run."""
    update: dict[str, Any] = {"t": START}
    match event:
        case RunStart():
            event = shut_in(event, environment)
            update["run"] = "251122-1810-7f3a"
        case LlmEnd():
            update["ms"] = 1100.0
        case ExecEnd():
            update |= {"ms": 40.0, "cpu_ms": 0.0}
        case CallEnd() | NodeEnd():
            update["seconds"] = 3.1
        case _:
            pass
    return event.model_copy(update=update)


class Silent:
    """Plays a scenario, but never answers a prompt that has a word in it."""

    def __init__(self, inner: ChatModel, word: str) -> None:
        self._inner = inner
        self._word = word

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        if any(self._word in message["content"] for message in request.messages):
            await asyncio.Event().wait()
        async for piece in self._inner.stream(request):
            yield piece


@contextmanager
def scene(
    play: Scene,
    *,
    silent: str = "",
    hold: bool = True,
    replies: Sequence[str] = (),
    environment: dict[str, Any] = SHUT_IN,
    options: dict[str, Any] | None = None,
    breakpoints: Sequence[str] = (),
    **app: Any,
) -> Iterator[tuple[DebuggerApp, Any]]:
    """An app and the function that brings it to a scene.

    Args:
        play: What happens.
        silent: A word in the prompts that are never answered.
        hold: Hold the root first.
        replies: What the model says, turn by turn, instead of the scenario's.
        environment: What the run says of its confinement.
        options: Options of the run.
        breakpoints: Those it begins with.
        app: Options of the app.
    """
    model: ChatModel = CallableModel(chat({"": replies})) if replies else model_for("multi-hop")
    speaks = Silent(model, silent) if silent else model
    given = Breakpoints(None, breakpoints)
    with watched("multi-hop", hold=hold, model=speaks, breakpoints=given, **(options or {})) as one:
        made = DebuggerApp(one.session, clock=lambda: NOW, **app)
        made.animation_level = "none"
        put = made.bridge.put
        made.bridge.put = lambda event: put(pinned(event, environment))  # type: ignore[method-assign]

        async def before(pilot: Pilot[Any]) -> None:
            stage = Stage(made, pilot, one)
            stage.decision.grace = 0.01
            await stage.until(lambda: stage.run.root is not None, "the root")
            await play(stage)
            await stage.until(lambda: not stage.view.grace, "its keys")
            await pilot.pause()

        yield made, before


async def held_request(stage: Stage) -> None:
    await stage.ready("llm")


async def held_block(stage: Stage) -> None:
    """The root's second block, before it asks a child."""
    for point in ("block", "observe", "block"):
        await stage.ready()
        await stage.verb("n")
        await stage.ready(point)


async def batch_block(stage: Stage) -> None:
    """The root's block that asks five children at once."""
    while "rlm_query_batched" not in stage.session.text(stage.run.blocks[stage.view.held_here().id].code):
        await stage.verb("n")
        await stage.ready("observe")
        await stage.verb("n")
        await stage.ready("block")


async def held_child(stage: Stage) -> None:
    """The first child of the batch before its second block; the others have ended."""
    await held_block(stage)
    await batch_block(stage)
    await stage.verb("i")
    await stage.ready("call")
    await stage.verb("i")
    await stage.until(lambda: stage.view.node != "root", "the child in view")
    for point in ("block", "observe", "block"):
        await stage.ready()
        await stage.verb("n")
        await stage.ready(point)
    held = stage.view.held_here()
    assert held is not None
    mine = stage.run.calls[held.node]
    others = [call for call in mine.block.calls if call is not mine]
    await stage.until(lambda: all(call.status != "open" for call in others), "the others ended")


async def edited(stage: Stage) -> None:
    """The same, its code changed by hand."""
    await held_child(stage)
    held = stage.view.held_here()
    assert held is not None
    code = stage.session.text(stage.run.blocks[held.id].code)
    await type_code(stage, code.replace("max(values)", "max(values) + 4"))
    await stage.press("ctrl+s")
    await stage.until(lambda: stage.app.screen is stage.main and "edited" in stage.bar, "the edit")


async def type_code(stage: Stage, code: str) -> None:
    await stage.press("e")
    await stage.until(lambda: isinstance(stage.app.screen, EditScreen), "the editor")
    stage.app.screen.query_one(Editor).text = code
    await stage.pilot.pause()


async def answered(stage: Stage) -> None:
    """The answer after that edit."""
    await edited(stage)
    await stage.verb("A")
    await stage.until(lambda: stage.run.end is not None, "the end")
    await stage.press("1", "home", "2")
    await stage.until(lambda: "answered" in stage.text, "the answer")


WAITS = code(
    "import threading, time",
    "def wait_for(station, seconds):",
    "    readings = [9.8, 12.4, 43.7]",
    "    print('waiting for', station, flush=True)",
    "    while True: time.sleep(0.01)",
    "names = {n: len(n) for n in ('cold-fell', 'gale-point')}",
    "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
    "wait_for('cold-fell', 60)",
)
"""Never ends, and can be stopped where it is: in one line of a function."""
NATIVE = code("print('adding up', flush=True)", "total = sum(range(10**12))")
"""Never ends, and can be stopped only with its REPL: one call of C code."""
LISTS = code(
    "import collections",
    "readings = [{'station': f's-{n}', 'gust': n / 10} for n in range(1204)]",
    "report = 'gust log\\x1b[31m ' * 3000",
    "table = {name: len(name) for name in ('cold-fell', 'gale-point')}",
    "count = collections.Counter(a=3)",
    "print(len(readings), 'readings')",
)
"""Values of several kinds: items of more than one page, a text that would be obeyed, what has only a brief."""


async def running_block(stage: Stage) -> None:
    """The root's first block has printed, and goes on."""
    await stage.until(lambda: (block := stage.run.blocks.get("root/i1/b1")) and block.stream, "the block's output")


async def climb(stage: Stage, asked: str) -> None:
    """Press the key that stops, and wait until the session has it."""
    await stage.until(lambda: not stage.view.grace, "the keys")
    await stage.press("p")
    await stage.until(lambda: stage.session.ladder("root").asked in (asked, None), asked)


async def standing(stage: Stage) -> None:
    """The block was broken in to."""
    await running_block(stage)
    await climb(stage, "pause")
    await climb(stage, "break")
    await stage.ready("line")


async def evaluate(stage: Stage, *lines: str) -> None:
    """Evaluate lines where something is held, and wait for what each gives."""
    await stage.press("exclamation_mark")
    for line in lines:
        before = evaluations(stage)
        stage.app.screen.query_one(Asking).value = line
        await stage.press("enter")
        await stage.until(lambda before=before: evaluations(stage) > before, f"the answer to {line}")


def evaluations(stage: Stage) -> int:
    """How many answers have come."""
    ended = sum(block.origin == "eval" and block.ended is not None for block in stage.run.blocks.values())
    return ended + sum(len(looks) for looks in stage.view.looks.values())


OPEN = {
    "confinement": "process (no Landlock, no seccomp)",
    "confinement_level": "process",
    "confinement_notices": [
        "This kernel offers no Landlock: a block can read and write every file that this user can.",
    ],
}
"""What a run says where a REPL cannot be shut in."""


async def unanswered(stage: Stage) -> None:
    """A break-in that native code does not answer."""
    await running_block(stage)
    await climb(stage, "pause")
    await climb(stage, "break")
    await stage.until(lambda: "in native code" in stage.text, "that it is in native code")


async def evaluated(stage: Stage) -> None:
    """A block that stands, with code of a person's beside it, and the line for more."""
    await standing(stage)
    await evaluate(stage, "readings.append(61.2)", "?max(readings)", "?[n * n for n in range(900)]")


async def variables(stage: Stage) -> None:
    """The variables after the first block."""
    await stage.ready()
    while (block := stage.run.blocks.get("root/i1/b1")) is None or block.ended is None:
        await stage.verb("s")
        await stage.ready()
    await stage.press("right", "right", "right", "3")
    await stage.until(lambda: stage.view.variable == "context", "the variables")


async def value(stage: Stage) -> None:
    """The second page of a list."""
    await variables(stage)
    await stage.press("down", "down", "down", "enter")
    await stage.until(lambda: "1–200 of 1,204" in stage.text, "the first page")
    await stage.press("right_square_bracket")
    await stage.until(lambda: "201–400 of 1,204" in stage.text, "the second page")


def differs(changed: Path) -> list[str]:
    """Replies whose second block has to be killed, after which the first one does something else.

    Args:
        changed: A file that is there from then on.
    """
    looks = f"import os\nif os.path.exists({str(changed)!r}): second = 2\nelse: first = 1\nprint('looked')"
    return [code(looks), NATIVE]


def diverged(changed: Path) -> Scene:
    """The REPL was killed, and its first block did something else when it was run again."""

    async def play(stage: Stage) -> None:
        block = "root/i2/b1"
        await stage.until(lambda: block in stage.run.blocks and stage.run.blocks[block].stream, "the second block")
        await climb(stage, "pause")
        await climb(stage, "break")
        await climb(stage, "abort")
        changed.touch()
        await stage.until(lambda: stage.session.ladder("root").asked == "abort", "the abort")
        await climb(stage, "kill")
        await stage.ready("error")
        await stage.verb("r")
        await stage.until(
            lambda: (held := stage.view.held_here()) and held.value.get("kind") == "diverged", "what differs"
        )
        await stage.ready("error")

    return play


BREAKPOINTS = (
    'reply if not has("```repl")',
    'block @depth>=1 if "max(" in code',
    'return @"gust log *" if not value.strip()',
    'call if n > 4 do log "fan-out {n}"',
    "observe if error > 2",
)


IN_TURN = {"max_batch_workers": 1}
"""One child after the other begins, so that they are held in their order."""


async def inbox(stage: Stage) -> None:
    """Children held by a breakpoint, over the list of all breakpoints; one of them has failed."""
    await stage.ready("llm")
    await stage.press("A")
    await stage.until(lambda: any("observe if" in held.reason for held in stage.run.held.values()), "one that failed")
    await stage.ready()
    await stage.press("A")
    await stage.until(lambda: sum(held.point == "block" for held in stage.run.held.values()) == 3, "held children")
    await stage.press("B")
    screen = stage.app.screen
    assert isinstance(screen, StopsScreen)
    screen.grace = 0.05
    await stage.until(lambda: not screen._fresh and "2 breakpoints" in stage.text, "its keys")


async def resampled(stage: Stage) -> None:
    """Three further replies beside the first."""
    await stage.next_to("reply")
    await stage.press("r")
    await stage.until(lambda: "costs" in stage.text, "how many")
    await stage.press("enter")
    await stage.until(lambda: "Nothing of any reply has run." in stage.text, "all replies")
    await stage.press("right")
    await stage.until(lambda: "enter take reply 2" in stage.text, "the second")


async def console(stage: Stage) -> None:
    """Some lines of a person's at a child's console."""
    from rlm_tui.tui.widgets.console import Field

    await held_child(stage)
    await stage.press("C")
    for line, says in (
        ("?body[:40]", "'["),
        ("import re\nvalues = [float(v) for v in re.findall(r'\\d+\\.\\d', body)]\n", "changed re, values"),
        ("top = max(values)", "changed top"),
        ("for value in values[:3]:\n    print(value, value > top / 2)\n", "changed value"),
    ):
        field = stage.app.screen.query_one(Field)
        field.text = line
        field.move_cursor(field.document.end)
        await stage.press("enter")
        await stage.until(lambda says=says: says in stage.text and not stage.app.screen.query_one(Field).text, says)
    stage.app.screen.query_one(Field).insert("top.is")
    await stage.press("tab")
    await stage.until(lambda: "top.is_integer" in stage.text, "the name")


async def difference(stage: Stage) -> None:
    """What a person made of a block, in the tab Diff, after it ran."""
    await edited(stage)
    await stage.press("3")
    await stage.until(lambda: stage.main.pane == "inspector", "the inspector")
    for _ in range(6):
        if "Diff" in stage.text and stage.view.tab == 4:
            break
        await stage.press("right")
