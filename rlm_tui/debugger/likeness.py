"""What a front end needs of a run, whether it lives or is only read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rlm_tui.journal.events import Event, Text
from rlm_tui.repl.results import Looked, Page

Refusal = str | None
"""None when it was done; else why not, in words for the person."""

WishKind = Literal["pause", "step", "next", "into"]
"""A verb that is granted later, at a pause point."""

Rung = Literal["pause", "break", "abort", "kill"]
"""How hard a node is stopped: at its next pause point; its block where it stands; its block for good, keeping the
variables so far; its worker, with the REPL rebuilt to before the block."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """How far a node was asked to stop, and what the next press would do.

    Attributes:
        asked: The rung that was asked for and not reached yet; None when none is under way.
        since: When it was asked for, on the clock of ``time.monotonic``.
        next: What the next press does; None when there is nothing harder, or nothing to stop.
    """

    asked: Rung | None = None
    since: float = 0.0
    next: Rung | None = None


class SessionLike(Protocol):
    """One run, as a front end has it.

    Verbs may be called from any thread; each returns a future of a refusal in words, or of None. What a verb did is
    in the events: a front end folds them and keeps no state of its own. After a ``go`` with the verb ``into``, the
    next ``hold`` at the released address, or below it, is where the person wants to be.
    """

    @property
    def read_only(self) -> bool:
        """Whether nothing here runs, and every verb is refused."""
        ...

    @property
    def scenario(self) -> str | None:
        """A name to show for the run."""
        ...

    @property
    def notices(self) -> Sequence[str]:
        """What a person should know of the journal, in words."""
        ...

    def events(self) -> Iterable[Event]:
        """Everything so far, oldest first."""
        ...

    def start(self, sink: Callable[[Event], None]) -> None:
        """Begin.

        Args:
            sink: Gets each event that comes later, in a thread that is not the caller's: it must only put it away.
        """
        ...

    def text(self, value: Text | None) -> str:
        """A text of the journal, whole."""
        ...

    def wants(self, node: str) -> WishKind | None:
        """What was asked of a node and not granted yet. From any thread."""
        ...

    def pausing(self, node: str) -> bool:
        """Whether a pause was asked for and the node is not at a point yet. From any thread."""
        ...

    def step(self, node: str) -> Future[Refusal]:
        """Go on to this node's next pause point, whatever it is."""
        ...

    def next(self, node: str) -> Future[Refusal]:
        """Go on to this node's next block, else its observation; children run through."""
        ...

    def into(self, node: str) -> Future[Refusal]:
        """Go on into what is held: a block's first sub-call, a call's child before its first request."""
        ...

    def release(self, node: str) -> Future[Refusal]:
        """Hand on what is held, as it is now."""
        ...

    def release_all(self) -> Future[Refusal]:
        """Hand on everything that is held, and take back every wish."""
        ...

    def pause(self, node: str | None) -> Future[Refusal]:
        """Hold a node at its next pause point; every node, those to come included, when None."""
        ...

    def ladder(self, node: str) -> Ladder:
        """How far a node was asked to stop, and what `harder` would do next. From any thread."""
        ...

    def harder(self, node: str) -> Future[Refusal]:
        """Stop a node, one rung harder than it was asked to so far: pause, break in, abort, kill.

        A node whose block was broken in to (held at ``line``) gets that block aborted.
        """
        ...

    def evaluate(self, node: str, code: str) -> Future[Refusal]:
        """Run code in a held node's REPL, in the frame that stands if one does; recorded, because it may change it.

        Done when the code is: what it gave is in the events, as a block of origin ``eval``.
        """
        ...

    def look(self, node: str, expression: str) -> Future[Looked | str]:
        """Evaluate in a copy of a held node's REPL that is thrown away; a text is why that can't be done."""
        ...

    def page(self, node: str, name: str, start: int, count: int) -> Future[Page | str]:
        """A part of one variable, without running any of the model's code, also while a block runs.

        Args:
            node: The node's address.
            name: The variable.
            start: Where the part begins: a character, a byte or an item.
            count: How many of these at most.

        Returns:
            The part; a text is why it can't be had.
        """
        ...

    def edit(self, id: str, field: str, value: Any, *, was: Any = None, note: str = "") -> Future[Refusal]:
        """Change what is held."""
        ...

    def revert(self, id: str) -> Future[Refusal]:
        """Back to what came to the gate, while it is still held."""
        ...

    def skip(self, id: str) -> Future[Refusal]:
        """Do not run the held block."""
        ...

    def retry(self, id: str) -> Future[Refusal]:
        """At an error: ask again, or run again."""
        ...

    def force_final(self, node: str, *, text: str | None = None, var: str | None = None) -> Future[Refusal]:
        """Decide a node's answer, in any phase."""
        ...

    @property
    def paced(self) -> bool:
        """Whether a scripted model speaks, at a pace that can be changed."""
        ...

    def change_pace(self, *, faster: bool) -> str:
        """Let a scripted model speak one pace faster or slower; the name of the pace that holds now."""
        ...

    def leave(self) -> None:
        """Go, and leave the run as it is."""
        ...

    def kill(self) -> None:
        """End the run."""
        ...

    def close(self, timeout: float = 1.0) -> None:
        """Give everything back; within about ``timeout`` seconds."""
        ...


__all__ = ["Ladder", "Looked", "Page", "Refusal", "Rung", "SessionLike", "WishKind"]
