"""A bare interpreter that shuts itself in and then runs a piece of code: confinement without the rest of a worker."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import rlm_tui.repl
from rlm_tui.repl import confine, policy
from rlm_tui.repl.results import Conditions

DEADLINE_S = 90
ROOM = Path(rlm_tui.repl.__file__).parent
LAUNCHER = """
import json, os, sys, types
given = json.load(sys.stdin)
rooms = {}
for name, source in given["sources"].items():
    rooms[name] = sys.modules["rlm_tui.repl." + name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), rooms[name].__dict__)
os.makedirs(given["home"], exist_ok=True)
reached = rooms["confine"].enclose(given["policy"])
if given["narrow"]:
    rooms["confine"].Narrower(given["policy"])(given["home"], given["mail"])
print(json.dumps(reached), flush=True)
exec(given["code"], {**given, **rooms})
"""
ATTEMPT = """
import ctypes, os, signal, socket, subprocess
def attempt(name, act):
    try:
        act()
        how = "open"
    except OSError as error:
        how = type(error).__name__
    print(name + ":", how, flush=True)
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if libc.syscall(confine._calls({"seccomp": True})[name], *arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
"""
"""Begins code whose output `outcomes` reads."""


def outcomes(text: str) -> dict[str, str]:
    """Return what became of each attempt: "open", or the name of the error."""
    return dict(line.split(": ") for line in text.splitlines())  # type: ignore[misc]


def landlock_here() -> int:
    """Return the kernel's own version of Landlock, 0 where there is none."""
    return max(0, ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)) if sys.platform == "linux" else 0


def why_not_confined() -> str | None:
    """Return why a worker cannot be confined on this machine."""
    if sys.platform != "linux":
        return "Landlock and seccomp exist on Linux only"
    if os.uname().machine not in confine.ARCHITECTURES:
        return "there is no seccomp table for this architecture"
    return None if landlock_here() else "this kernel offers no Landlock, or forbids it"


class Reached(NamedTuple):
    """How far a cell was shut in."""

    level: str
    words: str
    notices: list[str]


@dataclass
class Ended:
    """What a cell said of itself, what its code printed, and how it ended."""

    reached: Reached | None
    output: str
    errors: str
    returncode: int


@dataclass
class Cell:
    """A folder for workers' folders and the conditions in it.

    `changes` replace what the policy says: `{"landlock": 5}` is the confinement of an older kernel.
    """

    base: Path
    conditions: Conditions = field(default_factory=Conditions)
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    narrow: bool = True
    interpreter: str = os.path.realpath(sys.executable)
    user: int | None = None

    def __post_init__(self) -> None:
        self.home, self.mail = self.base / policy.HOMES / "1", self.base / policy.MAIL / "1"
        for folder in (self.home, self.mail):
            folder.mkdir(parents=True, exist_ok=True)
        if self.user is not None:
            for folder in (self.base, *self.base.rglob("*")):
                os.chown(folder, self.user, self.user)

    def given(self, code: str) -> str:
        """Return what the launcher reads."""
        given = {
            "sources": {name: (ROOM / f"{name}.py").read_text() for name in ("libc", "confine", "limits")},
            "policy": {**policy.policy(self.conditions, self.base), **self.changes},
            "home": str(self.home),
            "mail": str(self.mail),
            "base": str(self.base),
            "outside": str(self.base.parent),
            "narrow": self.narrow,
            "code": code,
        }
        return json.dumps(given)

    def command(self) -> list[str]:
        return [self.interpreter, "-s", "-S", "-P", "-B", "-c", LAUNCHER]

    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.home), "TMPDIR": str(self.home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}

    def run(self, code: str) -> Ended:
        done = subprocess.run(
            self.command(),
            input=self.given(code),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            cwd=self.home,
            env=self.environment(),
            start_new_session=True,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
        )
        first, _, rest = done.stdout.partition("\n")
        reached = Reached(*json.loads(first)) if first else None
        return Ended(reached, rest, done.stderr, done.returncode)

    def tell(self, code: str) -> str:
        """Run code that must end well, and return what it printed."""
        ended = self.run(code)
        assert ended.returncode == 0, ended
        return ended.output

    def attempt(self, code: str) -> dict[str, str]:
        """Run code that makes attempts, and return what became of them."""
        return outcomes(self.tell(ATTEMPT + code))
