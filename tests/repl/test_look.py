"""The listing runs none of the model's code, whatever the values are."""

from __future__ import annotations

import types
from typing import Any

import pytest

from rlm_tui.repl import look
from rlm_tui.repl.changes import Changes
from tests.repl.desk import Desk

HOSTILE = """
ran = []
def bad(*a, **k):
    ran.append(1)
    raise ZeroDivisionError
class Meta(type):
    __name__ = property(bad)
    __hash__ = __eq__ = __getattribute__ = __instancecheck__ = __subclasscheck__ = bad
class Plain:
    __repr__ = __str__ = __len__ = __bool__ = __iter__ = __hash__ = __eq__ = __getattribute__ = bad
    __class__ = property(bad)
class Dict(dict):
    __repr__ = __len__ = __iter__ = items = __getattribute__ = bad
class Str(str):
    __repr__ = __len__ = __getitem__ = __str__ = __getattribute__ = bad
class Strange(metaclass=Meta): pass
def function(): pass
function.__name__ = Str('named')
import types
module = types.ModuleType('m')
module.__dict__['__name__'] = Str('named')
values = [Plain(), Dict(), Str('x')]
plain, evil_dict, evil_str, strange = Plain(), Dict(a=1), Str('x'), Strange()
within = {'k': (Plain(), Strange())}
"""


def test_nothing_of_the_models_runs(desk: Desk) -> None:
    desk.wait(desk.repl.put("context", "c"))
    result = desk.run(HOSTILE)
    assert (result.status, result.error) == ("ok", None)
    rows = {v.name: v for v in result.changed}
    assert rows["ran"].size == 0
    assert rows["plain"].brief == "<Plain>"
    assert rows["evil_dict"].brief == "<Dict>"
    assert rows["evil_str"].brief == "<Str>"
    assert rows["strange"].brief == "<Strange>"
    assert rows["Strange"].brief in ("<class Strange>", "<Meta>")
    assert rows["function"].brief == "<function>"
    assert rows["module"].brief == "<module>"
    assert rows["values"].brief == "[<Plain>, <Dict>, <Str>]"
    assert rows["within"].brief == "{'k': (<Plain>, <Strange>)}"
    assert all(v.size == 0 for v in desk.wait(desk.repl.variables()) if v.name == "ran")


@pytest.mark.parametrize(
    ("value", "size", "brief"),
    [
        (1, None, "1"),
        (1 << 300, None, "<int of 301 bits>"),
        (1.5, None, "1.5"),
        (None, None, "None"),
        ("a\x1b", 2, "'a\\x1b'"),
        (b"ab", 2, "b'ab'"),
        ([], 0, "[]"),
        ((1,), 1, "(1,)"),
        (set(), 0, "set()"),
        ({1}, 1, "{1}"),
        ({"a": [1, [2, [3]]]}, 1, "{'a': [1, […]]}"),
        (range(10**30), None, f"range(0, {10**30}, 1)"),
        (range(5), 5, "range(0, 5, 1)"),
        (len, None, "<function len>"),
        (types, None, "<module types>"),
        (int, None, "<class int>"),
        (lambda: 0, None, "<function <lambda>>"),
        (object(), None, "<object>"),
    ],
)
def test_briefs(value: Any, size: int | None, brief: str) -> None:
    assert look.row("v", value)[2:] == (size, brief)


def test_bounds() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    assert look.brief(loop) == "{'self': {'self': {…}}}"
    for value in (list(range(10**6)), dict.fromkeys(range(10**6)), "x" * 10**8, [["y" * 1000] * 1000] * 1000):
        brief = look.brief(value)
        assert len(brief) <= look.WIDTH
        assert "…" in brief


def test_a_container_changed_by_a_thread_is_listed(desk: Desk) -> None:
    code = (
        "import threading\nd = {}\nstop = []\ndef churn():\n    i = 0\n    while not stop:\n"
        "        d[i] = i; d.pop(i - 50, None); i += 1\nt = threading.Thread(target=churn, daemon=True); t.start()"
    )
    assert desk.run(code).status == "ok"
    for _ in range(20):
        assert any(v.name == "d" and v.type == "dict" for v in desk.wait(desk.repl.variables()))
    assert desk.run("stop.append(1); t.join()").status == "ok"


def test_names_that_are_no_names() -> None:
    class Str(str):
        pass

    namespace: dict[str, object] = {"a": 1, Str("b"): 2, "_": 3, "__x__": 4, "f": 5, "n" * 1000: 6}
    assert list(look.listing(namespace, frozenset({"f"}))) == ["a", "n" * 1000]
    assert len(look.row("n" * 1000, 1)[0]) == look.NAME_WIDTH


class TestChanges:
    def names(self, changes: Changes, variables: dict[str, object]) -> list[str]:
        return [name for name, *_ in changes.note(variables)[0]]

    def test_what_is_new_different_or_gone(self) -> None:
        changes, kept = Changes(), [1, 2]
        variables: dict[str, object] = {"n": 10**6, "s": "x", "kept": kept, "gone": None, "f": len, "big": "y" * 10**6}
        assert self.names(changes, variables) == ["big", "f", "gone", "kept", "n", "s"]
        assert changes.note(dict(variables)) == ([], [])
        kept[0] = 3
        after = {**variables, "n": int("1000000"), "s": "x" * 2, "big": "y" * (10**6 - 1), "f": max, "new": 0}
        del after["gone"]
        changed, gone = changes.note(after)
        assert [name for name, *_ in changed] == ["big", "f", "kept", "n", "new", "s"]
        assert gone == ["gone"]

    def test_a_number_is_not_taken_for_another_object_at_the_same_place(self) -> None:
        """A former value is let go of, and what replaces it may well lie where it lay."""
        changes, variables = Changes(), dict[str, object]()
        for size in (10, 10_000, 1_000_000):
            for letter in "abcdef":
                variables["s"] = letter * size
                assert self.names(changes, variables) == ["s"]

    def test_a_kind_for_which_identity_says_nothing(self) -> None:
        changes, shared = Changes(), [0] * 100
        assert self.names(changes, {"a": shared}) == ["a"]
        shared.append(1)
        assert self.names(changes, {"a": shared}) == ["a"]
        assert self.names(changes, {"a": list(shared)}) == ["a"]
        assert self.names(changes, {"a": 5}) == ["a"]
        assert self.names(changes, {"a": shared}) == ["a"]

    def test_names_alike_in_what_is_shown_of_them(self) -> None:
        changes = Changes()
        assert len(self.names(changes, {"n" * 300 + "a": [], "n" * 300 + "b": 1})) == 2
