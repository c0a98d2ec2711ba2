"""What a person can do to a run, once: keys, decision bar, footer, palette, help and the README's table are made of it.

The keys of the screens that are opened over a run, and of home, are in `keys`.

An action that is not legal now is refused in words, never silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rlm_tui.tui import legal, naming, whom
from rlm_tui.tui.keys import shown
from rlm_tui.tui.view import View
from rlm_tui.tui.whom import node_of

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

Group = Literal["decide", "run", "look", "app"]
Legal = Callable[["View", "SessionLike"], "str | None"]
"""None when it can be done now, else why not, in words for the person."""

Name = Callable[["View", "SessionLike"], str]
"""A label or a sentence for what is held, selected and under way now."""

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
        keys: Textual's names of its keys; the first is the one shown. One without is had by the palette.
        word: Its label, one or two words.
        help: One sentence.
        legal: Why it cannot be done now; None when it can.
        ask: What it asks of the session.
        names: Its label here and now, where that depends.
        decides: Whether it may do something that cannot be taken back, so that the grace holds it off.
        tells: Its sentence here and now, where that depends.
        destroys: Whether it would do so here and now, where that depends.
    """

    id: str
    keys: tuple[str, ...]
    word: str
    help: str
    group: Group
    legal: Legal
    ask: Callable[[View, SessionLike], Future[str | None]] | None = None
    names: Name | None = None
    decides: bool = False
    tells: Name | None = None
    destroys: Callable[[View, SessionLike], bool] | None = None

    def name(self, view: View, session: SessionLike) -> str:
        """Its label here and now."""
        return self.names(view, session) if self.names else self.word

    def says(self, view: View, session: SessionLike) -> str:
        """What it does here and now, in a sentence."""
        return self.tells(view, session) if self.tells else self.help

    def refuses(self, view: View, session: SessionLike) -> str | None:
        """Why it cannot be done now, in words for the person; None when it can."""
        if view.past is not None and self.group in ("decide", "run") and self.id != "fork":
            return legal.PAST
        return self.legal(view, session)

    def guarded(self, view: View, session: SessionLike) -> bool:
        """Whether it is not taken during the grace."""
        return self.decides or (self.destroys is not None and self.destroys(view, session))

    @property
    def key(self) -> str:
        """Its first key as people write it; empty when it has none."""
        return shown(self.keys[0]) if self.keys else ""

    @property
    def written(self) -> list[str]:
        """All its keys as people write them, each once."""
        return list(dict.fromkeys(shown(key) for key in self.keys))


# What is asked of the session ----------------------------------------------------------------------------------------


def target(view: View) -> str:
    """What a verb is asked of: the held value in view, else the node; with a wider scope always the node."""
    return hand(view) if view.scope == "node" else node_of(view)


def hand(view: View) -> str:
    """What a verb without a scope is asked of: the held value in view, else the node."""
    held = view.held_here()
    return held.id if held is not None else node_of(view)


def _pause(view: View, session: SessionLike) -> Future[str | None]:
    node = node_of(view)
    return session.harder(node) if view.scope == "node" else session.pause(node, view.scope)


