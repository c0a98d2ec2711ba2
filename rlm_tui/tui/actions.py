"""What a person can do, once: keys, decision bar, footer, palette, help and the README's table are made of this.

An action that is not legal now is refused in words, never silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rlm_tui.journal import address
from rlm_tui.tui.copied import copies_output
from rlm_tui.tui.view import ANSWER, OBS, View
from rlm_tui.tui.words import ends_here, is_edited, release_word

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

Group = Literal["decide", "run", "look", "app"]
Legal = Callable[["View", "SessionLike"], "str | None"]
"""None when it can be done now, else why not, in words for the person."""

GROUPS: dict[Group, str] = {
    "decide": "what is held",
    "run": "the run",
    "look": "looking",
    "app": "the screen",
}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person can do.

    Attributes:
        id: Its name: in the key map, and of the screen's method ``do_<id>`` when it has no ``ask``.
        keys: Textual's names of its keys; the first is the one shown.
        word: Its label, one or two words.
        help: One sentence.
        legal: Why it cannot be done now; None when it can.
        ask: What it asks of the session.
        names: Its label here and now, where that depends.
        decides: Whether it may do something that cannot be taken back, so that the grace holds it off.
    """

    id: str
    keys: tuple[str, ...]
    word: str
    help: str
    group: Group
    legal: Legal
    ask: Callable[[View, SessionLike], Future[str | None]] | None = None
    names: Callable[[View], str] | None = None
    decides: bool = False

    def name(self, view: View) -> str:
        """Its label here and now."""
        return self.names(view) if self.names else self.word

    @property
    def key(self) -> str:
        """Its first key as people write it."""
        return shown(self.keys[0])


_SHOWN = {
    "question_mark": "?", "colon": ":", "left_square_bracket": "[", "right_square_bracket": "]", "escape": "esc",
    "shift+tab": "shift+tab", "less_than_sign": "<", "greater_than_sign": ">",
}  # fmt: skip


def shown(key: str) -> str:
    """A key as people write it."""
    if len(key) > 1 and key.startswith("f") and key[1:].isdigit():
        return key.upper()
    return _SHOWN.get(key, key)


# When is it legal? -----------------------------------------------------------------------------------------------


READ_ONLY = "This run is read-only: it can be looked at, not changed."


def node_of(view: View) -> str:
    """The RLM node that a verb acts on: the one that waits for the held value, else the one in view."""
    held = view.held_here()
    if held is not None:
        return held.node
    node = view.node
    return node if node in view.run.nodes else address.node_of(address.parent(node))


def _any(view: View, session: SessionLike) -> str | None:
    return None


def _live(view: View, session: SessionLike) -> str | None:
    if session.read_only:
        return READ_ONLY
    if view.run.end is not None:
        return "The run has ended."
    node = view.run.nodes.get(node_of(view))
    if node is None:
        return "Nothing has begun yet."
    return None if node.status == "open" else "This node has ended. u goes to its parent."


def _held(view: View, session: SessionLike) -> str | None:
    why = _live(view, session) if view.held_here() is None else None
    if why is not None:
        return why
    if session.read_only:
        return READ_ONLY
    if view.held_here() is not None:
        return None
    if view.run.held:
        return "Nothing is held in this node. h goes to what is held."
    return "Nothing is held. s or p stops this node at its next pause point."


def _idle(view: View, session: SessionLike) -> str | None:
    if why := _live(view, session):
        return why
    held = view.held_here()
    if held is not None and ends_here(view.run, held):
        other = "r tries again" if held.point == "error" else "e raises the limit"
        return f"That would end this node. {other}, a lets it end."
    wants = session.wants(node_of(view))
    return None if wants is None else f"Already under way: {wants}."


def _into(view: View, session: SessionLike) -> str | None:
    held = view.held_here()
    if why := _held(view, session):
        return why
    if held is not None and held.point in ("block", "call"):
        return None
    return "There is no call to go into here. s steps, n goes to the next block."


def _pause(view: View, session: SessionLike) -> str | None:
    if why := _live(view, session):
        return why
    if view.held_here() is not None:
        return "It is held already."
    if session.pausing(node_of(view)):
        return "It is pausing already: it stops at the next pause point."
    return None


def _release_all(view: View, session: SessionLike) -> str | None:
    if session.read_only:
        return READ_ONLY
    return None if view.run.held else "Nothing is held."


def _edit(view: View, session: SessionLike) -> str | None:
    if why := _held(view, session):
        return why if view.held_here() or not why.startswith("Nothing is held.") else _NOT_HELD
    held = view.held_here()
    return None if held is not None else _NOT_HELD


