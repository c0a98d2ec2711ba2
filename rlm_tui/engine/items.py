"""One sub-call as a block asked for it, and what its code receives for each way in which it may end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rlm_tui.engine.limits import Batch
from rlm_tui.engine.opaque import OpaqueCall
from rlm_tui.journal.events import CallEnd, ErrorInfo
from rlm_tui.repl.process import CallFailed


@dataclass(frozen=True, slots=True)
class Item:
    """One sub-call that a block asked for.

    Attributes:
        id: Its address.
        fn: The function, as the code called it.
        prompt: As requested.
        model: As requested; None when the code named none.
        batch: The batch it is of.
        index: Its number in the batch, from 1; 0 for a single call.
        ran_as: ``llm``, ``rlm`` or ``opaque``.
        depth_reason: Why an ``rlm_query`` runs as a leaf, when it does.
        opaque: The call to a caller's own backend.
    """

    id: str
    fn: str
    prompt: str
    model: str | None
    batch: Batch | None
    index: int
    ran_as: str
    depth_reason: str | None = None
    opaque: OpaqueCall | None = None

    def leave_batch(self) -> None:
        """It has an outcome without being asked for: a backend that is asked once for all need not wait for it."""
        if self.opaque is not None:
            self.opaque.without(self.index)

    def received(self, end: CallEnd, value: str) -> str:
        """What the code gets, as an item of a batch or by itself.

        Args:
            end: How it ended.
            value: The text of its value; empty when there is none.

        Raises:
            CallFailed: When a single call failed; in a batch that is a text that begins with ``Error:``.
        """
        if self.batch is not None:
            return "" if end.status == "refused" and end.limit == "max_children_per_batch" else _text(end, value)
        if end.status == "error":
            error = end.error or ErrorInfo(kind="unknown", message="the call failed")
            raise CallFailed(error.message if error.kind == "unknown" else f"ModelError: {error.message}")
        return _text(end, value)

    def notes(self, end: CallEnd, value: str) -> Iterator[str]:
        """What the model is to know of what the code got."""
        if end.status in ("ok", "supplied") and end.value is None:
            yield f"{self.fn}: a call ended without an answer; the code received an empty string."
        elif end.status in ("ok", "supplied") and end.cut is not None:
            yield f"{self.fn}: an answer of {len(value):,} characters was cut to {end.cut:,}."


def _text(end: CallEnd, value: str) -> str:
    match end.status:
        case "ok" | "supplied":
            return value if end.cut is None else value[: end.cut]
        case "timeout":
            return f"Error: {end.error.message}" if end.error else "Error: child timeout"
        case "killed":
            return "Error: killed by user"
        case "refused":
            return f"Error: {end.limit} exceeded"
        case _:
            return f"Error: {end.error.message if end.error else 'the call failed'}"


def refusals(items: Sequence[Item], ends: Sequence[CallEnd]) -> Iterator[str]:
    """What the model is to know of the items that a limit refused; a line for each limit."""
    refused: dict[str, list[int]] = {}
    for item, end in zip(items, ends, strict=True):
        if end.status == "refused":
            refused.setdefault(end.limit or "", []).append(item.index - 1)
    for limit, indices in refused.items():
        which = ", ".join(map(str, indices[:20])) + (" …" if len(indices) > 20 else "")
        instead = "empty strings" if limit == "max_children_per_batch" else f"'Error: {limit} exceeded'"
        yield (
            f"{items[0].fn}: {len(indices)} of {len(items)} prompts were refused by {limit}; "
            f"their results are {instead} (indices {which})."
            if items[0].batch
            else f"{items[0].fn}: refused by {limit}; the result is {instead}."
        )
