"""What this machine has for a run, and what it lacks: looked at and tried, never guessed."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from rlm_tui import config
from rlm_tui.config import Settings
from rlm_tui.engine.options import Options
from rlm_tui.findings import Check
from rlm_tui.journal.places import list_runs, runs_dir
from rlm_tui.llm.providers import PROVIDERS, public_url
from rlm_tui.repl.policy import bwrap_refusal
from rlm_tui.repl.results import Conditions, Level
from rlm_tui.trial import TrialFailed, attempt
from rlm_tui.usage import INSTEAD_OF_BWRAP, UsageError, printable

if TYPE_CHECKING:
    from rlm_tui.tui.glyphs import Glyphs

LEAST = (60, 16)
"""Columns and rows that the screen wants."""
NAME = 9
"""Cells of a row's name."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was looked at, and the settings it was looked at with."""

    checks: tuple[Check, ...]
    settings: Settings

    @property
    def ready(self) -> bool:
        """Whether a run could start."""
        return all(check.state != "missing" for check in self.checks)

    @property
    def failed(self) -> bool:
        """Whether a model was asked, and did not answer."""
        return any(check.name == "answer" and check.state == "missing" for check in self.checks)

    def text(self, signs: Glyphs, width: int) -> str:
        """The report for a person.

        Args:
            signs: Unicode's or ASCII's.
            width: Cells of a line.
        """
        lines = [f"rlm-tui {version('rlm-tui')}", ""]
        state = {"ok": signs.done, "warning": "!", "missing": signs.error}
        for check in self.checks:
            rows = [(f"{state[check.state]} {check.name:<{NAME}} ", check.words)]
            rows += [(f"{'':<{NAME + 3}}{signs.sent} ", detail) for detail in check.details]
            if check.remedy:
                rows.append((f"{'':<{NAME + 3}}{signs.arrow} ", check.remedy))
            for head, text in rows:
                shown = text.encode("ascii", "backslashreplace").decode() if signs.ascii else text
                lines += textwrap.wrap(
                    shown, width, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
                )
        lines += ["", "A run can start here." if self.ready else f"No run can start here: see {signs.error} above."]
        return "\n".join(lines)

    def object(self) -> dict[str, Any]:
        """The report for a program."""
        checks = {
            check.name.lower(): {
                "state": check.state, "words": check.words, "details": list(check.details), "remedy": check.remedy,
                **check.facts,
            }
            for check in self.checks
        }  # fmt: skip
        return {"ready": self.ready, "version": version("rlm-tui"), "checks": checks}


def examine(
    flags: Mapping[str, Any], out: TextIO, environ: Mapping[str, str] = os.environ, *, ask: bool = False
) -> Report:
    """Look at everything a run needs; a REPL is really started.

    Args:
        flags: What the command line said, as `config.settings` takes it. A model that it names is looked up in what the
            provider library brings along, which takes seconds to load; one that is only set is looked at without it.
        out: Where a screen would be drawn.
        environ: The environment.
        ask: Send the model one short request.

    Raises:
        UsageError: When a flag is wrong, or no model is named to be asked. A file or a variable that is wrong is a
            finding.
    """
    found, settings = _settings(flags, environ)
    if ask and found.get("model") is None:
        raise UsageError("--ask whom? Name a model: --model provider/name")
    conditions = Conditions(
        confine=found.get("confine", "auto"),
        site=found.get("allow_imports") == "site",
        network=found.get("allow_network", False),
    )
    return Report(
        (
            _python(),
            _terminal(out, environ),
            *_repl(conditions, found.get("block_timeout", Options().block_timeout_s)),
            _bwrap(),
            _runs(runs_dir(found.get("runs_dir"))),
            settings,
            _keys(environ),
            *_model(found, environ, named=flags.get("model") is not None, ask=ask),
        ),
        found,
    )


