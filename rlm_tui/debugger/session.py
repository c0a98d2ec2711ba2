"""One run, as a front end has it: its thread, its journal, its gates. The only object a front end talks to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Protocol

from rlm_tui.debugger import edits
from rlm_tui.debugger.gates import HoldingGates, InHand, Wish, WishKind
from rlm_tui.engine.ending import Forced
from rlm_tui.engine.gate import Failure, apply_edit
from rlm_tui.engine.node import Node
from rlm_tui.engine.run import EngineRun
from rlm_tui.engine.thread import EngineThread
from rlm_tui.journal.events import Edit, Event, NodeEnd, Text
from rlm_tui.journal.run import REVERTED
from rlm_tui.journal.store import Journal

Refusal = str | None
"""None when it was done; else why not, in words for the person."""

ENDED = "This node has ended."
NOT_HELD = "Nothing is held here."


class Pace(Protocol):
    """How fast a scripted model speaks."""

    def set(self, speed: str) -> None:
        """Change it; raises ValueError with one line for a speed there is not."""
        ...


class Session:
    """A live run in the debugger.

    Verbs may be called from any thread; each returns a future of a refusal in words, or of None.

    Args:
        journal: The run's journal; the session closes it.
        engine: Makes the run over its gates.
        hold: Hold the root before its first request.
        scenario: A name to show for the run.
        pace: The scripted model's pace, when there is one.
    """

    read_only = False

    def __init__(
        self,
        journal: Journal,
        engine: Callable[[HoldingGates], EngineRun],
        *,
        hold: bool = False,
        scenario: str | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.scenario = scenario
        self.notices: list[str] = list(journal.notices)
        self.gates = HoldingGates(journal, hold_first=hold)
        self.journal = journal
        self.engine = engine(self.gates)
        self.gates.waiting = self.engine.shared.held
        self._pace = pace
        self._thread: EngineThread | None = None
        self._main: Future[NodeEnd] | None = None

    def events(self) -> Iterable[Event]:
        """Everything so far, oldest first."""
        return self.journal.events()

    def start(self, sink: Callable[[Event], None]) -> None:
        """Begin the run.

        Args:
            sink: Gets each event, in the engine's thread: it must only put it away.
        """
        self.journal.subscribe(sink)
        self._thread = EngineThread()
        self._main = self._thread.submit(self.engine.go())

    def text(self, value: Text | None) -> str:
        """A text of the journal, whole."""
        return self.journal.text(value)

    def wants(self, node: str) -> WishKind | None:
        """What was asked of a node and not granted yet."""
        wish = self.gates.wishes.get(node)
        return wish.kind if wish else "pause" if self.gates.stopping else None

    def pausing(self, node: str) -> bool:
        """Whether a pause was asked for and the node is not at a point yet."""
        return self.wants(node) == "pause"

    # Verbs --------------------------------------------------------------------------------------------------------

    def step(self, node: str) -> Future[Refusal]:
        """Go on to this node's next pause point, whatever it is."""
        return self._do(lambda: self._wish(node, "step"))

    def next(self, node: str) -> Future[Refusal]:
        """Go on to this node's next block, else its observation; children run through."""
        return self._do(lambda: self._wish(node, "next"))

    def into(self, node: str) -> Future[Refusal]:
        """Go on into what is held: a block's first sub-call, a call's child before its first request."""
        return self._do(lambda: self._into(node))

    def release(self, node: str) -> Future[Refusal]:
        """Hand on what is held, as it is now. Takes a node's address or a held value's."""

        def act() -> Refusal:
            hand = self.gates.newest(node)
            if hand is None:
                return NOT_HELD
            self._clear(hand)
            self.gates.release(hand, "release")
            return None

        return self._do(act)

    def release_all(self) -> Future[Refusal]:
        """Hand on everything that is held, and take back every wish."""

        def act() -> Refusal:
            self.gates.stopping = False
            self.gates.wishes.clear()
            if not self.gates.held:
                return NOT_HELD
            for hand in list(self.gates.held.values()):
                self.gates.release(hand, "release")
            return None

        return self._do(act)

    def pause(self, node: str | None) -> Future[Refusal]:
        """Hold a node at its next pause point; every node, those to come included, when None."""

        def act() -> Refusal:
            if node is None:
                if self._over():
                    return "The run has ended."
                self.gates.stopping = True
                return None
            if self.gates.newest(node) is not None:
                return "It is held already."
            return self._wish(node, "pause")

        return self._do(act)

    def edit(self, id: str, field: str, value: Any, *, was: Any = None, note: str = "") -> Future[Refusal]:
        """Change what is held.

        Args:
            id: The held value's address.
            field: What is changed, see `edits.LEGAL`.
            value: What it is to be.
            was: Not needed: what it is now is known.
            note: A remark to keep with it.
        """
        return self._do(lambda: self._edit(id, field, value, note))

    def revert(self, id: str) -> Future[Refusal]:
        """Back to what came to the gate, while it is still held."""

        def act() -> Refusal:
            hand = self.gates.newest(id)
            if hand is None:
                return "It is not held any more; what was handed on can't be taken back."
            if hand.value == hand.came:
                return "Nothing was changed here."
            field = next(f for f in edits.LEGAL[hand.point] if f != "skip")
            came, now = edits.current(hand.came, field), edits.current(hand.value, field)
            # Reverting a skip, or a supplied answer, takes the value as it came; its one field says so in the journal.
            self._write_edit(hand.id, field, came, now, REVERTED)
            hand.value = hand.came
            return None

        return self._do(act)

    def skip(self, id: str) -> Future[Refusal]:
        """Do not run the held block."""

        def act() -> Refusal:
            refusal = self._edit(id, "skip", {"say": False}, "")
            hand = self.gates.newest(id)
            if refusal is None and hand is not None:
                self._clear(hand)
                self.gates.release(hand, "skip")
            return refusal

        return self._do(act)

    def retry(self, id: str) -> Future[Refusal]:
        """At an error: ask again, or run again, with what was changed here."""

        def act() -> Refusal:
            hand = self.gates.newest(id)
            if hand is None or not isinstance(hand.value, Failure):
                return "Only an error can be tried again."
            hand.value = Failure(hand.value.error, hand.value.attempt, "retry")
            self.gates.release(hand, "retry")
            return None

        return self._do(act)

    def force_final(self, node: str, *, text: str | None = None, var: str | None = None) -> Future[Refusal]:
        """Decide a node's answer, in any phase; what is in flight below it is ended first.

        Args:
            node: The node's address.
            text: The answer, literally.
            var: Or a variable of its REPL that holds it.
        """

        async def act() -> Refusal:
            at = self.engine.nodes.get(node)
            if at is None or self._ended(node):
                return ENDED
            if var is not None and (missing := await self._missing(at, var)) is not None:
                return missing
            self._write_edit(node, "final", {"var": var} if var is not None else {"text": text or ""}, None)
            self.engine.stop(node, Forced(None if var is not None else text or "", var))
            return None

        return self._submit(act())

    def set_pace(self, speed: str) -> Refusal:
        """Change how fast a scripted model speaks."""
        if self._pace is None:
            return "Only a scripted model has a pace."
        try:
            self._pace.set(speed)
        except ValueError as error:
            return str(error)
        return None

    # Ending -------------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Go and leave the run as it is: nothing ends, nothing runs on, the journal can be gone on with."""
        self._do(self._leave)

    def kill(self) -> None:
        """End the run."""
        self._do(self._kill)

    def close(self, timeout: float = 1.0) -> None:
        """Give everything back: workers, the journal's lock, the thread; within about ``timeout`` seconds."""
        if self._thread is None:
            self.journal.close()
            return
        self._wait(timeout)
        if self._main is not None and not self._main.done():
            self.leave()
            self._wait(timeout)
        self._thread.close(timeout)
        self.journal.close()

    def result(self) -> NodeEnd | None:
        """How the root ended; None while it has not, or when the run was left."""
        main = self._main
        if main is None or not main.done() or main.cancelled() or main.exception() is not None:
            return None
        return main.result()

    def _wait(self, timeout: float) -> None:
        if self._main is None or not (self.engine.shared.leaving or self._over()):
            return
        try:
            self._main.exception(timeout)
        except (FutureTimeoutError, asyncio.CancelledError):
            return

    # In the engine's thread ---------------------------------------------------------------------------------------

    def _do(self, act: Callable[[], Refusal]) -> Future[Refusal]:
        async def once() -> Refusal:
            return act()

        return self._submit(once())

    def _submit(self, work: Any) -> Future[Refusal]:
        if self._thread is None or self._thread.loop.is_closed():
            work.close()
            done: Future[Refusal] = Future()
            done.set_result("The run is not going on.")
            return done
        return self._thread.submit(work)

    def _leave(self) -> Refusal:
        self.engine.leave()
        return None

    def _kill(self) -> Refusal:
        self.engine.kill()
        return None

    def _over(self) -> bool:
        return self.engine.shared.run.end is not None

    def _ended(self, node: str) -> bool:
        return self.engine.shared.effects.remembered("node", node, NodeEnd) is not None

    def _wish(self, node: str, kind: WishKind) -> Refusal:
        hand = self.gates.newest(node)
        owner = hand.node if hand is not None else node
        if self._ended(owner) or owner not in self.engine.nodes:
            return ENDED
        if hand is None and (under_way := self.gates.wishes.get(owner)):
            return f"A {under_way.kind} is under way here already."
        self.gates.wishes[owner] = Wish(kind)
        if hand is not None:
            self.gates.stopping = False
            self.gates.release(hand, kind)
        return None

    def _into(self, node: str) -> Refusal:
        hand = self.gates.newest(node)
        if hand is None:
            return "Only what is held can be stepped into."
        if hand.point == "block":
            self.gates.wishes[hand.node] = Wish("into", hand.id)
        elif hand.point == "call":
            # A child is a node of this address; a leaf has only its answer to stop at.
            self.gates.wishes[hand.id] = Wish("into")
        else:
            return "There is nothing inside here; a block and a sub-call can be stepped into."
        self.gates.stopping = False
        self.gates.release(hand, "into")
        return None

    def _clear(self, hand: InHand) -> None:
        self.gates.stopping = False
        self.gates.wishes.pop(hand.node, None)

    def _edit(self, id: str, field: str, value: Any, note: str) -> Refusal:
        hand = self.gates.newest(id)
        if hand is None:
            return "It is not held any more, so it can't be changed here."
        if (refusal := edits.illegal(hand.point, field, value)) is not None:
            return refusal
        was = edits.current(hand.value, field)
        if field != "skip" and was == value:
            return None
        self._write_edit(hand.id, field, value, was, note)
        hand.value = apply_edit(hand.value, field, value)
        return None

    def _write_edit(self, id: str, field: str, value: Any, was: Any, note: str = "") -> None:
        edit = {"id": id, "field": field, "value": value, "was": was, "note": note, "by": "human"}
        self.journal.append(Edit.model_validate(edit))

    async def _missing(self, node: Node, name: str) -> Refusal:
        """Why a variable can't be the answer, as far as can be known before the node is stopped."""
        if not node.blocks.running and node.blocks.repl is not None and node.blocks.repl.alive:
            try:
                await node.blocks.repl.resolve(name, timeout_s=5.0)
            except (LookupError, ValueError) as error:
                return str(error)
            return None
        folded = self.engine.shared.run.nodes.get(node.spec.id)
        if folded is not None and name in folded.variables:
            return None
        return f"There is no variable {name!r} here."
