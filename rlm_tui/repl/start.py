"""A worker from its first moment to its first message. Runs in the worker.

It is shut in before it reads anything, and says that it is ready with no more loaded than that takes. The rest is
loaded, and a worker shut in still further, while the host goes on; no block is run before. As a zygote it runs no
block, and what is said here of a worker happens in each process it forks.
"""

from __future__ import annotations

import os
import sys

from rlm_tui.repl.wire import BELLS, VERSION, Intake, encode, framed, loads, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from typing import Any
else:
    import _signal as signal  # without its names for numbers, which take longer to load than all else here

LATE = (
    *(
        "asking",
        "bell",
        "blocks",
        "bounds",
        "changes",
        "channel",
        "limits",
        "look",
        "mending",
        "meter",
        "names",
        "report",
    ),
    *("serve", "source", "standing", "streams"),
)
"""Our own parts that are loaded only then."""
OF_ZYGOTE = ("nest", "folders")
"""Those that only a zygote has."""
HERE = os.path.dirname(__file__)  # noqa: PTH120 - pathlib costs 5 ms of every start

_exit = os._exit


def main() -> None:
    """Serve one host until it is gone.

    Arguments: the descriptors of `rpc` (one, or the two of a pair of pipes) and `ctl`, the host's process id (0 where
    it means nothing), the policy as JSON; "zygote" if it is to fork workers instead of being one, and "cache" if what
    is compiled of our own parts is to be kept.
    """
    rpc: list[int] = [_opened(int(number)) for number in sys.argv[1].split(",")]
    ctl, host = _opened(int(sys.argv[2])), int(sys.argv[3])
    policy: dict[str, Any] = loads(sys.argv[4])
    forks = "zygote" in sys.argv[5:]
    sys.argv[:] = [""]
    die_with = _mortal()
    if forks:
        die_with(host, signal.SIGTERM)  # it has its children to see off first
    else:
        die_with(host)
    for descriptor in (*rpc, ctl):
        if descriptor >= 0:
            os.set_inheritable(descriptor, False)
    enclose, narrowing = _confinement()
    if not (sys.dont_write_bytecode or _compiled(forks)):
        _load(forks)  # shut in, it could not keep what it compiles
    children = _list_of_children() if forks else None
    reached = enclose({**policy, "read": [*policy["read"], HERE]})
    home = os.environ["HOME"]
    inherited: dict[str, Any] = {}
    ready = encode(_ready(reached))
    if forks:
        os.write(rpc[0], ready)
        assemble, serve, nest = _load(forks)
        narrow = narrowing(policy)
        _forget(policy)
        zygote = nest(rpc[0], children, reached[0] == "bwrap", narrow)
        rpc, ctl = [zygote.RPC], zygote.CTL
        runner = assemble(rpc, ctl, reached, policy)
        inherited = zygote.serve(die_with)
        setup = _greeted(rpc, ready)
    else:
        setup = _greeted(rpc, ready)
        assemble, serve, _ = _load(forks)
        narrow = narrowing(policy)
        _forget(policy)
        # Also out of our own folder.
        narrow(home, "/mail/".join(home.rpartition("/homes/")[::2]))
        runner = assemble(rpc, ctl, reached, policy)
    if len(rpc) == 1:
        os.set_blocking(ctl, False)
    try:
        serve(runner, setup, die_with, inherited)
    finally:
        # Not by way of the interpreter's own end, which waits for threads and runs what blocks have registered.
        _exit(70)


def _greeted(rpc: list[int], ready: bytes) -> dict[str, Any]:
    """Read how we are to be set up, and say that we are ready. A bell that is rung then waits until it can be heard."""
    setup = Intake(rpc[0]).next()
    if hasattr(signal, "pthread_sigmask"):
        bells = {getattr(signal, name) for name in BELLS if hasattr(signal, name)}
        signal.pthread_sigmask(signal.SIG_BLOCK, bells)
    say(rpc[-1], framed(ready))
    return setup


def _ready(reached: tuple[str, str, list[str]]) -> dict[str, Any]:
    level, words, notices = reached
    return {
        "kind": "ready",
        "version": VERSION,
        "python": sys.version.partition(" ")[0],
        "platform": sys.platform,
        "level": level,
        "confinement": words,
        "notices": notices,
    }


def _load(forks: bool) -> tuple[Any, Any, Any]:
    """Load the rest of our own parts, and return `assemble`, `serve`, and for a zygote `Nest`."""
    from rlm_tui.repl.serve import assemble, serve

    if not forks:
        return assemble, serve, None
    from rlm_tui.repl.nest import Nest

    return assemble, serve, Nest


def _compiled(forks: bool) -> bool:
    """Whether the rest is there in compiled form."""
    for name in LATE if not forks else (*LATE, *OF_ZYGOTE):
        cached = f"{HERE}/__pycache__/{name}.{sys.implementation.cache_tag}.pyc"
        try:
            if os.stat(cached).st_mtime < os.stat(f"{HERE}/{name}.py").st_mtime:  # noqa: PTH116 - pathlib is slow
                return False
        except OSError:
            return False
    return True


def _forget(policy: dict[str, Any]) -> None:
    """From here nothing of ours can be imported, and what else is imported is written nowhere."""
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.partition(".")[0] == "rlm_tui"]:
        del sys.modules[name]
    sys.path.extend(policy["site"])


def _list_of_children() -> int | None:
    """Return a descriptor of the kernel's list of our children: once open, it can be read from the inside too."""
    try:
        return os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _confinement() -> tuple[Callable[..., tuple[str, str, list[str]]], Callable[..., Any]]:
    """Return what shuts us in, and what makes what does so further."""
    if sys.platform != "linux":
        return _open, lambda _policy: lambda _home, _mail: None
    from rlm_tui.repl.confine import Narrower, enclose

    return enclose, Narrower


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


def _mortal() -> Callable[..., None]:
    """Return what asks the kernel to signal us when the thread that started us ends.

    Where there is no such thing, the end of the channel has to do. It takes the process that must be our parent (0:
    whichever is), and the signal, which is SIGKILL unless something else is said.
    """
    if sys.platform != "linux":
        return lambda *_: None
    from rlm_tui.repl.libc import Library

    control = Library().prctl

    def die_with(parent: int, signum: int = signal.SIGKILL) -> None:
        control(1, signum)
        if parent and os.getppid() != parent:
            _exit(1)

    return die_with
