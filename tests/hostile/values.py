"""Rows 17, 19 to 23, 29 to 38, 43 and 44: blocks whose output, values or calls are not what they seem."""

from __future__ import annotations

from rlm_tui.journal import address
from rlm_tui.journal.events import CallStart
from rlm_tui.repl.protocol import OUTPUT_CAP, RAW_CAP
from tests.hostile.row import AFTER as NEXT
from tests.hostile.row import Row
from tests.hostile.stopping import reject, wait_for_late_output
from tests.hostile.trial import AFTER, BEFORE, HOSTILE, Told

STRANGE = "\x1b[2J\x1b]52;c;aGk=\x07\r\0\x08\ud800\udc00 \udfff é 🦊 [bold]x[/] ▌ HELD at root/i1"
SHORT = "".join(f"{n}\n" for n in range(1_000_000))


def whole(text: str):
    """All that was printed is kept, under the cap; over it, as much as fits, and the rest is counted."""

    def check(told: Told) -> None:
        end = told.ran()
        assert told.stdout() == text[:OUTPUT_CAP]
        if len(text) <= OUTPUT_CAP:
            assert end.cuts == {}
            return
        cut = end.cuts["stdout"]
        assert (cut.kept, cut.total) == (OUTPUT_CAP, len(text))
        assert cut.tail
        assert text.endswith(cut.tail)

    return check


def drained(told: Told) -> None:
    end = told.ran()
    assert told.text(end.raw) == "x" * RAW_CAP
    assert (end.cuts["raw"].kept, end.cuts["raw"].total) == (RAW_CAP, 10**7)


def as_late_output(told: Told) -> None:
    assert "leaked" in told.late()
    assert "leaked" not in told.observed(2)
    assert "leaked" not in told.stdout(AFTER)


def never_asked(told: Told) -> None:
    assert told.leaves == ["still?"]


def listed(**briefs: str | None):
    """The listing names these variables; where a brief is given, it is that."""

    def check(told: Told) -> None:
        rows = {row.name: row for row in told.ran().changed}
        for name, brief in briefs.items():
            assert name in rows, (name, list(rows))
            assert len(rows[name].brief) <= 100
            if brief is not None:
                assert rows[name].brief == brief, name
        assert told.leaves == ["still?"]

    return check


def all_answered(told: Told) -> None:
    """Eight calls, four of them equal: whatever the order of the threads, addresses are by content and occurrence."""
    assert sorted(told.leaves[:8]) == ["p0", "p1", "p2", "p3", *["same"] * 4]
    wanted = {address.call(HOSTILE, "llm", f"p{n}", None, 1) for n in range(4)}
    wanted |= {address.call(HOSTILE, "llm", "same", None, nth) for nth in range(1, 5)}
    assert {event.id for event in told.of(CallStart) if event.id.startswith(HOSTILE)} == wanted


def rebuilt_as(finding: str, unrecorded: int = 0):
    """The block before came back with this finding, and nobody was asked anything."""

    def check(told: Told) -> None:
        assert told.findings() == {BEFORE: finding}
        assert len(told.unrecorded) == unrecorded
        assert len(told.leaves) == len(set(told.leaves))
        assert [failure.error.kind for failure in told.errors] == ["died", *["diverged"] * (unrecorded > 0)]

    return check


def final_is(text: str, *, capped: bool = False):
    def check(told: Told) -> None:
        (final,) = told.ran().finals
        assert told.text(final.text) == text
        assert ("final_capped" in final.reasons) is capped

    return check


