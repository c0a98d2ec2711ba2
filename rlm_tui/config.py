"""Settings: from flags, the environment, the project's file, the user's file, or their defaults, in this order.

A project's file may come from anywhere, so nothing that says where a context or a key goes, or what the code of a run
may reach, is taken from it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from rlm_tui.usage import UsageError

if TYPE_CHECKING:
    from rlm_tui.llm.prices import Price

PROJECT_FILE = Path(".rlm-tui") / "config.toml"
PROJECT_BREAKPOINTS = Path(".rlm-tui") / "breakpoints"
PREFIX = "RLM_TUI_"


Place = Literal["flag", "environment", "project file", "user file"]
"""Where a setting can come from."""


class Source(NamedTuple):
    """Where a setting came from: the place, and the name there (flag, variable or path)."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set everywhere.

    Attributes:
        name: As in a file; the flag has dashes, the variable capitals and ``RLM_TUI_`` before it.
        read: Makes the value of a text; raises ValueError.
        trusted: Only taken from the person's own places, never from a project's file.
    """

    name: str
    read: Callable[[str], Any]
    help: str
    metavar: str = ""
    trusted: bool = False

    @property
    def flag(self) -> str:
        """Its command-line flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + self.name.upper()


def _count(text: str) -> int:
    return _whole(text, 1)


