"""What came of a block: its output as it comes, its end as the journal keeps it, and as the dialect reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from rlm_tui.engine import finals
from rlm_tui.engine.pieces import Kind, Pieces
from rlm_tui.engine.values import BlockRun, Context
from rlm_tui.journal.events import CutInfo, ExecEnd, Proposal, Text, VariableRow, Via
from rlm_tui.journal.tree import REPL_LOST
from rlm_tui.repl.process import BlockResult, Proposed, Variable


class Output:
    """A block's output as it comes: on to the journal in pieces, and where in stdout its stderr fell."""

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self._stdout = 0
        self._stderr: list[tuple[int, int]] = []

    def take(self, _block: str, stream: str, text: str, late: bool) -> None:
        """Take a piece; as `Repl.execute` gives it."""
        self.pieces.add(cast(Kind, stream), text, late)
        if late:
            return
        if stream == "stdout":
            self._stdout += len(text)
        elif stream == "stderr":
            if self._stderr and self._stderr[-1][0] == self._stdout:
                self._stderr[-1] = (self._stdout, self._stderr[-1][1] + len(text))
            else:
                self._stderr.append((self._stdout, len(text)))

    def stderr_at(self, stdout: int, stderr: int) -> tuple[tuple[int, int], ...]:
        """Within what was kept of both streams."""
        kept: list[tuple[int, int]] = []
        for offset, length in self._stderr:
            if take := min(length, stderr):
                kept.append((min(offset, stdout), take))
            stderr -= take
        return tuple(kept)


def as_they_came(stdout: str, stderr: str, stderr_at: tuple[tuple[int, int], ...]) -> str:
    """Both streams in the order they were written."""
    parts: list[str] = []
    done = told = 0
    for offset, length in stderr_at:
        parts += [stdout[done:offset], stderr[told : told + length]]
        done, told = offset, told + length
    return "".join([*parts, stdout[done:], stderr[told:]])


def exec_end(
    id: str, code: str, result: BlockResult, output: Output, notes: list[str], is_data: Callable[[str], bool], *,
    error: str | None, lost: bool,
) -> ExecEnd:  # fmt: skip
    """The end of a block as the journal keeps it.

    Args:
        id: The block's address.
        code: As run.
        result: What the REPL says of it.
        output: What came of it meanwhile.
        notes: Lines for the model.
        is_data: Whether a printed text stands in what the node was given; then it declares nothing.
        error: The error's text, as the model is to see it.
        lost: Whether the REPL is gone.
    """
    answer = proposal(result.answer.content, id) if result.answer and result.answer.content else None
    ready = result.answer is not None and result.answer.ready
    if ready and answer is None:
        answer = Proposal(text="", via="answer", origin="dict", block=id, reasons=("empty_final",))
    said = [proposal(final, id) for final in result.finals]
    printed = [p.model_copy(update={"block": id}) for p in finals.printed(code, result.stdout, is_data)]
    proposed = finals.of_block(said, printed, answer if ready else None, failed=result.status != "ok")
    gone = lost and result.status in ("aborted", "timeout")
    return ExecEnd(
        id=id,
        status=result.status,
        stdout=result.stdout,
        stderr=result.stderr,
        stderr_at=output.stderr_at(len(result.stdout), len(result.stderr)),
        raw=result.raw,
        value=result.value,
        error=error,
        changed=rows(result.changed),
        removed=result.removed,
        more_variables=result.more_variables,
        finals=proposed,
        answer=answer,
        put_back=result.put_back,
        effects=result.effects,
        cuts={name: CutInfo(kept=c.kept, total=c.total, tail=c.tail) for name, c in result.cuts.items()},
        notes=(*notes, *_put_back(result)),
        reasons=(*(("clobbered_name",) if result.put_back else ()), *((REPL_LOST,) if gone else ())),
        ms=result.ms,
        cpu_ms=result.cpu_ms,
    )


def rows(variables: Iterable[Variable]) -> tuple[VariableRow, ...]:
    """Variables as the journal keeps them."""
    return tuple(VariableRow(name=v.name, type=v.type, size=v.size, brief=v.brief) for v in variables)


def error_text(result: BlockResult, by: str | None, limit_s: float | None, *, lost: bool) -> str | None:
    """A block's error as the model is to see it: what stopped it is said in words.

    Args:
        result: What the REPL says of the block.
        by: Who stopped it, when a person did.
        limit_s: Seconds of computing time that it had.
        lost: Whether the REPL is gone.
    """
    match result.status:
        case "timeout":
            took = f"The block took longer than its {limit_s:g} s of computing time" if limit_s else "It took too long"
            if lost:
                return f"{took} and did not stop when it was asked to, so the REPL was ended."
            return _below(result.error, f"{took} and was stopped. The variables it had set are kept.")
        case "aborted" if by is not None and lost:
            return "The block was stopped by a person, and the REPL with it."
        case "aborted" if by is not None:
            return _below(result.error, "The block was stopped by a person. The variables it had set are kept.")
        case "died" if by is not None:
            return "The REPL was ended by a person while the block ran."
        case _:
            return result.error


def _below(error: str | None, line: str) -> str:
    return f"{error}\n{line}" if error else line


def block_run(text: Callable[[Text | None], str], id: str, code: str, end: ExecEnd, *, shown: bool = True) -> BlockRun:
    """A block's outcome as the dialect reads it.

    Args:
        text: Resolves a text of the journal.
        id: The block's address.
        code: The code as run.
        end: Its end, remembered or new.
        shown: Whether the observation has it.
    """
    output = as_they_came(text(end.stdout), text(end.stderr), end.stderr_at)
    for more in (text(end.raw), text(end.value)):
        if more:
            output += ("" if not output or output.endswith("\n") else "\n") + more
    return BlockRun(
        id=id,
        code=code,
        status=end.status,
        output=output,
        error=None if end.error is None else text(end.error),
        finals=tuple(final.model_copy(update={"text": text(final.text)}) for final in end.finals),
        notes=end.notes,
        shown=shown,
    )


def proposal(said: Proposed, block: str | None) -> Proposal:
    """A declared answer as the journal keeps it."""
    return Proposal(
        text=said.text,
        data=said.json,
        type=said.type,
        via=cast(Via, said.via),
        origin="dict" if said.via == "answer" else "call",
        block=block,
        var=said.name,
        reasons=(said.reason,) if said.reason else (),
    )


def _put_back(result: BlockResult) -> Iterator[str]:
    if result.put_back:
        yield f"These names belong to the REPL and were put back: {', '.join(result.put_back)}."


def strings(value: Context | Any) -> Iterator[str]:
    """Every text in a context."""
    match value:
        case str():
            yield value
        case dict():
            for key, item in cast(dict[str, Any], value).items():
                yield key
                yield from strings(item)
        case list():
            for item in cast(list[Any], value):
                yield from strings(item)
        case _:
            yield json.dumps(value)
