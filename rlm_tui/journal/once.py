"""What comes again in a run is kept once: a long one has hundreds of thousands of requests.

Each event that is read brings texts of its own. Those that are equal to what the fold has already are let go of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sys import intern
from typing import Any, TypeVar

from rlm_tui.journal.events import LlmStart, Message, Text
from rlm_tui.journal.tree import Attempt, Call, Iteration

T = TypeVar("T")

_NO_PARAMS: dict[str, Any] = {}


def attempt(event: LlmStart, owner: Iteration | Call, previous: Attempt | None, id: str = "") -> Attempt:
    """A request that is on its way.

    Args:
        event: Its beginning.
        owner: Whose it is.
        previous: The one that it adds to.
        id: Its address, where that is not its owner's.
    """
    params = event.params or _NO_PARAMS
    if previous is not None and previous.params == params:
        params = previous.params
    if isinstance(owner, Iteration):
        _share(event.add, owner)
    sent = owner.prompt if isinstance(owner, Call) and _is_plain(event.add, owner.prompt) else event.add
    return Attempt(id or owner.id, event.attempt, event.t, event.base, sent, intern(event.model), params, previous)


def grown(pieces: Sequence[T], piece: T) -> Sequence[T]:
    """Pieces and one more. The most have none at nearly all times: then there is no list of them."""
    if isinstance(pieces, list):
        pieces.append(piece)
        return pieces
    return [*pieces, piece]


def _is_plain(added: Sequence[Message], prompt: Text) -> bool:
    """Whether a request is what a sub-call's prompt is, and nothing else."""
    if len(added) != 1:
        return False
    (one,) = added
    return one.role == "user" and one.content == prompt and not one.model_extra


def _share(added: Iterable[Message], turn: Iteration) -> None:
    """What a request adds is what came before it: the reply, and what was observed of it."""
    before = turn.node.iterations[-2] if len(turn.node.iterations) > 1 else None
    if before is None:
        return
    for message in added:
        for text in (before.obs, before.attempts[-1].reply if before.attempts else None):
            if text is not None:
                message.share(text)
