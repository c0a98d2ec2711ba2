"""Rows 1 to 8, 18, 45 and 46: blocks that do not end by themselves, and a person who stops them."""

from __future__ import annotations

from rlm_tui.engine.gate import Observation
from rlm_tui.journal.events import CallEnd, Chunk, ExecStart
from tests.hostile.row import Row
from tests.hostile.trial import AFTER as NEXT
from tests.hostile.trial import HOSTILE, Told, Trial


async def abort(trial: Trial) -> None:
    await trial.said("go")
    await trial.ticked()
    assert await trial.root.abort_block() is None


async def look_in_and_abort(trial: Trial) -> None:
    """Break in, let it go on, break in again, abort from there."""
    await trial.said("go")
    await trial.ticked()
    first = await trial.broken_in()
    assert first.frames[-1][2] == HOSTILE
    trial.hand_on("line", action="go")
    await trial.ticked()
    assert not trial.over()
    second = await trial.broken_in()
    assert (second.frames[-1][2], second.line > 1) == (HOSTILE, True)
    trial.hand_on("line", action="abort")


async def look_in_and_go(trial: Trial) -> None:
    """Break in, let it go on; the answer it waits for comes only then, and it ends by itself."""
    await trial.said("go")
    await trial.ticked()
    await trial.broken_in()
    trial.hand_on("line", action="go")
    trial.let_answer = True


async def climb(trial: Trial) -> None:
    """Abort, which is not answered; kill."""
    await trial.said("go")
    await trial.ticked()
    assert await trial.root.abort_block() is None
    await trial.ticked(30)
    assert not trial.over()
    assert await trial.root.kill_worker() is None


async def look_in_and_climb(trial: Trial) -> None:
    """Break in, which is answered; abort, which is not; kill."""
    await trial.said("go")
    await trial.ticked()
    await trial.broken_in()
    trial.hand_on("line", action="go")
    await climb(trial)


async def abort_twice(trial: Trial) -> None:
    """The second comes when the block has ended, or is about to."""
    await trial.said("go")
    await trial.ticked()
    assert await trial.root.abort_block() is None
    await trial.root.abort_block()
    await trial.until(trial.over)
    await trial.root.abort_block()


async def abort_the_next(trial: Trial) -> None:
    """The hostile block ends by itself; what it left behind must not keep the next from being aborted."""
    await trial.said("still", NEXT)
    await trial.ticked()
    await trial.broken_in()
    trial.hand_on("line", action="go")
    assert await trial.root.abort_block() is None


async def abort_when_both_are_seen(trial: Trial) -> None:
    await trial.said("first\nsecond\n")
    assert await trial.root.abort_block() is None


async def reject(trial: Trial) -> None:
    """The block proposed an answer: it is not taken, and the run goes on."""
    await trial.held("final")
    trial.hand_on("final", accepted=False, message="Not yet.")


async def wait_for_late_output(trial: Trial) -> None:
    """What a leaked thread prints comes when it comes; the run does not end before."""
    await trial.held("final")
    await trial.until(lambda: any(isinstance(e, Chunk) and e.late for e in trial.events))
    trial.hand_on("final")


async def look_only(trial: Trial) -> None:
    """At the observation, so when the REPL is idle: expressions that would do harm if they were more than looked at."""
    assert isinstance(await trial.held("observe"), Observation)
    changed = await trial.root.look("kept.append('looked') or kept")
    assert (changed.status, changed.text) == ("ok", "['before', 'begun', 'looked']")
    endless = await trial.root.look("exec('while True: pass')")
    assert endless.status == "timeout"
    gone = await trial.root.look("__import__('os')._exit(1)")
    assert gone.status == "died"
    asks = await trial.root.look("llm_query('from a copy')")
    assert asks.status == "error"
    trial.hand_on("observe")


async def evaluate_inside(trial: Trial) -> None:
    """Break in while a call is under way; change a variable; the call is answered meanwhile; go on."""
    await trial.until(lambda: "wait" in trial.chat.leaves)
    standing = await trial.broken_in()
    assert any(name == "x" for name, *_ in standing.locals)
    assert await trial.root.evaluate("x.append('by hand')") is None
    trial.let_answer = True
    await trial.until(lambda: any(isinstance(e, CallEnd) for e in trial.events))
    await trial.ticked()
    assert not trial.over()
    trial.hand_on("line", action="go")


