"""Text in an editor: what is typed is what is there, also where an editor would drop or obey characters.

An editor splits lines at everything that Unicode calls a line end, and a terminal obeys control characters. So
each such character stands in the editor as one private-use character, is shown as a visible sign, and comes back
as what it was.
"""

from __future__ import annotations

import re

_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_PLANES = (0xF0000, 0x100000)
_STANDINS = re.compile("[\U000f0000-\U000fffff\U00100000-\U0010ffff]")


class Typed:
    """One text on its way through an editor.

    Args:
        text: The text as it is.
    """

    def __init__(self, text: str) -> None:
        self._plane = next((p for p in _PLANES if not any(p <= ord(c) <= p + 0xFFFF for c in text)), _PLANES[0])
        self._before = text
        self.shown = self.encode(text)

    def encode(self, text: str) -> str:
        """The text as the editor holds it."""
        return _ODD.sub(lambda found: chr(self._plane + ord(found.group())), text)

    def decode(self, held: str) -> str:
        """The text that the editor's content stands for."""
        if held == self.shown:
            return self._before
        low, high = chr(self._plane), chr(self._plane + 0xFFFF)
        return _STANDINS.sub(lambda m: chr(ord(m.group()) & 0xFFFF) if low <= m.group() <= high else m.group(), held)


def visible(line: str) -> str:
    """A line of an editor as it may be shown: every character that a terminal might obey as a sign, one for one."""
    return _STANDINS.sub(_sign, _ODD.sub(_sign, line))


def _sign(found: re.Match[str]) -> str:
    code = ord(found.group()) & 0xFFFF
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "�"
