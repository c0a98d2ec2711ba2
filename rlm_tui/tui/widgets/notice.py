"""The line that says how a run is less shut in than was asked for. It stands until a person has hidden it."""

from __future__ import annotations

from rlm_tui.tui.rows import confinement
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import cut
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.lines import Lines, Target


class Notice(Lines):
    """One row, or none.

    Args:
        view: For the run.
    """

    def __init__(self, view: View) -> None:
        super().__init__(id="notice")
        self._view = view
        self._hidden = False

    def hide(self) -> bool:
        """Take it away; whether it stood."""
        stood, self._hidden = self.has_class("-stands"), True
        self.sync()
        return stood

    def sync(self) -> None:
        """Repaint from the view."""
        if not self.is_mounted:
            return
        stands = not self._hidden and not self._view.still
        said = confinement.told(self._view) if stands else []
        if self.has_class("-stands") != bool(said):
            self.set_class(bool(said), "-stands")
        if said and self.size.width:
            self.show(*_compose(self._view, said, self.size.width))

    def on_resize(self) -> None:
        """Fit the new width."""
        self.sync()


def _compose(view: View, said: list[str], cells: int) -> tuple[list[Line], list[Target]]:
    g, narrow = view.glyphs, view.size == "narrow"
    line = Line(ground="on-raised").add(g.cursor, "error").add(f" {confinement.level(view)[0]}  ", "error bold")
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    keys = (("esc", "hide", "back"),) if narrow else (("?", "more", "help"), ("esc", "hide", "back"))
    ends = 2 + sum(len(key) + len(word) + 4 for key, word, _ in keys)
    line.add(cut(said[0] + more, max(8, cells - line.width - ends - 1), g.ellipsis), "ink").fill(cells - ends)
    targets: list[Target] = []
    for key, word, action in keys:
        line.add("   ")
        start = line.width
        line.add(key, "ink bold").add(f" {word}", "ink-2")
        targets.append(Target(0, start, line.width, action))
    return [line.cut(cells, g.ellipsis).fill(cells)], targets
