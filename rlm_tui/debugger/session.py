"""One run, as a front end has it: its thread, its journal, its gates. The only object a front end talks to."""

from __future__ import annotations

import gc
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rlm_tui.debugger.asking import Asking
from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.debugger.changing import Changing
from rlm_tui.debugger.completion import Completion
from rlm_tui.debugger.deciding import Deciding
from rlm_tui.debugger.fork import aside, branch
from rlm_tui.debugger.gates import HoldingGates
from rlm_tui.debugger.going import Going
from rlm_tui.debugger.ladder import Stops
from rlm_tui.debugger.likeness import Change, Ladder, Looked, Page, Refusal, Scope, SessionLike, WishKind
from rlm_tui.debugger.reach import Reach
from rlm_tui.debugger.requests import Requests
from rlm_tui.debugger.rules import Rules
from rlm_tui.engine.run import EngineRun
from rlm_tui.engine.thread import EngineThread
from rlm_tui.journal import address
from rlm_tui.journal.events import Event, NodeEnd, Point, Text
from rlm_tui.journal.store import Journal

KILL_S = 4.0
"""Seconds that the ends of a killed run may take: code that will not stop is given two before its worker is ended."""


class Pace(Protocol):
    """How fast a scripted model speaks."""

    def shift(self, *, faster: bool) -> str:
        """Go one pace up or down; the name of the one that holds now."""
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
        breakpoints: Those of the project, and those given for this run.
        resumed: Go on with a run that was left, or a branch: it opens held, and does nothing until a person says so.
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
        breakpoints: Breakpoints | None = None,
        resumed: bool = False,
    ) -> None:
        self.scenario = scenario
        self.gates = HoldingGates(journal, hold_first=hold)
        self.journal = journal
        self.engine = engine(self.gates)
        self.gates.waiting = self.engine.shared.held
        if resumed:
            self._open_held()
        self._breakpoints = breakpoints or Breakpoints()
        self.gates.rules = Rules(self._breakpoints, self.engine.shared.run, journal.text)
        asking = Asking(self.engine, self.gates)
        self._stops = Stops(self.engine, self.gates, asking)
        self._reach = Reach(self.engine, self.gates, asking, self._stops)
        self._completion = Completion(asking)
        self._going = Going(self._reach)
        self._changing = Changing(self._reach)
        self._deciding = Deciding(self._reach, self._changing)
        self._requests = Requests(self._reach, self._changing)
        self._pace = pace
        self._thread: EngineThread | None = None
        self._main: Future[NodeEnd] | None = None
        self._killing = False
        # Breakpoints that can't be read hold nothing, and a person relies on them.
        self._faults = [self._breakpoints.notice] if self._breakpoints.notice else []

    def _open_held(self) -> None:
        # What was read of it stays as long as this does: the collector need not go through it again and again.
        gc.freeze()
        run, shared = self.engine.shared.run, self.engine.shared
        shared.beginning = self.engine.beginning
        open_nodes = {id for id, node in run.nodes.items() if node.status == "open"}
        self.gates.open_held(open_nodes | {address.ROOT}, shared.beginning)

    @property
    def path(self) -> Path | None:
        """The directory that the run is kept in; None in memory."""
        return self.journal.path

    @property
    def notices(self) -> list[str]:
        """What was cut, is damaged or is missing in the journal, or ended the run from within; in words."""
        return [*self.journal.notices, *self.engine.differences, *self._faults]

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
        self._main.add_done_callback(self._note_fault)

    def _note_fault(self, main: Future[NodeEnd]) -> None:
        """A run ends with events, whatever happens in it; this is for a disk that is full, or a fault of ours."""
        error = None if main.cancelled() else main.exception()
        if error is not None:
            self._faults.append(f"The run broke off: {type(error).__name__}: {error}")

    def text(self, value: Text | None) -> str:
        """A text of the journal, whole."""
        return self.journal.text(value)

    def wants(self, node: str) -> WishKind | None:
        """What was asked of a node and not granted yet. From any thread."""
        return self.gates.wants(node)

    @property
    def loading(self) -> bool:
        """Whether a request waits for the library of its provider to be loaded. From any thread."""
        return self.engine.shared.asking.loading > 0

    def pausing(self, node: str) -> bool:
        """Whether a pause was asked for and the node is not at a point yet. From any thread."""
        return self.wants(node) == "pause"

    @property
    def breakpoints(self) -> Breakpoints:
        """Its breakpoints. From any thread."""
        return self._breakpoints

    # Verbs --------------------------------------------------------------------------------------------------------

    def step(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Go on to this node's next pause point, whatever it is. Takes a node's address or a held value's."""
        return self._do(lambda: self._going.wish(node, "step", scope))

    def next(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Go on to this node's next block, else its observation; children run through."""
        return self._do(lambda: self._going.wish(node, "next", scope))

    def iteration(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Go on to this node's next model request."""
        return self._do(lambda: self._going.wish(node, "iteration", scope))

    def into(self, node: str) -> Future[Refusal]:
        """Go on into what is held: a block's first sub-call, a call's child before its first request."""
        return self._do(lambda: self._going.into(node))

    def out(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Go on until this node has ended, held at its caller's ``return``; of the root, at ``final``."""
        return self._do(lambda: self._going.wish(node, "out", scope))

    def to(self, id: str) -> Future[Refusal]:
        """Go on until something that is ahead is next; see `SessionLike.to`."""
        return self._do(lambda: self._going.to(id))

    def release(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Hand on what is held, as it is now. Takes a node's address or a held value's."""
        return self._do(lambda: self._going.release(node, scope))

    def release_all(self) -> Future[Refusal]:
        """Hand on everything that is held, and take back every wish."""
        return self._do(self._going.release_all)

    def pause(self, node: str | None, scope: Scope = "node") -> Future[Refusal]:
        """Hold a node at its next pause point; with a wider scope, or None, each node of it once."""
        return self._do(lambda: self._going.pause(node, scope))

    @property
    def all_stop(self) -> bool:
        """Whether every node stops, once, when one is held. From any thread."""
        return self.gates.all_stop

    def stop_all(self, on: bool) -> Future[Refusal]:
        """Turn all-stop on or off."""
        return self._do(lambda: self._going.stop_all(on))

    def ladder(self, node: str) -> Ladder:
        """How far a node was asked to stop, and what `harder` would do next. From any thread."""
        return self._stops.ladder(node)

    def harder(self, node: str) -> Future[Refusal]:
        """Stop a node, one rung harder than it was asked to so far: pause, break in, abort, kill."""
        return self._submit(self._going.harder(node))

    def evaluate(self, node: str, code: str) -> Future[Refusal]:
        """Run code in a held node's REPL, in the frame that stands if one does; done when the code is."""
        return self._submit(self._asks(node, lambda owner: self._reach.asking.evaluate(owner, code)))

    def look(self, node: str, expression: str) -> Future[Looked | str]:
        """Evaluate in a copy of a held node's REPL that is thrown away; a text is why that can't be done."""
        return self._submit(self._asks(node, lambda owner: self._reach.asking.look(owner, expression)))

    def page(self, node: str, name: str, start: int, count: int) -> Future[Page | str]:
        """A part of one variable, without running any of the model's code; a text is why it can't be had."""
        return self._submit(self._asks(node, lambda owner: self._reach.asking.page(owner, name, start, count)))

    def complete(self, node: str, code: str, cursor: int) -> Future[Sequence[str] | str]:
        """What a name or an attribute before the cursor may go on as, found without changing the REPL."""
        return self._submit(self._asks(node, lambda owner: self._completion.complete(owner, code, cursor)))

    def edit(self, id: str, field: str, value: Any, *, was: Any = None, note: str = "") -> Future[Refusal]:
        """Change what is held.

        Args:
            id: The held value's address.
            field: What is changed, see `edits.LEGAL`.
            value: What it is to be.
            was: Not needed: what it is now is known.
            note: A remark to keep with it.
        """
        return self._do(lambda: self._changing.edit(id, field, value, note))

    def revert(self, id: str) -> Future[Refusal]:
        """Back to what came to the gate, while it is still held."""
        return self._do(lambda: self._changing.revert(id))

    def skip(self, id: str) -> Future[Refusal]:
        """Do not run the held block."""
        return self._do(lambda: self._changing.skip(id))

    def retry(self, id: str) -> Future[Refusal]:
        """At an error: ask again, or run again, with what was changed here."""
        return self._do(lambda: self._changing.retry(id))

    def try_now(self, id: str) -> Future[Refusal]:
        """Have a request that waits for its next attempt make it at once."""
        return self._do(lambda: self._requests.try_now(id))

    def give_up(self, id: str) -> Future[Refusal]:
        """Have a request that waits for its next attempt make none: what went wrong passes its gate."""
        return self._do(lambda: self._requests.give_up(id))

    def take(self, id: str) -> Future[Refusal]:
        """Take what has come of a reply that is being written, or that broke off, for the whole of it."""
        return self._do(lambda: self._requests.take(id))

    def force_final(self, node: str, *, text: str | None = None, var: str | None = None) -> Future[Refusal]:
        """Decide a node's answer, in any phase; what is in flight below it is ended first.

        Args:
            node: The node's address.
            text: The answer, literally.
            var: Or a variable of its REPL that holds it.
        """
        return self._submit(self._deciding.force_final(node, text, var))

    def supply(self, id: str, text: str) -> Future[Refusal]:
        """Answer a sub-call by hand: before it begins, while it is under way, or as its answer comes back."""
        return self._submit(self._deciding.supply(id, text))

    def kill_node(self, id: str) -> Future[Refusal]:
        """End a node, or a sub-call, without an answer; what is below it ends first. The root: the run."""
        self._killing |= id == address.ROOT
        return self._do(lambda: self._deciding.kill_node(id))

    def insert(self, id: str, code: str, *, say: bool) -> Future[Refusal]:
        """Put code in before a held block; it runs when the block is released."""
        return self._do(lambda: self._changing.insert(id, code, say=say))

    def say(self, node: str, text: str) -> Future[Refusal]:
        """Tell a node's model something: in the request that is held, else with the next observation."""
        return self._do(lambda: self._changing.say(node, text))

    def note(self, id: str, text: str) -> Future[Refusal]:
        """Keep a remark by a thing; nobody but people sees it."""
        return self._do(lambda: self._changing.note(id, text))

    def resample(
        self, id: str, count: int, *, model: str | None = None, params: Mapping[str, Any] | None = None
    ) -> Future[Refusal]:
        """Ask for more replies to a request whose reply is held; done when all are there, or failed."""
        return self._submit(self._changing.resample(id, count, model, params))

    def pick(self, id: str, sample: int) -> Future[Refusal]:
        """Put one of the further replies in the place of the held one; 0 is the first reply."""
        return self._do(lambda: self._changing.pick(id, sample))

    def set_model(self, node: str, model: str | None, params: Mapping[str, Any] | None = None) -> Future[Refusal]:
        """Have a node's requests from now on go to another model, or with other parameters; None keeps what is."""
        return self._do(lambda: self._changing.set_model(node, model, params))

    def set_limit(self, node: str, name: str, to: float) -> Future[Refusal]:
        """Change a limit while the run goes on."""
        return self._do(lambda: self._changing.set_limit(node, name, to))

    def fork(
        self, at: str, point: Point, change: Change | None = None, why: str = "", *, changed: bool = False
    ) -> Future[Path | str]:
        """Make a branch of this run; see `SessionLike.fork`."""
        return aside(lambda: branch(self.journal, at, point, change, why, changed=changed))

    @property
    def paced(self) -> bool:
        """Whether a scripted model speaks, at a pace that can be changed."""
        return self._pace is not None

    def change_pace(self, *, faster: bool) -> str:
        """Let a scripted model speak one pace faster or slower; the name of the pace that holds now."""
        return self._pace.shift(faster=faster) if self._pace is not None else ""

    # Ending -------------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Go and leave the run as it is: nothing ends, nothing runs on, the journal can be gone on with."""
        self._do(self._leave)

    def kill(self) -> None:
        """End the run: every node gets its end, lowest first."""
        self._killing = True
        self._do(self._kill)

    def close(self, timeout: float = 1.0) -> None:
        """Give everything back: workers, the journal's lock, the thread. A second time does nothing.

        A run that goes on is left. One that is being killed first gets up to `KILL_S` for its ends.

        Args:
            timeout: Seconds to wait for each of these.
        """
        if self._thread is not None and self._main is not None:
            if self._killing or self.engine.shared.run.end is not None:
                futures.wait([self._main], max(timeout, KILL_S))
            if not self._main.done():
                self.leave()
                futures.wait([self._main], timeout)
            self._thread.close(timeout)
        self.journal.close()

    def result(self) -> NodeEnd | None:
        """How the root ended; None while it has not, or when the run was left."""
        main = self._main
        if main is None or not main.done() or main.cancelled() or main.exception() is not None:
            return None
        return main.result()

    # In the engine's thread ---------------------------------------------------------------------------------------

    def _do(self, act: Callable[[], Refusal]) -> Future[Refusal]:
        async def once() -> Refusal:
            return act()

        return self._submit(once())

    async def _asks(self, id: str, ask: Callable[[str], Coroutine[Any, Any, Any]]) -> Any:
        """Ask something of a node that has not ended."""
        owner = self._reach.owner(id)
        return self._reach.at_rest(owner) or await ask(owner)

    def _submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        try:
            if self._thread is not None:
                return self._thread.submit(work)
        except RuntimeError:
            pass  # The loop is closed.
        work.close()
        done: Future[Any] = Future()
        done.set_result("The run is not going on.")
        return done

    def _leave(self) -> Refusal:
        self.engine.leave()
        return None

    def _kill(self) -> Refusal:
        self.engine.kill()
        return None


if TYPE_CHECKING:
    _like: type[SessionLike] = Session
