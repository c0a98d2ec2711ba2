"""When an action can be done, and where: each answers None, or why not, in words for the person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlm_tui.journal.tree import Block, Call, Iteration
from rlm_tui.tui.rows.pages import COUNT, MESSAGES, VARIABLES
from rlm_tui.tui.rows.status import running_block
from rlm_tui.tui.selection import ANSWER, OBS
from rlm_tui.tui.view import View
from rlm_tui.tui.whom import broke_off, node_of, points, subject, waiting, writing
from rlm_tui.tui.words import ends_here, failed, is_edited

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

READ_ONLY = "This run is read-only: it can be looked at, not changed."


PAST = "This is the past: nothing can be changed in it. l goes back to now, D makes a branch from here."


def always(view: View, session: SessionLike) -> str | None:
    """At any time."""
    return None


def live(view: View, session: SessionLike) -> str | None:
    """While the node in view goes on."""
    if session.read_only:
        return READ_ONLY
    if view.run.end is not None:
        return "The run has ended."
    node = view.run.nodes.get(node_of(view))
    if node is None:
        return "Nothing has begun yet."
    return None if node.status == "open" else "This node has ended. u goes to its parent."


def at_hold(view: View, session: SessionLike) -> str | None:
    """While something is held in the node in view."""
    why = live(view, session) if view.held_here() is None else None
    if why is not None:
        return why
    if session.read_only:
        return READ_ONLY
    if view.held_here() is not None:
        return None
    if view.run.held:
        return "Nothing is held in this node. h goes to what is held."
    return "Nothing is held. s or p stops this node at its next pause point."


def idle(view: View, session: SessionLike) -> str | None:
    """While the node goes on, its end is not what is held, and nothing is under way; of more nodes, while one is."""
    if view.scope != "node":
        return in_scope(view, session)
    if why := live(view, session):
        return why
    held = view.held_here()
    if held is not None and ends_here(view.run, held):
        other = "r tries again" if held.point == "error" else "e raises the limit"
        return f"That would end this node. {other}, a lets it end."
    wants = session.wants(node_of(view))
    return None if wants is None else f"Already under way: {wants}."


def in_scope(view: View, session: SessionLike) -> str | None:
    """While something is held in the scope that is set."""
    if view.scope == "node":
        return at_hold(view, session)
    if session.read_only:
        return READ_ONLY
    if view.run.end is not None:
        return "The run has ended."
    if view.held_within():
        return None
    return "Nothing is held in this run." if view.scope == "run" else "Nothing is held here or below. v sets the scope."


def scoped(view: View, session: SessionLike) -> str | None:
    """While there is a run for verbs to act on."""
    if session.read_only:
        return READ_ONLY
    return "The run has ended." if view.run.end is not None else None


def to_cursor(view: View, session: SessionLike) -> str | None:
    """With the cursor on something that has not come back."""
    if why := scoped(view, session):
        return why
    if not view.item:
        return "There is nothing under the cursor to go on to."
    held = view.held_here()
    if held is not None and view.item_of(held) == view.item:
        return "It stands here already. Put the cursor on something ahead."
    thing = view.thing()
    over = thing.status not in ("new", "open") if isinstance(thing, Block | Call) else False
    if over or view.item.endswith((OBS, ANSWER)) or (isinstance(thing, Iteration) and thing.obs is not None):
        return "That is behind. D makes a branch of the run from there."
    return idle(view, session) if view.scope == "node" else None


def into(view: View, session: SessionLike) -> str | None:
    """Where there is a call to go into."""
    held = view.held_here()
    if why := at_hold(view, session):
        return why
    if held is not None and held.point in ("block", "call"):
        return None
    return "There is no call to go into here. s steps, n goes to the next block."


def pause(view: View, session: SessionLike) -> str | None:
    """While there is something to stop, or something harder to stop it with."""
    if view.scope != "node":
        return scoped(view, session)
    if why := live(view, session):
        return why
    held, ladder = view.held_here(), session.ladder(node_of(view))
    if ladder.next is not None:
        return None
    if held is not None:
        return "It is held already."
    if ladder.asked == "kill":
        return "Its REPL is being killed: there is nothing harder."
    if ladder.asked is not None:
        return "It is pausing already: it stops at the next pause point."
    return "There is nothing here to stop."


def release_all(view: View, session: SessionLike) -> str | None:
    """While anything is held."""
    if session.read_only:
        return READ_ONLY
    return None if view.run.held else "Nothing is held."


def edit(view: View, session: SessionLike) -> str | None:
    """While there is something in hand that can be changed."""
    if why := at_hold(view, session):
        return why if view.held_here() or not why.startswith("Nothing is held.") else _NOT_HELD
    held = view.held_here()
    if held is not None and held.point == "line":
        return "Nothing can be changed inside a running block. ! evaluates in it."
    if held is not None and failed(held) == "diverged":
        return "Nothing of a rebuild can be changed. a goes on with the REPL as it is, r rebuilds it once more."
    return None if held is not None else _NOT_HELD


_NOT_HELD = "Only what is held can be edited. s or p stops this node at its next pause point."


def revert(view: View, session: SessionLike) -> str | None:
    """While what is held was changed."""
    held = view.held_here()
    if why := at_hold(view, session):
        return why
    return None if held is not None and is_edited(view.run, held) else "Nothing here has been changed."


def skip(view: View, session: SessionLike) -> str | None:
    """At a block that has not run, or an answer that is not accepted yet."""
    held = view.held_here()
    if why := at_hold(view, session):
        return why
    if held is not None and held.point in ("block", "final"):
        return None
    return "Only a block that is held can be skipped, and only a final answer rejected."


def gives_up(view: View, session: SessionLike) -> str | None:
    """While a request waits for its next attempt."""
    if why := scoped(view, session):
        return why
    return None if waiting(view) is not None else "No request waits here for its next attempt."


def takes(view: View, session: SessionLike) -> str | None:
    """While a reply is being written, and where one broke off."""
    if why := scoped(view, session):
        return why
    if writing(view) is not None or broke_off(view) is not None:
        return None
    return "No reply is being written here of which something has come."


def again(view: View, session: SessionLike) -> str | None:
    """At something that failed, a reply, or the answer of a plain call; and while a request waits for its next try."""
    held = view.held_here()
    if held is None and gives_up(view, session) is None:
        return None
    if why := at_hold(view, session):
        return why
    if held is None or held.point in ("error", "reply"):
        return None
    call = view.run.calls.get(held.id)
    if held.point == "return" and call is not None and call.node is None:
        return None
    return "Only a reply, a plain call's answer and what failed can be asked for again."


def kill(view: View, session: SessionLike) -> str | None:
    """While what is selected goes on."""
    if why := scoped(view, session):
        return why
    id = subject(view)
    if (call := view.run.calls.get(id)) is not None:
        return None if call.status == "open" or id in view.run.held else "This call has come back."
    node = view.run.nodes.get(id)
    if node is None:
        return "Nothing has begun yet."
    return None if node.status == "open" else "This node has ended. u goes to its parent."


def supply(view: View, session: SessionLike) -> str | None:
    """With a sub-call selected that has not come back."""
    if why := scoped(view, session):
        return why
    id = subject(view)
    if id not in view.run.calls:
        return "The root is no call. R gives it its final answer."
    held = view.run.held.get(id)
    if view.run.calls[id].status == "open" or (held is not None and held.point in ("return", "error")):
        return None
    return "This call has come back. D makes a branch of the run from there."


def insert(view: View, session: SessionLike) -> str | None:
    """Before a block that has not run."""
    held = view.held_here()
    if why := at_hold(view, session):
        return why
    return None if held is not None and held.point == "block" else "Code can be put in only before a held block."


def say(view: View, session: SessionLike) -> str | None:
    """While the node's model will be asked again."""
    return live(view, session)


