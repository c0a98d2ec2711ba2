"""The keys of the screens that have some of their own, and how keys are written. Those of a run are in `actions`."""

from __future__ import annotations

from dataclasses import dataclass

_SHOWN = {
    "question_mark": "?", "colon": ":", "left_parenthesis": "(", "right_parenthesis": ")",
    "left_curly_bracket": "{", "right_curly_bracket": "}",
    "left_square_bracket": "[", "right_square_bracket": "]", "escape": "esc",
    "shift+tab": "shift+tab", "less_than_sign": "<", "greater_than_sign": ">",
    "exclamation_mark": "!", "slash": "/", "full_stop": ".", "comma": ",", "shift+f11": "shift+F11", "f23": "shift+F11",
    "delete": "del", "equals_sign": "=",
}  # fmt: skip


def shown(key: str) -> str:
    """A key as people write it."""
    if key in _SHOWN:
        return _SHOWN[key]
    return key.upper() if len(key) > 1 and key.startswith("f") and key[1:].isdigit() else key


@dataclass(frozen=True, slots=True)
class Key:
    """What a key does on a screen of its own.

    Attributes:
        keys: Textual's names of its keys; the first is the one shown.
        word: Its label.
        always: Whether it is taken also while letters type.
        help: What it does, in a sentence, where its screen has a help.
    """

    keys: tuple[str, ...]
    word: str
    always: bool = False
    help: str = ""

    @property
    def key(self) -> str:
        """Its first key as people write it."""
        return shown(self.keys[0])

    @property
    def written(self) -> list[str]:
        """All its keys as people write them, each once."""
        return list(dict.fromkeys(shown(key) for key in self.keys))


STOPS: dict[str, Key] = {
    "go": Key(("enter",), "go there"),
    "release": Key(("a", "c"), "release"),
    "release_all": Key(("A",), "release all"),
    "skip": Key(("x",), "skip"),
    "turn": Key(("space",), "on / off"),
    "edit": Key(("e",), "edit"),
    "new": Key(("b", "plus"), "new"),
    "remove": Key(("delete",), "remove"),
    "next_held": Key(("h",), "next held"),
    "section": Key(("tab", "shift+tab"), "section", always=True),
    "held_section": Key(("1",), "held"),
    "break_section": Key(("2",), "breakpoints"),
    "back": Key(("escape",), "back", always=True),
    "leave": Key(("q", "B"), "back"),
    "quit": Key(("Q",), "quit"),
}
"""The keys of the screen with what is held and the breakpoints: letters as on the main screen, as far as they mean
the same."""

COMPARE: dict[str, Key] = {
    "open": Key(("enter", "space"), "open"),
    "next": Key(("full_stop",), "next difference"),
    "previous": Key(("comma",), "previous"),
    "only": Key(("f",), "only differences"),
    "copy": Key(("y",), "copy"),
    "left": Key(("1",), "go to"),
    "right": Key(("2",), "go to"),
    "again": Key(("r",), "read again"),
    "back": Key(("escape", "q", "equals_sign"), "back"),
    "quit": Key(("Q", "ctrl+q"), "quit"),
}
"""The keys of the screen with two runs side by side."""

BRANCHES: dict[str, Key] = {
    "go": Key(("enter",), "go there"),
    "compare": Key(("equals_sign",), "compare"),
    "name": Key(("n",), "name"),
    "note": Key(("m",), "note"),
    "outcomes": Key(("o",), "outcomes"),
    "delete": Key(("x", "delete"), "delete"),
    "again": Key(("r",), "read again"),
    "back": Key(("escape", "q", "T"), "back"),
    "quit": Key(("Q", "ctrl+q"), "quit"),
}
"""The keys of the tree of branches."""

TRIALS: dict[str, Key] = {
    "go": Key(("enter",), "go there"),
    "compare": Key(("equals_sign",), "compare"),
    "other": Key(("tab", "right"), "the next one"),
    "one before": Key(("shift+tab", "left"), "the one before"),
    "stop": Key(("s",), "stop them"),
    "again": Key(("r",), "read again"),
    "back": Key(("escape", "q", "o"), "back"),
    "quit": Key(("Q", "ctrl+q"), "quit"),
}
"""The keys of the table of outcomes."""

HOME: dict[str, Key] = {
    "go": Key(("enter",), "open", help="Play the demo, ask a question of your own, or open the run: one that was left "
              "is gone on with, and opens held; one that ended, or goes on elsewhere, is looked at."),
    "copy": Key(("y",), "copy", help="Copy the command that asks a question of your own."),
    "look": Key(("o",), "look", help="Look at the run without going on with it."),
    "section": Key(("tab",), "section", help="The next list."),
    "section_back": Key(("shift+tab",), "section back", help="The list before."),
    "demos": Key(("1",), "demos", help="Scenarios on a scripted model: no key, no network."),
    "new": Key(("2",), "new run", help="How a question of your own is asked."),
    "recent": Key(("3",), "recent runs", help="Everything that is kept, newest first."),
    "again": Key(("r",), "read again", help="Look again which runs there are, and how they stand."),
    "help": Key(("question_mark", "f1"), "help", help="What the keys do."),
    "back": Key(("escape", "q"), "back", help="In a run that was opened here: back to here."),
    "quit": Key(("Q", "ctrl+q", "ctrl+c"), "quit", help="Quit. Nothing runs on behind this screen."),
}  # fmt: skip
"""The keys of home."""
