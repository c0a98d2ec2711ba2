"""A REPL as a run would have it, really started: how far it is shut in, under which limits, and how fast it is."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from rlm_tui.repl.birth import open_source
from rlm_tui.repl.process import CallFailed, Conditions, Ready, Repl, ReplConfig, ReplDied

PROBE = """
import json
try:
    import resource
except ImportError:
    found = {}
else:
    names = {"memory": "AS", "file_size": "FSIZE", "open_files": "NOFILE", "processes": "NPROC"}
    found = {name: resource.getrlimit(getattr(resource, "RLIMIT_" + kind))[0] for name, kind in names.items()
             if hasattr(resource, "RLIMIT_" + kind)}
    found = {name: limit for name, limit in found.items() if limit != resource.RLIM_INFINITY}
print(json.dumps(found))
"""
"""A block that says under which limits it runs."""
PROBE_S = 20.0
"""Seconds a block of ours may take; a machine on which it takes longer runs nothing usefully."""


class TrialFailed(Exception):
    """No REPL, or none that runs a block; the text says why."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A REPL that was started and ran.

    Attributes:
        ready: What it said of itself.
        forks: Whether it was forked.
        open_ms: Milliseconds until a run's source of REPLs was there.
        birth_ms: Milliseconds until a node's REPL was there after that.
        block_ms: Milliseconds of a block that does next to nothing, there and back; not of the first.
        limits: Bytes of ``memory`` and ``file_size``, counts of ``open_files`` and ``processes``; what has no limit is
            not named.
    """

    ready: Ready
    forks: bool
    open_ms: float
    birth_ms: float
    block_ms: float
    limits: Mapping[str, int]


async def attempt(conditions: Conditions) -> Trial:
    """Start a REPL as a run does, and run two blocks in it.

    Args:
        conditions: How far it is to be shut in.

    Raises:
        TrialFailed: When there is none, or it runs no block.
    """
    clock = time.perf_counter
    began = clock()
    try:
        source = await open_source(conditions)
        try:
            open_ms, began = 1000 * (clock() - began), clock()
            repl = await Repl.start(ReplConfig({}, conditions=conditions), source)
            try:
                birth_ms = 1000 * (clock() - began)
                limits = _read(await _run(repl, "limits", PROBE))
                began = clock()
                await _run(repl, "timed", "6 * 7")
                block_ms = 1000 * (clock() - began)
            finally:
                await repl.close()
        finally:
            await source.close()
    except (OSError, ReplDied) as error:
        raise TrialFailed(str(error)) from error
    return Trial(repl.ready, source.forks, open_ms, birth_ms, block_ms, limits)


async def _run(repl: Repl, block: str, code: str) -> str:
    """Run a block of ours; what it printed."""

    async def refuse(block: str, function: str, prompt: list[str] | str, model: str | None) -> str:
        raise CallFailed("there is no model here")

    result = await repl.execute(
        block, code, on_output=lambda block, stream, text, late: None, on_call=refuse, timeout_s=PROBE_S
    )
    if result.status != "ok":
        raise TrialFailed(f"a block ended with {result.status}: {result.error}")
    return result.stdout


def _read(said: str) -> dict[str, int]:
    try:
        return {str(name): int(limit) for name, limit in json.loads(said).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise TrialFailed(f"a block printed something else than it was told to: {said!r}") from error
