"""What a worker may use up, and how it is told that it did. Runs in the worker."""

from __future__ import annotations

import errno
from _thread import stack_size, start_new_thread
from collections.abc import Callable
from mmap import ACCESS_COPY, mmap
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
STACK = 8 << 20
"""Bytes of a thread's stack where nothing says how many."""


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
        return _of_threads()
    return None


def refused(error: BaseException) -> bool:
    """Whether an exception is a refusal of the system's; like `reached` it runs no code of a block."""
    if type(error) is not PermissionError:
        return False
    number = error.errno
    return type(number) is int and number in (errno.EPERM, errno.EACCES)


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


def _of_threads() -> str:
    """Return which limit a thread could not be started for, as far as it can be told now; else both."""
    memory = _memory()
    if memory is None:
        return TASKS_LIMIT
    if not _room_for_stack():
        return memory
    try:
        start_new_thread(bool, ())  # has no frame, so nobody takes it for a block's
    except RuntimeError:
        return TASKS_LIMIT
    return f"{TASKS_LIMIT}, or {memory},"


def _room_for_stack() -> bool:
    """Whether a thread's stack would fit in the memory a block has, of which some may have been let go of since."""
    assert resource is not None
    now, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = stack_size() or resource.getrlimit(resource.RLIMIT_STACK)[0]
    size = STACK if size == resource.RLIM_INFINITY else size
    try:
        mmap(-1, size + max(0, now - (hard - HEAD_ROOM)), access=ACCESS_COPY).close()
    except (OSError, OverflowError, ValueError):
        return False
    return True


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
