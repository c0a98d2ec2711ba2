"""The worker's JSON is that of `json`, and what a worker loads before it is ready is little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rlm_tui.repl
from rlm_tui.repl import policy, start, wire
from rlm_tui.repl.process import Repl
from rlm_tui.repl.results import Conditions
from tests.repl.desk import Desk, echo, ring_for_the_past

ROOM = Path(rlm_tui.repl.__file__).parent
EARLY = {"start", "wire", "libc", "confine"}

texts = st.text(alphabet=st.characters(codec=None, categories=None), max_size=20)
numbers = st.integers() | st.integers(1 << 200, 1 << 300) | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)
nearly = st.text(alphabet='[]{}",:0123456789.eE+-tfn \n\t\r\\u\ud800\ufeffNaInfity', max_size=30)


def outcome(act: Callable[[], Any]) -> tuple[str, Any]:
    """What a call gave, told so that NaN is like itself; or the kind of error."""
    try:
        return "value", repr(act())
    except ValueError:
        return "error", ValueError
    except (RecursionError, TypeError) as error:
        return "error", type(error)


@given(values)
def test_values_are_written_as_by_json(value: object) -> None:
    assert wire.dumps(value) == json.dumps(value, ensure_ascii=False)
    compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert wire.encode({"v": value}) == f'{{"v":{compact}}}'.encode("utf-8", "surrogatepass")
    assert outcome(lambda: wire.loads(compact)) == outcome(lambda: json.loads(compact))
    assert repr(wire.decode(wire.encode({"v": value}))) == repr({"v": value})


@given(nearly | values.map(json.dumps).flatmap(lambda text: st.sampled_from([text[:-1], text + " 1", f" {text}\r\n"])))
@example("")
@example("[1] [2]")
@example("\ufeff1")
@example('"\\ud800"')
@example("1\xa0")
@example("\v1")
@example('{"a": 1, "a": 2}')
@example("-")
@example("1" * 5000)
@example("1e400")
@example("[" * 100_000)
@example('{"a":' * 100_000)
def test_texts_are_read_as_by_json(text: str) -> None:
    assert outcome(lambda: wire.loads(text)) == outcome(lambda: json.loads(text))


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("make", [endless, deep, object, lambda: {1, 2}, lambda: {(1, 2): 3}, lambda: {"a": b"b"}])
def test_what_json_refuses_is_refused(make: Callable[[], object]) -> None:
    value = make()
    theirs = outcome(lambda: json.dumps(value, ensure_ascii=False))
    assert theirs[0] == "error"
    assert outcome(lambda: wire.dumps(value)) == theirs
    assert wire.dumps([1]) == "[1]"


@pytest.mark.parametrize("value", [{1: 2, None: 3, False: 4, 1.5: 5}, (1, (2,)), [True, 1.0, -0.0, 1e22], "", {}, []])
def test_other_values_are_written_as_by_json(value: object) -> None:
    assert wire.dumps(value) == json.dumps(value, ensure_ascii=False)


def told(code: str) -> list[str]:
    """What a bare interpreter has loaded after some code."""
    made_up = (
        f"import sys\nsys.path.insert(0, {os.fspath(ROOM)!r})\nimport worker\nworker.make_up_package()\nsys.path.pop(0)"
    )
    code = f"{made_up}\n{code}\nprint(*sorted(sys.modules))"
    command = [sys.executable, "-s", "-S", "-P", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_it_is_json_where_there_is_nothing_in_c() -> None:
    code = (
        "sys.modules['_json'] = None\nfrom rlm_tui.repl import wire\nassert wire._json is None\n"
        "assert wire.loads(wire.dumps(['\\udc80', 1.5])) == ['\\udc80', 1.5]\n"
        "assert wire.encode({'a': ['é', None]}) == '{\"a\":[\"é\",null]}'.encode()"
    )
    assert "json" in told(code)


def ours(code: str) -> set[str]:
    return {name.rpartition(".")[2] for name in told(code) if name.startswith("rlm_tui.repl.")}


@pytest.mark.skipif(sys.platform != "linux", reason="it is loaded otherwise elsewhere")
def test_what_is_loaded_when() -> None:
    before = "import rlm_tui.repl.start, rlm_tui.repl.confine"
    late = {*EARLY, *start.LATE}
    assert ours(before) == EARLY
    assert ours(f"{before}\nimport rlm_tui.repl.serve") == late
    assert ours(f"{before}\nimport rlm_tui.repl.serve, rlm_tui.repl.nest") == late | set(start.OF_ZYGOTE)
    loaded = told(before)
    assert not {"json", "re", "enum", "typing", "ctypes", "collections", "functools", "traceback"} & set(loaded)


def test_what_was_loaded_late_cannot_be_read_by_a_block(desk: Desk) -> None:
    if desk.repl.ready.level == "process":
        pytest.skip("nothing is refused at this level")
    if any(ROOM.is_relative_to(path) for path in policy.policy(Conditions(), ROOM)["read"]):
        pytest.skip("the package lies where every block may read")
    assert "PermissionError" in (desk.run(f"open({os.fspath(ROOM / 'serve.py')!r})").error or "")
    assert "ModuleNotFoundError" in (desk.run("import rlm_tui").error or "")


def test_bells_that_ring_at_once_wait_until_they_can_be_heard(desk: Desk) -> None:
    """A worker says that it is ready before it has its handlers."""

    async def work() -> None:
        for _ in range(10):
            repl = await Repl.start(desk.config, desk.source)
            ring_for_the_past(repl)
            result = await repl.execute("b", "1 + 1", on_output=lambda *_: None, on_call=echo)
            assert (result.status, result.value) == ("ok", "2")
            await repl.close()

    desk.wait(work())
