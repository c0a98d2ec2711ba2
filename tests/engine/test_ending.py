"""Ends from outside: Ctrl-C, a cancelled task, a kill before the beginning. No worker is left, every node has its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.engine.ending import Forced, Killed
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.engine.runner import LocalRLMRunner
from rlm_tui.journal.events import CallEnd, CallStart, ExecEnd, ExecStart, LlmEnd, LlmStart, NodeEnd, NodeStart, RunEnd
from rlm_tui.journal.places import list_runs
from rlm_tui.journal.store import Journal, read
from rlm_tui.llm.callable import CallableModel
from tests.engine.scripts import Chat, repl
from tests.runs import DEADLINE_S

FOREVER = "while True: pass"
CHILDREN = {"busy child": [repl(FOREVER)], "asking child": [repl('llm_query("never")')]}
ROOT = repl('rlm_query_batched(["busy child", "asking child", "busy child 2"])')


def workers(pid: int) -> set[int]:
    """The child processes of a process, by what the kernel says."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        # A thread may end while it is looked at.
        with suppress(FileNotFoundError, ProcessLookupError):
            found |= {int(child) for child in (task / "children").read_text().split()}
    return found


linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="there is no /proc to look at")


class Stuck:
    """A leaf that never answers, and says when it was asked. Released at the end, so that its thread ends."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.release = threading.Event()

    def __call__(self, prompt: str) -> str:
        self.asked.set()
        self.release.wait(DEADLINE_S)
        return "late"


def everything_ended(events: list[Any], status: str) -> None:
    """Every act that began has its end, and the root's and the run's have this status."""
    for start, end in ((NodeStart, NodeEnd), (LlmStart, LlmEnd), (ExecStart, ExecEnd), (CallStart, CallEnd)):
        begun = [e.id for e in events if isinstance(e, start)]
        assert sorted(begun) == sorted(e.id for e in events if isinstance(e, end)), (start, end)
    assert events[-1].ev == "run.end"
    assert events[-1].status == status
    order = {e.id: e.seq for e in events if isinstance(e, NodeEnd)}
    assert all(order[id] < order["root"] for id in order if id != "root")


PROGRAM = """
import sys, threading
from pathlib import Path
from rlm_tui.engine.runner import LocalRLMRunner
from tests.engine.test_ending import CHILDREN, ROOT
from tests.engine.scripts import Chat

def never(prompt):
    print("asked", flush=True)
    threading.Event().wait()

runner = LocalRLMRunner(Chat(ROOT, children=CHILDREN, leaf=never), journal=Path(sys.argv[1]))
try:
    runner.run("", "?")
except KeyboardInterrupt:
    from tests.engine.test_ending import workers
    import os
    print("interrupted", sorted(workers(os.getpid())), flush=True)
