"""The program on the other side: a plain CPython that runs one node's blocks. Standard library only.

It is run by path, with no way to import anything of ours: the package its own parts come from is made up for as long
as they are loaded and then forgotten, so that `import rlm_tui` fails in a block. Its first act is in `start.py`, since
a program that is run by path is compiled each time.
"""

import os
import sys


def make_up_package() -> None:
    """Have the parts found that lie beside this file."""
    here = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - pathlib costs 5 ms of every start
    for name, path in (("rlm_tui", []), ("rlm_tui.repl", [here])):
        package = type(sys)(name)
        package.__path__ = path
        sys.modules[name] = package


if __name__ == "__main__":
    make_up_package()
    sys.dont_write_bytecode = "cache" not in sys.argv[5:]
    from rlm_tui.repl.start import main

    main()
