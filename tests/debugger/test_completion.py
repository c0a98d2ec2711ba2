"""How what is typed for a REPL may go on, and that finding out changes nothing."""

from __future__ import annotations

import pytest

from tests.debugger.small import QUESTION, Table, code, do, small
from tests.debugger.standing import broken, printed
from tests.runs import DEADLINE_S, Watched, refused

TRAP = """
class Trap:
    seen = 0
    __reads = 0
    def __dir__(self):
        Trap.seen += 1
        return ["loud", "_quiet"]
    def __getattr__(self, name):
        Trap.seen += 1
        raise AttributeError(name)
trap, rows, words = Trap(), {"alpha": 1, "beta": {"gamma": 2}, 3: 4, "al\\x1b[31m": 5}, ["one"]
totals, total_of = 1, 2
"""
RUN: Table = {QUESTION: [code(TRAP), code("print(Trap.seen)")]}


def offered(run: Watched, typed: str) -> object:
    return run.session.complete("root", typed, len(typed)).result(DEADLINE_S)


def test_names_attributes_and_keys_are_found_and_nothing_is_changed() -> None:
    with small(RUN, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "next", run.held("block"))
        run.held("observe")
        assert offered(run, "print(tot") == ["total_of", "totals"]
        assert offered(run, "?tot") == ["total_of", "totals"]
        assert offered(run, "x = FINAL_") == ["FINAL_VAR"]
        assert offered(run, "isinst") == ["isinstance"] and offered(run, "cont") == ["context", "continue"]
        assert offered(run, "words.app") == ["append"] and offered(run, "words[0].upp") == ["upper"]
        assert offered(run, "f(words[0].upp") == ["upper"]
        assert offered(run, "rows['al") == ["alpha"] and offered(run, 'rows["beta"]["') == ["gamma"]
        assert offered(run, "trap.") == ["loud"] and offered(run, "trap._") == ["_quiet"]
        for typed, words in {
            "nothing_like_it": "Nothing here could go on.",
            "words.xyz": "Nothing here could go on.",
            "open('x').re": "Only names, attributes and constant keys",
            "(1 + 2).re": "Only names, attributes and constant keys",
            "missing.a": "NameError",
            "": "Nothing here could go on.",
            "1": "Nothing here could go on.",
            "words['": "Nothing here could go on.",
        }.items():
            found = offered(run, typed)
            assert isinstance(found, str) and words in found, typed
        do(run, "next", run.held("observe"))
        do(run, "next", run.held("block"))
        run.held("observe")
        assert run.session.text(run.run.blocks["root/i2/b1"].stdout) == "0\n"


def test_the_names_of_a_frame_that_stands_are_offered() -> None:
    lines = ("def f():", "    inner_name = 1", "    print('in')", "    while True: pass", "f()")
    with small({QUESTION: [code(*lines)]}) as run:
        printed(run)
        broken(run)
        assert offered(run, "inner_") == ["inner_name"]


@pytest.mark.parametrize("typed", ["tot", "words."])
def test_what_is_over_is_refused(typed: str) -> None:
    with small({QUESTION: [code("FINAL('x')")]}) as run:
        run.ended()
        assert refused(run.session.complete("root", typed, len(typed))) == "The run has ended."