"""


@linux
def test_ctrl_c_kills_the_tree_closes_the_journal_and_is_raised_again(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "asked\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted []\n"
            # A leaf that never comes back holds nobody.
            assert process.wait(DEADLINE_S) == 0
        finally:
            process.kill()
    (path,) = list_runs(tmp_path)
    everything_ended(list(read(path).events()), "killed")


@linux
@pytest.mark.parametrize("times", [1, 3])
def test_a_cancelled_arun_is_killed_and_leaves_no_worker(times: int) -> None:
    stuck, journal, before = Stuck(), Journal.memory(), workers(os.getpid())

    async def main() -> None:
        chat = Chat(ROOT, children=CHILDREN, leaf=stuck)
        task = asyncio.ensure_future(LocalRLMRunner(chat, journal=journal).arun("", "?"))
        assert await asyncio.to_thread(stuck.asked.wait, DEADLINE_S)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, DEADLINE_S)

    try:
        asyncio.run(main())
    finally:
        stuck.release.set()
    everything_ended(list(journal.events()), "killed")
    assert workers(os.getpid()) <= before


@linux
def test_a_run_that_ended_leaves_no_worker() -> None:
    before = workers(os.getpid())
    chat = Chat(repl('FINAL(rlm_query_batched(["child"] * 3))'), children={"child": [repl("FINAL(1)")]})
    LocalRLMRunner(chat).run("", "?")

    assert workers(os.getpid()) <= before


def test_what_a_callback_lets_out_ends_the_run_as_killed() -> None:
    class Enough(BaseException):
        pass

    def on_start(*_: Any) -> None:
        raise Enough

    journal = Journal.memory()
    chat = Chat(ROOT, children=CHILDREN)
    with pytest.raises(Enough):
        LocalRLMRunner(chat, journal=journal, on_subcall_start=on_start).run("", "?")

    everything_ended(list(journal.events()), "killed")


def engine(chat: Any, journal: Journal, **options: Any) -> EngineRun:
    model = CallableModel(chat)
    return EngineRun(journal, lambda _: model, context="", task="?", options=Options(**options))


def test_a_kill_before_the_first_event_is_not_lost() -> None:
    journal, chat = Journal.memory(), Chat(repl(FOREVER))
    run = engine(chat, journal)
    run.kill()
    end = asyncio.run(asyncio.wait_for(run.go(), DEADLINE_S))

    assert (end.status, chat.asked) == ("killed", [])
    everything_ended(list(journal.events()), "killed")


def test_a_run_that_is_left_can_be_gone_on_with() -> None:
    stuck, journal = Stuck(), Journal.memory()

    async def main() -> None:
        run = engine(Chat(ROOT, children=CHILDREN, leaf=stuck), journal)
        task = asyncio.ensure_future(run.go())
        assert await asyncio.to_thread(stuck.asked.wait, DEADLINE_S)
        run.leave()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, DEADLINE_S)

    try:
        asyncio.run(main())
    finally:
        stuck.release.set()
    events = list(journal.events())
    assert [e for e in events if isinstance(e, NodeEnd | CallEnd | ExecEnd | RunEnd)] == []

    children = {"child": [repl("FINAL(1)")]}
    chat = Chat(ROOT, repl("FINAL('went on')"), children=children, leaf=lambda _: "now")
    # The children's replies are remembered; only what was in flight is asked again. Two of them never end by themselves.
    run = engine(chat, journal, block_timeout_s=1.0, max_iterations=2)
    assert asyncio.run(asyncio.wait_for(run.go(), 2 * DEADLINE_S)).value == "went on"
    assert chat.leaves == ["never"]


def test_a_run_that_is_left_before_it_began_writes_nothing() -> None:
    journal = Journal.memory()
    run = engine(Chat(repl("FINAL(1)")), journal)
    run.leave()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run.go())

    assert list(journal.events()) == []


def test_a_subtree_can_be_killed_and_the_rest_goes_on() -> None:
    stuck, journal = Stuck(), Journal.memory()
    chat = Chat(
        repl('out = rlm_query_batched(["asking child", "good child"])'),
        repl('FINAL_VAR("out")'),
        children={"good child": [repl("FINAL(1)")]} | CHILDREN,
        leaf=stuck,
    )

    async def main() -> Any:
        run = engine(chat, journal)
        task = asyncio.ensure_future(run.go())
        assert await asyncio.to_thread(stuck.asked.wait, DEADLINE_S)
        (child,) = (id for id, node in run.nodes.items() if node.spec.task == "asking child")
        assert run.stop(child, Killed())
        end = await asyncio.wait_for(task, DEADLINE_S)
        assert not run.stop(child, Killed())
        return end

    try:
        end = asyncio.run(main())
    finally:
        stuck.release.set()
    assert end.value == "['Error: killed by user', '1']"
    assert [e.status for e in journal.events() if isinstance(e, NodeEnd) and e.id != "root"] in (
        ["killed", "final"],
        ["final", "killed"],
    )


def test_a_forced_answer_wins_over_what_the_block_says_itself() -> None:
    stuck, journal = Stuck(), Journal.memory()
    code = 'import time\ntry:\n    llm_query("never")\nfinally:\n    FINAL("of the block")'

    async def main() -> Any:
        run = engine(Chat(repl(code) + "\n" + repl("never = 1"), leaf=stuck), journal)
        task = asyncio.ensure_future(run.go())
        assert await asyncio.to_thread(stuck.asked.wait, DEADLINE_S)
        assert run.stop("root", Forced("by hand"))
        return await asyncio.wait_for(task, DEADLINE_S)

    try:
        end = asyncio.run(main())
    finally:
        stuck.release.set()
    assert (end.status, end.value, end.via) == ("final", "by hand", "forced")
    assert [e.id for e in journal.events() if isinstance(e, ExecStart)] == ["root/i1/b1"]
