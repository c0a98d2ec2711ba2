"""What a front end needs of a run, whether it lives or is only read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from rlm_tui.journal.events import EditField, Event, Point, Text
from rlm_tui.repl.results import Looked, Page

Refusal = str | None
"""None when it was done; else why not, in words for the person."""

WishKind = Literal["pause", "step", "next", "iteration", "into", "out", "cursor"]
"""A verb that is granted later, at a pause point."""

Scope = Literal["node", "subtree", "run"]
"""What a verb is of: a node, it and all that is below it, or the whole run."""

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


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """One breakpoint, as a person sees it.

    Attributes:
        text: Its line, as written.
        on: Whether it is on.
        hits: How often its point, scope and condition fitted.
        error: Why it is no breakpoint, or what its condition raised, which turned it off; empty when all is well.
        at: Where in ``text`` the error is, in characters; -1 when that is unknown.
        kept: Whether it is in the project's file; else it is for this run only.
    """

    text: str
    on: bool = True
    hits: int = 0
    error: str = ""
    at: int = -1
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """What a branch has otherwise, from its first event on.

    Attributes:
        field: What is changed, see `edits.LEGAL`.
        value: What it is to be.
        was: What it was.
    """

    field: EditField
    value: Any
    was: Any = None


class BreakpointsLike(Protocol):
    """The breakpoints of a project, and those given for this run. From any thread; each change is kept in the file.

    Each change returns None when it was made, else why not, in words.

    Attributes:
        here: The address of the node that ``here`` and ``subtree`` mean in a line that is added.
    """

    here: str

    @property
    def path(self) -> str:
        """The file they are kept in; empty when there is none."""
        ...

    def all(self) -> Sequence[Breakpoint]:
        """Every breakpoint, in the order of the file."""
        ...

    def check(self, text: str) -> Breakpoint:
        """What a line would be, without adding it: for while it is typed."""
        ...

    def add(self, text: str) -> Refusal:
        """Add one, which is on."""
        ...

    def change(self, index: int, text: str) -> Refusal:
        """Put another in the place of one."""
        ...

    def remove(self, index: int) -> Refusal:
        """Take one away."""
        ...

    def turn(self, index: int, on: bool) -> Refusal:
        """Turn one on or off."""
        ...

    def toggle_at(self, id: str) -> Refusal:
        """Set a breakpoint at a thing of the run, or take away the one that is there.

        Args:
            id: An address: of a block, a call, an iteration, a node, or one of these with ``/obs`` or ``/answer``.
        """
        ...

    def marks(self, id: str) -> Sequence[int]:
        """Which breakpoints were set at this very address; for the sign in its row."""
        ...


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
    def path(self) -> Path | None:
        """The directory that the run is kept in; None when it is kept nowhere."""
        ...

    @property
    def notices(self) -> Sequence[str]:
        """What a person should know of the journal, in words."""
        ...

    @property
    def loading(self) -> bool:
        """Whether a request waits for the library of its provider to be loaded."""
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

    @property
    def breakpoints(self) -> BreakpointsLike:
        """Its breakpoints."""
        ...

    def step(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Go on to this node's next pause point, whatever it is; with a wider scope, every node that is held in it."""
        ...

    def next(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Go on to this node's next block, else its observation; children run through."""
        ...

    def iteration(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Go on to this node's next model request."""
        ...

    def into(self, node: str) -> Future[Refusal]:
        """Go on into what is held: a block's first sub-call, a call's child before its first request."""
        ...

    def out(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Go on until this node has ended, held at its caller's ``return``; of the root, at ``final``."""
        ...

    def to(self, id: str) -> Future[Refusal]:
        """Go on until something that is ahead is next.

        Args:
            id: Its address. One that has not begun is stopped before; of one that has, a call stops as its answer
                comes back, an iteration at its observation, a block at what its node does after it.
        """
        ...

    def release(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Hand on what is held, as it is now; with a wider scope, everything that is held in it."""
        ...

    def release_all(self) -> Future[Refusal]:
        """Hand on everything that is held, and take back every wish."""
        ...

    def pause(self, node: str | None, scope: Scope = "node") -> Future[Refusal]:
        """Hold a node at its next pause point; with a wider scope, or None for the run, every node in it, once."""
        ...

    @property
    def all_stop(self) -> bool:
        """Whether every node stops, once, when one is held."""
        ...

    def stop_all(self, on: bool) -> Future[Refusal]:
        """Turn all-stop on or off; off, only the node that hit something is held."""
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

    def complete(self, node: str, code: str, cursor: int) -> Future[Sequence[str] | str]:
        """What a name or an attribute before the cursor may go on as, found without changing the REPL.

        Args:
            node: The node's address.
            code: What was typed.
            cursor: Where the cursor is in it, in characters.

        Returns:
            Whole words, in the order to offer them; a text is why there are none.
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

    def try_now(self, id: str) -> Future[Refusal]:
        """Have a request that waits for its next attempt make it at once.

        Args:
            id: The address of the iteration, or of the plain sub-call.
        """
        ...

    def give_up(self, id: str) -> Future[Refusal]:
        """Have a request that waits for its next attempt make none: what went wrong passes its gate."""
        ...

    def take(self, id: str) -> Future[Refusal]:
        """Take what has come of a reply that is being written, or that broke off, for the whole of it."""
        ...

    def insert(self, id: str, code: str, *, say: bool) -> Future[Refusal]:
        """Put code in before a held block; it runs when the block is released.

        Args:
            id: The block's address.
            code: Python source.
            say: Whether the model is shown it, and what it printed.
        """
        ...

    def say(self, node: str, text: str) -> Future[Refusal]:
        """Tell a node's model something: in the request that is held, else with the next observation."""
        ...

    def note(self, id: str, text: str) -> Future[Refusal]:
        """Keep a remark by a thing; nobody but people sees it. Also when the run has ended."""
        ...

    def resample(
        self, id: str, count: int, *, model: str | None = None, params: Mapping[str, Any] | None = None
    ) -> Future[Refusal]:
        """Ask for more replies to a request whose reply is held; done when all are there, or failed.

        Args:
            id: The iteration's address, held at ``reply``.
            count: How many, from 1 to 16.
            model: Another model for these; None is the same.
            params: Other parameters for these; None is the same.
        """
        ...

    def pick(self, id: str, sample: int) -> Future[Refusal]:
        """Put one of the further replies, by its number from 1, in the place of the held one; 0 is the first reply."""
        ...

    def supply(self, id: str, text: str) -> Future[Refusal]:
        """Answer a sub-call by hand: before it begins, while it is under way, or as its answer comes back."""
        ...

    def kill_node(self, id: str) -> Future[Refusal]:
        """End a node, or a sub-call, without an answer; what is below it ends first. The root: the run."""
        ...

    def set_model(self, node: str, model: str | None, params: Mapping[str, Any] | None = None) -> Future[Refusal]:
        """Have a node's requests from now on go to another model, or with other parameters; None keeps what is."""
        ...

    def set_limit(self, node: str, name: str, to: float) -> Future[Refusal]:
        """Change a limit while the run goes on.

        Args:
            node: The node whose limit it is; of a limit of the whole tree, any.
            name: As in `Options`: ``max_iterations``, ``max_tokens``, ``max_budget``, ``max_timeout`` …
            to: The new limit, in its own unit; above what is used already.
        """
        ...

    def force_final(self, node: str, *, text: str | None = None, var: str | None = None) -> Future[Refusal]:
        """Decide a node's answer, in any phase."""
        ...

    def fork(
        self, at: str, point: Point, change: Change | None = None, why: str = "", *, changed: bool = False
    ) -> Future[Path | str]:
        """Make a branch: a new run with everything that does not follow from a point of this one, kept beside it.

        This run is not touched, and goes on as it does. The branch is gone on with like any run that was left; it
        opens held at that point.

        Args:
            at: The address it begins at.
            point: The point there.
            change: What is changed there at once, if anything.
            why: A remark to keep with it.
            changed: Whether it begins with what was changed there in this run.

        Returns:
            The branch's directory; a text is why there is none.
        """
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


__all__ = [
    "Breakpoint", "BreakpointsLike", "Change", "Ladder", "Looked", "Page", "Refusal", "Rung", "Scope",
    "SessionLike", "WishKind",
]  # fmt: skip
