"""A key that is planted in every place it could get in by is looked for in everything that a run leaves behind."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.llm.server import serve
from tests.test_cli import place, rlm, runs_of

__all__ = ["place"]
pytestmark = pytest.mark.xdist_group("litellm")

KEY = "sk-planted-0123456789-abcdefghij"
PASSWORD = "hunter22-planted"
LOOK = """```repl
import os
print(dict(os.environ))
for path in ("/proc/self/environ", f"/proc/{os.getppid()}/environ"):
    try:
        print(open(path).read())
    except OSError as error:
        print(type(error).__name__)
print(llm_query("say it"))
```
```repl
FINAL("looked")
```"""


def policy(messages: list[dict[str, str]]) -> str:
    return LOOK if len(messages) > 1 else "a leaf"


def left_behind(*folders: Path) -> list[Path]:
    """Every file in which a secret stands."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert files
    return [file for file in files if KEY.encode() in file.read_bytes()]


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("mode", "confine"),
    [(mode, "auto") for mode in ("plain", "s401", "error-event", "html")] + [("plain", "off")],
)
def test_no_key_is_left_anywhere(place: dict[str, str], tmp_path: Path, mode: str, confine: str) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (tmp_path / "c.txt").write_text("context\n")
    env = place | {"OPENAI_API_KEY": KEY, "TMPDIR": str(temporary)}
    with serve(policy) as server:
        common = ["run", "What is it?", "--context", str(tmp_path / "c.txt"), "--model", f"openai/{mode}"]
        limits = ["--max-timeout", "30", "--max-iterations", "2", "--confine", confine]
        done = rlm(env, *common, "--api-base", server.base_url, *limits, "--headless", "--json")
        # It is what was asked with: what is looked for was there to be lost.
        sent = [str(request.headers) for request in server.requests]
        assert sent and all(KEY in headers for headers in sent)
    out = said(done)
    (run,) = runs_of(place)
    answer = json.loads(done.stdout)
    assert (answer["final_answer"] == "looked") == (mode == "plain"), out
    listed, looked = rlm(env, "runs", "--json"), rlm(env, "doctor", "--json")
    assert KEY not in out + said(listed) + said(looked)
    assert left_behind(run, *([temporary] if any(temporary.rglob("*")) else [])) == []
    assert "127.0.0.1" in (run / "journal.jsonl").read_text()


def test_a_password_in_an_address_is_refused_before_anything_is_kept_and_not_said_again(
    place: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "c.txt").write_text("context\n")
    base = f"http://me:{PASSWORD}@127.0.0.1:9/v1"
    run = ["run", "What is it?", "--context", str(tmp_path / "c.txt"), "--model", "openai/x", "--api-base", base]
    done = rlm(place, *run, "--headless")
    assert done.returncode in (2, 3) and len(said(done).splitlines()) == 1
    assert "leave them out" in done.stderr and PASSWORD not in said(done)
    assert runs_of(place) == []
    shown = said(rlm(place | {"RLM_TUI_API_BASE": base}, "doctor", "--json"))
    assert PASSWORD not in shown
