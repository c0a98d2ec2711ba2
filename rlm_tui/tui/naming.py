"""What an action is called here and now, where that depends on what is held or selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlm_tui.journal.address import ROOT
from rlm_tui.tui.copied import copies_output
from rlm_tui.tui.rows.edits import taken_back
from rlm_tui.tui.selection import ANSWER, OBS
from rlm_tui.tui.text import cut
from rlm_tui.tui.view import View
from rlm_tui.tui.whom import node_of, subject, waiting
from rlm_tui.tui.words import edits_of, failed, is_edited, release_word

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import Rung, SessionLike

LABEL = 16
"""Cells of a label within a label."""

AGAIN = {"aborted": "run again", "died": "run again", "diverged": "rebuild again"}
"""What trying again is called, by what failed."""


def release(view: View, session: SessionLike) -> str:
    """What handing on does here."""
    if view.scope != "node":
        return f"release the {view.scope}"
    held = view.held_here()
    return release_word(view.run, held) if held is not None else "release"


def again(view: View, session: SessionLike) -> str:
    """What asking again is called here."""
    held = view.held_here()
    if held is None and waiting(view) is not None:
        return "try now"
    if held is not None and held.point == "reply":
        return "resample"
    if held is not None and held.point == "return":
        return "ask again"
    word = AGAIN.get(failed(held), "retry") if held is not None else "retry"
    return f"{word} edited" if held is not None and held.point == "error" and is_edited(view.run, held) else word


def edit(view: View, session: SessionLike) -> str:
    """What changing is called here."""
    held = view.held_here()
    return "raise" if held is not None and held.point == "limit" else "edit"


def copy(view: View, session: SessionLike) -> str:
    """What would be copied."""
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


def follow(view: View, session: SessionLike) -> str:
    """On or off."""
    return "stop following" if view.follow else "follow"


def release_all(view: View, session: SessionLike) -> str:
    """With how many there are."""
    return f"release all {len(view.run.held)}" if len(view.run.held) > 1 else "release all"


def next_point(view: View, session: SessionLike) -> str:
    """The next line, in a block that stands."""
    held = view.held_here()
    return "next line" if held is not None and held.point == "line" else "next"


def step(view: View, session: SessionLike) -> str:
    """The next line, in a block that stands."""
    held = view.held_here()
    return "next line" if held is not None and held.point == "line" else "step"


PAUSE: dict[Rung, str] = {"pause": "pause", "break": "break in", "abort": "abort", "kill": "kill"}
"""What the key that stops is called, by what its next press does."""

_PRESS: dict[Rung, str] = {
    "pause": "Hold this node at its next pause point.",
    "break": "Stop its block where it is; nothing is lost, and it can go on.",
    "abort": "End its block for good; the variables it has set so far are kept.",
    "kill": "Kill its REPL, and rebuild it to before this block.",
}


def pause(view: View, session: SessionLike) -> str:
    """What the next press does."""
    if view.scope != "node":
        return f"pause the {view.scope}"
    return PAUSE[session.ladder(node_of(view)).next or "pause"]


def what_pause_does(view: View, session: SessionLike) -> str:
    """What the next press does, in a sentence."""
    if view.scope != "node":
        return "Hold every node of the scope at its next pause point, once."
    return _PRESS[session.ladder(node_of(view)).next or "pause"]


def pause_destroys(view: View, session: SessionLike) -> bool:
    """Whether the next press ends something that cannot be had back."""
    return view.scope == "node" and session.ladder(node_of(view)).next in ("abort", "kill")


def scope(view: View, session: SessionLike) -> str:
    """The scope that is set."""
    return f"scope: {view.scope}"


def all_stop(view: View, session: SessionLike) -> str:
    """On or off."""
    return "all-stop off" if session.all_stop else "all-stop"


def kill(view: View, session: SessionLike) -> str:
    """What would be ended, where the bar does not say so."""
    id = subject(view)
    return "kill the run" if id == ROOT else f"kill{_other(view, id)}"


def supply(view: View, session: SessionLike) -> str:
    """What would be answered, where the bar does not say so."""
    id = subject(view)
    return f"answer{_other(view, id)}" if id in view.run.calls else "answer"


def _other(view: View, id: str) -> str:
    """The label of something that is not what the bar is about, after a space."""
    held = view.held_here()
    about = view.home_of(held) if held is not None else node_of(view)
    return "" if id == about else f" {cut(view.label(id), LABEL, view.glyphs.ellipsis)}"


def skip(view: View, session: SessionLike) -> str:
    """At a final answer it is not the block that is left out."""
    held = view.held_here()
    return "reject" if held is not None and held.point == "final" else "skip"


def what_revert_does(view: View, session: SessionLike) -> str:
    """What would be taken back."""
    held = view.held_here()
    return "Back to what was held. " + taken_back(edits_of(view.run, held)) if held is not None else "Back."


def break_here(view: View, session: SessionLike) -> str:
    """Whether there is one here already."""
    there = view.breakpoint(view.item or view.node)
    return "clear break" if there else "break here"
