"""What a worker can't do, told with the error of a block that tried. Runs in the worker."""

from __future__ import annotations

import sys
from typing import Any

from rlm_tui.repl.limits import refused

_STANDARD = sys.stdlib_module_names
_NO_PACKAGES = (
    "The REPL has the standard library only: installed packages are shut out, unless --allow-imports site was given."
)


class Bounds:
    """The bounds of one worker, in words. Runs none of the model's code, and is not touched by it."""

    def __init__(self, reached: tuple[str, str, list[str]], policy: dict[str, Any]) -> None:
        """Take note of what is out of bounds.

        Args:
            reached: The level of confinement, the same in words, and what is missing in sentences.
            policy: As `policy.policy` makes it.
        """
        self._confined = _confined(reached, policy)
        self._packages = bool(policy["site_allowed"])

    def hit(self, error: BaseException) -> str:
        """Return in a sentence the bound that an error tells of; nothing if of none."""
        if self._confined and refused(error):
            return self._confined
        if not self._packages and type(error) is ModuleNotFoundError:
            name: Any = error.name
            if type(name) is str and name and name.partition(".")[0] not in _STANDARD:
                return _NO_PACKAGES
        return ""


def _confined(reached: tuple[str, str, list[str]], policy: dict[str, Any]) -> str:
    """Return what a worker that is shut in can't do, and nothing of one that isn't."""
    level, words, _ = reached
    if level == "process":
        return ""
    cant = ["start programs"]
    if not policy["network"] and "no seccomp" not in words:
        cant.append("use the network")
    if level == "bwrap" or "no Landlock" not in words:
        cant.append(f"reach files outside its own folder{' and the installed packages' * policy['site_allowed']}")
    listed = f"{', '.join(cant[:-1])}{',' * (len(cant) > 2)} or {cant[-1]}" if len(cant) > 1 else cant[0]
    return f"The REPL is confined: it can't {listed}."
