"""Which declared answer counts: what a block called or printed, what stands in prose, and a default answer."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Sequence
from itertools import islice

from rlm_tui.engine.parsing import declarations, in_text, parse, read_ast, thoughts_end
from rlm_tui.engine.values import BlockRun, ParsedReply
from rlm_tui.journal.events import Proposal

__all__ = ["choose", "in_text", "of_block", "printed", "read_default"]

MAX_PRINTED = 50
"""How many declarations in one block's output are looked at."""


def printed(code: str, stdout: str, is_data: Callable[[str], bool]) -> tuple[Proposal, ...]:
    """Answers that a block printed. Text that came from data never counts.

    A printed form is the block's own when a string of its source contains ``FINAL(`` or ``FINAL_VAR(``, and neither
    the printed text nor its first line is found in data. (The first line, because data may open a parenthesis that
    something else closes.) A wrong refusal costs an iteration, a wrong acceptance costs the run.

    Args:
        code: The block as run.
        stdout: What it printed, whole, without the echo of a trailing expression.
        is_data: Whether a text occurs in ``context`` or in an answer that a sub-call of this node gave.

    Returns:
        Proposals of origin ``printed`` in order, from the first `MAX_PRINTED` that begin a line; spans point into
        ``stdout``. ``refused`` is ``final_in_data``, or what `declarations` says of a form that is badly made.
    """
    if "FINAL" not in stdout:
        return ()
    own = _writes_finals(code)
    anchored = (proposal for proposal in declarations(stdout) if proposal.refused != "not_anchored")
    found: list[Proposal] = []
    for proposal in islice(anchored, MAX_PRINTED):
        refused = proposal.refused
        if refused in (None, "no_argument"):
            # An empty argument is what an f-string makes of an empty value.
            text = stdout[slice(*proposal.span)] if proposal.span else ""
            data = not own or is_data(text) or ("\n" in text and is_data(text.partition("\n")[0].rstrip()))
            refused = "final_in_data" if data else refused if proposal.var is not None else None
        elif not own:
            continue
        found.append(proposal.model_copy(update={"origin": "printed", "refused": refused}))
    return tuple(found)


def of_block(
    calls: Sequence[Proposal], printed: Sequence[Proposal], answer: Proposal | None, *, failed: bool = False
) -> tuple[Proposal, ...]:
    """Everything one block proposed, the one that counts marked as ``chosen``.

    Args:
        calls: What ``FINAL`` and ``FINAL_VAR`` were called with, in order.
        printed: What `printed` found.
        answer: The ``answer`` dict as it stood when the block ended, if it was ready.
        failed: Whether the block raised or was cut short.

    Returns:
        Calls, then printed forms, then the dict: the order in which they count. What was merely the echo of a call
        is left out. Reasons added are ``empty_final``, and ``several_finals`` on the chosen one when others differ.
    """
    everything = [*calls, *(p for p in printed if not (calls and p.refused == "final_in_data"))]
    if answer is not None:
        everything.append(answer)
    accepted = [proposal for proposal in everything if proposal.refused is None]
    several = _differ(accepted)
    first = next((i for i, proposal in enumerate(everything) if proposal.refused is None), None)
    return tuple(
        _remark(
            proposal,
            ("empty_final", proposal.var is None and (proposal.text == "" or proposal.type == "NoneType")),
            ("several_finals", i == first and several),
        ).model_copy(update={"chosen": i == first, "after_error": proposal.after_error or failed})
        for i, proposal in enumerate(everything)
    )