def note(view: View, session: SessionLike) -> str | None:
    """Once there is something to make a note of."""
    if session.read_only:
        return READ_ONLY
    return None if view.run.root is not None else "Nothing has begun yet."


def present(view: View, session: SessionLike) -> str | None:
    """While the run is seen as it is now."""
    return PAST if view.past is not None else None


def in_the_past(view: View, session: SessionLike) -> str | None:
    """While the run is seen as it was."""
    return None if view.past is not None else "This is how it is now."


def earlier(view: View, session: SessionLike) -> str | None:
    """After the first moment."""
    return None if view.moment(-1) is not None else "There is nothing before this."


def fork(view: View, session: SessionLike) -> str | None:
    """With something selected that the run has come to."""
    if session.path is None:
        return "This run is kept nowhere, so no branch of it can be made."
    if view.run.root is None:
        return "Nothing has begun yet."
    return None if points(view) else "A branch can begin only at something that the run has come to."


def branches(view: View, session: SessionLike) -> str | None:
    """Of a run that has begun and is kept."""
    if session.path is None:
        return "This run is kept nowhere, so it has no branches."
    return begun(view, session)


def break_here(view: View, session: SessionLike) -> str | None:
    """While there is something that may still be stopped."""
    return scoped(view, session) or note(view, session)


