"""Every sign on the screen and its ASCII twin: one table, which every widget reads.

All are one cell wide. Kinds are written as words; only states and marks have a sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlm_tui.journal.tree import Mark, State


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The signs, by meaning. Defaults are the Unicode ones; `glyphs` gives either table."""

    new: str = "○"
    live: str = "◐"
    spinner: tuple[str, ...] = ("◐", "◓", "◑", "◒")
    waiting: str = "⋯"
    held: str = "ǁ"
    done: str = "✓"
    answered: str = "◆"
    human: str = "✎"
    downstream: str = "┆"
    error: str = "✗"
    killed: str = "†"
    refused: str = "⊘"
    unanswered: str = "∅"
    remembered: str = "↺"
    skipped: str = "↷"
    sent: str = "·"
    cursor: str = "▌"
    cursor_blurred: str = "▏"
    running_line: str = "▸"
    caret: str = "▌"
    folded: str = "▸"
    open: str = "▾"
    ellipsis: str = "…"
    path: str = "›"
    arrow: str = "→"
    dash: str = "–"
    heavy: str = "━"
    thin: str = "─"
    vertical: str = "│"
    tee: str = "┬"
    about: str = "≈"
    differs: str = "≠"
    breakpoint: str = "●"
    breakpoint_off: str = "○"
    broken: str = "✗"
    note: str = "¶"
    ascii: bool = False

    def state(self, state: State, frame: int = 0) -> str:
        """The sign of a state.

        Args:
            state: What something is doing, or how it ended.
            frame: Which picture of the moving sign, for what samples or executes; 0 stands still.
        """
        match state:
            case "sampling" | "executing" | "between":
                return self.spinner[frame % len(self.spinner)]
            case "error" | "timeout":
                return self.error
            case "refused" | "limit":
                return self.refused
            case "supplied":
                return self.human
            case _:
                return str(getattr(self, state))

    def mark(self, mark: Mark) -> str:
        """The sign in the gutter for a person's hand, or a space."""
        return {"edited": self.human, "downstream": self.downstream}.get(mark, " ")


UNICODE = Glyphs()
ASCII = Glyphs(
    new=".", live="*", spinner=("*", "*", "*", "*"), waiting="w", held="H", done="v", answered="#", human="E",
    downstream=":", error="x", killed="k", refused="r", unanswered="0", remembered="R", skipped="s", sent=".",
    cursor=">", cursor_blurred=",", running_line=">", caret="_", folded="+", open="-", ellipsis=">", path=">",
    arrow=">", dash="-", heavy="=", thin="-", vertical="|", tee="+", about="~", differs="!", breakpoint="o",
    breakpoint_off=".", broken="x", note='"', ascii=True,
)  # fmt: skip


def glyphs(ascii: bool) -> Glyphs:
    """The table of signs.

    Args:
        ascii: Whether the terminal, or the person, asks for ASCII only.
    """
    return ASCII if ascii else UNICODE


STATE_INK: dict[State, str] = {
    "new": "ink-3", "sampling": "live", "executing": "live", "waiting": "ink-2", "between": "live",
    "held": "held-text bold", "done": "ink-3", "answered": "final", "error": "error", "timeout": "error",
    "killed": "ink-3", "refused": "ink-2", "limit": "ink-2", "unanswered": "ink-2", "supplied": "human",
    "skipped": "ink-3",
}  # fmt: skip
"""The colour token of each state's sign."""