ACTIONS: tuple[Action, ...] = (
    Action("release", ("a", "c", "f5"), "release", "Hand the held value on as it is now: send, run, accept.",
           "decide", legal.in_scope, lambda v, s: s.release(target(v), v.scope), naming.release, decides=True),
    Action("again", ("r",), "again",
           "Ask again: try what failed once more, without its wait too, or have further replies to choose from.",
           "decide", legal.again, names=naming.again, decides=True),
    Action("give_up", ("w",), "give up", "Do not wait for the next attempt: hold at what went wrong.",
           "decide", legal.gives_up, lambda v, s: s.give_up(whom.address_of(whom.waiting(v)))),
    Action("take", ("P",), "take what came", "Take what there is of a reply that is being written, or broke off.",
           "decide", legal.takes, lambda v, s: s.take(whom.address_of(whom.writing(v) or whom.broke_off(v)))),
    Action("edit", ("e",), "edit", "Change the held value: code, reply, messages, prompt, answer, observation, limit.",
           "decide", legal.edit, names=naming.edit, decides=True),
    Action("edit_elsewhere", ("E",), "in $EDITOR", "Change the held value in the editor that VISUAL or EDITOR names.",
           "decide", legal.edit, decides=True),
    Action("revert", ("V",), "revert", "Back to what was held, before your edits.",
           "decide", legal.revert, tells=naming.what_revert_does, decides=True),
    Action("skip", ("x",), "skip", "Do not run the held block; at a final answer: reject it, with a message.",
           "decide", legal.skip, names=naming.skip, decides=True),
    Action("supply", ("S",), "supply answer", "Answer the selected call by hand, at any time until it has come back.",
           "decide", legal.supply, names=naming.supply),
    Action("insert", (), "insert code", "Put code in before the held block; the model is shown it, or not.",
           "decide", legal.insert),
    Action("tell", (), "message to the model", "Tell the node's model something, in what it is shown next.",
           "decide", legal.say),
    Action("model", (), "model and parameters", "Another model or other parameters: for this request, or from here on.",
           "decide", legal.say),
    Action("limits", (), "limits", "What is used of each limit in force; change one while the run goes on.",
           "decide", legal.live),
    Action("force_final", ("R",), "final", "Give this node its final answer: a text, or a variable.",
           "decide", legal.live, decides=True),
    Action("kill", ("X",), "kill", "End the selected call or node without an answer; what is below it ends first.",
           "decide", legal.kill, names=naming.kill, decides=True),
    Action("step", ("s",), "step", "Go on to this node's next pause point, whatever it is.",
           "run", legal.idle, lambda v, s: s.step(target(v), v.scope), naming.step, decides=True),
    Action("next", ("n", "f10"), "next", "Go on to this node's next block, else its observation; children run through.",
           "run", legal.idle, lambda v, s: s.next(target(v), v.scope), naming.next_point, decides=True),
    Action("iteration", ("N",), "next iteration", "Go on to this node's next model request.",
           "run", legal.idle, lambda v, s: s.iteration(target(v), v.scope), decides=True),
    Action("into", ("i", "f11"), "into", "At a block: stop in its first call. At a call: at the child's first request.",
           "run", legal.into, lambda v, s: s.into(hand(v)), decides=True),
    Action("out", ("o", "shift+f11", "f23"), "out", "Go on until this node has ended: to its answer, or the final one.",
           "run", legal.idle, lambda v, s: s.out(target(v), v.scope), decides=True),
    Action("to_cursor", ("t",), "to cursor", "Go on until what is under the cursor is next.",
           "run", legal.to_cursor, lambda v, s: s.to(v.item or v.node), decides=True),
    Action("scope", ("v",), "scope", "What the verbs that go on are of: this node, it and all below it, or the run.",
           "run", legal.scoped, names=naming.scope),
    Action("pause", ("p",), "pause",
           "Stop this node at its next pause point; again: break in to its block, abort it, kill its REPL.",
           "run", legal.pause, _pause, naming.pause, tells=naming.what_pause_does, destroys=naming.pause_destroys),
    Action("release_all", ("A",), "release all", "Release everything that is held, in every node.",
           "run", legal.release_all, lambda v, s: s.release_all(), naming.release_all, decides=True),
    Action("all_stop", (), "all-stop", "Whether every node stops, once, when one is held.",
           "run", legal.scoped, lambda v, s: s.stop_all(not s.all_stop), naming.all_stop),
    Action("evaluate", ("exclamation_mark",), "evaluate",
           "Run code of yours in the held node's REPL; with ? before it, look only, in a copy.",
           "run", legal.evaluate, decides=True),
    Action("console", ("C",), "console",
           "A console on the held node's REPL: lines of yours, history, names, results whole.",
           "run", legal.evaluate),
    Action("fork", ("D",), "branch", "A new run from the selected thing on: all before it is remembered.",
           "run", legal.fork),
    Action("branches", ("T",), "branches", "The branches of this run as a tree: what was changed, what came of it.",
           "look", legal.branches),
    Action("compare", ("equals_sign",), "compare",
           "This run beside the one it is a branch of; of one that is none, choose a branch.", "look", legal.branches),
    Action("break_here", ("b",), "break here", "Set a breakpoint at the selected thing, or take it away.",
           "run", legal.break_here, names=naming.break_here),
    Action("note", ("m",), "note", "Keep a remark by the selected thing, for people only.", "look",
           lambda v, s: legal.present(v, s) or legal.note(v, s)),
    Action("slower", ("less_than_sign",), "slower", "Let the scripted model speak slower.", "run", legal.paced),
    Action("faster", ("greater_than_sign",), "faster", "Let the scripted model speak faster.", "run", legal.paced),
    Action("stops", ("B",), "breakpoints", "What is held, everywhere, and the breakpoints.", "look", legal.present),
    Action("next_held", ("h",), "next held", "Go to the next thing that is held.", "look", legal.next_held),
    Action("parent", ("u",), "parent", "Go up to the node that asked.", "look", legal.parent),
    Action("child", ("d",), "child", "Go down into the call.", "look", legal.child),
    Action("iteration_back", ("left_square_bracket",), "iteration back", "The iteration before.", "look", legal.back),
    Action("iteration_forward", ("right_square_bracket",), "iteration", "The iteration after.", "look", legal.forward),
    Action("earlier", ("left_parenthesis",), "earlier",
           "See the whole run as it was one moment before: looking back changes nothing.", "look", legal.earlier),
    Action("later", ("right_parenthesis",), "later", "See it one moment after; after the last one, as it is now.",
           "look", legal.in_the_past),
    Action("turn_earlier", ("left_curly_bracket",), "iteration earlier",
           "See the run as it was when an iteration of this node last began.", "look", legal.earlier),
    Action("turn_later", ("right_curly_bracket",), "iteration later",
           "See the run as it was when the next iteration of this node began.", "look", legal.in_the_past),
    Action("now", ("l",), "now", "See the run as it is now again, and act on it.", "look", legal.in_the_past),
    Action("pane", ("tab",), "pane", "The next pane.", "look", legal.always),
    Action("pane_back", ("shift+tab",), "pane back", "The pane before.", "look", legal.always),
    Action("calls", ("1",), "calls", "The tree of calls.", "look", legal.always),
    Action("trajectory", ("2",), "trajectory", "What the node in view did.", "look", legal.always),
    Action("inspector", ("3",), "inspector", "The selected thing, whole.", "look", legal.always),
    Action("tab_back", ("left",), "tab back", "The inspector's tab to the left.", "look", legal.always),
    Action("tab", ("right",), "tab", "The inspector's tab to the right.", "look", legal.always),
    Action("open_value", ("enter",), "open value", "The whole value of the variable under the cursor, page by page.",
           "look", legal.open_value),
    Action("message", ("J",), "next message", "The next message of the request, in the tab Messages.",
           "look", legal.messages),
    Action("message_back", ("K",), "message before", "The message before, in the tab Messages.",
           "look", legal.messages),
    Action("follow", ("F",), "follow", "Keep the newest thing of this node selected, or stop doing so.",
           "look", legal.always, names=naming.follow),
    Action("find", ("slash",), "find",
           "Find words in the whole run, or since when a variable has a value; esc ends it.", "look", legal.begun),
    Action("next_hit", ("full_stop",), "next hit", "Go to the next thing that was found.", "look", legal.finding),
    Action("previous_hit", ("comma",), "previous hit", "Go to the thing found before.", "look", legal.finding),
    Action("hits", ("L",), "list hits", "Everything that was found, in a list.", "look", legal.finding),
    Action("filter", ("f",), "filter", "Show only the rows of the tree that fit, and the way to them; esc shows all.",
           "look", legal.begun),
    Action("zoom", ("z",), "zoom", "One pane on the whole screen, and back.", "look", legal.always),
    Action("copy", ("y",), "copy", "Copy the whole text of what is selected.", "look", legal.copy, names=naming.copy),
    Action("commands", ("colon", "ctrl+p"), "commands", "Everything that can be done now, by name.",
           "app", legal.always),
    Action("help", ("question_mark", "f1"), "help", "What the keys do.", "app", legal.always),
    Action("back", ("q", "escape"), "back",
           "End finding or filtering; out of the past and the zoom; when narrow, to the pane before; then home.",
           "app", legal.always),
    Action("interrupt", ("ctrl+c",), "copy or pause", "Copy what is marked; else pause; else offer to quit.",
           "app", legal.always),
    Action("quit", ("Q", "ctrl+q"), "quit", "Leave, or end the run.", "app", legal.always),
)  # fmt: skip

BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}

BAR = (
    "release", "edit", "revert", "skip", "again", "take", "supply", "force_final", "step", "next", "into", "out",
    "iteration", "to_cursor", "kill", "pause", "release_all",
)  # fmt: skip
"""The decision bar's order, after the primary verb."""
BAR_AT_LINE = ("release", "step", "evaluate", "console", "pause", "force_final", "release_all")
"""The same for a block that was broken in to."""

FOOTER_RUNNING = ("pause", "take", "step", "next", "scope", "force_final", "kill")
FOOTER = (
    "open_value", "message", "pane", "next_held", "evaluate", "console", "scope", "follow", "find", "break_here",
    "stops", "fork", "compare", "branches", "zoom", "copy", "parent", "child", "iteration_back",
    "earlier",
)  # fmt: skip
PAST = ("earlier", "later", "turn_earlier", "turn_later", "now")
"""The banner's order, while the run is seen as it was."""
ALWAYS = ("commands", "help", "quit")
"""What stands at the right of the footer."""


def can(action: Action, view: View, session: SessionLike) -> bool:
    """Whether an action can be done now."""
    return action.refuses(view, session) is None


def bar(view: View, session: SessionLike) -> list[Action]:
    """The decision bar's verbs: the primary one first, then the other legal ones."""
    held = view.held_here()
    if held is None or view.past is not None:
        return []
    order = BAR_AT_LINE if held.point == "line" else BAR
    if held.point == "error":
        order = ("again", *(id for id in BAR if id != "again"))
    if view.scope != "node":
        # What they would act on stands beside the verbs.
        order = ("release", "scope", *(id for id in order if id != "release"))
    found = [BY_ID[id] for id in order if can(BY_ID[id], view, session)]
    barred = set[str]() if len(view.run.held) > 1 else {"release_all"}
    # A child can be answered at any time; where its call is held, that is what one came for.
    barred |= set[str]() if held.point in ("call", "return", "error") else {"supply"}
    return [action for action in found if action.id not in barred]


