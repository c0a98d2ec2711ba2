"""More of rows 26 to 32 and 44: blocks that leave their interpreter, its names or their own record in a bad state."""

from __future__ import annotations

from tests.hostile.row import Row
from tests.hostile.stopping import climb
from tests.hostile.trial import BEFORE, Told

TRACE = "def hook(*args): raise SystemExit\n"
AGAIN = "import os\nagain = str(os.getpid()) not in llm_query('workers').split()\n"
"""Tells a block whether it is run again: its recorded answer names the processes there were."""


def recovered_from(*kinds: str, finding: str):
    """The block before was run again with this finding; these were handed through the `error` gate."""

    def check(told: Told) -> None:
        assert told.findings() == {BEFORE: finding}
        assert [failure.error.kind for failure in told.errors] == list(kinds)
        assert told.leaves.count("workers") == 1

    return check


def few_rows(told: Told) -> None:
    end = told.ran()
    assert len(end.changed) <= 500
    assert len(end.changed) + end.more_variables >= 500


LEAVING = [
    Row(26, "stops itself", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "died", "ended by a person",
        state="rebuilt", act=climb),
    Row(27, "trace", f"import sys\n{TRACE}sys.settrace(hook)", "ok|error"),
    Row(27, "profile", f"import sys\n{TRACE}sys.setprofile(hook)", "ok|error"),
    Row(27, "trace of threads", f"import threading\n{TRACE}threading.settrace(hook)"),
    Row(27, "no import", "import builtins\nbuiltins.__import__ = None"),
    Row(27, "no modules", "import sys\nsys.modules.clear()"),
    Row(27, "no importers", "import sys\nsys.meta_path.clear()\nsys.path = sys.path_hooks = None"),
    Row(27, "hardly any recursion", "import sys\nsys.setrecursionlimit(60)"),
    Row(27, "no switching", "import sys\nsys.setswitchinterval(1e6)"),
    Row(27, "no globals of anyone", "import sys\nf = sys._getframe(1)\nwhile f:\n    f.f_globals.clear()\n    f = f.f_back",
        "ok|error|died", state="either"),
    Row(27, "no open files", "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))"),
    Row(27, "no folder", "import os\nos.mkdir('a')\nos.chdir('a')\nos.rmdir('../a')"),
    Row(28, "no globals", "(lambda names, kept: (names.clear(), names.update(kept=kept)))(globals(), kept)"),
    Row(
        30,
        "class of main",
        "import sys, types\nclass E(types.ModuleType):\n    def __getattribute__(self, name): raise RuntimeError(name)\n"
        "sys.modules['__main__'].__class__ = E",
    ),
    Row(
        32,
        "odd names",
        "class S(str):\n    def __hash__(self): return 7\n    def __eq__(self, other): raise RuntimeError\n"
        "    __lt__ = __eq__\n"
        "for name in ((1, 2), None, S('evil'), '\\ud800', '\\x1b[2J', '', 'x' * 10 ** 7): globals()[name] = 1",
    ),
    Row(32, "long names", "for n in range(600): globals()[str(n) + 'x' * 10 ** 5] = n", check=few_rows),
    Row(32, "many names", "for n in range(10 ** 4): globals()[f'v{n}'] = n", check=few_rows),
    Row(32, "deep list", "a = []\nfor _ in range(10 ** 5): a = [a]"),
    Row(
        44,
        "endless when run again",
        "os._exit(3)",
        "died",
        before=f"{AGAIN}while again: pass",
        state="rebuilt",
        check=recovered_from("died", "diverged", finding="state"),
        options={"block_timeout_s": 1.0},
    ),
    Row(
        44,
        "dies when run again",
        "os._exit(3)",
        "died",
        before=f"{AGAIN}if again: os._exit(5)",
        state="rebuilt",
        after="print('kept' in globals(), llm_query('still?'))",
        left="False <still?>\n",
        check=recovered_from("died", "diverged", finding="died"),
    ),
]  # fmt: skip
