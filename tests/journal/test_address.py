from __future__ import annotations

import pytest

from rlm_tui.journal import address

CALL = address.call("root/i1/b1", "rlm", "part", None, 1)


@pytest.mark.parametrize(
    ("id", "parent", "node", "number"),
    [
        ("root", "root", "root", 0),
        ("root/i3", "root", "root", 3),
        ("root/i3/b12", "root/i3", "root", 12),
        ("root/i3/b1+h1", "root/i3/b1", "root", 0),
        ("root/i3+e2", "root/i3", "root", 0),
        ("root/default", "root", "root", 0),
        ("root/i7/final", "root/i7", "root", 0),
        (CALL, "root/i1/b1", CALL, 0),
        (f"{CALL}/i2", CALL, CALL, 2),
        (f"{CALL}/i2/b3", f"{CALL}/i2", CALL, 3),
        ("nowhere", "nowhere", "nowhere", 0),
        ("", "", "", 0),
    ],
)
def test_where_an_address_is(id: str, parent: str, node: str, number: int):
    assert address.parent(id) == parent
    assert address.node_of(id) == node
    assert address.number(id) == number
    assert address.is_node(id) == (id in ("root", CALL))


def test_addresses_are_built_as_they_are_read():
    assert address.block(address.iteration("root", 3), 2) == "root/i3/b2"
    assert CALL.startswith("root/i1/b1~rlm:")
    assert CALL.endswith("#1")


def test_a_call_is_known_by_what_was_asked():
    same = address.call("root/i1/b1", "llm", "p", None, 1)
    assert same == address.call("root/i1/b1", "llm", "p", None, 1)
    others = {
        address.call("root/i1/b1", "llm", "p", None, 2),
        address.call("root/i1/b1", "llm", "q", None, 1),
        address.call("root/i1/b1", "llm", "p", "m", 1),
        address.call("root/i1/b1", "rlm", "p", None, 1),
        address.call("root/i1/b2", "llm", "p", None, 1),
        address.call("root/i1/b1", "llm", "\ud800", None, 1),
    }
    assert len(others - {same}) == 6
