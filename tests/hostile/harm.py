"""Rows 9 to 16, 24 to 28 and 39 to 42: blocks that go for their process, its memory, its pipes, or others."""

from __future__ import annotations

from rlm_tui.journal.events import CallStart
from tests.hostile.row import AFTER as NEXT
from tests.hostile.row import Row
from tests.hostile.trial import AFTER, HOSTILE, Told

FRAME = "def send(body):\n    frame = len(body).to_bytes(4, 'big') + body\n"
EVERYWHERE = (
    "import os\ndef send(frame):\n    for fd in range(3, 256):\n"
    "        try: os.write(fd, frame)\n        except OSError: pass\n"
    "def framed(body): return len(body).to_bytes(4, 'big') + body\n"
)
"""Writes to every open descriptor."""

BREAKING = {
    "nonsense": "b'\\x00\\x00\\x00\\x08not json'",
    "four gigabytes": "b'\\xff' * 4",
    "deep": "framed(b'[' * 100000 + b']' * 100000)",
    "long number": "framed(b'{\"kind\": \"out\", \"n\": ' + b'1' * 5000 + b'}')",
    "wrong type": 'framed(b\'{"kind": "out", "block": "root/i1/b2", "stream": "stdout", "text": 1}\')',
}
FORGED = [
    '{"kind": "done", "block": "root/i9/b9", "status": "ok", "value": "stolen", "error": null,'
    ' "answer_ready": null, "rows": [], "removed": [], "more": 0,'
    ' "put_back": [], "effects": [], "cuts": {}, "ms": 0, "cpu_ms": 0}',
    '{"kind": "note", "block": "root/i9/b9", "via": "FINAL", "text": "stolen", "type": "str"}',
    '{"kind": "out", "block": "root/i9/b9", "stream": "stdout", "text": "stolen"}',
    '{"kind": "call", "block": "root/i9/b9", "call": 900, "fn": "llm_query", "prompt": "stolen", "model": null}',
    '{"kind": "value", "ask": 900, "status": "ok", "rows": []}',
    '{"kind": "weather", "is": "fine"}',
]


def memory(mebibytes: int) -> str:
    """Code that lowers the limit on its own memory, for a block that would take long to reach the run's."""
    hard = "resource.getrlimit(resource.RLIMIT_AS)[1]"
    return f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({mebibytes} << 20, {hard}))\n"


def broke_the_protocol(told: Told) -> None:
    assert told.error().startswith("the REPL died: broke the protocol: ")


def forged_nothing(told: Told) -> None:
    assert told.leaves == ["x", "still?"]
    assert [event.id.partition("~")[0] for event in told.of(CallStart)] == [HOSTILE, AFTER]
    assert (told.ran().value, told.ran().finals) == (None, ())


def died(number: int, name: str, code: str, error: str) -> Row:
    return Row(number, name, code, "died", error, state="rebuilt", check=held_at_error)


def held_at_error(told: Told) -> None:
    assert [failure.error.kind for failure in told.errors] == ["died"]
    assert told.errors[0].error.message in told.error()


def named(*labels: str):
    def check(told: Told) -> None:
        assert told.ran(AFTER).put_back == labels
        assert all(label in told.observed(2) for label in labels)

    return check


