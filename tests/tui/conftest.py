"""What a terminal or a person would set must not change what a test sees: gone before Textual is imported."""

from __future__ import annotations

import os

# The snapshot plugin tells its workers where to write by a variable of its own.
for name in [n for n in os.environ if n.startswith("TEXTUAL_") and not n.startswith("TEXTUAL_SNAPSHOT_")]:
    del os.environ[name]
os.environ.pop("NO_COLOR", None)
