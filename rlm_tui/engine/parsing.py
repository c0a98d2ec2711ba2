"""What a reply holds: blocks that run, fences that do not, declared answers; each with its span and a reason.

Everything here is pure. No input raises, every span points into the text that was given, and work is linear in its
length, except that up to 50 possible ends of a block are tried.
"""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from rlm_tui.engine.values import CodeBlock, ParsedReply, Reject, Span
from rlm_tui.journal.events import Proposal

RUN_TAGS = frozenset({"repl", "python", "py", "python3"})
"""Fence tags whose code runs, in lower case."""

MAX_ENDS = 50
"""How many possible ends of one block are tried."""

_OPEN = re.compile(r"[ \t]*(`{3,})[ \t]*([^\s`]*)([^\n]*)")
_CLOSE = re.compile(r"[ \t]*(`{3,})[ \t\r]*\Z")
_WORD = re.compile(r"[\w+#.-]+")
_THOUGHT = re.compile(r"\s*<think>")
_LONE_THOUGHT_END = re.compile(r"^[ \t]*</think>|</think>[ \t\r]*$", re.M)
_TOOL_CALL = re.compile(r"(?<!`)<((?:\w{1,20}:)?(?:function_calls|tool_call|invoke))\b[^<>\n]{0,200}>")

_MENTION = re.compile(r"(?P<head>^[ \t]*)?(?<![\w.])(?P<name>FINAL(?:_VAR)?)\(", re.M)
_PARENTHESIS = re.compile(r"[()]")
_STRING = (
    r'[rRuU]?(?>"""(?:[^"\\]|\\.|"(?!""))*+"""|\'\'\'(?:[^\'\\]|\\.|\'(?!\'\'))*+\'\'\''
    r'|"(?:[^"\\\n]|\\.)*+"|\'(?:[^\'\\\n]|\\.)*+\')'
)
_LITERAL = re.compile(_STRING, re.S)
_LITERAL_ARGUMENT = re.compile(rf"\s*+{_STRING}\s*+\)", re.S)
_BLANK_REST = re.compile(r"[ \t\r\f\v]*+(?=\n|\Z)")


_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
"""Everything that hostile code makes the parser of Python raise."""


class _Verdict(Enum):
    COMPILES = 1
    OPEN = 2
    """Ends inside a string, so that what follows may still complete it."""
    BROKEN = 3
    """Wrong whatever follows."""


@dataclass(frozen=True, slots=True)
class _Fence:
    start: int
    end: int
    tag: str
    code: str
    reasons: tuple[str, ...] = ()
    closed: bool = True


def parse(text: str, finish_reason: str | None, run_tags: frozenset[str] = RUN_TAGS) -> ParsedReply:
    """Read a reply.

    Args:
        text: The raw reply.
        finish_reason: What the provider said about its end; only ``stop`` lets an unclosed block run.
        run_tags: Fence tags whose code runs, in lower case.

    Returns:
        Blocks and rejects in the order written, each with the span of its whole fence, and the answers declared in
        prose. Beside a block such an answer is refused (``final_beside_code``): the model had not seen the output.
    """
    body = thoughts_end(text)
    blocks: list[CodeBlock] = []
    finals: list[Proposal] = []
    rejects = [
        Reject(Span(fence.start, fence.end), "in_think", fence.tag, fence.code)
        for fence in (_fences(text[:body], 0, frozenset(), False) if body else ())
        if fence.code
    ]
    fences = list(_fences(text[body:], body, run_tags, finish_reason == "stop"))
    for fence in fences:
        match _judge_fence(fence, run_tags):
            case CodeBlock() as block:
                blocks.append(block)
            case Reject() as reject:
                rejects.append(reject)
            case Proposal() as final:
                finals.append(final)
    spans = [Span(0, body)] if body else []
    spans += [Span(fence.start, fence.end) for fence in fences]
    rejects += _tool_calls(text, body, spans)
    if not text[body:].strip() and not rejects:
        rejects.append(Reject(Span(0, len(text)), "empty_reply"))
    finals += in_text(text, spans_to_skip=spans)
    if blocks:
        finals = [p.model_copy(update={"refused": p.refused or "final_beside_code"}) for p in finals]
    return ParsedReply(
        tuple(blocks),
        tuple(sorted(rejects, key=lambda reject: reject.span)),
        tuple(sorted(finals, key=lambda proposal: proposal.span or (0, 0))),
    )


