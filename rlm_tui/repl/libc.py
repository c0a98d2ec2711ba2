"""The functions of the C library that Python has no name for. Runs in the worker, on Linux.

They are called by way of what `ctypes` is made of: the rest of it takes as long to load as all else that a worker needs
before it is shut in.
"""

from __future__ import annotations

import os
from _ctypes import (
    FUNCFLAG_CDECL,
    FUNCFLAG_USE_ERRNO,
    CFuncPtr,
    _SimpleCData,  # pyright: ignore[reportPrivateUsage]
    addressof,
    dlopen,
    dlsym,
    get_errno,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _Int(_SimpleCData):  # pyright: ignore[reportMissingTypeArgument]
    _type_ = "i"


class _Char(_SimpleCData):  # pyright: ignore[reportMissingTypeArgument]
    _type_ = "c"


class Size(_SimpleCData):  # pyright: ignore[reportMissingTypeArgument]
    """A `size_t`: a plain number is handed over as an `int`."""

    _type_ = "L"


class _Function(CFuncPtr):
    _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO
    _restype_ = _Int


class Library:
    """Its functions; each gives an `int`, and is handed numbers, bytes, None and what is here."""

    def __init__(self) -> None:
        """Look them up.

        Raises:
            OSError: If one of them is not there.
        """
        self.prctl = _function("prctl")
        self.syscall = _function("syscall")
        self.capget = _function("capget")
        self.capset = _function("capset")


def _function(name: str) -> Callable[..., int]:
    return _Function(dlsym(dlopen(None, 0), name))  # pyright: ignore[reportArgumentType]


class Memory:
    """Bytes at an address of their own.

    Attributes:
        handed: What is given to a function.
        address: Where they are.
    """

    def __init__(self, content: bytes) -> None:
        self.handed: Any = (_Char * len(content)).from_buffer_copy(content)
        self.address: int = addressof(self.handed)

    @property
    def content(self) -> bytes:
        """What is there now."""
        return bytes(self.handed)


def checked(result: int) -> int:
    """Return what a function gave.

    Raises:
        OSError: If it says that it failed.
    """
    if result < 0:
        number: int = get_errno()
        raise OSError(number, os.strerror(number))
    return result
