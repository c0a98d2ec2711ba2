"""A REPL that is made anew from its journal, and compared as it is. Records are bent, or blocks know their process."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import CallEnd, Event, ExecEnd, ExecStart, LlmStart, Rebuild, RunStart, VariableRow
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.llm.callable import CallableModel
from tests.engine.scripts import Chat, Deciding, Leaf, of_kind, repl
from tests.runs import DEADLINE_S

PID = "import os\npid = os.getpid()\n"
"""Makes a block know which process it is in."""

Bend = Callable[[Event], Event]


def go(
    journal: Journal, *root: str, gates: Any = None, leaf: Leaf = lambda prompt: f"<{prompt}>", **options: Any
) -> Chat:
    """Run these root replies over a journal; the chat that was asked."""
    chat = Chat(*root, leaf=leaf)
    model = CallableModel(chat)
    run = EngineRun(journal, lambda _: model, context="c", task="?", gates=gates, options=Options(**options))
    asyncio.run(asyncio.wait_for(run.go(), DEADLINE_S))
    return chat


@dataclass
class Again:
    """A run that went on in a REPL that was made anew."""

    journal: Journal
    chat: Chat
    held: list[tuple[str, Any]] = field(default_factory=list[Any])
    """Address and value of what passed the gate that was decided at."""

    @property
    def rebuilds(self) -> list[tuple[str, int, int, str]]:
        return [(e.id, e.done, e.of, e.finding) for e in of_kind(self.journal, Rebuild)]

    @property
    def findings(self) -> list[str]:
        return [e.finding for e in of_kind(self.journal, Rebuild) if e.done]

    @property
    def differs(self) -> str:
        return " ".join(e.differs for e in of_kind(self.journal, Rebuild) if e.done and e.differs)

    def end(self, id: str) -> ExecEnd:
        return [e for e in of_kind(self.journal, ExecEnd) if e.id == id][-1]


def again(
    *blocks: str,
    then: str = "x = 1",
    bend: Bend = lambda event: event,
    at: str = "error",
    decide: Callable[[Any], Any] = lambda value: value,
    leaf: Leaf = lambda prompt: f"<{prompt}>",
    **options: Any,
) -> Again:
    """Record blocks, one a turn, and go on over that record in another process, with one block more.

    Args:
        blocks: What is recorded.
        then: The block that waits for the REPL.
        bend: Changes events of the record.
        at: The point that is decided at.
        decide: What becomes of what passes there.
        leaf: Answers plain requests, then and now.
    """
    replies = [repl(code) for code in blocks]
    source = Journal.memory()
    go(source, *replies, repl("FINAL(0)"), leaf=leaf, **options)
    journal = Journal.memory()
    for event in source.events():
        if isinstance(event, LlmStart) and event.id == f"root/i{len(blocks) + 1}":
            break
        journal.copy(bend(event), source)
    held: list[tuple[str, Any]] = []

    def change(id: str, value: Any) -> Any:
        held.append((id, value))
        return decide(value)

    chat = go(journal, *replies, repl(then), repl("FINAL(0)"), gates=Deciding(at, change), leaf=leaf, **options)
    return Again(journal, chat, held)


def code_of(id: str, code: str) -> Bend:
    """Record another code for a block than ran."""

    def bend(event: Event) -> Event:
        return event.model_copy(update={"code": code}) if isinstance(event, ExecStart) and event.id == id else event

    return bend


def end_of(id: str, **fields: Any) -> Bend:
    """Record another end for a block than it had."""

    def bend(event: Event) -> Event:
        return event.model_copy(update=fields) if isinstance(event, ExecEnd) and event.id == id else event

    return bend


# Findings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "print({'a', 'b', 'c'}, object())",
        "import random\nprint(random.random(), [random.random() for _ in range(3)])",
        "import time\nprint(f'it took {time.time() % 7:.3f} s')",
        "x = [llm_query('q'), llm_query('q')]\nx",
        "print(1)\n1 / 0",
        "def f(n):\n    return n + 1\nclass A:\n    n = f(1)\na = A()",
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool:\n    made = sorted(pool.map(llm_query, 'abca'))",
        "answer['content'] = 'half'\ncontext = context * 2",
    ],
)
def test_what_is_the_same_is_found_the_same(code: str) -> None:
    run = again(code, "y = 2\ndel y", then="print('x' in globals())")

    assert run.rebuilds == [("root/i3/b1", 0, 2, "same"), ("root/i1/b1", 1, 2, "same"), ("root/i2/b1", 2, 2, "same")]
    assert (run.differs, run.held) == ("", [])
    assert run.end("root/i3/b1").divergence is None
    # What was printed and answered is in the journal already; nothing of it is written or asked a second time.
    assert run.chat.leaves == []
    assert len([e for e in of_kind(run.journal, ExecEnd) if e.id == "root/i1/b1"]) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (f"{PID}del pid, os\nprint('one')\nprint('pid', __import__('os').getpid())", "Block 1 of i1 printed 'pid "),
        (f"{PID}del pid, os\nimport sys\nprint(__import__('os').getpid(), file=sys.stderr)", "wrote to stderr"),
        ("import os\nos.getpid()", "ended with the value"),
        ("import os\nos.write(1, str(os.getpid()).encode())\nNone", "wrote past Python"),
    ],
)
def test_an_output_that_differs_goes_on_and_the_recorded_one_stays(code: str, words: str) -> None:
    run = again(code)

    assert run.findings == ["output"]
    assert words in run.differs
    assert (run.held, run.end("root/i2/b1").divergence) == ([], None)


@pytest.mark.parametrize(
    ("code", "differs"),
    [
        (f"{PID}total = type(f'T{{pid}}', (), {{}})()", "made `total` a T"),
        (f"{PID}globals()[f'v{{pid}}'] = 1", ", an int, which was not there."),
        (f"{PID}raise type(f'E{{pid}}', (Exception,), {{}})('gone')", "ended with E"),
    ],
)
def test_names_types_and_exceptions_that_differ_hold(code: str, differs: str) -> None:
    run = again(code)

    assert run.findings == ["state"]
    ((id, value),) = run.held
    assert (id, value.error.kind, value.attempt) == ("root/i2/b1", "diverged", 1)
    assert value.error.message == run.differs
    assert value.error.message.startswith("Block 1 of i1 ")
    assert differs in value.error.message


def test_what_differs_is_said_in_words() -> None:
    run = again(
        "total = 1\nkept = 2",
        bend=end_of(
            "root/i1/b1",
            changed=(VariableRow(name="total", type="list"), VariableRow(name="kept", type="int")),
            error="Traceback (most recent call last):\n  File 1\nKeyError: 'a'\nand more",
        ),
    )

    assert run.held[0][1].error.message == (
        "Block 1 of i1 ended with no error; it had ended with KeyError. It made `total` an int; it was a list."
    )


def test_a_name_that_differs_is_named_where_it_began_to_and_set_right_in_the_journal() -> None:
    wrong = (VariableRow(name="total", type="list"), VariableRow(name="gone", type="int"))
    run = again("total = 1", "other = 2", bend=end_of("root/i1/b1", changed=wrong), then="mine = 3")

    assert run.findings == ["state", "same"]
    end = run.end("root/i3/b1")
    assert end.divergence == run.differs
    assert [(row.name, row.type) for row in end.changed] == [("total", "int"), ("mine", "int")]
    assert end.removed == ("gone",)
    folded = Run(run.journal.events()).nodes["root"].variables
    assert {name: row.type for name, row in folded.items()} == {"total": "int", "other": "int", "mine": "int"}


@pytest.mark.parametrize(
    ("code", "record", "words"),
    [
        (
            "import os\nx = llm_query(f'It is {os.getpid()} o clock, and then some more words follow')",
            None,
            "It asked for 1 call that is not recorded: llm_query 'It is ",
        ),
        (
            "x = llm_query('a') + llm_query('b')",
            "x = llm_query('a')",
            "did not ask for 1 call that is recorded: llm_query 'b'.",
        ),
    ],
)
def test_calls_that_differ_hold_and_are_never_made_by_themselves(code: str, record: str | None, words: str) -> None:
    run = again(code, bend=code_of("root/i1/b1", record) if record else lambda event: event)

    assert run.findings == ["calls"]
    assert run.chat.leaves == []
    ((id, value),) = run.held
    assert (id, value.error.kind) == ("root/i2/b1", "diverged")
    assert words in value.error.message
    assert run.end("root/i2/b1").divergence == value.error.message


@pytest.mark.parametrize("status", ["aborted", "timeout"])
def test_a_block_that_was_stopped_in_its_middle_cannot_be_repeated(status: str) -> None:
    run = again("x = 1", "y = 2", bend=end_of("root/i1/b1", status=status), then="print('x' in globals(), y)")

    assert run.findings == ["unrepeatable", "same"]
    how = "was stopped" if status == "aborted" else "took too long"
    assert run.held[0][1].error.message == f"Block 1 of i1 {how} in its middle, and can't be stopped there again."
    assert run.end("root/i3/b1").stdout == "False 2\n"


def test_a_block_that_was_stopped_together_with_its_repl_left_nothing_to_repeat() -> None:
    run = again("x = 1", "y = 2", bend=end_of("root/i1/b1", status="timeout", reasons=("repl_lost",)))

    assert (run.findings, run.held) == (["same"], [])


def test_a_block_that_ends_the_repl_now_is_left_out_and_named() -> None:
    run = again(
        "x = 1", "y = 2", bend=code_of("root/i1/b1", "import os\nos._exit(3)"), then="print('x' in globals(), y)"
    )

    assert run.rebuilds == [
        ("root/i3/b1", 0, 2, "same"), ("root/i1/b1", 1, 2, "died"),
        ("root/i3/b1", 0, 2, "same"), ("root/i1/b1", 1, 2, "died"), ("root/i2/b1", 2, 2, "same"),
    ]  # fmt: skip
    assert "Block 1 of i1 ended the REPL when it was run again, and is left out." in run.held[0][1].error.message
    assert run.end("root/i3/b1").stdout == "False 2\n"


def test_a_block_that_never_ends_now_is_stopped_and_named() -> None:
    run = again("x = 1", bend=code_of("root/i1/b1", "x = 1\nwhile True: pass"), block_timeout_s=1.0)

    assert run.findings == ["state"]
    assert "took too long, and was stopped" in run.differs


def test_a_block_that_is_not_a_part_of_the_state_is_not_run_again() -> None:
    run = again("x = 1", "import os\nos._exit(3)", "y = 2", then="print(x, y)")

    assert run.rebuilds[2:] == [
        ("root/i4/b1", 0, 2, "same"), ("root/i1/b1", 1, 2, "same"), ("root/i3/b1", 2, 2, "same"),
    ]  # fmt: skip
    assert run.end("root/i4/b1").stdout == "1 2\n"


# What a person decides --------------------------------------------------------------------------------------------


def test_trying_again_makes_the_repl_anew_once_more() -> None:
    wrong = end_of("root/i1/b1", changed=(VariableRow(name="x", type="list"),))
    run = again(
        "x = 1", bend=wrong, decide=lambda value: replace(value, action="retry" if value.attempt < 3 else "apply")
    )

    assert run.findings == ["state"] * 3
    assert [value.attempt for _, value in run.held] == [1, 2, 3]
    assert run.end("root/i2/b1").status == "ok"


ASKS = "import os\nx = llm_query(f'pid {os.getpid()}')"


def test_a_call_that_is_not_recorded_passes_its_gate_and_is_not_made() -> None:
    run = again(
        "x = 0",
        bend=code_of("root/i1/b1", "try:\n    x = llm_query('new')\nexcept RuntimeError as e:\n    x = 7"),
        at="call",
        then="print(x)",
    )

    ((id, ask),) = run.held
    assert (id.startswith("root/i1/b1~llm:"), ask.unrecorded, ask.prompt) == (True, True, "new")
    assert run.chat.leaves == []
    assert list(of_kind(run.journal, CallEnd)) == []
    assert run.end("root/i2/b1").stdout == "7\n"


def test_a_call_that_a_person_answers_is_recorded_and_used() -> None:
    run = again(ASKS, at="call", decide=lambda ask: replace(ask, supplied="by hand"), then="print(x)")

    assert run.chat.leaves == []
    ends = list(of_kind(run.journal, CallEnd))
    assert [(e.status, e.value) for e in ends] == [("ok", ends[0].value), ("supplied", "by hand")]
    assert run.end("root/i2/b1").stdout == "by hand\n"
    assert len(Run(run.journal.events()).blocks["root/i1/b1"].calls) == 2


def test_a_call_that_a_person_lets_go_is_made_and_recorded() -> None:
    run = again(ASKS, at="call", decide=lambda ask: replace(ask, unrecorded=False), then="print(x)")

    assert len(run.chat.leaves) == 1
    assert [e.status for e in of_kind(run.journal, CallEnd)] == ["ok", "ok"]
    assert run.end("root/i2/b1").stdout == f"<{run.chat.leaves[0]}>\n"


def test_one_that_is_broken_off_is_not_taken_for_whole() -> None:
    source = Journal.memory()
    go(source, repl("x = 1"), repl("y = 2"), repl("FINAL(0)"))
    journal = Journal.memory()
    for event in source.events():
        if isinstance(event, LlmStart) and event.id == "root/i3":
            break
        bent = code_of("root/i1/b1", "try:\n    llm_query('new')\nexcept RuntimeError:\n    x = 7")(event)
        journal.copy(bent, source)

    async def play() -> str:
        asked, decided = asyncio.Event(), False

        class Held:
            async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
                asked.set()
                # The loop waits before its next request; so does the call that nobody recorded, the first time.
                return value if decided else await asyncio.Future[Any]()

        model, gates = CallableModel(Chat(repl("x = 1"), repl("y = 2"))), Held()
        run = EngineRun(journal, lambda _: model, context="c", task="?", gates=gates)
        going = asyncio.ensure_future(run.go())
        await asked.wait()
        asked.clear()
        looking = asyncio.ensure_future(run.nodes["root"].look("x"))
        await asked.wait()
        looking.cancel()
        await asyncio.wait([looking])
        decided = True
        looked = await run.nodes["root"].look("x, y")
        run.kill()
        await going
        return looked.text

    assert asyncio.run(asyncio.wait_for(play(), DEADLINE_S)) == "(7, 2)"


# What is said before ----------------------------------------------------------------------------------------------


def first(journal: Journal) -> str:
    return next(e.differs for e in of_kind(journal, Rebuild))


def test_another_python_is_named() -> None:
    def bend(event: Event) -> Event:
        if not isinstance(event, RunStart):
            return event
        return event.model_copy(update={"environment": {**event.environment, "python": "3.0.1"}})

    run = again("x = 1", bend=bend)
    assert first(run.journal) == f"It was recorded with Python 3.0.1; this is Python {platform.python_version()}."
    assert run.held == []


def test_what_is_done_to_files_once_more_is_named() -> None:
    run = again("for n in range(5):\n    open(f'f{n}', 'w').close()", then="import os\nprint(sorted(os.listdir('.')))")

    assert first(run.journal) == "Done once more: write f0; write f1; write f2; and 2 more."
    assert run.end("root/i2/b1").stdout == "['f0', 'f1', 'f2', 'f3', 'f4']\n"


# In the middle of a run ---------------------------------------------------------------------------------------------


def test_a_dead_repl_is_made_anew_in_the_middle_of_a_run_with_what_a_resume_would_make() -> None:
    journal = Journal.memory()
    go(
        journal,
        repl("import random\na = random.random()\nb = llm_query('x')"),
        repl("a = 0\nimport os\nos._exit(3)"),
        repl("print(b)\nc = a"),
        repl("import os\nos._exit(3)"),
        repl("print(a == c, b)"),
        repl("FINAL(0)"),
    )
    rebuilds = [(e.id, e.done, e.of, e.finding) for e in of_kind(journal, Rebuild)]
    assert rebuilds == [
        ("root/i3/b1", 0, 1, "same"), ("root/i1/b1", 1, 1, "same"),
        ("root/i5/b1", 0, 2, "same"), ("root/i1/b1", 1, 2, "same"), ("root/i3/b1", 2, 2, "same"),
    ]  # fmt: skip
    assert [e.stdout for e in of_kind(journal, ExecEnd) if e.id == "root/i5/b1"] == ["True <x>\n"]


def test_a_headless_run_goes_on_and_notes_what_differs() -> None:
    journal = Journal.memory()
    go(
        journal,
        repl(f"{PID}mine = type(f'T{{pid}}', (), {{}})()"),
        repl("import os\nos._exit(3)"),
        repl("x = 1"),
        repl("y = 1"),
        repl("FINAL(0)"),
    )
    ends: Iterable[ExecEnd] = of_kind(journal, ExecEnd)
    noted = {e.id: e.divergence for e in ends}
    assert str(noted.pop("root/i3/b1")).startswith("Block 1 of i1 made `mine` a T")
    assert set(noted.values()) == {None}
