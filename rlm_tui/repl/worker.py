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

    Arguments: the descriptors of `rpc` and `ctl`, the host's process id (0 where it means nothing), the policy as
    JSON, and "zygote" if it is to fork workers instead of being one.
    """
    rpc, ctl, host = (int(argument) for argument in sys.argv[1:4])
    policy: dict[str, Any] = json.loads(sys.argv[4])
    forks = sys.argv[5:] == ["zygote"]
    sys.argv[:] = [""]
    die_with = _mortal()
    # A zygote has its children to see off first.
    die_with(host, signal.SIGTERM if forks else signal.SIGKILL)
    for descriptor in (rpc, ctl):
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

        nest = Nest(rpc)
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.partition(".")[0] == "rlm_tui"]:
        del sys.modules[name]
    sys.path.extend(policy["site"])
    reached = enclose(policy)
    narrow = narrower(policy)
    home, inherited = os.environ["HOME"], dict[str, Any]()
    mail = "/mail/".join(home.rpartition("/homes/")[::2])
    if nest is not None:
        rpc, ctl, home, mail, inherited = nest.serve(reached, die_with)
    narrow(home, mail)
    os.set_blocking(ctl, False)
    try:
        serve(rpc, ctl, reached, die_with, policy, inherited)
    finally:
        # Not by way of the interpreter's own end, which waits for threads and runs what blocks have registered.
        _exit(70)


def _open(_policy: dict[str, Any]) -> tuple[str, str, list[str]]:
    """Where nothing can shut a process in: what is reached, in words, and what is open."""
    return "process", "process", [f"There is no confinement on {sys.platform}: blocks can do what you can."]


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
