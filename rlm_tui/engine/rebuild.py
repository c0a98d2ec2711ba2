"""A REPL from its journal: the node's recorded blocks are run again with recorded answers. Costs no tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from rlm_tui.repl.process import Repl, ReplDied

Serve = Callable[[str, str | list[str], str | None], Awaitable[str | list[str]]]


async def rebuild(repl: Repl, ran: Sequence[tuple[str, str]], serving: Callable[[str], Serve]) -> None:
    """Bring a fresh REPL to where a node's old one was.

    Args:
        repl: A fresh REPL that has its ``context``.
        ran: Address and code of each block that ended with ``ok`` or ``error``, and of recorded evaluations.
        serving: From a block's address to what answers its calls from the journal.

    Raises:
        ReplDied: When the worker died on the way.
    """
    for id, code in ran:
        serve = serving(id)

        async def on_call(
            _block: str, fn: str, prompts: list[str] | str, model: str | None, serve: Serve = serve
        ) -> str | list[str]:
            return await serve(fn, prompts, model)

        result = await repl.execute(id, code, on_output=_ignore, on_call=on_call)
        if result.status == "died":
            raise ReplDied(f"the REPL died again while {id} was rebuilt: {result.error}")


def _ignore(_block: str, _stream: str, _text: str, _late: bool) -> None:
    """What a block printed is in the journal already."""