def _settings(flags: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Settings, Check]:
    try:
        found = config.settings(flags, environ=environ)
    except UsageError as error:
        nowhere = Path(os.devnull)
        alone = config.settings(flags, environ={}, project=nowhere, user=nowhere)
        return alone, Check("settings", "missing", printable(str(error), 400), facts={"set": {}})
    rows = {name: (_shown(name, found.values[name]), source) for name, source in sorted(found.sources.items())}
    left = len(config.ALL) - len(rows)
    details = tuple(
        f"{name} = {value} ({source.place}: {printable(source.name)})" for name, (value, source) in rows.items()
    )
    return found, Check(
        "settings",
        "ok",
        f"{len(rows)} set, {left} left at their defaults",
        details,
        facts={
            "set": {
                name: {"value": value, "place": source.place, "from": source.name}
                for name, (value, source) in rows.items()
            }
        },
    )


def _shown(name: str, value: Any) -> str:
    """A value as it may be seen: an address may hold a password."""
    if isinstance(value, dict):
        pairs = cast(dict[Any, Any], value).items()
        return printable(", ".join(f"{one}={other}" for one, other in pairs))
    return printable(public_url(value) or "" if name == "api_base" else str(value))


def _python() -> Check:
    running = platform.python_version()
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    known = sys.version_info < (3, 14)
    return Check(
        "Python",
        "ok" if known else "warning",
        f"{running} on {system}",
        remedy="" if known else "it is tried on Python 3.11 to 3.13 only",
        facts={"python": running, "platform": sys.platform, "machine": platform.machine()},
    )


def _terminal(out: TextIO, environ: Mapping[str, str]) -> Check:
    utf8 = "utf" in (out.encoding or "").lower()
    colours = _colours(environ)
    if not out.isatty():
        return Check(
            "terminal",
            "warning",
            "the output is not a terminal, so no screen opens here",
            remedy="--headless and --json run without a screen",
            facts={"terminal": False, "colours": colours, "utf8": utf8},
        )
    size = shutil.get_terminal_size()
    remedies: list[str] = []
    if size.columns < LEAST[0] or size.lines < LEAST[1]:
        remedies.append(f"make the window at least {LEAST[0]} by {LEAST[1]}")
    if not utf8:
        remedies.append("for more than ASCII signs, set LC_ALL=C.UTF-8")
    if environ.get("TERM", "dumb") == "dumb":
        remedies.append("set TERM to what the terminal is, like xterm-256color")
    return Check(
        "terminal",
        "warning" if remedies else "ok",
        f"{size.columns} by {size.lines}, {colours}, {'UTF-8' if utf8 else 'not UTF-8: drawn with ASCII'}",
        remedy="; ".join(remedies),
        facts={"terminal": True, "columns": size.columns, "rows": size.lines, "colours": colours, "utf8": utf8},
    )


def _colours(environ: Mapping[str, str]) -> str:
    if "NO_COLOR" in environ:
        return "no colour (NO_COLOR is set)"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "16 million colours"
    return "256 colours" if "256color" in environ.get("TERM", "") else "few colours"


def _repl(conditions: Conditions, block_timeout: float | None) -> tuple[Check, ...]:
    try:
        tried = asyncio.run(attempt(conditions))
    except TrialFailed as error:
        remedy = INSTEAD_OF_BWRAP if conditions.confine == "bwrap" else ""
        words = f"none could be started: {printable(str(error), 300)}"
        return (Check("REPL", "missing", words, remedy=remedy, facts={"level": None}),)
    ready = tried.ready
    whole = ready.level in ("confined", "bwrap") and not ready.notices
    times = (
        f"{'forked' if tried.forks else 'spawned'}: the first was ready in {tried.open_ms:.0f} ms, a node's in "
        f"{tried.birth_ms:.0f} ms; a block takes {tried.block_ms:.1f} ms"
    )
    return (
        Check(
            "REPL",
            "ok" if whole else "warning",
            printable(ready.confinement),
            (_reach(ready.level, conditions), *(printable(notice, 300) for notice in ready.notices), times),
            "" if whole else _how_to_shut_in(conditions),
            {
                "level": ready.level, "confinement": ready.confinement, "notices": list(ready.notices),
                "birth": "fork" if tried.forks else "spawn", "open_ms": round(tried.open_ms, 1),
                "birth_ms": round(tried.birth_ms, 1), "block_ms": round(tried.block_ms, 2), "python": ready.python,
            },
        ),
        _limits(tried.limits, block_timeout),
    )  # fmt: skip


