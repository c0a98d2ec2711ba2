"""A text in the editor that the environment names, with the screen put away meanwhile."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from textual.app import App, SuspendNotSupported

from rlm_tui.tui.forms import Language
from rlm_tui.tui.text import clean

SUFFIXES: dict[Language, str] = {"python": ".py", "markdown": ".md", "": ".txt"}
VARIABLES = ("VISUAL", "EDITOR")
MOST = 50_000_000
"""Bytes of a file that are taken back."""


@dataclass(frozen=True, slots=True)
class Back:
    """What came back from the editor.

    Attributes:
        text: The text.
        said: What a person should know of it; empty when it came back as it was written.
    """

    text: str
    said: str = ""


def command() -> list[str] | str:
    """The editor's command, from ``VISUAL`` or ``EDITOR``; a text is why there is none."""
    for name in VARIABLES:
        said = os.environ.get(name, "")
        if not said.strip():
            continue
        try:
            return shlex.split(said)
        except ValueError as error:
            return f"{name} can't be read: {clean(str(error))}."
    return "No editor is named: set VISUAL or EDITOR. e edits here."


def edit(app: App[Any], text: str, language: Language = "") -> Back | str:
    """Put a text before a person in their own editor, and wait.

    Args:
        app: It gives the terminal away meanwhile.
        text: The text.
        language: What it is written in; it gives the file its suffix.

    Returns:
        What came back; a text is why nothing did, and then nothing has changed.
    """
    found = command()
    if isinstance(found, str):
        return found
    name = clean(Path(found[0]).name)
    try:
        with _file(text, language) as file:
            with app.suspend(), _interrupts_are_the_editors():
                code = subprocess.run([*found, str(file)], check=False).returncode
            back = _back(file, text)
            if code == 0:
                return back
            if back.text == text:
                return f"{name} ended with {code}; nothing was changed."
            return Back(back.text, f"{name} ended with {code}. What it had written stands here.")
    except SuspendNotSupported:
        return "This terminal can't be given to another program. e edits here."
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return f"{name} could not be used: {clean(why)}. Nothing was changed."


@contextlib.contextmanager
def _file(text: str, language: Language) -> Generator[Path]:
    """The text in a file that only its owner can read, in a directory of its own; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rlm-tui-", ignore_cleanup_errors=True) as directory:
        file = Path(directory) / f"held{SUFFIXES[language]}"
        file.touch(mode=0o600, exist_ok=False)
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        yield file


def _back(file: Path, before: str) -> Back:
    with file.open("rb") as read:
        raw = read.read(MOST + 1)
    if len(raw) > MOST:
        raise OSError(0, f"what it wrote is over {MOST // 1_000_000} MB")
    try:
        text, said = raw.decode("utf-8", "surrogatepass"), ""
    except UnicodeDecodeError:
        text, said = raw.decode("utf-8", "replace"), "What came back is not all UTF-8: see the signs � in it."
    # Editors end the last line, whether it was ended before or not.
    if text.endswith("\n") and not before.endswith("\n"):
        text = text[:-2] if text.endswith("\r\n") else text[:-1]
    return Back(text, said)


@contextlib.contextmanager
def _interrupts_are_the_editors() -> Generator[None]:
    """What ctrl+c and ctrl+\\ mean is the editor's to say, not ours, as long as it has the terminal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = [name for name in ("SIGINT", "SIGQUIT") if hasattr(signal, name)]
    # A handler of ours, rather than none: what is ignored here would be ignored in the editor too.
    before = {name: signal.signal(getattr(signal, name), _not_ours) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler if handler is not None else signal.SIG_DFL)


def _not_ours(number: int, frame: FrameType | None) -> None:
    """Do nothing."""
