"""What is counted while events come, and not by the fold: what went wrong, and how deep the calls went."""

from __future__ import annotations

from rlm_tui.journal import address, events
from rlm_tui.journal.events import Event
from rlm_tui.journal.run import Run


class Tally:
    """Two counts that grow with a run.

    Args:
        run: The fold so far; `add` is told of what comes after.

    Attributes:
        deepest: The depth of the deepest call so far; the root's is 0.
        errors: Addresses of what went wrong: a failed child counts once, whatever failed in it.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.deepest = max((self._depth(call) for call in run.calls), default=0)
        self.errors = (
            {id for id, call in run.calls.items() if call.status in ("error", "timeout")}
            | {id for id, node in run.nodes.items() if node.status == "error"}
            | {id for id, b in run.blocks.items() if b.status in ("error", "timeout", "died") and b.origin != "eval"}
        )

    def add(self, event: Event) -> None:
        """Count an event that the run has folded."""
        match event:
            case events.CallStart():
                self.deepest = max(self.deepest, self._depth(event.id))
            case events.LlmEnd(status="error", wait=None):
                self.errors.add(address.node_of(event.id))
            case events.LlmEnd(status="ok"):
                # Tried again by a person, and mended.
                self.errors.discard(address.node_of(event.id))
            case events.ExecEnd() if event.id in self._run.blocks and self._run.blocks[event.id].origin == "eval":
                pass
            case events.ExecEnd(status="died", by="human"):
                pass
            case events.ExecEnd(status="error" | "timeout" | "died") | events.CallEnd(status="error" | "timeout"):
                self.errors.add(event.id)
            case events.NodeEnd(status="error"):
                self.errors.add(event.id)
            case _:
                pass

    def _depth(self, call: str) -> int:
        found = self._run.calls.get(call)
        node = self._run.nodes.get(address.node_of(found.block.id)) if found else None
        return node.depth + 1 if node else 0
