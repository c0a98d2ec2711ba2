"""A text area that shows what it must not obey, in our colours."""

from __future__ import annotations

import codeop
import warnings
from typing import Any

from rich.text import Text
from textual.widgets import TextArea

from rlm_tui.tui.forms import Language
from rlm_tui.tui.markup import prose
from rlm_tui.tui.screens.colours import QUERY, editor_theme
from rlm_tui.tui.typed import visible


class Editor(TextArea):
    """Takes many lines.

    Args:
        text: The text as `Typed` encodes it.
        written: What it is written in.
        rule: What stands around the roles between messages.
        options: As a text area takes them.
    """

    def __init__(self, text: str = "", *, written: Language = "", rule: str = "", **options: Any) -> None:
        self._written: Language = written
        self._rule = rule
        code = written == "python"
        super().__init__(text, soft_wrap=not code, compact=True, **options)
        self.cursor_blink = False

    def on_mount(self) -> None:
        """Take our colours."""
        theme = editor_theme(self.app)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        self.register_theme(theme)
        self.theme = theme.name
        if self._written == "python":
            self.update_highlight_query("python", QUERY)
            self.language = "python"
        else:
            self._build_highlight_map()

    def get_line(self, line_index: int) -> Text:
        """A line as it may be shown."""
        return Text(visible(self.document.get_line(line_index)), end="", no_wrap=True)

    def _build_highlight_map(self) -> None:
        """What is coloured, by line. Prose has no grammar of its own here, so it is looked at line by line."""
        super()._build_highlight_map()
        if getattr(self, "_written", "") == "markdown":
            shown = [visible(self.document.get_line(n)) for n in range(self.document.line_count)]
            self._highlights.update(prose(shown, self._rule))


def unfinished(code: str, at_end: bool = True) -> bool:
    """Whether enter begins another line of code, as Python's own prompt would have it.

    What cannot be read at all is finished, for running it says why; but a block ends with an empty line, as everywhere.

    Args:
        code: What stands there.
        at_end: Whether the cursor is behind all of it.
    """
    if not code.strip():
        return False
    last = code.rsplit("\n", 1)[-1]
    if not at_end or ("\n" in code and last[:1].isspace() and last.strip()):
        return True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return codeop.compile_command(code, symbol="exec") is None
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return False
