"""Rows 40 and 42: blocks that reach for the host, for another worker, for files and for the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

ATTEMPTS = """
import json, os, signal, socket, tempfile
facts = json.loads(context.partition(' ')[2])
got = {}
def attempt(name, act):
    try:
        got[name] = f'done: {act()!r}'[:80]
    except OSError as error:
        got[name] = type(error).__name__
def write(path):
    with open(path, 'w') as f: return f.write('x')
def connect(kind, address):
    with socket.socket(*kind) as s:
        s.settimeout(5)
        return s.connect(address)
def pair():
    for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM): end.close()
"""
OTHERS = (
    ATTEMPTS
    + """
for who in ('host', 'parent', 'sibling'):
    pid = os.getppid() if who == 'parent' else facts[who]
    attempt('signal ' + who, lambda: os.kill(pid, signal.SIGURG))
    attempt('environment of ' + who, lambda: open(f'/proc/{pid}/environ').read())
    attempt('memory of ' + who, lambda: open(f'/proc/{pid}/mem', 'rb').read(1))
attempt('read home', lambda: os.listdir(facts['home']))
attempt('read a secret', lambda: open(facts['secret']).read())
attempt('write home', lambda: write(facts['home'] + '/rlm-tui-was-here'))
attempt('write shared', lambda: write(facts['shared'] + '/rlm-tui-was-here'))
attempt('read the sibling', lambda: open(facts['scratch'] + '/mine').read())
attempt('write the sibling', lambda: write(facts['scratch'] + '/mine'))
attempt('run', lambda: os.execv('/bin/true', ['true']))
attempt('write its own', lambda: write('own'))
attempt('signal itself', lambda: os.kill(os.getpid(), signal.SIGURG))
FINAL(json.dumps(got))
"""
)
NETWORK = (
    ATTEMPTS
    + """
attempt('tcp', lambda: connect((), ('127.0.0.1', facts['port'])))
attempt('udp', lambda: connect((socket.AF_INET, socket.SOCK_DGRAM), ('127.0.0.1', facts['port'])))
attempt('unix', lambda: connect((socket.AF_UNIX,), facts['path']))
attempt('abstract', lambda: connect((socket.AF_UNIX,), facts['abstract']))
attempt('datagram pair', pair)
FINAL(json.dumps(got))
"""
)
ALLOWED = ("write its own", "signal itself")


def refused(got: Mapping[str, str]) -> dict[str, str]:
    """The attempts that were not refused."""
    return {name: what for name, what in got.items() if what != "PermissionError"}


def asking(name: str, facts: Mapping[str, Any]) -> str:
    """A block that has a child try; the child gets the facts, and those of this worker, which is its sibling."""
    return (
        "import json, os\nopen('mine', 'w').write('untouched')\n"
        f"facts = json.loads({json.dumps(dict(facts))!r}) | {{'sibling': os.getpid(), 'scratch': os.getcwd()}}\n"
        f"got = rlm_query({name!r} + ' ' + json.dumps(facts))\nprint(got)\nprint(open('mine').read())"
    )
