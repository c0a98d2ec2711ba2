"""Runs the worker's program as if on a system that has no more than every system has.

There is no fork, no signal from outside, no group of processes, no limit of resources, and nothing can be waited for
on a pipe. What is left is what Windows has too, so whatever of it the worker asks for ends it here.
"""

from __future__ import annotations

import _signal
import os
import runpy
import select
import signal
import sys
from pathlib import Path
from typing import Any

SYSTEM = "bare"
"""What `sys.platform` says there."""
MODULES = [
    "resource",
    "fcntl",
    "grp",
    "pwd",
    "termios",
    "tty",
    "pty",
    "syslog",
    "crypt",
    "posixshmem",
    "_posixshmem",
    "ctypes",
    "_ctypes",
]
OF_OURS = ["rlm_tui.repl.confine", "rlm_tui.repl.libc", "rlm_tui.repl.nest"]
OF_OS = [
    "fork",
    "forkpty",
    "register_at_fork",
    "killpg",
    "getpgid",
    "setpgid",
    "getpgrp",
    "setsid",
    "getsid",
    "set_blocking",
    "get_blocking",
    "wait",
    "waitid",
    "wait3",
    "wait4",
    "pidfd_open",
    "pipe2",
    "getuid",
    "geteuid",
    "prlimit",
    "sched_setaffinity",
    "nice",
    "sysconf",
    "mkfifo",
]
OF_SIGNAL = [
    "SIGUSR1",
    "SIGUSR2",
    "SIGALRM",
    "SIGKILL",
    "SIGCHLD",
    "SIGHUP",
    "SIGPIPE",
    "SIGSTOP",
    "SIG_BLOCK",
    "SIG_UNBLOCK",
    "SIG_SETMASK",
    "ITIMER_REAL",
    "ITIMER_VIRTUAL",
    "ITIMER_PROF",
    "setitimer",
    "getitimer",
    "alarm",
    "pthread_sigmask",
    "pthread_kill",
    "sigwait",
]
WORKER = Path(__file__).parents[2] / "rlm_tui" / "repl" / "worker.py"


def strip() -> None:
    """Take away what not every system has."""
    for module, names in ((os, OF_OS), (signal, OF_SIGNAL), (_signal, OF_SIGNAL)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for name in [*MODULES, *OF_OURS]:
        sys.modules[name] = None  # type: ignore[assignment]
    select.select = _refuse  # type: ignore[assignment]
    sys.platform = SYSTEM


def _refuse(*_: Any) -> Any:
    raise OSError(10038, "An operation was attempted on something that is not a socket")


if __name__ == "__main__":
    strip()
    runpy.run_path(str(WORKER), run_name="__main__")