def footer(view: View, session: SessionLike) -> list[Action]:
    """The footer's actions at the left, most useful first; without the verbs of the decision bar when that stands."""
    ids: Iterable[str] = FOOTER
    if view.past is not None:
        ids = dict.fromkeys(("fork", *(id for id in FOOTER if id != "earlier")))
    elif view.held_here() is None and not session.read_only and view.run.end is None:
        ids = FOOTER if session.wants(node_of(view)) else (*FOOTER_RUNNING, *FOOTER)
        # Somebody waits elsewhere: the way there comes before everything.
        ids = dict.fromkeys(("next_held", *ids))
    elif view.run.end is not None or session.read_only:
        first = ("copy", "iteration_back", "earlier", "fork")
        ids = (*first, *(id for id in FOOTER if id not in (*first, "follow")))
    if view.filtered is not None:
        # Rows are hidden: the way to all of them is never cut.
        ids = ("back", *ids)
    found = [BY_ID[id] for id in ids if can(BY_ID[id], view, session)]
    barred = {"follow"} if view.follow else set[str]()
    held = view.held_here()
    if held is not None and view.scope != "node":
        barred.add("scope")
    if held is not None and held.point == "line":
        barred.add("evaluate")
    return [action for action in found if action.id not in barred]


def markdown_table() -> str:
    """The keys as a table for the README."""
    rows = ["| keys | | |", "|---|---|---|"]
    for action in ACTIONS:
        keys = " ".join(f"`{key}`" for key in action.written) or "palette"
        rows.append(f"| {keys} | {action.word} | {action.help} |")
    return "\n".join(rows) + "\n"
