"""What the REPL hands to its caller: frozen values, and the errors it raises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Status = Literal["ok", "error", "aborted", "timeout", "died"]

OnOutput = Callable[[str, str, str, bool], None]
"""Called with block, stream ("stdout", "stderr" or "raw"), text, and whether the text came after the block's end."""

OnCall = Callable[[str, str, list[str] | str, str | None], Awaitable[str | list[str]]]
"""Called with block, function name, prompt (a list for a batch) and model; answers with a text, or one per prompt."""


class CallCancelled(Exception):
    """Raised by `OnCall`: the call raises `SubcallError("cancelled")` in the block."""


class CallFailed(Exception):
    """Raised by `OnCall`: the call raises `SubcallError` in the block, with this exception's text."""


class ReplDied(Exception):
    """The worker is gone; the text says how it ended."""


@dataclass(frozen=True, slots=True)
class ReplConfig:
    """How a worker is born.

    Attributes:
        names: Injected name to its kind: "ask", "ask_batch", "final", "final_var", "show_vars", "format_exc" or
            "safe_json_dumps".
        restore: Further names put back before each block, with the value they were `put` with.
        seed: What `random` is seeded with at birth.
        hash_seed: `PYTHONHASHSEED`, so that sets keep their order between a run and its rebuild.
        time_zone: `TZ` of the worker; None leaves the machine's.
        memory_bytes: Soft address space limit while a block runs.
        scratch_root: Where the private scratch directory is made; None is the system's temporary folder.
    """

    names: Mapping[str, str]
    restore: frozenset[str] = frozenset()
    seed: str = ""
    hash_seed: int = 0
    time_zone: str | None = None
    memory_bytes: int = 2 << 30
    scratch_root: Path | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """What a worker said of itself when it was ready."""

    python: str
    platform: str
    confinement: str


@dataclass(frozen=True, slots=True)
class Proposed:
    """One declared answer.

    Attributes:
        via: "FINAL", "FINAL_VAR" or "answer".
        text: `str(value)`, made in the worker.
        json: JSON text of the value when it survives JSON unchanged, else None.
        type: Type name of the value.
        name: The variable, for FINAL_VAR.
        reason: "empty_final", "final_var_unquoted", "final_capped" or None.
    """

    via: str
    text: str
    json: str | None
    type: str
    name: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the listing; `brief` was made without running any of the model's code."""

    name: str
    type: str
    size: int | None
    brief: str


@dataclass(frozen=True, slots=True)
class Cut:
    """What was not kept of a stream, in characters; `tail` is its end."""

    kept: int
    total: int
    tail: str


@dataclass(frozen=True, slots=True)
class AnswerDict:
    """The variable `answer` as a block left it; `content` is None when it has none, or an empty one."""

    ready: bool
    content: Proposed | None


@dataclass(frozen=True, slots=True)
class BlockResult:
    """How a block ended.

    Attributes:
        status: "timeout" also when the worker had to be killed for it.
        stdout: Everything kept, as it was streamed; `stderr` and `raw` (C code, child processes) likewise.
        value: `repr` of a trailing expression that is not None.
        error: Block-only traceback, or how the worker died.
        finals: FINAL and FINAL_VAR calls, in order.
        answer: None when `answer` is not an exact dict.
        changed: New and changed variables, at most 500; `more_variables` counts the rest.
        removed: Names that are gone.
        put_back: Names a block had overwritten before this one started.
        effects: Files opened for writing or removed, connections, processes, at most 200.
        cuts: Stream ("stdout", "stderr", "raw", "value", "error") to what was not kept of it.
        ms: Wall time in milliseconds; `cpu_ms` processor time.
    """

    status: Status
    stdout: str = ""
    stderr: str = ""
    raw: str = ""
    value: str | None = None
    error: str | None = None
    finals: tuple[Proposed, ...] = ()
    answer: AnswerDict | None = None
    changed: tuple[Variable, ...] = ()
    removed: tuple[str, ...] = ()
    more_variables: int = 0
    put_back: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    cuts: Mapping[str, Cut] = field(default_factory=dict[str, Cut])
    ms: float = 0.0
    cpu_ms: float = 0.0
