"""How far the run's REPLs are shut in, in a word or two, and what is open: as its workers said, never as was asked."""

from __future__ import annotations

from typing import Any, cast

from rlm_tui.tui import text
from rlm_tui.tui.view import View

_LEVELS = {"confined": "confined", "partial": "partly confined", "process": "not confined", "bwrap": "bwrap"}

OPEN = "Blocks run with your rights: they can read your files, connect, and start programs."


def level(view: View) -> tuple[str, str]:
    """The level in force and its ink; empty for a run that does not tell, such as one of another engine."""
    run = view.run
    said = run.environment.get("confinement_level", run.environment.get("confinement"))
    word = _LEVELS.get(said) if isinstance(said, str) else None
    if word is None:
        return "", ""
    if said == "process":
        return word, "error"
    opened = [name for name in ("site", "network") if run.config.get(f"allow_{name}") is True]
    return " + ".join([word, *opened]), "error" if said == "partial" else "ink-3"


def told(view: View) -> list[str]:
    """What is missing for the level that was asked for, and what is open then; a harmless sentence each."""
    found: Any = view.run.environment.get("confinement_notices")
    said = [text.flowed(str(each)) for each in cast("list[Any]", found)] if isinstance(found, list | tuple) else []
    unasked = view.run.config.get("confine", "auto") != "off"
    if level(view)[0] == _LEVELS["process"] and unasked and OPEN not in said:
        said.append(OPEN)
    return said


def words(view: View) -> str:
    """The level as the worker said it, with what it rests on."""
    said = view.run.environment.get("confinement")
    return text.flowed(str(said)) if said else ""