def choose(
    runs: Sequence[BlockRun], prose: Sequence[Proposal], *, variables: Collection[str] = frozenset()
) -> Proposal | None:
    """The answer that a turn declares: that of the last block that proposes; prose only when no block ran.

    Args:
        runs: The turn's blocks in order, failed and skipped ones included.
        prose: What the reply declares outside its code.
        variables: Names in the REPL. ``FINAL(total)`` in prose is the word *total* even where a variable has that
            name; it then has the reason ``final_names_variable``.

    Returns:
        The first proposal that counts, marked as ``chosen``; None if nothing was declared. While its ``var`` is not
        None and its origin is a text, the REPL still has to say what the answer is.
    """
    ran = [run for run in runs if run.status != "skipped"]
    if not ran:
        accepted = [proposal for proposal in prose if proposal.refused is None]
        if not accepted:
            return None
        named = accepted[0].var is None and accepted[0].text in variables
        chosen = _remark(
            accepted[0],
            ("empty_final", accepted[0].var is None and accepted[0].text == ""),
            ("final_names_variable", named),
            ("several_finals", _differ(accepted)),
        )
        return chosen.model_copy(update={"chosen": True})
    picks = [pick for run in ran if (pick := _pick(run)) is not None]
    if not picks:
        return None
    return _remark(picks[-1], ("several_finals", _differ(picks))).model_copy(update={"chosen": True})


def read_default(text: str) -> Proposal | None:
    """Read the reply to the last request, which asked for nothing but the answer. Code in it does not run.

    In this order: a declaration that begins a line; a fence, whatever its tag, that holds only one; one balanced
    declaration anywhere outside fences; the prose outside fences.

    Args:
        text: The raw reply; leading thoughts are left out.

    Returns:
        A proposal of origin and via ``default``, with ``var`` for a ``FINAL_VAR``; None if there is nothing.
    """
    parsed = parse(text, None, frozenset())
    found = sorted(
        (proposal for proposal in parsed.finals if proposal.refused is None),
        key=lambda proposal: "fenced_final" in proposal.reasons,
    )
    if not found:
        loose = [
            p for p in parsed.finals if p.refused in ("not_anchored", "trailing_text") and _says_something(p, text)
        ]
        found = [] if _differ(loose) else loose[:1]
    if found:
        made = _remark(found[0], ("empty_final", found[0].var is None and found[0].text == ""))
        return made.model_copy(update={"via": "default", "origin": "default", "refused": None, "chosen": True})
    prose = _prose(text, parsed)
    return Proposal(text=prose, via="default", origin="default", chosen=True) if prose else None


def _prose(text: str, parsed: ParsedReply) -> str:
    """What stands outside thoughts and fences."""
    pieces: list[str] = []
    at = thoughts_end(text)
    for reject in parsed.rejects:
        if reject.span.start >= at and reject.reason != "tool_call":
            pieces.append(text[at : reject.span.start])
            at = reject.span.end
    return "".join([*pieces, text[at:]]).strip()


def _says_something(proposal: Proposal, text: str) -> bool:
    """Whether a declaration that is badly placed is otherwise whole."""
    if proposal.span is None or text[proposal.span[1] - 1] != ")":
        return False
    return proposal.text != "" if proposal.var is None else proposal.var.isidentifier()


def _pick(run: BlockRun) -> Proposal | None:
    pick = next((proposal for proposal in run.finals if proposal.refused is None), None)
    if pick is None:
        return None
    update = {"block": pick.block or run.id, "after_error": pick.after_error or run.status != "ok"}
    return pick.model_copy(update=update)


def _differ(proposals: Sequence[Proposal]) -> bool:
    return any((p.text, p.var) != (proposals[0].text, proposals[0].var) for p in proposals)


def _remark(proposal: Proposal, *reasons: tuple[str, bool]) -> Proposal:
    added = tuple(reason for reason, holds in reasons if holds and reason not in proposal.reasons)
    return proposal.model_copy(update={"reasons": proposal.reasons + added}) if added else proposal


def _writes_finals(code: str) -> bool:
    """Whether a string constant, or a constant part of an f-string, has the beginning of a declaration."""
    tree = read_ast(code)
    return tree is not None and any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and ("FINAL(" in node.value or "FINAL_VAR(" in node.value)
        for node in ast.walk(tree)
    )
