"""What a block cannot reach: the host, its neighbours, files, the network; and that nothing outlives a killed host."""

from __future__ import annotations

import json
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scripts import repl
from tests.hostile.reaching import ALLOWED, NETWORK, OTHERS, asking, refused
from tests.hostile.trial import DEADLINE_S, Told, Trial
from tests.repl.cell import why_not_confined

shut_in = pytest.mark.skipif(why_not_confined() is not None, reason=str(why_not_confined()))


@pytest.fixture
def folder() -> Iterator[Path]:
    """One with a short name: the name of a socket has a hundred characters at most."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def attempts(folder: Path, code: str, facts: dict[str, Any], **options: Any) -> tuple[dict[str, str], Told]:
    """What a child RLM got, by what it tried; its parent's worker is its sibling."""
    told = Trial(
        folder,
        asking("attack", facts),
        before="kept = 1",
        after="print('still here')",
        children={"attack": [repl(code)]},
        max_depth=3,
        **options,
    ).run()
    assert told.ran().status == "ok", told.error()
    got, mine = told.stdout().splitlines()
    assert mine == "untouched"
    assert told.stdout("root/i2/b1") == "still here\n"
    return json.loads(got), told


@shut_in
def test_nobody_else_can_be_reached(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 40: signals, environments and memory of others; files anywhere but in the scratch folder."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    home = pwd.getpwuid(os.getuid()).pw_dir
    secret = folder / "secret"
    secret.write_text("sk-planted")
    facts = {"host": os.getpid(), "home": home, "secret": str(secret), "shared": str(folder)}
    try:
        got, told = attempts(folder, OTHERS, facts)
    finally:
        Path(home, "rlm-tui-was-here").unlink(missing_ok=True)
    assert set(refused(got)) == set(ALLOWED), got
    assert "sk-planted" not in json.dumps(got)
    assert not (folder / "rlm-tui-was-here").exists()
    assert told.end.status == "final"


@pytest.fixture
def listening(folder: Path) -> Iterator[dict[str, Any]]:
    """Sockets that would take a connection: TCP, a path, an abstract name."""
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        names = {"path": str(folder / "s"), "abstract": f"\0rlm-tui-test-{os.getpid()}"}
        for name in names.values():
            one = stack.enter_context(socket.socket(socket.AF_UNIX))
            one.bind(name)
            one.listen()
        yield {"port": tcp.getsockname()[1], **names}


@shut_in
def test_no_connection_can_be_made(folder: Path, listening: dict[str, Any]) -> None:
    """Row 42."""
    got, _ = attempts(folder, NETWORK, listening)
    assert refused(got) == {}


@shut_in
def test_with_the_network_allowed_a_connection_can_be_made(folder: Path, listening: dict[str, Any]) -> None:
    """Row 42; sockets of this machine's own programs stay out of reach."""
    got, told = attempts(folder, NETWORK, listening, allow_network=True)
    assert got["tcp"] == "done: None"
    assert {got["unix"], got["abstract"]} == {"PermissionError"}
    assert "network" in told.live.environment["confinement"]


HOST = """
import sys
from pathlib import Path
from tests.hostile.trial import Trial, workers

async def tell(trial):
    await trial.until(lambda: len(list(trial.scratch.rglob("up*"))) == 4)
    print(*workers(), flush=True)

Trial(
    Path(sys.argv[1]), {hostile!r}, before="kept = 1", after="pass", act=tell, children={children!r}, max_depth=3
).run()
"""
"""A host that tells its workers' processes when the block of its root, that of a child, and a copy of each run."""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize("last", ["while True: pass", "import time\ntime.sleep(1e6)"])
def test_no_worker_outlives_its_host(folder: Path, last: str) -> None:
    """Row 47: the host is killed while blocks run that will not end by themselves."""
    up = "import os\npid = os.fork()\nopen(f'up{os.getpid()}', 'w').close()\n"
    children = {"a child": [repl(up + last)]}
    code = HOST.format(hostile=f"{up}if pid: rlm_query('a child')\n{last}", children=children)
    command = [sys.executable, "-c", code, str(folder / "run")]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as host:
        try:
            assert host.stdout is not None
            pids = [int(pid) for pid in host.stdout.readline().split()]
            assert len(pids) >= 4
            watched = [os.pidfd_open(pid) for pid in pids]
        finally:
            host.send_signal(signal.SIGKILL)
    for descriptor in watched:
        assert select.select([descriptor], [], [], DEADLINE_S)[0], "a worker has survived its host"
        os.close(descriptor)
