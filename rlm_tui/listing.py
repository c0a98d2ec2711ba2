"""The command ``runs``: the list of what is kept, and what can be done to it."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rlm_tui.config import Settings
from rlm_tui.usage import ANSWERED, INTERRUPTED, UsageError, printable

if TYPE_CHECKING:
    from rlm_tui.journal.branches import Branch
    from rlm_tui.journal.summary import Summary

T = TypeVar("T")

WIDE = 100
"""Columns from which a row has the size on disk."""


def runs(args: argparse.Namespace, found: Settings) -> int:
    """List the runs, newest first; or name, note or delete one."""
    from rlm_tui.journal.places import runs_dir

    where = runs_dir(found.get("runs_dir"))
    if args.rename is not None or args.note is not None:
        run, text = args.rename or args.note
        return _write(where, run, text, named=args.rename is not None)
    if args.delete is not None:
        return _delete(where, args.delete, sure=args.yes)
    return _list(where, args)


def _list(where: Path, args: argparse.Namespace) -> int:
    from rlm_tui.journal.branches import forest
    from rlm_tui.journal.shelf import search

    rows = [row for tree in forest(where) for row in tree.walk()]
    if args.search is not None:
        fit = {one.id for one in search((branch.summary for _, branch in rows), args.search)}
        rows = [(0, branch) for _, branch in rows if branch.summary.id in fit]
    shown = rows[: args.most]
    if args.json:
        print(json.dumps([_object(branch.summary) for _, branch in shown]))
    elif not rows:
        none = (
            f"No run in {where} has these words." if args.search else f"No runs yet in {where}. rlm-tui demo makes one."
        )
        print(none, file=sys.stderr)
    else:
        width = max(60, shutil.get_terminal_size((120, 24)).columns)
        print("\n".join(_table(shown, width)))
    if len(rows) > len(shown):
        print(f"{len(rows) - len(shown):,} more: --most N", file=sys.stderr)
    return ANSWERED


def _table(rows: list[tuple[int, Branch]], width: int) -> list[str]:
    """The rows, in so many columns; branches stand under what they were made from."""
    from rlm_tui.journal.shelf import size

    ids = max(17, *(2 * min(depth, 4) + len(branch.summary.id) for depth, branch in rows))
    cost = max(8, *(len(_cost(branch.summary)) for _, branch in rows))
    left = width - ids - cost - 14 - (8 if width >= WIDE else 0)
    asked = max(16, left * 55 // 100)
    sizes = f"{'size':>7} " if width >= WIDE else ""
    lines = [f"{'run':<{ids}} {'state':<10} {'cost':>{cost}} {sizes} {'name or question':<{asked}} answer"]
    for depth, branch in rows:
        one = branch.summary
        run = f"{'  ' * min(depth, 4)}{printable(one.id, ids)}"
        about = printable(one.name or one.question, asked)
        sizes = f"{_bytes(size(one.path)):>7} " if width >= WIDE else ""
        answer = printable(one.answer or "–", max(8, left - asked))
        lines.append(f"{run:<{ids}} {one.state:<10} {_cost(one):>{cost}} {sizes} {about:<{asked}} {answer}")
    return lines


def _cost(one: Summary) -> str:
    return "scripted" if one.scenario else "?" if one.cost is None else f"${one.cost:.4f}"


def _bytes(count: int) -> str:
    if count < 1_000_000:
        return f"{max(1, round(count / 1000))} kB"
    return f"{count / 1_000_000:.1f} MB" if count < 1_000_000_000 else f"{count / 1_000_000_000:.1f} GB"


def _object(one: Summary) -> dict[str, Any]:
    from rlm_tui.journal.shelf import size

    started = None if one.started is None else datetime.fromtimestamp(one.started).astimezone().isoformat()
    return {
        "id": one.id, "path": str(one.path), "name": one.name, "state": one.state, "question": one.question,
        "answer": one.answer, "model": one.model, "scenario": one.scenario, "cost": one.cost, "tokens": one.tokens,
        "started": started, "seconds": one.seconds, "size": size(one.path), "parent": dict(one.parent) or None,
        "notes": list(one.notes),
    }  # fmt: skip


def _write(where: Path, run: str, text: str, *, named: bool) -> int:
    from rlm_tui.journal.shelf import note, rename

    act: Callable[[Path, str], None] = rename if named else note
    _kept(lambda: act(_find(where, run), text))
    return ANSWERED


def _delete(where: Path, run: str, *, sure: bool) -> int:
    from rlm_tui.journal.branches import forest
    from rlm_tui.journal.shelf import delete, size
    from rlm_tui.journal.summary import summarize

    path = _kept(lambda: _find(where, run))
    branches = [b for tree in forest(where) for _, b in tree.walk() if b.parent == path.name]
    stay = ""
    if branches:
        whose = "its branch stays and does" if len(branches) == 1 else f"its {len(branches)} branches stay and do"
        stay = f"; {whose} not need it"
    one = summarize(path)
    what = f"{path.name}, {_bytes(size(path))}, {printable(one.name or one.question, 60)!r}"
    if not sure:
        if not sys.stdin.isatty():
            raise UsageError(f"delete {what}? Say so with --yes: there is no terminal to ask at")
        if input(f"Delete {what}{stay}? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing was deleted.", file=sys.stderr)
            return INTERRUPTED
    _kept(lambda: delete(path))
    print(f"deleted {path.name}{stay}", file=sys.stderr)
    return ANSWERED


def _find(where: Path, run: str) -> Path:
    from rlm_tui.journal.places import find_run

    return find_run(where, run)


def _kept(act: Callable[[], T]) -> T:
    from rlm_tui.journal.errors import JournalError

    try:
        return act()
    except JournalError as error:
        raise UsageError(str(error)) from error
