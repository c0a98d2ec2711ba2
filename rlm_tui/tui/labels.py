"""What a call is called on the screen: the first line of its prompt, or what tells it from its batch."""

from __future__ import annotations

import re

from rlm_tui.journal import events
from rlm_tui.journal.tree import Call, Node
from rlm_tui.tui import text

_STEM = re.compile(r"[\w.\-]*\Z")
_NAME = re.compile(r"[\w.\-]{2,}(?=[\])}>\"'])")
_EDGE = re.compile(r"^[\s\-\[({\"'`#*:.,]+")


class Labels:
    """Names of calls. Remembers what the prompts of each batch have in common, one prompt at a time."""

    def __init__(self) -> None:
        self._common: dict[tuple[str, int], tuple[int, str]] = {}
        self._known: dict[str, tuple[int, str]] = {}

    def call(self, call: Call) -> str:
        """The label of one call: harmless, on one line, not cut."""
        prefix, seen = self._prefix(call)
        known = self._known.get(call.id)
        if known is not None and known[0] == seen:
            return known[1]
        label = self._make(call, prefix)
        self._known[call.id] = (seen, label)
        return label

    def node(self, node: Node) -> str:
        """The label of an RLM node."""
        return "root" if node.call is None else self.call(node.call)

    def _make(self, call: Call, prefix: str) -> str:
        head = _head(call)
        if prefix:
            start = len(_STEM.sub("", prefix))
            rest = _EDGE.sub("", text.one_line(head[start:])) if len(head) > len(prefix) else ""
            if rest:
                named = _NAME.match(rest)
                return named.group() if named else rest.rstrip(" .,:;")
            if call.item is not None and call.size is not None:
                return f"item {call.item} of {call.size}"
        return text.one_line(head) or "(empty prompt)"

    def _prefix(self, call: Call) -> tuple[str, int]:
        """What all prompts of the call's batch begin with, and of how many prompts that is known."""
        if call.batch is None or (call.size or 0) < 2:
            return "", 0
        key = (call.block.id, call.batch)
        seen, prefix = self._common.get(key, (0, ""))
        items = [c for c in call.block.calls if c.batch == call.batch] if seen < (call.size or 0) else []
        for item in items[seen:]:
            prefix = _head(item) if seen == 0 else text.beginning([prefix, _head(item)])
            seen += 1
        self._common[key] = (seen, prefix)
        return (prefix, seen) if seen > 1 else ("", seen)


def _head(call: Call) -> str:
    return events.head(call.prompt, 2048)
