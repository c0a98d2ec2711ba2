"""The program on the other side: a plain CPython that runs one node's blocks. Standard library only.

It is run by path, with no way to import anything of ours: the package its own parts come from is made up for as long
as they are loaded and then forgotten, so that `import rlm_tui` fails in a block. As a zygote it runs no block, and
what is said here happens in each process it forks.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import types
from collections.abc import Callable
from typing import Any

_exit = os._exit


def main() -> None:
    """Serve one host until it is gone.

    Arguments: the descriptors of `rpc` (one, or the two of a pair of pipes) and `ctl`, the host's process id (0 where
    it means nothing), the policy as JSON, and "zygote" if it is to fork workers instead of being one.
    """
    rpc: list[int] = [_opened(int(number)) for number in sys.argv[1].split(",")]
    ctl, host = _opened(int(sys.argv[2])), int(sys.argv[3])
    policy: dict[str, Any] = json.loads(sys.argv[4])
    forks = sys.argv[5:] == ["zygote"]
    sys.argv[:] = [""]
    die_with = _mortal()
    if forks:
        die_with(host, signal.SIGTERM)  # it has its children to see off first
    else:
        die_with(host)
    for descriptor in (*rpc, ctl):
        if descriptor >= 0:
            os.set_inheritable(descriptor, False)
    _make_up_package()
    # Our own parts only: what a block imports is written nowhere.
    sys.dont_write_bytecode = not policy["cache"]
    from rlm_tui.repl.serve import serve

    if sys.platform == "linux":
        from rlm_tui.repl.confine import enclose, narrower
    else:
        enclose, narrower = _open, _no_narrower
    nest = None
    if forks:
        from rlm_tui.repl.nest import Nest

        nest = Nest(rpc[0])
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.partition(".")[0] == "rlm_tui"]:
        del sys.modules[name]
    sys.path.extend(policy["site"])
    reached = enclose(policy)
    narrow = narrower(policy)
    home, inherited = os.environ["HOME"], dict[str, Any]()
    mail = "/mail/".join(home.rpartition("/homes/")[::2])
    if nest is not None:
        rpc[0], ctl, home, mail, inherited = nest.serve(reached, die_with)
    narrow(home, mail)
    if len(rpc) == 1:
        os.set_blocking(ctl, False)
    try:
        serve(rpc, ctl, reached, die_with, policy, inherited)
    finally:
        # Not by way of the interpreter's own end, which waits for threads and runs what blocks have registered.
        _exit(70)


def _opened(number: int) -> int:
    """Return the descriptor of a channel by the number the host gave: on Windows, that of a handle we inherited.

    That is written after the manual, and has not been tried there.
    """
    if sys.platform == "win32" and number >= 0:
        import msvcrt

        return msvcrt.open_osfhandle(number, 0)
    return number


def _open(policy: dict[str, Any]) -> tuple[str, str, list[str]]:
    """Where nothing can shut a process in: what is reached, in words, and what is missing, in sentences."""
    system = {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, sys.platform)
    off = policy["mode"] == "off"
    missing = [] if off else [f"There is no confinement on {system}: blocks can do what you can."]
    watched = f"Memory is looked at twice a second on {system}, and a REPL over its limit is killed"
    if hasattr(os, "fork"):
        missing.append(f"{watched}; processes are not limited.")
        missing.append(
            f"When the debugger is killed on {system}, a block in native code goes on until it comes out of that."
        )
    else:
        missing += [
            f"On {system} a running block cannot be broken in to or stepped, and nothing can be tried in a copy.",
            f"An abort is heard on {system} between two steps of Python code only: not in a sleep, a wait or native "
            "code, where a kill is what is left.",
            f"{watched}; processes and files are not limited.",
            f"On {system} a kill does not reach the programs that a block has started, and when the debugger is "
            "killed, a block in native code goes on until it comes out of that.",
        ]
    return "process", f"process{' (confinement off)' * off}", missing


def _no_narrower(_policy: dict[str, Any]) -> Callable[[str, str], None]:
    """Where nothing can shut a process in: neither can it further."""
    return lambda _home, _mail: None


def _make_up_package() -> None:
    here = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - pathlib costs 5 ms of every start
    for name, path in (("rlm_tui", []), ("rlm_tui.repl", [here])):
        package = types.ModuleType(name)
        package.__path__ = path
        sys.modules[name] = package


def _mortal() -> Callable[..., None]:
    """Return what asks the kernel to signal us when the thread that started us ends.

    Where there is no such thing, the end of the channel has to do. It takes the process that must be our parent (0:
    whichever is), and the signal, which is SIGKILL unless something else is said.
    """
    if sys.platform != "linux":
        return lambda *_: None
    import ctypes

    control = ctypes.CDLL(None).prctl

    def die_with(parent: int, signum: int = signal.SIGKILL) -> None:
        control(1, signum)
        if parent and os.getppid() != parent:
            _exit(1)

    return die_with


if __name__ == "__main__":
    main()