HARM = [
    Row(9, "exit", "import sys\nsys.exit(1)", "error", "SystemExit: 1"),
    *(Row(9, name, f"raise {name}", "error", name) for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit")),
    died(10, "exit at once", "import os\nos._exit(3)", "the REPL died: exit code 3"),
    died(10, "core", "import os\nos.abort()", "killed by signal 6 (SIGABRT)"),
    died(10, "null pointer", "import ctypes\nctypes.string_at(0)", "killed by signal 11 (SIGSEGV)"),
    Row(11, "one string", "'a' * 10 ** 11", "error", "MemoryError\nThe REPL's memory limit of 2 GiB is reached."),
    Row(
        11,
        "bytearrays",
        "big = []\nwhile True: big.append(bytearray(50_000_000))",
        "error",
        "memory limit of 2 GiB is reached",
    ),
    Row(
        12,
        "small objects",
        memory(300) + "big = []\nwhile True: big.append([len(big)])",
        "error",
        "MemoryError",
        after="n = len(big)\ndel big\nkept.append('after')\nprint(kept, n > 10 ** 6)",
        left="['before', 'begun', 'after'] True\n",
    ),
    Row(13, "recursion", "def f(): f()\nf()", "error", "RecursionError: maximum recursion depth exceeded"),
    Row(
        14,
        "no recursion limit",
        memory(200) + "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(n): return [f(n + 1)]\nf(0)",
        "error|died",
        state="either",
    ),
    Row(14, "deep json", "import json\njson.loads('[' * 10 ** 6)", "error", "RecursionError"),
    Row(
        15,
        "threads",
        memory(1024) + "import threading\ndone = []\n"
        "def work(): done.append(len([bytes(100) for _ in range(10000)]))\n"
        "threads = [threading.Thread(target=work) for _ in range(32)]\n"
        "for t in threads: t.start()\nfor t in threads: t.join()\nprint(len(done))",
        stdout="32\n",
    ),
    Row(16, "input", "input('? ')", "error", "EOFError"),
    Row(16, "stdin", "import sys\nprint(repr(sys.stdin.read()))\nsys.stdin.readline() or input()", "error", "EOFError"),
    Row(16, "getpass", "import getpass\ngetpass.getpass()", "error", "EOFError"),
    *(
        Row(
            24 if name == "nonsense" else 25,
            name,
            f"{EVERYWHERE}send({frame})\nllm_query('x')",
            "died",
            state="rebuilt",
            check=broke_the_protocol,
        )
        for name, frame in BREAKING.items()
    ),
    Row(
        24,
        "forged",
        f"{EVERYWHERE}for text in {FORGED!r}: send(framed(text.encode()))\nprint(llm_query('x'))",
        stdout="<x>\n",
        check=forged_nothing,
    ),
    Row(
        26,
        "closes all",
        "import os\nos.closerange(0, 256)\nprint('x' * 100000)\nllm_query('x')",
        "died",
        "the REPL died",
        state="rebuilt",
    ),
    died(26, "kills itself", "import os\nos.kill(os.getpid(), 9)", "killed by signal 9 (SIGKILL)"),
    Row(27, "no len", "import builtins\nbuiltins.len = None", "ok|error|died", state="either"),
    Row(28, "no stdout", "import sys\nsys.stdout = None", check=named("sys.stdout")),
    Row(28, "no llm_query", "del llm_query", check=named("llm_query")),
    Row(28, "no builtins", "__builtins__ = {}", check=named("__builtins__")),
    Row(28, "no print", "print = None", check=named("print")),
    Row(
        39,
        "fork",
        "import os\npid = os.fork()\nprint('parent' if pid else 'child', flush=True)\n"
        "if pid: os.waitpid(pid, 0)\nelse: FINAL('from a copy')",
        stdout="parent\n",
    ),
    Row(
        39,
        "many forks",
        "import os, time\nfor _ in range(300):\n    if not os.fork():\n        time.sleep(1e6)",
        # An ordinary user's processes are counted, those of root are not.
        "ok|error",
    ),
    Row(
        41,
        "open files",
        "files = []\nwhile True: files.append(open('one', 'a'))",
        "error",
        "The REPL's limit of 256 open files is reached.",
        after=f"for f in files: f.close()\n{NEXT}",
    ),
    Row(
        41,
        "threads",
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()",
        "error",
        "RuntimeError: can't start new thread\nThe REPL's ",  # memory, for the stacks, or the limit of threads
    ),
    Row(
        41,
        "large file",
        "with open('big', 'wb') as f:\n    for _ in range(1000): f.write(bytes(1 << 20))",
        "error",
        "File too large\nThe REPL's limit of 256 MiB for a file is reached.",
        after="import os\nkept.append('after')\nprint(kept, os.stat('big').st_size)",
        left=f"['before', 'begun', 'after'] {256 << 20}\n",
    ),
]
