"""The program on the other side: a plain CPython that runs one node's blocks. Standard library only.

It is run by path, with no way to import anything of ours: the package its own parts come from is made up for as long
as they are loaded and then forgotten, so that `import rlm_tui` fails in a block.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import types
from collections.abc import Callable

CONFINEMENT = "process"


def main() -> None:
    """Serve one host until it is gone. Arguments: descriptors of `rpc` and `ctl`, the host's process id, policy."""
    rpc, ctl, host = (int(argument) for argument in sys.argv[1:4])
    policy = json.loads(sys.argv[4])
    sys.argv[:] = [""]
    die_with = _mortal()
    die_with(host)
    for descriptor in (rpc, ctl):
        os.set_inheritable(descriptor, False)
    os.set_blocking(ctl, False)
    _make_up_package()
    from rlm_tui.repl.serve import serve

    for name in [name for name in sys.modules if name.partition(".")[0] == "rlm_tui"]:
        del sys.modules[name]
    try:
        serve(rpc, ctl, ("process", CONFINEMENT, []), die_with, policy, {})
    finally:
        # Not by way of the interpreter's own end, which waits for threads and runs what blocks have registered.
        os._exit(70)  # pyright: ignore[reportPrivateUsage]


def _make_up_package() -> None:
    here = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - pathlib costs 5 ms of every start
    for name, path in (("rlm_tui", []), ("rlm_tui.repl", [here])):
        package = types.ModuleType(name)
        package.__path__ = path
        sys.modules[name] = package


def _mortal() -> Callable[[int], None]:
    """Return what asks the kernel to kill us when the thread that started us ends.

    Where there is no such thing, the end of the channel has to do. It takes the process that must be our parent.
    """
    if sys.platform != "linux":
        return lambda _parent: None
    import ctypes

    control = ctypes.CDLL(None).prctl

    def die_with(parent: int) -> None:
        control(1, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # pyright: ignore[reportPrivateUsage]

    return die_with


if __name__ == "__main__":
    main()
