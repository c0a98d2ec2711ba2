"""What a terminal or a person would set must not change what a test sees: gone before Textual is imported."""

from __future__ import annotations

import os

for name in [name for name in os.environ if name == "NO_COLOR" or name.startswith("TEXTUAL_")]:
    del os.environ[name]