EVIL = """
class Raises:
    def __repr__(self): raise RuntimeError
    __str__ = __len__ = __bool__ = __iter__ = __hash__ = __eq__ = __sizeof__ = __repr__
class Loops:
    def __repr__(self):
        while True: pass
    __str__ = __len__ = __repr__
class Asks:
    def __repr__(self):
        print('ran')
        return llm_query('from a repr')
    __str__ = __len__ = __repr__
class Lies:
    @property
    def __class__(self): return llm_query('from a class')
class D(dict):
    def __repr__(self): return llm_query('from a dict')
    __len__ = __iter__ = items = keys = __repr__
class S(str):
    def __repr__(self): return llm_query('from a str')
    __len__ = __str__ = __getitem__ = __repr__
raises, loops, asks, lies, d, s = Raises(), Loops(), Asks(), Lies(), D(a=1), S('text')
inside = [raises, loops, asks, lies, d, s]
"""
META = """
class M(type):
    __name__ = property(lambda self: 1 / 0)
    def __getattribute__(self, name): raise RuntimeError(name)
class C(metaclass=M): pass
c = C()
def f(): pass
import types, math
m = types.ModuleType('m')
m.__name__ = c
class N(str):
    def __repr__(self): raise RuntimeError
    __str__ = __len__ = __repr__
f.__name__ = N('strange')
"""
LEAK = """
import threading, time
stop = []
printed = []
def leak():
    while not stop:
        print('leaked')
        printed.append(1)
        time.sleep(0.001)
thread = threading.Thread(target=leak)
thread.start()
"""
LEAK_ASKS = """
import threading
gone, told = threading.Event(), []
def ask():
    gone.wait()
    try:
        told.append(llm_query('too late'))
    except BaseException as error:
        told.append(f'{type(error).__name__}: {error}')
thread = threading.Thread(target=ask)
thread.start()
"""
EIGHT = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    print(sorted(pool.map(llm_query, ['same', 'p0', 'same', 'p1', 'same', 'p2', 'same', 'p3'])))
"""
MUTATED = """
import threading
d = {n: n for n in range(100_000)}
stop = []
def change():
    n = 0
    while not stop:
        n += 1
        d[n % 1000 - 500] = n
        d.pop(n % 777 - 500, None)
thread = threading.Thread(target=change, daemon=True)
thread.start()
"""
ASYNC = """
import asyncio
async def f(x):
    await asyncio.sleep(0)
    return x