def next_held(view: View, session: SessionLike) -> str | None:
    """While something else is held."""
    if not view.run.held:
        return "Nothing is held."
    held = view.held_here()
    return "Nothing else is held." if held is not None and len(view.run.held) == 1 else None


def copy(view: View, session: SessionLike) -> str | None:
    """Once there is a run."""
    return None if view.run.root is not None else "There is nothing to copy yet."


def paced(view: View, session: SessionLike) -> str | None:
    """With a scripted model."""
    return live(view, session) or (None if session.paced else "Only a scripted model has a pace.")


def parent(view: View, session: SessionLike) -> str | None:
    """In a child."""
    return "This is the root." if view.parent_node() is None else None


def child(view: View, session: SessionLike) -> str | None:
    """Where calls were made."""
    return "It has made no calls." if view.child_node() is None else None


def back(view: View, session: SessionLike) -> str | None:
    """After the first iteration."""
    return "There is no iteration before this." if view.iteration_back() is None else None


def forward(view: View, session: SessionLike) -> str | None:
    """Before the last iteration."""
    return "There is no iteration after this." if view.iteration_forward() is None else None


def begun(view: View, session: SessionLike) -> str | None:
    """Once there is something to find."""
    return None if view.run.root is not None else "Nothing has begun yet."


def finding(view: View, session: SessionLike) -> str | None:
    """While something is looked for."""
    return None if view.found is not None else "Nothing is looked for. / finds."


def evaluate(view: View, session: SessionLike) -> str | None:
    """While a node is held and no code of it runs."""
    if why := at_hold(view, session):
        return why if view.held_here() or not why.startswith("Nothing is held.") else _NOT_STANDING
    held = view.held_here()
    if held is not None and held.point != "line" and running_block(view, held.node) is not None:
        return (
            "A block of this node runs and waits for this: nothing can be evaluated until it is stopped or has ended."
        )
    return None


_NOT_STANDING = "Code can be evaluated only while a node is held. p stops this one at its next pause point."


def messages(view: View, session: SessionLike) -> str | None:
    """In the tab of a request's messages."""
    return None if view.tab % COUNT == MESSAGES else "Messages are gone through in the tab Messages."


def open_value(view: View, session: SessionLike) -> str | None:
    """With the cursor on a variable."""
    if view.tab % COUNT != VARIABLES:
        return "A value is opened in the tab Variables."
    return None if view.variable is not None else "There is no variable to open."
