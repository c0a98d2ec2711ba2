"""Reading two runs and comparing them, away from the screen's thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from rlm_tui.journal.compare import compare
from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import read
from rlm_tui.tui.glyphs import Glyphs
from rlm_tui.tui.rows.compare import Row, Side, rows

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Both:
    """Two runs, read and compared.

    Attributes:
        left: The one that began first.
        right: The other.
        rows: One for each thing that either has.
        first: The key of the row of what differed first; None when nothing differs.
    """

    left: Side
    right: Side
    rows: list[Row]
    first: str | None


def both(one: Path | SessionLike, other: Path | SessionLike, signs: Glyphs) -> Both:
    """Read two runs as they stand now, and compare them. Takes a while where they are long.

    Args:
        one: A run.
        other: Another; the one that began first stands at the left.
        signs: The signs to draw with.

    Raises:
        JournalError: When one can't be read.
    """
    left, right = sorted((side(one, signs), side(other, signs)), key=lambda each: each.run.started or 0.0)
    found = compare(left.run, right.run, left.view.text, right.view.text)
    return Both(left, right, rows(found), found.first.id if found.first is not None else None)


def side(source: Path | SessionLike, signs: Glyphs) -> Side:
    """Read a run as it stands now.

    Args:
        source: Its directory, or the session whose run it is.
        signs: The signs to draw with.

    Raises:
        JournalError: When it can't be read.
    """
    path = source if isinstance(source, Path) else source.path
    if path is not None:
        # Its file and not its session: what is folded here is nobody else's.
        reader = read(path)
        return Side.of(Run(reader.events()), reader.text, signs, path)
    assert not isinstance(source, Path)
    return Side.of(Run(source.events()), source.text, signs)


def later(make: Callable[[], T]) -> Future[T | str]:
    """Make something of journals in a thread of its own; a text is why that can't be done."""
    future: Future[T | str] = Future()

    def work() -> None:
        try:
            future.set_result(make())
        except (JournalError, OSError) as error:
            future.set_result(str(error))
        except BaseException as error:  # noqa: BLE001 - whoever waits for it is told, whatever it is
            future.set_exception(error)

    Thread(target=work, name="rlm-compare", daemon=True).start()
    return future
