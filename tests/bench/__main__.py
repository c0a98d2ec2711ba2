"""Print the table."""

from __future__ import annotations

import sys

from tests.bench import engine, journal, repl, screen

GROUPS = {"engine": engine.rows, "journal": journal.rows, "repl": repl.rows, "screen": screen.rows}

for name in sys.argv[1:] or GROUPS:
    print(f"— {name}")
    for row in GROUPS[name]():
        print(row, flush=True)