_NOT_HELD = "Only what is held can be edited. s or p stops this node at its next pause point."


def _revert(view: View, session: SessionLike) -> str | None:
    held = view.held_here()
    if why := _held(view, session):
        return why
    return None if held is not None and is_edited(view.run, held) else "Nothing here has been changed."


def _skip(view: View, session: SessionLike) -> str | None:
    held = view.held_here()
    if why := _held(view, session):
        return why
    return None if held is not None and held.point == "block" else "Only a block that is held can be skipped."


def _retry(view: View, session: SessionLike) -> str | None:
    held = view.held_here()
    if why := _held(view, session):
        return why
    return None if held is not None and held.point == "error" else "Only what failed can be tried again."


def _next_held(view: View, session: SessionLike) -> str | None:
    if not view.run.held:
        return "Nothing is held."
    held = view.held_here()
    return "Nothing else is held." if held is not None and len(view.run.held) == 1 else None


def _copy(view: View, session: SessionLike) -> str | None:
    return None if view.run.root is not None else "There is nothing to copy yet."


def _paced(view: View, session: SessionLike) -> str | None:
    return _live(view, session) or (None if session.paced else "Only a scripted model has a pace.")


def _parent(view: View, session: SessionLike) -> str | None:
    return "This is the root." if view.parent_node() is None else None


def _child(view: View, session: SessionLike) -> str | None:
    return "It has made no calls." if view.child_node() is None else None


def _back(view: View, session: SessionLike) -> str | None:
    return "There is no iteration before this." if view.iteration_back() is None else None


def _forward(view: View, session: SessionLike) -> str | None:
    return "There is no iteration after this." if view.iteration_forward() is None else None


# What is asked of the session ----------------------------------------------------------------------------------------


def target(view: View) -> str:
    """What a verb is asked of: the held value in view, else the node."""
    held = view.held_here()
    return held.id if held is not None else node_of(view)


def _release_name(view: View) -> str:
    held = view.held_here()
    return release_word(view.run, held) if held is not None else "release"


def _retry_name(view: View) -> str:
    held = view.held_here()
    return "retry edited" if held is not None and held.point == "error" and is_edited(view.run, held) else "retry"


def _edit_name(view: View) -> str:
    held = view.held_here()
    return "raise" if held is not None and held.point == "limit" else "edit"


def _copy_name(view: View) -> str:
    if copies_output(view):
        return "copy output"
    item = view.item or ""
    if item.endswith(ANSWER):
        return "copy answer" if getattr(view.shown, "value", None) is not None else "copy"
    if item.endswith(OBS):
        return "copy observation"
    if item in view.run.blocks:
        return "copy code"
    return "copy reply" if item in view.run.iterations else "copy"


def _follow_name(view: View) -> str:
    return "stop following" if view.follow else "follow"


def _release_all_name(view: View) -> str:
    return f"release all {len(view.run.held)}" if len(view.run.held) > 1 else "release all"