def compiles(code: str) -> bool:
    """Whether Python can read the code. Nothing of it runs."""
    return _try(code) is _Verdict.COMPILES


def normalise(code: str) -> tuple[str, bool]:
    """Code as it runs: line ends as LF, common indentation and blank first and last lines removed, nothing else.

    Returns:
        The code, and whether there was an indentation to remove.
    """
    lines = code.replace("\r\n", "\n").split("\n")
    first, last = 0, len(lines)
    while first < last and not lines[first].strip():
        first += 1
    while last > first and not lines[last - 1].strip():
        last -= 1
    lines = lines[first:last]
    indents = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines if line.strip()]
    low, high = min(indents, default=""), max(indents, default="")
    common = next((k for k, char in enumerate(low) if high[k] != char), len(low))
    if common:
        prefix = low[:common]
        lines = [line[common:] if line.startswith(prefix) else line.lstrip(" \t") for line in lines]
    return "\n".join(lines), bool(common)


def in_text(text: str, *, spans_to_skip: Sequence[tuple[int, int]] = ()) -> tuple[Proposal, ...]:
    """Every answer that a text declares or mentions, refused ones included. See `declarations`."""
    return tuple(declarations(text, spans_to_skip=spans_to_skip))


def declarations(text: str, *, spans_to_skip: Sequence[tuple[int, int]] = ()) -> Iterator[Proposal]:
    """Read ``FINAL(…)`` and ``FINAL_VAR(…)`` as text.

    A declaration begins a line after optional spaces, its parentheses balance, and nothing follows on the last line.
    An argument that opens with a quote is read as a Python string literal first. An argument that is one literal
    stands for its value, any other for its characters. ``FINAL_VAR`` gives a proposal with ``var`` and no text.

    Args:
        text: Prose, or what a block printed.
        spans_to_skip: Stretches to leave out, in order and apart. The end of one counts as the start of a line.

    Yields:
        Proposals of origin ``text`` in the order written; ``refused`` is ``not_anchored``, ``unbalanced``,
        ``trailing_text``, ``no_argument`` or ``not_a_name`` where one does not count. A balanced one has its
        argument as ``text`` all the same.
    """
    skip = sorted(spans_to_skip)
    if "FINAL" not in text:
        return
    pairs = _pairs(text, skip)
    taken = mentioned = 0
    for match, after in _outside(_MENTION.finditer(text), skip):
        start = match.start("name")
        anchored = match["head"] is not None or (0 < after >= start - 80 and not text[after:start].strip(" \t"))
        if start < taken or (not anchored and start < mentioned):
            continue
        literal = _LITERAL_ARGUMENT.match(text, match.end())
        close = literal.end() - 1 if literal else pairs.get(match.end() - 1)
        if close is None:
            refused = "unbalanced" if anchored else "not_anchored"
            yield _proposal(match["name"], "", (start, match.end()), refused)
            continue
        mentioned = close
        taken = close if anchored else taken
        refused = None if _BLANK_REST.match(text, close + 1) else "trailing_text"
        refused = refused if anchored else "not_anchored"
        yield _proposal(match["name"], text[match.end() : close], (start, close + 1), refused)


def _proposal(name: str, raw: str, span: tuple[int, int], refused: str | None) -> Proposal:
    argument = raw.strip()
    value = _literal(argument)
    if name == "FINAL":
        refused = refused or (None if argument else "no_argument")
        return Proposal(text=value, via="FINAL", origin="text", span=span, refused=refused)
    var = value.strip()
    refused = refused or (None if var.isidentifier() else "not_a_name" if argument else "no_argument")
    return Proposal(text="", via="FINAL_VAR", origin="text", span=span, refused=refused, var=var)


def _literal(argument: str) -> str:
    if not _LITERAL.fullmatch(argument):
        return argument
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(ast.literal_eval(argument))
    except (SyntaxError, ValueError):
        return argument


