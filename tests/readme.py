"""The README's commands, taken from it as they stand."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tests.terminal import Terminal

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(tag: str) -> list[str]:
    """Code blocks with a tag, in order."""
    return re.findall(rf"^```{tag}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every line of a shell block."""
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


def try_it() -> None:
    """Run the first command from a copy of the project, in a real terminal, until the run answers; then quit."""
    first = commands()[0]
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".pytest_cache", ".hypothesis", "*.egg-info")
        shutil.copytree(ROOT, project, ignore=ignored)
        shell = f"import os; os.chdir({str(project)!r}); os.execvp('bash', ['bash', '-c', {first!r}])"
        env = dict(os.environ) | {"RLM_TUI_RUNS_DIR": str(Path(folder) / "runs"), "HOME": folder}
        with Terminal("-c", shell, env=env) as terminal:
            terminal.until("answered", deadline=1200)
            terminal.type("Q")
            assert terminal.ended() == 0, terminal.text[-2000:]
        print(f"{first}\n  answered")


if __name__ == "__main__":
    sys.exit(try_it())
