"""The front door: parses the command line, and turns whatever goes wrong into one clear line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from rlm_tui import config
from rlm_tui.usage import BAD_USAGE, INTERRUPTED, UsageError

DESCRIPTION = "The debugger for Recursive Language Models: watch a recursive run live, hold it, change it."

HOME = (*config.PLACES, *config.SCREEN)
"""The settings that can be given without a command."""
HOMES = "home_"
"""What their names begin with, to tell them from those of a command."""


class _Parser(argparse.ArgumentParser):
    """One line for a wrong option, and where to look. Options are written out: an abbreviation may mean two later."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.allow_abbrev = False

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(prog="rlm-tui", description=DESCRIPTION)
    top.add_argument("--version", action="store_true", help="print the version")
    # Without a command, they are home's. A command has its own, after it.
    _settings(top, HOME, HOMES)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    demo = commands.add_parser(
        "demo", help="play a scenario on the scripted model; no key, no network", allow_abbrev=False
    )
    demo.add_argument("scenario", nargs="?", metavar="SCENARIO", help="its name (default: multi-hop)")
    demo.add_argument("--list", action="store_true", help="list the scenarios")
    demo.add_argument("--seed", type=int, metavar="N", help="other data")
    demo.add_argument("--pace", metavar="P", help="instant, fast, normal, slow, or characters per second")
    _common(demo)

    run = commands.add_parser("run", help="answer a question on a real model, in the debugger")
    run.add_argument("question", metavar="QUESTION", help="what to answer")
    run.add_argument(
        "--context",
        metavar="FILE|DIR|-",
        help="a text, a .json as a value, a folder as a dict of path to text, or stdin",
    )
    _settings(run, (*config.MODEL, *config.ASKING))
    _common(run)

    opened = commands.add_parser("open", help="look at a run, read-only")
    opened.add_argument("path", metavar="RUN", help="a run's directory, its id, or the end of its id")
    _settings(opened, (*config.PLACES, *config.SCREEN))

    resumed = commands.add_parser("resume", help="go on with a run that was left; it opens held")
    resumed.add_argument("run", metavar="RUN", help="a run's directory, its id, or the end of its id")
    resumed.add_argument("--pace", metavar="PACE", help="how fast a scripted model speaks, as for demo")
    _without_screen(resumed)
    _settings(
        resumed,
        (config.ALL["api_base"], config.ALL["no_stream"], *config.ASKING, *config.CONFINEMENT, *config.PLACES,
         *config.SCREEN),
    )  # fmt: skip

    runs = commands.add_parser("runs", help="list the runs; name, note or delete one")
    runs.add_argument("--most", type=int, default=30, metavar="N", help="rows at the most (default: 30)")
    runs.add_argument("--search", metavar="WORDS", help="only runs with all these words, in any order")
    runs.add_argument("--json", action="store_true", help="one JSON array on stdout")
    acts = runs.add_mutually_exclusive_group()
    acts.add_argument("--rename", nargs=2, metavar=("RUN", "NAME"), help='give a run a name; "" takes it back')
    acts.add_argument("--note", nargs=2, metavar=("RUN", "TEXT"), help="keep a remark by a run")
    acts.add_argument("--delete", metavar="RUN", help="delete a run with everything of it; asks first")
    runs.add_argument("--yes", action="store_true", help="delete without asking")
    _settings(runs, config.PLACES)

    doctor = commands.add_parser("doctor", help="say what this machine has for a run, and what it lacks")
    doctor.add_argument("--json", action="store_true", help="one JSON object on stdout")
    doctor.add_argument("--ask", action="store_true", help="send the model one short request, and say how it went")
    model = (config.ALL["model"], config.ALL["api_base"], config.ALL["prices"])
    _settings(doctor, (*model, *config.CONFINEMENT, *config.PLACES, config.ALL["ascii"]))
    return top


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--system-prompt", type=Path, metavar="FILE", help="what every node is taught")
    command.add_argument("--hold", action="store_true", help="hold the root before its first request")
    _without_screen(command)
    _settings(command, (*config.LIMITS, *config.CONFINEMENT, *config.PLACES, *config.SCREEN))


def _without_screen(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--break", dest="breakpoints", action="append", default=[], metavar="BREAKPOINT",
        help="a breakpoint for this run, such as: block @depth>=1 if \"llm_query\" in code (repeatable)",
    )  # fmt: skip
    command.add_argument("--headless", action="store_true", help="no screen: progress on stderr, the answer on stdout")
    command.add_argument("--json", action="store_true", help="no screen: one JSON object on stdout")


def _settings(command: argparse.ArgumentParser, settings: Sequence[config.Setting], prefix: str = "") -> None:
    for setting in settings:
        # Values stay texts here: `config.settings` reads them, by one rule for all places.
        if setting.metavar:
            command.add_argument(
                setting.flag, dest=f"{prefix}{setting.name}", metavar=setting.metavar, help=setting.help
            )
        else:
            command.add_argument(
                setting.flag, dest=f"{prefix}{setting.name}", action="store_true", default=None, help=setting.help
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments after the program's name; the process's when None.

    Returns:
        The exit code: 0 an answer, 1 the run ended without one (or, of ``doctor``, none could start), 2 bad usage,
        3 because of its model, 130 interrupted.
    """
    try:
        args = parser().parse_args(argv)
        if args.version:
            return _version()
        if args.command is None:
            return _home(args)
        return _dispatch(args)
    except UsageError as error:
        print(f"rlm-tui: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("rlm-tui: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return BAD_USAGE


def _version() -> int:
    from importlib.metadata import version

    print(f"rlm-tui {version('rlm-tui')}")
    return 0


def _home(args: argparse.Namespace) -> int:
    """Home where there is a terminal for it, else the help."""
    if not sys.stdout.isatty():
        parser().print_help()
        return 0
    from rlm_tui import homing

    return homing.home(config.settings({setting.name: getattr(args, f"{HOMES}{setting.name}") for setting in HOME}))


def _dispatch(args: argparse.Namespace) -> int:
    from rlm_tui import commands, listing

    for setting in HOME:
        if getattr(args, f"{HOMES}{setting.name}") is not None:
            raise UsageError(f"{setting.flag} goes after the command: rlm-tui {args.command} … {setting.flag}")
    flags = {name: getattr(args, name, None) for name in config.ALL}
    if args.command == "doctor":
        return commands.doctor(args, flags)
    found = config.settings(flags)
    acts = {
        "demo": commands.demo, "run": commands.run, "open": commands.open_run, "resume": commands.resume,
        "runs": listing.runs,
    }  # fmt: skip
    return acts[args.command](args, found)


if __name__ == "__main__":
    sys.exit(main())
