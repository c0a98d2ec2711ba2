"""What the REPL hands to its caller: frozen values, and the errors it raises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Status = Literal["ok", "error", "aborted", "timeout", "died"]

Confine = Literal["auto", "off", "bwrap"]
"""How far a worker is asked to be shut in."""

Level = Literal["process", "partial", "confined", "bwrap"]
"""How far it is: its own process only, some of what "confined" has, Landlock and seccomp, or a bubblewrap sandbox."""

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


class NotHere(RuntimeError):
    """This system cannot do what was asked for; the text says what is missing, for a person."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What every worker of a run lives under.

    Attributes:
        hash_seed: `PYTHONHASHSEED`, so that sets keep their order between a run and its rebuild.
        time_zone: `TZ` of the worker; None leaves the machine's.
        memory_bytes: Soft address space limit while a block runs.
        scratch_root: Where private scratch directories are made; None is the system's temporary folder.
        confine: "auto" shuts a worker in as far as the kernel can, "off" does not, "bwrap" uses bubblewrap or refuses.
        site: Whether blocks may import what is installed beside the standard library (numpy and friends).
        network: Whether blocks may connect.
    """

    hash_seed: int = 0
    time_zone: str | None = None
    memory_bytes: int = 2 << 30
    scratch_root: Path | None = None
    confine: Confine = "auto"
    site: bool = False
    network: bool = False


@dataclass(frozen=True, slots=True)
class ReplConfig:
    """How one node's worker is born.

    Attributes:
        names: Injected name to its kind: "ask", "ask_batch", "final", "final_var", "show_vars", "format_exc" or
            "safe_json_dumps".
        restore: Further names put back before each block, with the value they were `put` with.
        seed: What `random` is seeded with at birth.
        conditions: What it lives under.
    """

    names: Mapping[str, str]
    restore: frozenset[str] = frozenset()
    seed: str = ""
    conditions: Conditions = Conditions()


@dataclass(frozen=True, slots=True)
class Ready:
    """What a worker said of itself when it was ready.

    Attributes:
        python: Its version.
        platform: As `sys.platform`.
        level: How far it is shut in; what was reached, not what was asked for.
        confinement: The level in words: "confined (landlock 7, seccomp)".
        notices: What is missing for the level that was asked for, and what is open then; a sentence each.
    """

    python: str
    platform: str
    level: Level
    confinement: str
    notices: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a block that was stopped where it is, innermost last."""

    line: int
    function: str
    block: str
    """The block whose code it is; an earlier one's, when that defined the function."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a running block was stopped; it goes on from there with nothing lost.

    Attributes:
        block: Its address.
        line: The innermost line of a block's code that the main thread is at.
        frames: The frames of blocks' code, outermost first, at most 50.
        locals: The innermost frame's own names, at most 100; those of the node's namespace when that is the frame.
        threads: Other threads of the block, which go on running.
    """

    block: str
    line: int
    frames: tuple[Frame, ...]
    locals: tuple[Variable, ...]
    threads: int


@dataclass(frozen=True, slots=True)
class Looked:
    """What an expression gave in a copy of the worker, which was then thrown away.

    `status` is "ok" (then `text` is the `repr`), "error" (a traceback), "timeout" or "died".
    """

    status: Literal["ok", "error", "timeout", "died"]
    text: str
    output: str = ""
    """What it printed."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of one variable's value, made without running any of the model's code.

    Attributes:
        name: The variable.
        kind: "text" for str, bytes and bytearray; "items" for exact containers; "plain" for everything else, of which
            only `text` (a brief) can be had this way.
        type: Its type's name.
        total: Characters, bytes or items of the whole; 0 for "plain".
        start: Where this part begins.
        text: The part, for "text"; for "plain" the brief.
        rows: The items of the part, for "items": name is the index or the key's brief.
    """

    name: str
    kind: Literal["text", "items", "plain"]
    type: str
    total: int
    start: int
    text: str = ""
    rows: tuple[Variable, ...] = ()
