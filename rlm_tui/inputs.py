"""What a person hands in: the context from a file, a folder or standard input, and the system prompt."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, cast

from rlm_tui.usage import UsageError

Context = str | list[Any] | dict[str, Any]


def read_context(source: str | None) -> tuple[Context, str | None]:
    """Read the context.

    Args:
        source: A file (text; ``.json`` as a value), a folder (a dict of path to text), ``-`` for standard input, or
            None for an empty text.

    Returns:
        The context, and a remark for the person or None.

    Raises:
        UsageError: When it can't be read.
    """
    if source is None:
        return "", None
    if source == "-":
        return _text(sys.stdin.buffer.read(), "standard input"), None
    path = Path(source).expanduser()
    if path.is_dir():
        return _folder(path)
    return _file(path), None


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        UsageError: When it can't be read, or is no UTF-8 text.
    """
    try:
        return _text(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}") from error


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte {error.start:,} of {len(data):,}"
        raise UsageError(f"{name} is not UTF-8 text ({where}); convert it first") from error


def _file(path: Path) -> Context:
    text = read_text(path)
    if path.suffix.lower() != ".json":
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}; rename it to read it as text") from error
    match value:
        case str() | list() | dict():
            return cast(Context, value)
        case _:
            raise UsageError(f"{path} holds a {type(value).__name__}; a context is a text, a list or an object")


def _folder(path: Path) -> tuple[Context, str | None]:
    texts: dict[str, str] = {}
    left_out = 0
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder) / name
            if name.startswith(".") or not file.is_file():
                continue
            try:
                texts[file.relative_to(path).as_posix()] = file.read_bytes().decode("utf-8-sig")
            except (OSError, UnicodeDecodeError):
                left_out += 1
    if not texts:
        raise UsageError(f"{path} has no text file that can be read")
    files = "file that is" if left_out == 1 else "files that are"
    return texts, f"{left_out:,} {files} no UTF-8 text left out of the context" if left_out else None