def named_the_change(told: Told) -> None:
    """The evaluation is in the journal, by a person, with what it changed."""
    asked = [event for event in told.of(ExecStart) if event.origin == "eval"]
    assert [told.text(event.code) for event in asked] == ["x.append('by hand')"]
    assert [row.name for row in told.ran(asked[0].id).changed] == ["x"]


def cancelled_its_calls(told: Told) -> None:
    ends = [end for end in told.of(CallEnd) if end.id.startswith(HOSTILE)]
    assert ends
    assert all(end.status == "killed" for end in ends)


def looked_at_nothing_more(told: Told) -> None:
    assert told.leaves == ["still?"]


ENDLESS = {
    "loop": "while True: pass",
    "sleep": "import time\ntime.sleep(1e6)",
    "event": "import threading\nthreading.Event().wait()",
    "join": "import threading, time\nt = threading.Thread(target=time.sleep, args=(1e6,), daemon=True)\nt.start()\nt.join()",
}
STOPPED = "The block was stopped by a person."
INSIDE = (
    "import threading\ngot = []\nthread = threading.Thread(target=lambda: got.append(llm_query('wait')))\n"
    "thread.start()\nn = 0\nwhile not got: n += 1\nthread.join()\nprint(got, n > 0)"
)
STOPPING = [
    *(
        Row(1 if name == "loop" else 2, name, code, "aborted", "BlockAborted", act=look_in_and_abort)
        for name, code in ENDLESS.items()
    ),
    Row(1, "printing", "while True: print(1)", "aborted", "BlockAborted", act=look_in_and_abort),
    Row(1, "goes on", INSIDE, stdout="go\n['<wait>'] True\n", act=look_in_and_go),
    Row(3, "regex", "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')", "aborted", "BlockAborted", act=look_in_and_abort),
    Row(3, "power", "7 ** (10 ** 8)", "aborted", "BlockAborted", act=look_in_and_abort),
    Row(4, "native", "sum(range(10 ** 12))", "died", "ended by a person", state="rebuilt", act=climb),
    Row(
        5,
        "catches all",
        # Twice, because an abort may come between two rounds of a loop, where nothing catches it.
        "def forever():\n    while True:\n        try:\n            while True: str(1)\n        except BaseException: pass\n"
        "while True:\n    try: forever()\n    except BaseException: pass",
        "died",
        "ended by a person",
        state="rebuilt",
        act=look_in_and_climb,
    ),
    Row(
        6,
        "own handlers",
        "import signal\nsignal.signal(signal.SIGINT, lambda *_: None)\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\n"
        "while True: pass",
        "died",
        "ended by a person",
        state="rebuilt",
        act=climb,
    ),
    Row(
        6,
        "leaves handlers",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)",
        stdout="go\n",
        after="kept.append('after')\nprint(kept, 'still', flush=True)\nwhile True: pass",
        left="['before', 'begun', 'after'] still\n",
        act=abort_the_next,
    ),
    Row(
        6,
        "leaves a mask",
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGUSR1})",
        stdout="go\n",
        after="kept.append('after')\nprint(kept, 'still', flush=True)\nwhile True: pass",
        left="['before', 'begun', 'after'] still\n",
        act=abort_the_next,
    ),
    Row(
        7,
        "pool",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as pool:\n"
        "    list(pool.map(llm_query, ['never'] * 20))",
        "aborted",
        STOPPED,
        act=abort,
        check=cancelled_its_calls,
    ),
    Row(7, "call", "llm_query('never')", "aborted", STOPPED, act=abort, check=cancelled_its_calls),
    Row(
        7,
        "child",
        "rlm_query('a child')",
        "aborted",
        STOPPED,
        act=abort,
        check=cancelled_its_calls,
        children={"a child": ["```repl\nwhile True: pass\n```"]},
        options={"max_depth": 3},
    ),
    Row(8, "two aborts", "while True: pass", "aborted", "BlockAborted", act=abort_twice),
    Row(
        18,
        "seen at once",
        "import time\nprint('first')\nprint('second')\ntime.sleep(60)",
        "aborted",
        stdout="go\nfirst\nsecond\n",
        act=abort_when_both_are_seen,
    ),
    Row(
        45,
        "look only",
        "pass",
        stdout="go\n",
        act=look_only,
        holds=frozenset({"observe"}),
        check=looked_at_nothing_more,
    ),
    Row(
        46,
        "change inside",
        "x = []\nprint(llm_query('wait'), x)",
        stdout="go\n<wait> ['by hand']\n",
        act=evaluate_inside,
        check=named_the_change,
    ),
]