def _pairs(text: str, skip: Sequence[tuple[int, int]]) -> dict[int, int]:
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for match, _ in _outside(_PARENTHESIS.finditer(text), skip):
        if match[0] == "(":
            opened.append(match.start())
        elif opened:
            pairs[opened.pop()] = match.start()
    return pairs


def _outside(found: Iterator[re.Match[str]], skip: Sequence[tuple[int, int]]) -> Iterator[tuple[re.Match[str], int]]:
    """Matches that end outside every span, each with the end of the last span before it (0 if there is none)."""
    k = after = 0
    for match in found:
        while k < len(skip) and skip[k][1] < match.end():
            after = max(after, skip[k][1])
            k += 1
        if k == len(skip) or match.end() <= skip[k][0]:
            yield match, after


def thoughts_end(text: str) -> int:
    """Where leading thoughts are over: 0 if there are none, the whole length if they never end."""
    end = 0
    while opening := _THOUGHT.match(text, end):
        close = text.find("</think>", opening.end())
        if close < 0:
            return len(text)
        end = close + len("</think>")
    if end == 0 and (lone := _LONE_THOUGHT_END.search(text)) and "<think>" not in text[: lone.end()]:
        return text.index("</think>", lone.start()) + len("</think>")
    return end


def _judge_fence(fence: _Fence, run_tags: frozenset[str]) -> CodeBlock | Reject | Proposal:
    span = Span(fence.start, fence.end)
    runs = fence.tag.lower() in run_tags
    if not fence.code:
        return Reject(span, "empty", fence.tag)
    if runs and fence.closed:
        return CodeBlock(fence.code, span, fence.reasons)
    if runs:
        return Reject(span, "unclosed", fence.tag, fence.code)
    if (final := _only_final(fence.code)) is not None:
        return final.model_copy(update={"span": tuple(span), "reasons": ("fenced_final",)})
    return Reject(span, "other_tag" if fence.tag else "untagged", fence.tag, fence.code, compiles(fence.code))


def _only_final(body: str) -> Proposal | None:
    first = next(declarations(body), None)
    alone = first and first.span and not body[: first.span[0]].strip() and not body[first.span[1] :].strip()
    return first if first and alone and first.refused is None else None


def _tool_calls(text: str, start: int, spans: Sequence[Span]) -> Iterator[Reject]:
    """Calls in a protocol that is not ours, in the gaps between the spans."""
    ends = [*(span.start for span in spans if span.start >= start), len(text)]
    begins = [start, *(span.end for span in spans if span.start >= start)]
    for begin, end in zip(begins, ends, strict=False):
        at = begin
        while call := _TOOL_CALL.search(text, at, end):
            close = f"</{call[1]}>"
            found = text.find(close, call.end(), end)
            at = end if found < 0 else found + len(close)
            yield Reject(Span(call.start(), at), "tool_call", call[1])


def _fences(text: str, offset: int, run_tags: frozenset[str], stop: bool) -> Iterator[_Fence]:
    """The fences of a text that begins ``offset`` characters into the reply."""
    page = _Page(text)
    i = 0
    while i < len(page.lines):
        found = page.fence(i, run_tags, stop)
        if found is None:
            i += 1
            continue
        last, start, end, tag, body, reasons, closed = found
        code, dedented = normalise(text[slice(*body)])
        reasons += ("dedented",) if dedented else ()
        yield _Fence(offset + start, offset + end, tag, code, reasons, closed)
        i = last + 1


_Found = tuple[int, int, int, str, tuple[int, int], tuple[str, ...], bool]


