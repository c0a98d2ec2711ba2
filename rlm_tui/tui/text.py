"""Text on its way to the screen: made harmless, cut by cells, and numbers written as people read them.

What a model or a REPL wrote is shown, never obeyed: every character that is not plainly visible is spelled out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from rlm_tui.journal.events import Usage
from rlm_tui.journal.totals import Totals

CAP = 200_000
"""Characters of one text that a pane lays out; the rest is told of and can be copied."""
LINES = 10_000
"""Lines of one text that it lays out. With more of either, one key would be answered after seconds."""

TAB = 4

_PLAIN = re.compile(r"[ -~]*\Z")
_SPACES = re.compile(r"\s+")


class _Shown(dict[int, str | int]):
    """What stands for a character: itself, or its name when it is invisible or would be obeyed."""

    def __missing__(self, code: int) -> str | int:
        shown: str | int = code
        category = unicodedata.category(chr(code))
        if code < 0x20:
            shown = chr(0x2400 + code)
        elif code == 0x7F:
            shown = "␡"
        elif 0xFE00 <= code <= 0xFE0F:
            # It would only ask for another picture of the character before it, of a width nobody agrees on.
            shown = ""
        elif category[0] == "C" or category in ("Zl", "Zp"):
            shown = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
        self[code] = shown
        return shown


class Cleaner:
    """Makes text harmless; remembers what it decided for each character."""

    def __init__(self) -> None:
        self._shown = _Shown()

    def __call__(self, text: str) -> str:
        """One line of text, with every control, invisible and direction-changing character spelled out."""
        return text if _PLAIN.match(text) else text.translate(self._shown)


def clean(text: str) -> str:
    """One line of text made harmless: ``\\x1b`` becomes ``␛``, a zero-width space ``\\u200b``."""
    return text if _PLAIN.match(text) else text.translate(_Shown())


def one_line(text: str) -> str:
    """The first line that has something to say, harmless, its runs of white space as single spaces."""
    for line in text[:4096].splitlines():
        if line.strip():
            return clean(_SPACES.sub(" ", line.strip()))
    return ""


def flowed(text: str) -> str:
    """A text as one line: every run of white space a single space, harmless."""
    return clean(_SPACES.sub(" ", text[:4096].strip()))


def width(text: str) -> int:
    """Cells that a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, cells: int, ellipsis: str = "…") -> str:
    """A text in at most so many cells, its end replaced by the sign for a cut where it does not fit."""
    if width(text) <= cells:
        return text
    if cells <= 0:
        return ""
    return set_cell_size(text, cells - 1).rstrip() + ellipsis


def take(text: str, cells: int) -> str:
    """The longest beginning of a text that fits in so many cells."""
    if text.isascii():
        return text[: max(cells, 0)]
    used = 0
    for n, character in enumerate(text):
        used += cell_len(character)
        if used > cells:
            return text[:n]
    return text


