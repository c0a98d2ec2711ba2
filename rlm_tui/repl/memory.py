"""How much memory a worker takes, looked at where no kernel limits it. Host side.

Linux limits a worker's address space itself, and is here only to be tried on. What macOS and Windows are asked is
written after their manuals, and has not been tried there.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

LOOK_S = 0.5
"""Seconds between two looks."""
MAY_QUERY = 0x1000
"""`PROCESS_QUERY_LIMITED_INFORMATION`"""


class Watch:
    """Looks at a process's memory until it is over its limit, or the watch is ended."""

    def __init__(self, pid: int, limit: int, over: Callable[[], None]) -> None:
        """Begin, in the running loop.

        Args:
            pid: A process that is not reaped before the watch is ended.
            limit: In bytes.
            over: Called once, when it takes more.
        """
        self._pid = pid
        self._limit = limit
        self._over = over
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        if (taken(self._pid) or 0) > self._limit:
            self._over()
        else:
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()


def taken(pid: int) -> int | None:
    """Return the bytes of memory that a process takes; None when that cannot be told.

    On macOS what the system holds against it (`ri_phys_footprint`), on Windows what it was promised
    (`PagefileUsage`), on Linux what is resident: with the first two, what was swapped out counts.
    """
    if sys.platform == "win32":
        return _on_windows(pid)
    if sys.platform == "darwin":
        return _on_macos(pid)
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return None


def in_words(count: int) -> str:
    """Return a number of bytes as people say it: "2 GiB"."""
    whole = round(count / (1 << 20))
    return f"{whole} MiB" if whole % 1024 else f"{whole // 1024} GiB"


class _Usage(ctypes.Structure):
    """`rusage_info_v0` of `<sys/resource.h>`."""

    _fields_ = (("uuid", ctypes.c_uint8 * 16), ("before", ctypes.c_uint64 * 7), ("footprint", ctypes.c_uint64 * 3))


def _on_macos(pid: int) -> int | None:
    usage = _Usage()
    if ctypes.CDLL(None).proc_pid_rusage(ctypes.c_int(pid), ctypes.c_int(0), ctypes.byref(usage)):
        return None
    return int(usage.footprint[0])


class _Counters(ctypes.Structure):
    """`PROCESS_MEMORY_COUNTERS` of `<psapi.h>`."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("faults", ctypes.c_uint32),
        ("before", ctypes.c_size_t * 6),
        ("promised", ctypes.c_size_t),
        ("most", ctypes.c_size_t),
    )


def _on_windows(pid: int) -> int | None:
    if sys.platform != "win32":
        return None
    kernel = ctypes.WinDLL("kernel32")
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel.OpenProcess(MAY_QUERY, False, pid))
    if not handle:
        return None
    counters = _Counters(size=ctypes.sizeof(_Counters))
    told = kernel.K32GetProcessMemoryInfo(handle, ctypes.byref(counters), counters.size)
    kernel.CloseHandle(handle)
    return int(counters.promised) if told else None
