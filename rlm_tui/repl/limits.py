"""What a worker may use up, and how it is told that it did. Runs in the worker."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, cast

try:
    import resource
except ImportError:
    resource = None

HEAD_ROOM = 64 << 20
"""Bytes above the soft address space limit, so that a `MemoryError` can still be reported."""
FILE_BYTES = 256 << 20
OPEN_FILES = 256
TASKS_LIMIT = "the REPL's limit of processes and threads"


def limit_resources(policy: dict[str, Any]) -> Callable[[bool], None]:
    """Set what is set once: no core files, size and number of files, number of tasks.

    A limit that is already lower stays; what the system knows no limit for is left out.

    Args:
        policy: As `policy.policy` makes it; "memory" is in bytes, "tasks" counts processes and threads of the user.

    Returns:
        What limits the address space: called with True when a block begins to run and with False when it has ended.
    """
    if resource is None:
        return lambda _tight: None
    for name, value in (
        ("RLIMIT_CORE", 0),
        ("RLIMIT_FSIZE", FILE_BYTES),
        ("RLIMIT_NOFILE", OPEN_FILES),
        ("RLIMIT_NPROC", policy["tasks"]),
    ):
        if value is not None and hasattr(resource, name):
            _lower(getattr(resource, name), value)
    memory = policy["memory"]
    space, set_limit = resource.RLIMIT_AS, resource.setrlimit
    hard = _lower(space, memory + HEAD_ROOM)
    if hard is None:
        return lambda _tight: None
    soft = min(memory, hard)

    def limit(tight: bool) -> None:
        set_limit(space, (soft if tight else hard, hard))

    return limit


def _lower(kind: int, value: int) -> int | None:
    """Return the limit now in force; None where the system does not have it set."""
    assert resource is not None
    hard = resource.getrlimit(kind)[1]
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (most, most))
    except (OSError, ValueError):
        # macOS refuses a limit of the address space.
        return None
    return most


def reached(error: BaseException) -> str | None:
    """Return in words the limit that an exception tells of: "the REPL's memory limit of 2 GiB"; None if of none.

    Only exceptions of the interpreter's own types are looked into. Their attributes lie in C slots that no instance
    can replace, so no code of a block is run.
    """
    if resource is None:
        return None
    kind = type(error)
    if kind is MemoryError:
        return _memory()
    if kind is OSError or kind is BlockingIOError:
        return _of_number(cast("OSError", error))
    if kind is RuntimeError and _text(error) == "can't start new thread":
        return TASKS_LIMIT
    return None


def _of_number(error: OSError) -> str | None:
    assert resource is not None
    number = error.errno
    if type(number) is not int:
        return None
    if number == errno.EFBIG:
        return f"the REPL's limit of {_size(resource.getrlimit(resource.RLIMIT_FSIZE)[0])} for a file"
    if number == errno.EMFILE:
        return f"the REPL's limit of {resource.getrlimit(resource.RLIMIT_NOFILE)[0]} open files"
    if number == errno.ENOMEM:
        return _memory()
    # A socket that is not ready says the same.
    if number == errno.EAGAIN and any("fork" in name for name in _names_where_raised(error)):
        return TASKS_LIMIT
    return None


def _memory() -> str | None:
    assert resource is not None
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    return None if hard == resource.RLIM_INFINITY else f"the REPL's memory limit of {_size(max(0, hard - HEAD_ROOM))}"


def _text(error: BaseException) -> str | None:
    said = error.args
    return said[0] if len(said) == 1 and type(said[0]) is str else None


def _names_where_raised(error: BaseException) -> tuple[str, ...]:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return () if trace is None else trace.tb_frame.f_code.co_names


def _size(count: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{round(count / unit, 1):g} {name}"
    return f"{count} bytes"