async def main(): return await asyncio.gather(f(1), f(2))
print(asyncio.run(main()))
"""
SLOW = "class Slow:\n    def __str__(self):\n        while True: pass\n    __repr__ = __str__\nslow = Slow()\n"
GONE = "import os\nos._exit(3)"

VALUES = [
    Row(17, "ten megabytes", "print('x' * 10 ** 7)", check=whole("x" * 10**7 + "\n")),
    Row(17, "short lines", "for n in range(1_000_000): print(n)", check=whole(SHORT)),
    Row(17, "over the cap", "print('x' * (20 << 20))\nprint('the end')", check=whole("x" * (20 << 20) + "\nthe end\n")),
    Row(19, "raw", "import os\nx = b'x' * 10 ** 7\nwhile x: x = x[os.write(1, x):]", stdout="", check=drained),
    Row(20, "strange text", f"print({STRANGE!r})", stdout=STRANGE + "\n"),
    Row(20, "strange final", f"FINAL({STRANGE!r})", act=reject, holds=frozenset({"final"}), check=final_is(STRANGE)),
    Row(
        21,
        "leaked thread",
        LEAK,
        after="n = len(printed)\nwhile len(printed) < n + 20: time.sleep(0.001)\nstop.append(1)\nthread.join()\n"
        "kept.append('after')\nprint(kept)",
        left="['before', 'begun', 'after']\n",
        act=wait_for_late_output,
        holds=frozenset({"final"}),
        check=as_late_output,
    ),
    Row(
        22,
        "leaked call",
        LEAK_ASKS,
        after="gone.set()\nthread.join()\nkept.append('after')\nprint(kept, told[0].partition(':')[0])",
        left="['before', 'begun', 'after'] SubcallError\n",
    ),
    Row(
        23,
        "eight threads",
        EIGHT,
        stdout="['<p0>', '<p1>', '<p2>', '<p3>', '<same>', '<same>', '<same>', '<same>']\n",
        check=all_answered,
    ),
    Row(
        29,
        "main",
        "import __main__, sys\nprint(__main__.kept is kept, [n for n in dir(__main__) if 'rlm' in n.lower()])\n"
        "print(hasattr(__main__, 'serve'), [n for n in sys.modules if 'rlm' in n])",
        stdout="True ['rlm_query', 'rlm_query_batched']\nFalse []\n",
    ),
    Row(29, "ours", "import rlm_tui", "error", "ModuleNotFoundError: No module named 'rlm_tui'"),
    Row(
        30,
        "evil objects",
        EVIL,
        stdout="",
        check=listed(raises="<Raises>", loops="<Loops>", asks="<Asks>", lies="<Lies>", d="<D>", s="<S>", inside=None),
    ),
    Row(31, "metaclass", META, stdout="", check=listed(c="<C>", C=None, m=None, f=None)),
    Row(
        32,
        "self containing",
        "a = {}\na['a'] = a\nb = [a]\nb.append(b)\nmany = list(range(10 ** 7))",
        check=listed(a=None, b=None, many=None),
    ),
    Row(
        32,
        "mutated",
        MUTATED,
        check=listed(d=None),
        after=f"stop.append(1)\nthread.join()\n{NEXT}",
    ),
    Row(
        33,
        "endless error",
        "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
        "timeout|error",
        "<exception str() failed>",
        options={"block_timeout_s": 1.0},
    ),
    Row(34, "no such variable", "FINAL_VAR('missing')", "error", "missing"),
    Row(
        34,
        "large final",
        "big = 'x' * 200_000_000\nFINAL_VAR('big')",
        act=reject,
        holds=frozenset({"final"}),
        check=final_is("x" * (2 << 20), capped=True),
    ),
    Row(34, "endless final", SLOW + "FINAL_VAR('slow')", "timeout", options={"block_timeout_s": 1.0}),
    Row(
        35,
        "large prompt",
        "llm_query('x' * (13 << 20))",
        "error",
        "ValueError",
        check=never_asked,
    ),
    *(
        Row(35, f"prompt of {kind}", f"llm_query({value})", "error", "TypeError", check=never_asked)
        for kind, value in {"bytes": "b'x'", "dict": "{'a': 1}", "None": "None"}.items()
    ),
    Row(36, "syntax", "x = 1\ny = (\nz = 2", "error", "line 2", begun=False),
    Row(36, "await", "await x", "error", "SyntaxError: 'await' outside function", begun=False),
    Row(36, "return", "return 1", "error", "SyntaxError: 'return' outside function", begun=False),
    Row(36, "yield", "yield", "error", "SyntaxError: 'yield' outside function", begun=False),
    Row(36, "magic", "%pip install x", "error", "SyntaxError: invalid syntax", begun=False),
    Row(36, "many lines", "x = 1\n" * 20_000 + "1 / 0", "error", "line 20002"),
    Row(36, "long line", f"x = '{'a' * 1_000_000}'\nprint(len(x))", stdout="1000000\n"),
    Row(37, "asyncio", ASYNC, stdout="[1, 2]\n"),
    Row(38, "program", "import subprocess\nsubprocess.run(['true'])", "error", "PermissionError", level="confined"),
    Row(
        38,
        "program runs",
        "import subprocess\nsubprocess.run(['echo', 'hi'])",
        level="process",
        check=lambda told: told.text(told.ran().raw) == "hi\n",
    ),
    Row(
        43,
        "order and addresses",
        GONE,
        "died",
        before="print({'a', 'b', 'c'}, hash('x'), object())",
        state="rebuilt",
        check=rebuilt_as("same"),
    ),
    Row(
        44,
        "random",
        GONE,
        "died",
        before="import random\nprint(random.random())",
        state="rebuilt",
        check=rebuilt_as("same"),
    ),
    Row(
        44,
        "uuid",
        GONE,
        "died",
        before="import uuid\nprint(uuid.uuid4())",
        state="rebuilt",
        check=rebuilt_as("output"),
    ),
    Row(
        44,
        "time in a prompt",
        GONE,
        "died",
        before="import time\nprint(llm_query(f'it is {time.time_ns()}'))",
        state="rebuilt",
        check=rebuilt_as("calls", unrecorded=1),
    ),
]