def _depth(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"must be a whole number, not {text!r}") from None
    if number < least:
        raise ValueError(f"must be at least {least}, not {number}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"must be a number, not {text!r}") from None


def _amount(text: str) -> float:
    number = _number(text)
    if not 0 < number < float("inf"):
        raise ValueError(f"must be more than 0, not {text}")
    return number


def _temperature(text: str) -> float:
    number = _number(text)
    if not 0 <= number <= 2:
        raise ValueError(f"must be between 0 and 2, not {text}")
    return number


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _flag(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in known:
        raise ValueError(f"must be true or false, not {text!r}")
    return known[text.lower()]


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be {' or '.join(words)}, not {text!r}")
        return text

    return read


def _pairs(text: str, form: str) -> list[tuple[str, str]]:
    """``NAME=VALUE,NAME=VALUE``; a table of a file is written so before it is read."""
    found = [part.partition("=") for part in text.split(",") if part.strip()]
    if not found or not all(name.strip() and sign and value.strip() for name, sign, value in found):
        raise ValueError(f"must be {form}, not {text!r}")
    return [(name.strip(), value.strip()) for name, _, value in found]


def _by_depth(text: str) -> dict[int, str]:
    return {_whole(depth, 1): name for depth, name in _pairs(text, "1=provider/name,2=provider/name")}


def _prices(text: str) -> dict[str, Price]:
    from rlm_tui.llm.prices import read_price

    return {name: read_price(price) for name, price in _pairs(text, "provider/name=IN/OUT")}


LIMITS = (
    Setting("max_depth", _depth, "levels of nodes: 2 lets the root have children, 1 none", "N"),
    Setting("max_iterations", _count, "iterations of one node", "N"),
    Setting("max_budget", _amount, "US dollars, whole tree", "USD"),
    Setting("max_tokens", _count, "tokens in and out, whole tree", "N"),
    Setting("max_timeout", _amount, "seconds of working time; held time does not count", "S"),
    Setting("max_errors", _count, "iterations in a row with a failed block, per node", "N"),
    Setting("max_subcalls", _count, "sub-calls of the whole tree", "N"),
    Setting("max_batch_workers", _count, "active sub-calls of one block, and requests at one time", "N"),
    Setting("block_timeout", _amount, "seconds of computing time of one block", "S"),
    Setting("per_child_timeout", _amount, "seconds of working time of each child", "S"),
)
MODEL = (
    Setting("model", _text, "the root's model, as provider/name", "NAME"),
    Setting("sub_model", _text, "the model of sub-calls; unset, it is the root's", "NAME"),
    Setting("depth_models", _by_depth, "models by depth, from 1: those of children and sub-calls there", "D=NAME,…"),
    Setting("api_base", _text, "base URL of an OpenAI-compatible server", "URL", trusted=True),
    Setting("temperature", _temperature, "sampling temperature", "T"),
    Setting("max_tokens_per_reply", _count, "tokens of one reply", "N"),
    Setting("no_stream", _flag, "ask for whole replies, for a server that can't stream"),
)
ASKING = (
    # Somebody else's prices would let a budget be exceeded.
    Setting("prices", _prices, "your prices: US dollars a million tokens in/out/cached", "NAME=P,…", trusted=True),
    Setting("connect_timeout", _amount, "seconds until a connection stands (10)", "S"),
    Setting("read_timeout", _amount, "seconds of silence before a reply begins (300)", "S"),
    Setting("piece_timeout", _amount, "seconds of silence between its pieces (60)", "S"),
    Setting("request_timeout", _amount, "seconds of a whole request (600)", "S"),
)
"""How a model is asked, and what that costs: of this machine, and not of a run."""
CONFINEMENT = (
    Setting(
        "confine", _one_of("auto", "off", "bwrap"),
        "how far REPLs are shut in: auto (as far as the kernel can; the default), off, bwrap (or refuse)",
        "LEVEL", trusted=True,
    ),
    Setting(
        "allow_imports", _one_of("site"), "site: let blocks import what is installed here (numpy, pandas)", "site",
        trusted=True,
    ),
    Setting("allow_network", _flag, "let blocks use the network", trusted=True),
)  # fmt: skip
PLACES = (Setting("runs_dir", Path, "where runs are kept", "DIR", trusted=True),)
SCREEN = (
    Setting("theme", _text, "rlm-dark, rlm-light, rlm-ansi-dark, rlm-ansi-light, or one of Textual's", "NAME"),
    Setting("ascii", _flag, "draw with ASCII characters only"),
    Setting("no_mouse", _flag, "leave the mouse to the terminal"),
)
ALL = {setting.name: setting for setting in (*LIMITS, *MODEL, *ASKING, *CONFINEMENT, *PLACES, *SCREEN)}


@dataclass(slots=True)
class Settings:
    """What was set, and where: ``values`` and ``sources`` by name."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    sources: dict[str, Source] = field(default_factory=dict[str, Source])

    def get(self, name: str, default: Any = None) -> Any:
        """A setting's value, or a default where nobody set it."""
        return self.values.get(name, default)


def settings(
    flags: Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    project: Path | None = None,
    user: Path | None = None,
) -> Settings:
    """Put the settings together.

    Args:
        flags: What the command line said; None where it said nothing.
        environ: The environment; the process's when None.
        project: The project's file; the one of the working directory when None.
        user: The user's file; the platform's place when None.

    Raises:
        UsageError: When a value is wrong, naming where it came from.
    """
    environ = os.environ if environ is None else environ
    found = Settings()
    _from_file(found, Source("user file", str(user or user_file())))
    _from_file(found, Source("project file", str(project or PROJECT_FILE)))
    for setting in ALL.values():
        if text := environ.get(setting.variable, ""):
            _set(found, setting, text, Source("environment", setting.variable))
    for name, value in flags.items():
        if value is not None and value is not False and name in ALL:
            setting = ALL[name]
            _set(found, setting, value, Source("flag", setting.flag))
    return found


def user_file() -> Path:
    """Where the user's file is, whether it exists or not."""
    from platformdirs import user_config_path

    return user_config_path("rlm-tui") / "config.toml"


def _from_file(found: Settings, source: Source) -> None:
    path = source.name
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}") from error
    for name, value in data.items():
        setting = ALL.get(name)
        if setting is None:
            raise UsageError(f"{path}: there is no setting {name!r}; the settings are {', '.join(sorted(ALL))}")
        if setting.trusted and source.place == "project file":
            raise UsageError(
                f"{path}: {name} is not taken from a project's file; set it in {user_file()}, "
                f"by {setting.variable} or by {setting.flag}"
            )
        _set(found, setting, value, source)


def _set(found: Settings, setting: Setting, value: Any, source: Source) -> None:
    # A file's own types are read as text too, so that one rule holds for all places.
    if isinstance(value, dict):
        pairs = cast(dict[str, Any], value).items()
        value = ",".join(f"{name}={one}" for name, one in pairs)
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    try:
        found.values[setting.name] = setting.read(text)
    except ValueError as error:
        raise UsageError(f"{source.name}: {setting.name.replace('_', ' ')} {error}") from error
    found.sources[setting.name] = source