def cut_left(text: str, cells: int, ellipsis: str = "…") -> str:
    """As `cut`, but keeping the end."""
    if width(text) <= cells:
        return text
    if cells <= 0:
        return ""
    while text and width(text) > cells - 1:
        text = text[max(1, (width(text) - cells + 1) // 2) :]
    return ellipsis + text


def pad(text: str, cells: int, ellipsis: str = "…") -> str:
    """A text in exactly so many cells, left-aligned."""
    text = cut(text, cells, ellipsis)
    return text + " " * (cells - width(text))


def right(text: str, cells: int, ellipsis: str = "…") -> str:
    """A text in exactly so many cells, right-aligned."""
    text = cut(text, cells, ellipsis)
    return " " * (cells - width(text)) + text


def wrap(line: str, cells: int) -> list[str]:
    """One harmless line in rows of at most so many cells, broken at spaces where there are any."""
    cells = max(cells, 2)
    if len(line) <= cells and width(line) <= cells:
        return [line]
    if not line.isascii() and cell_len(line) != len(line):
        return _wrap_wide(line, cells)
    rows: list[str] = []
    start = 0
    while len(line) - start > cells:
        end = line.rfind(" ", start + 1, start + cells + 1)
        if end <= start:
            rows.append(line[start : start + cells])
            start += cells
        else:
            rows.append(line[start:end])
            start = end + 1
    rows.append(line[start:])
    return rows


def _wrap_wide(line: str, cells: int) -> list[str]:
    rows: list[str] = []
    row, used = "", 0
    sizes = {character: cell_len(character) for character in set(line)}
    for piece in re.split(r"( )", line):
        size = cell_len(piece)
        if used + size <= cells:
            row, used = row + piece, used + size
            continue
        if row.strip() and size <= cells:
            rows.append(row.rstrip(" "))
            row, used = ("", 0) if piece == " " else (piece, size)
            continue
        for character in piece:
            size = sizes[character]
            if used + size > cells:
                rows.append(row)
                row, used = "", 0
            row, used = row + character, used + size
    rows.append(row)
    return rows


def fitting(text: str) -> str:
    """The beginning of a text that a pane lays out: at most `CAP` characters and `LINES` lines."""
    at = -1
    for _ in range(LINES):
        at = text.find("\n", at + 1, CAP)
        if at < 0:
            return text[:CAP]
    return text[:at]


def lay_out(text: str, cells: int) -> list[str]:
    """A text in rows of at most so many cells: tabs expanded, made harmless, as much of it as is `fitting`."""
    shown = Cleaner()
    rows: list[str] = []
    for line in fitting(text).replace("\r\n", "\n").split("\n"):
        rows.extend(wrap(shown(line.expandtabs(TAB)), cells))
    return rows


# Numbers -------------------------------------------------------------------------------------------------------------


def tokens(count: int | None, *, estimated: bool = False) -> str:
    """A number of tokens: ``212``, ``3.9k``, ``1.2M``; ``~`` before an estimate, ``?`` when nobody knows."""
    if count is None:
        return "?"
    sign = "~" if estimated else ""
    if count < 1000:
        return f"{sign}{count}"
    if count < 999_950:
        return f"{sign}{count / 1000:.1f}k"
    return f"{sign}{count / 1_000_000:.1f}M"


def total_tokens(totals: Totals) -> str:
    """The tokens of many requests: ``?`` while none is known, ``12.4k+?`` when a part is not."""
    if totals.uncounted and not totals.tokens:
        return "?"
    return tokens(totals.tokens, estimated=totals.estimated) + ("+?" if totals.uncounted else "")


def usage_tokens(usage: Usage | None) -> str:
    """The tokens of one request."""
    return "?" if usage is None else tokens(usage.total, estimated=usage.source == "estimate")


def money(dollars: float) -> str:
    """US dollars: four decimals under ten cents, two from there on."""
    return f"${dollars:.4f}" if dollars < 0.10 else f"${dollars:.2f}"


def cost(totals: Totals) -> str:
    """The cost of many requests: ``$0.41``, ``$0.41+?``, ``?``, ``scripted``, ``$0.41 + scripted``; never a false 0."""
    priced = totals.requests - totals.unpriced - totals.scripted
    if not totals.requests or (totals.unpriced and not priced):
        known = "?" if totals.requests else money(0.0)
    else:
        known = money(totals.cost) + ("+?" if totals.unpriced else "")
    if not totals.scripted:
        return known
    return "scripted" if totals.scripted == totals.requests else f"{known} + scripted"


def duration(seconds: float) -> str:
    """A time that is over: ``0.7s``, ``21.0s``, from 100 s ``1:42``, from an hour ``1:02:03``."""
    return f"{max(seconds, 0.0):.1f}s" if seconds < 99.95 else clock(seconds)


def clock(seconds: float) -> str:
    """A time that still runs: ``0:38``, ``1:02:03``."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A count in a sentence: ``1 line``, ``1,204 lines``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(characters: int) -> str:
    """How much text was not kept, in decimal megabytes: ``12.4 MB``, ``3.1 kB``, ``212 characters``."""
    if characters < 1000:
        return count(characters, "character")
    return f"{characters / 1000:.1f} kB" if characters < 999_950 else f"{characters / 1_000_000:.1f} MB"


def beginning(words: Sequence[str]) -> str:
    """What words begin with, all of them.

    Args:
        words: One at least.
    """
    first, last = min(words), max(words)
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:same]