class _Page:
    """A text as lines, with the lines that can close a fence."""

    def __init__(self, text: str) -> None:
        self.text = text
        ends = [match.start() for match in re.finditer(r"\n|\Z", text)]
        self.lines = list(zip([0, *(end + 1 for end in ends[:-1])], ends, strict=True))
        found = ((i, _CLOSE.match(text, *line)) for i, line in enumerate(self.lines))
        self._closers = [(i, len(match[1])) for i, match in found if match]
        self._wide: dict[int, list[int]] = {}

    def closers(self, width: int) -> list[int]:
        """The lines that close a fence of this many backticks."""
        if width not in self._wide:
            self._wide[width] = [i for i, ticks in self._closers if ticks >= width]
        return self._wide[width]

    def fence(self, i: int, run_tags: frozenset[str], stop: bool) -> _Found | None:
        """The fence that opens on line ``i``: its last line, start, end, tag, code's span, reasons, whether closed."""
        begin, end = self.lines[i]
        match = _OPEN.match(self.text, begin, end)
        if match is None:
            return None
        start, width, tag = match.start(1), len(match[1]), match[2]
        runs = tag.lower() in run_tags
        if "`" in match[3]:
            tag = tag if runs or (_WORD.fullmatch(tag) and match[3].strip("` \t\r")) else ""
            body = self._one_line(match, bool(tag))
            return (i, start, end, tag, body, ("one_line",), True) if body != (0, 0) else None
        first = min(end + 1, len(self.text))
        last, stopped, reasons, closed = self._close(i, first, width, runs, stop)
        return last, start, self.lines[last][1], tag, (first, max(first, stopped)), reasons, closed

    def _one_line(self, match: re.Match[str], tagged: bool) -> tuple[int, int]:
        """The code of a fence that closes on its own line; (0, 0) if backticks merely begin the line."""
        line = match[0].rstrip()
        inner = line.rstrip("`")
        ticks, start = match[1], match.end(2) if tagged else match.end(1)
        end = max(start, match.start() + len(inner))
        code = self.text[start:end]
        start += len(code) - len(code.lstrip())
        if len(line) - len(inner) < len(ticks) or (ticks in code and not compiles(code.strip())):
            return 0, 0
        return start, end

    def _close(self, i: int, first: int, width: int, runs: bool, stop: bool) -> tuple[int, int, tuple[str, ...], bool]:
        """Where a fence ends: its last line, the end of its code, reasons, whether it is closed."""
        closers = self.closers(width)
        k = bisect_right(closers, i)
        ends = closers[k : k + MAX_ENDS]
        tail = self._tail(i, first, width, ends[0] if ends else len(self.lines), runs) if runs or not ends else None
        if tail and tail[2]:
            return tail[0], tail[1], ("line_end_fence",), True
        if runs and len(ends) > 1:  # of one there is nothing to choose
            for j in ends:
                verdict = _try(normalise(self.text[first : self.lines[j][0]])[0])
                if verdict is _Verdict.COMPILES:
                    return j, self.lines[j][0], ("nested_fence",) if j != ends[0] else (), True
                if verdict is _Verdict.BROKEN:
                    break
        if ends:
            return ends[0], self.lines[ends[0]][0], (), True
        if tail:
            return tail[0], tail[1], ("line_end_fence",), True
        complete = runs and stop and compiles(normalise(self.text[first:])[0])
        return len(self.lines) - 1, len(self.text), ("unclosed_run",) if complete else (), complete

    def _tail(self, i: int, first: int, width: int, before: int, runs: bool) -> tuple[int, int, bool] | None:
        """A line that ends in backticks which cannot be code: the line, the end of the code, whether that compiles."""
        tries = 0
        if "`" not in self.text[first : self.lines[before - 1][1]]:
            return None
        for j in range(i + 1, before):
            line = self.text[slice(*self.lines[j])].rstrip()
            code = line.rstrip("`")
            if len(line) - len(code) < width or not code.strip():
                continue
            end = self.lines[j][0] + len(code)
            if not runs:
                return j, end, True
            tries += 1
            if tries > MAX_ENDS:
                return None
            if _try(normalise(self.text[first : self.lines[j][1]])[0]) is _Verdict.BROKEN:
                return j, end, compiles(normalise(self.text[first:end])[0])
        return None


def read_ast(code: str) -> ast.Module | None:
    """The syntax tree of a piece of code; None if Python cannot read it."""
    try:
        return _read(code)
    except _UNREADABLE:
        return None


def _read(code: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(code)


def _try(code: str) -> _Verdict:
    try:
        _read(code)
    except SyntaxError as error:
        # Backticks are never Python outside a string: only an open string can make what follows them belong to it.
        return _Verdict.OPEN if "unterminated" in str(error.msg) else _Verdict.BROKEN
    except _UNREADABLE:
        return _Verdict.BROKEN
    return _Verdict.COMPILES