ACTIONS: tuple[Action, ...] = (
    Action("release", ("a", "c", "f5"), "release", "Hand the held value on as it is now: send, run, accept.",
           "decide", _held, lambda v, s: s.release(target(v)), _release_name, decides=True),
    Action("retry", ("r",), "retry", "Try again what failed.",
           "decide", _retry, lambda v, s: s.retry(target(v)), _retry_name, decides=True),
    Action("edit", ("e",), "edit", "Change the held value: code, reply, messages, prompt, answer, observation, limit.",
           "decide", _edit, names=_edit_name, decides=True),
    Action("revert", ("V",), "revert", "Back to what was held, before your edits.",
           "decide", _revert, lambda v, s: s.revert(target(v)), decides=True),
    Action("skip", ("x",), "skip", "Do not run the held block; go on after it.",
           "decide", _skip, lambda v, s: s.skip(target(v)), decides=True),
    Action("step", ("s",), "step", "Go on to this node's next pause point, whatever it is.",
           "run", _idle, lambda v, s: s.step(target(v)), decides=True),
    Action("next", ("n", "f10"), "next", "Go on to this node's next block, else its observation; children run through.",
           "run", _idle, lambda v, s: s.next(target(v)), decides=True),
    Action("into", ("i", "f11"), "into", "At a block: stop in its first call. At a call: at the child's first request.",
           "run", _into, lambda v, s: s.into(target(v)), decides=True),
    Action("pause", ("p",), "pause", "Hold this node at its next pause point.",
           "run", _pause, lambda v, s: s.pause(node_of(v))),
    Action("force_final", ("R",), "final", "Give this node its final answer: a text, or a variable.",
           "run", _live, decides=True),
    Action("release_all", ("A",), "release all", "Release everything that is held, in every node.",
           "run", _release_all, lambda v, s: s.release_all(), _release_all_name, decides=True),
    Action("slower", ("less_than_sign",), "slower", "Let the scripted model speak slower.", "run", _paced),
    Action("faster", ("greater_than_sign",), "faster", "Let the scripted model speak faster.", "run", _paced),
    Action("next_held", ("h",), "next held", "Go to the next thing that is held.", "look", _next_held),
    Action("parent", ("u",), "parent", "Go up to the node that asked.", "look", _parent),
    Action("child", ("d",), "child", "Go down into the call.", "look", _child),
    Action("iteration_back", ("left_square_bracket",), "iteration back", "The iteration before.", "look", _back),
    Action("iteration_forward", ("right_square_bracket",), "iteration", "The iteration after.", "look", _forward),
    Action("pane", ("tab",), "pane", "The next pane.", "look", _any),
    Action("pane_back", ("shift+tab",), "pane back", "The pane before.", "look", _any),
    Action("calls", ("1",), "calls", "The tree of calls.", "look", _any),
    Action("trajectory", ("2",), "trajectory", "What the node in view did.", "look", _any),
    Action("inspector", ("3",), "inspector", "The selected thing, whole.", "look", _any),
    Action("tab_back", ("left",), "tab back", "The inspector's tab to the left.", "look", _any),
    Action("tab", ("right",), "tab", "The inspector's tab to the right.", "look", _any),
    Action("follow", ("F",), "follow", "Keep the newest thing of this node selected, or stop doing so.", "look", _any,
           names=_follow_name),
    Action("zoom", ("z",), "zoom", "One pane on the whole screen, and back.", "look", _any),
    Action("copy", ("y",), "copy", "Copy the whole text of what is selected.", "look", _copy, names=_copy_name),
    Action("commands", ("colon", "ctrl+p"), "commands", "Everything that can be done now, by name.", "app", _any),
    Action("help", ("question_mark", "f1"), "help", "What the keys do.", "app", _any),
    Action("back", ("q", "escape"), "back", "Out of the zoom; in a narrow window, to the pane before.", "app", _any),
    Action("interrupt", ("ctrl+c",), "copy or pause", "Copy what is marked; else pause; else offer to quit.",
           "app", _any),
    Action("quit", ("Q", "ctrl+q"), "quit", "Leave, or end the run.", "app", _any),
)  # fmt: skip

BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}

BAR = ("release", "edit", "revert", "skip", "retry", "force_final", "step", "next", "into", "release_all")
"""The decision bar's order, after the primary verb."""

FOOTER_RUNNING = ("pause", "step", "next", "force_final")
FOOTER = ("pane", "next_held", "follow", "zoom", "copy", "parent", "child", "iteration_back")
ALWAYS = ("commands", "help", "quit")
"""What stands at the right of the footer."""


def legal(action: Action, view: View, session: SessionLike) -> bool:
    """Whether an action can be done now."""
    return action.legal(view, session) is None


def bar(view: View, session: SessionLike) -> list[Action]:
    """The decision bar's verbs: the primary one first, then the other legal ones."""
    held = view.held_here()
    if held is None:
        return []
    order = ("retry", *(id for id in BAR if id != "retry")) if held.point == "error" else BAR
    found = [BY_ID[id] for id in order if legal(BY_ID[id], view, session)]
    return [a for a in found if a.id != "release_all" or len(view.run.held) > 1]


def footer(view: View, session: SessionLike) -> list[Action]:
    """The footer's actions at the left, most useful first; without the verbs of the decision bar when that stands."""
    ids: Iterable[str] = FOOTER
    if view.held_here() is None and not session.read_only and view.run.end is None:
        ids = FOOTER if session.wants(node_of(view)) else (*FOOTER_RUNNING, *FOOTER)
        # Somebody waits elsewhere: the way there comes before everything.
        ids = ("next_held", *(id for id in ids if id != "next_held"))
    elif view.run.end is not None or session.read_only:
        ids = ("copy", "iteration_back", *(id for id in FOOTER if id not in ("copy", "iteration_back", "follow")))
    found = [BY_ID[id] for id in ids if legal(BY_ID[id], view, session)]
    return [action for action in found if action.id != "follow" or not view.follow]


def markdown_table() -> str:
    """The keys as a table for the README."""
    rows = ["| keys | | |", "|---|---|---|"]
    for action in ACTIONS:
        keys = " ".join(f"`{shown(key)}`" for key in action.keys)
        rows.append(f"| {keys} | {action.word} | {action.help} |")
    return "\n".join(rows) + "\n"
