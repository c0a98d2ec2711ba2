"""Print the table."""

from __future__ import annotations

import sys

from tests.bench import breakpoints, engine, journal, long, repl, screen, search, time

GROUPS = {
    "engine": engine.rows, "journal": journal.rows, "search": search.rows,
    "breakpoints": breakpoints.rows, "repl": repl.rows, "screen": screen.rows, "time": time.rows, "long": long.rows,
}  # fmt: skip

for name in sys.argv[1:] or GROUPS:
    print(f"— {name}")
    for row in GROUPS[name]():
        print(row, flush=True)
