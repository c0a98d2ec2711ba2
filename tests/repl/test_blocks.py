"""What a block's outcome is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlm_tui.repl.process import ReplDied
from tests.repl.desk import Desk


def test_value_output_and_variables(desk: Desk) -> None:
    result = desk.run("import sys\nprint('out')\nprint('err', file=sys.stderr)\nx = [1, 2]\nlen(x)")
    assert (result.status, result.stdout, result.stderr, result.value) == ("ok", "out\n", "err\n", "2")
    assert [(v.name, v.type, v.size, v.brief) for v in result.changed] == [
        ("sys", "module", None, "<module sys>"),
        ("x", "list", 2, "[1, 2]"),
    ]
    assert desk.run("_ + 1").value == "3"


def test_only_a_trailing_expression_is_a_value(desk: Desk) -> None:
    assert desk.run("x = 1").value is None
    assert desk.run("None").value is None
    assert desk.run("1; 2").value == "2"
    assert desk.run("for i in range(3): i").value is None


def test_changes_name_what_is_new_changed_and_gone(desk: Desk) -> None:
    desk.run("a, b, c = 1, [1], 'x'")
    result = desk.run("b.append(2); del c; d = 0")
    assert [v.name for v in result.changed] == ["b", "d"]
    assert result.removed == ("c",)
    assert desk.run("a").changed == ()


def test_more_than_500_changes_are_counted(desk: Desk) -> None:
    result = desk.run("for i in range(700): globals()[f'v{i:03}'] = i")
    assert len(result.changed) == 500
    assert result.more_variables == 201  # the loop's own i
    assert len(desk.wait(desk.repl.variables())) == 702  # and answer


def test_variables_of_a_failing_block_stay(desk: Desk) -> None:
    assert desk.run("kept = 1\n1 / 0").status == "error"
    assert desk.run("kept").value == "1"


def test_traceback_has_only_the_block(desk: Desk) -> None:
    error = desk.run("import json\ndef f():\n    return json.loads('{')\nf()").error
    assert error is not None
    assert '<block root/i1/b1>", line 3, in f' in error
    assert "return json.loads('{')" in error
    assert error.endswith("Expecting property name enclosed in double quotes: line 1 column 2 (char 1)")
    assert ".py" not in error


def test_chained_and_grouped_errors_have_only_the_block(desk: Desk) -> None:
    error = desk.run(
        "def f():\n    llm_query(1)\ntry:\n    f()\nexcept TypeError as e:\n"
        "    raise ExceptionGroup('several', [e, ValueError('b')]) from e"
    ).error
    assert error is not None
    assert error.count("direct cause") == 1
    assert "ValueError: b" in error
    assert ".py" not in error


@pytest.mark.parametrize("name", ["x", "tail"])
def test_a_name_error_names_the_line(desk: Desk, name: str) -> None:
    error = desk.run(f"a = 1\n{name}").error
    assert error is not None
    assert "line 2" in error
    assert error.endswith(f"NameError: name '{name}' is not defined")


def test_final_is_declared_out_of_band(desk: Desk) -> None:
    result = desk.run("r = FINAL({'n': 1})\nprint(r)\nFINAL('b')\nprint('after')")
    assert [(f.via, f.text, f.json, f.type) for f in result.finals] == [
        ("FINAL", "{'n': 1}", '{"n": 1}', "dict"),
        ("FINAL", "b", '"b"', "str"),
    ]
    assert result.stdout == "FINAL({'n': 1})\nafter\n"


@pytest.mark.parametrize("value", ["None", "''"])
def test_an_empty_final_is_one_with_a_reason(desk: Desk, value: str) -> None:
    assert desk.run(f"FINAL({value})").finals[0].reason == "empty_final"


@pytest.mark.parametrize("value", ["(1, 2)", "{1: 2}", "float('nan')", "{1}", "type('D', (dict,), {})()"])
def test_what_json_would_change_has_no_json(desk: Desk, value: str) -> None:
    assert desk.run(f"FINAL({value})").finals[0].json is None


def test_final_survives_a_later_error_and_long_text(desk: Desk) -> None:
    text = 'a (b) \n "c" é' * 30_000
    result = desk.run(f"t = {text!r}\nFINAL(t)\n1 / 0")
    assert result.status == "error"
    assert result.finals[0].text == text


def test_final_var(desk: Desk) -> None:
    final = desk.run("total = 42\nFINAL_VAR('total')").finals[0]
    assert (final.via, final.text, final.json, final.name, final.reason) == ("FINAL_VAR", "42", "42", "total", None)
    unquoted = desk.run("v = ['x']\nFINAL_VAR(v)").finals[0]
    assert (unquoted.name, unquoted.text, unquoted.reason) == ("v", "['x']", "final_var_unquoted")
    through = desk.run("w = 'total'\nFINAL_VAR(w)").finals[0]
    assert (through.name, through.text) == ("total", "42")


def test_final_var_that_is_no_answer(desk: Desk) -> None:
    missing = desk.run("total = 42\nFINAL_VAR('totl')")
    assert missing.error is not None
    assert "NameError" in missing.error and "'total'" in missing.error and "SHOW_VARS" in missing.error
    none = desk.run("n = None\nFINAL_VAR('n')")
    assert none.error is not None and "ValueError" in none.error
    injected = desk.run("FINAL_VAR(llm_query)")
    assert injected.error is not None and "NameError" in injected.error
    assert missing.finals + none.finals + injected.finals == ()


def test_answer_dict(desk: Desk) -> None:
    result = desk.run("1")
    assert result.answer is not None
    assert (result.answer.ready, result.answer.content) == (False, None)
    ready = desk.run("answer['content'] = [1]\nanswer['ready'] = True\n1 / 0").answer
    assert ready is not None and ready.content is not None
    assert (ready.ready, ready.content.text, ready.content.json, ready.content.via) == (True, "[1]", "[1]", "answer")
    desk.wait(desk.repl.set_answer_ready(False))
    again = desk.run("print(answer['ready'])")
    assert again.stdout == "False\n"
    assert desk.run("answer = 'text'").answer is None
    assert desk.run("answer = {'content': None}").answer is not None


def test_show_vars_lists_the_models_names(desk: Desk) -> None:
    desk.wait(desk.repl.put("context", "c"))
    assert desk.run("b = 1; a = 2\nSHOW_VARS()").value == "['a', 'answer', 'b', 'context']"


def test_put_small_and_large(desk: Desk) -> None:
    for value in ("é\ud800\r\n", ["a", {"b": None}], "x\r\n" * 8_000_000, ["y" * 20_000_000]):
        desk.wait(desk.repl.put("context", value))
        (name, size, total) = ("context", len(value), sum(map(len, map(str, value))))
        assert desk.run(f"print(len({name}), sum(map(len, map(str, {name}))))").stdout == f"{size} {total}\n"


def test_resolve(desk: Desk) -> None:
    desk.run("total, none = {'a': 1}, None\nclass Bad:\n    def __str__(self): raise KeyError('no')\nbad = Bad()")
    proposed = desk.wait(desk.repl.resolve("total"))
    assert (proposed.text, proposed.json, proposed.name, proposed.type) == ("{'a': 1}", '{"a": 1}', "total", "dict")
    with pytest.raises(LookupError, match="total"):
        desk.wait(desk.repl.resolve("totl"))
    with pytest.raises(ValueError, match="None"):
        desk.wait(desk.repl.resolve("none"))
    with pytest.raises(ValueError, match="KeyError"):
        desk.wait(desk.repl.resolve("bad"))


def test_resolve_has_a_limit(desk: Desk) -> None:
    desk.run("class Slow:\n    def __str__(self):\n        while True: pass\nslow = Slow()")
    with pytest.raises(TimeoutError):
        desk.wait(desk.repl.resolve("slow", timeout_s=0.1))
    assert desk.still_there()


def test_overwritten_names_come_back(tmp_path: Path) -> None:
    with Desk(tmp_path, restore=frozenset({"context"})) as desk:
        desk.wait(desk.repl.put("context", "original"))
        first = desk.run("context = 'mine'\ndel llm_query\nFINAL = 1\nanswer = {}")
        assert first.put_back == ()
        second = desk.run("print(context, llm_query('x'), answer)")
        assert second.stdout == "original <x> {}\n"
        assert second.put_back == ("FINAL", "context", "llm_query")


def test_context_belongs_to_the_model_unless_restored(desk: Desk) -> None:
    desk.wait(desk.repl.put("context", "original"))
    desk.run("context = 'mine'")
    result = desk.run("context")
    assert (result.value, result.put_back) == ("'mine'", ())


def test_effects_are_recorded(desk: Desk) -> None:
    result = desk.run(
        "import os, subprocess\nopen('a.txt', 'w').close()\nopen('a.txt').close()\nos.remove('a.txt')\n"
        "subprocess.run(['true'])"
    )
    assert result.effects == ("write a.txt", "remove a.txt", "start true")
    assert desk.run("for i in range(300): open(f'f{i}', 'w').close()").effects[-1] == "… 101 more"


def test_a_dead_worker_says_so(desk: Desk) -> None:
    desk.wait(desk.repl.kill())
    assert not desk.repl.alive
    result = desk.run("1")
    assert (result.status, result.error) == ("died", "the REPL died: killed by signal 9 (SIGKILL)")
    with pytest.raises(ReplDied):
        desk.wait(desk.repl.put("x", 1))
    with pytest.raises(ReplDied):
        desk.wait(desk.repl.variables())


def test_a_fresh_worker_runs_the_blocks_again(tmp_path: Path) -> None:
    code = ["import random\nx = random.random()", "s = {'a', 'b', 'c', 'd'}\nprint(s, x, hash('k'))"]
    seen: list[str] = []
    for seed in ("run:root", "run:root", "run:other"):
        with Desk(tmp_path, seed=seed, hash_seed=7) as desk:
            desk.wait(desk.repl.put("context", "c"))
            seen.append([desk.run(block) for block in code][-1].stdout)
    assert seen[0] == seen[1] != seen[2]
