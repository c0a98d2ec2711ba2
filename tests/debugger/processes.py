"""The REPL workers that this process has started."""

from __future__ import annotations

import os
import subprocess


def workers() -> set[int]:
    """Ids of the processes below this one that still run, `ps` itself apart."""
    with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True) as ps:
        rows = [line.split() for line in ps.communicate()[0].splitlines()]
    above = {int(pid): int(parent) for pid, parent, _ in rows}
    running = {int(pid) for pid, _, stat in rows if not stat.startswith("Z")} - {ps.pid}
    return {pid for pid in running if _is_below(pid, above)}


def _is_below(pid: int, above: dict[int, int]) -> bool:
    while (pid := above.get(pid, 0)) > 1:
        if pid == os.getpid():
            return True
    return False