def _reach(level: Level, conditions: Conditions) -> str:
    if level == "process":
        return "blocks can read your files, use the network and start programs; no key is in their environment"
    if level == "partial":
        return "blocks are shut in, but not from everything"
    return f"blocks can't read your files{'' if conditions.network else ', use the network'} or start programs"


def _how_to_shut_in(conditions: Conditions) -> str:
    if conditions.confine == "off":
        return "set confine to auto to shut blocks in"
    newer = " 6.2 or newer" if sys.platform == "linux" else ""
    return f"point it only at data you trust, or run it in a container or virtual machine with Linux{newer}"


def _limits(found: Mapping[str, int], block_timeout: float | None) -> Check:
    words = [] if block_timeout is None else [f"{block_timeout:g} s of computing"]
    if "memory" in found:
        words.append(f"{_bytes(found['memory'])} of memory")
    if "file_size" in found:
        words.append(f"{_bytes(found['file_size'])} a file")
    if "open_files" in found:
        words.append(f"{found['open_files']:,} open files")
    if "processes" in found:
        words.append(f"{found['processes']:,} processes of this user{' (not enforced for root)' if _root() else ''}")
    lacking = [
        name.replace("_", " ") for name in ("memory", "file_size", "open_files", "processes") if name not in found
    ]
    return Check(
        "limits",
        "warning" if lacking else "ok",
        f"a block has {', '.join(words)}",
        (f"not limited here: {', '.join(lacking)}",) if lacking else (),
        facts={"block_timeout_s": block_timeout, **found},
    )


def _root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _bytes(count: int) -> str:
    for size, unit in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count:,} bytes"


def _bwrap() -> Check:
    refusal = bwrap_refusal()
    if refusal is None:
        return Check("bwrap", "ok", "--confine bwrap can be had", facts={"refusal": None})
    return Check(
        "bwrap",
        "warning",
        f"--confine bwrap would refuse to start: {printable(refusal, 300)}",
        facts={"refusal": refusal},
    )


def _runs(folder: Path) -> Check:
    there = next(place for place in (folder, *folder.absolute().parents) if os.access(place, os.F_OK))
    count = len(list_runs(folder))
    facts = {"folder": str(folder), "count": count}
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        remedy = "make it writable, or name another by --runs-dir or RLM_TUI_RUNS_DIR"
        return Check("runs", "missing", f"can't be kept in {printable(str(folder), 300)}", remedy=remedy, facts=facts)
    words = f"{count:,} {'run' if count == 1 else 'runs'} in {printable(str(folder), 300)}"
    return Check("runs", "ok", words, facts=facts)


def _keys(environ: Mapping[str, str]) -> Check:
    """Which providers' keys are set: names, never values."""
    known = dict.fromkeys(key for provider in PROVIDERS.values() for key in provider.keys)
    names = [name for name in known if environ.get(name)]
    if names:
        return Check("keys", "ok", f"{', '.join(names)} set", facts={"set": names})
    return Check(
        "keys",
        "warning",
        "no provider's key is set",
        remedy="set your provider's, like OPENAI_API_KEY; a server of your own (--api-base) and rlm-tui demo need none",
        facts={"set": []},
    )


def _model(found: Settings, environ: Mapping[str, str], *, named: bool, ask: bool) -> tuple[Check, ...]:
    """The model that a run would ask; nothing where none is set. What the library knows of it only when it is meant."""
    name = found.get("model")
    if name is None:
        return ()
    from rlm_tui.acquaintance import checks

    prices = found.get("prices", {})
    return checks(name, found.get("api_base"), environ, thorough=named or ask, ask=ask, prices=prices)
