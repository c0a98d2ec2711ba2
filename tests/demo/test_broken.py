"""`broken`: five faults in a row without a hand, and one repair in any of three places with one."""

from __future__ import annotations

import csv
import io

import pytest

from rlm_tui.demo.broken import CLAIM, QUESTION
from rlm_tui.demo.catalogue import SCENARIOS
from tests.runs import Watched, done, running

BLOCK_S = 0.5
"""Seconds that a block may compute here, instead of ten."""

LOOP = 'totals = {}\nfor row in context.splitlines()[1:]:\n    sku, site, delta = row.split(",")\n'
LOOP += '    totals[sku] = totals.get(sku, 0) + int(delta)\nprint(len(totals), "skus")'

REPAIRS = {
    2: lambda code: code.replace("contxt", "context"),
    3: lambda code: code.replace("i = 0", "i = 1"),
    4: lambda code: LOOP,
}


@pytest.mark.parametrize("seed", range(20))
def test_the_oracle_by_another_road(seed: int) -> None:
    data = SCENARIOS["broken"].make(seed)
    sums: dict[str, int] = {}
    rows = list(csv.DictReader(io.StringIO(data.context)))
    for row in rows:
        sums[row["sku"]] = sums.get(row["sku"], 0) + int(row["delta"])
    assert (len(rows), len(sums), len({row["site"] for row in rows})) == (4_000, 40, 3)
    assert data.oracle == str(len([total for total in sums.values() if total < 0]))
    assert data.oracle not in ("0", CLAIM) and 35_000 < len(data.context) < 42_000
    assert data.question == QUESTION


def played(run: Watched) -> list[str]:
    """What became of each block, in order."""
    assert run.run.root is not None
    return [block.status for turn in run.run.root.iterations for block in turn.blocks]


def test_by_itself_it_goes_wrong_five_times_and_guesses() -> None:
    with running("broken", block_timeout_s=BLOCK_S) as run:
        done(run.session.release(run.held("limit").id))
        run.ended()
        root = run.run.root
        assert root is not None
        assert (root.status, root.via, root.limit) == ("exhausted", "default", "max_iterations")
        assert f"Roughly {CLAIM} " in run.session.text(root.value)
        assert run.session.text(root.value) != run.data.oracle
        assert played(run) == ["ok", "error", "timeout", "error", "ok", "ok", "ok"]
        first, second, _, fourth, *useless = (turn.blocks[0] for turn in root.iterations)
        assert f"FINAL({CLAIM})" in run.session.text(root.iterations[0].reply) and not first.finals
        assert "NameError" in run.session.text(second.error) and "negative_count" in run.session.text(fourth.error)
        assert len({run.session.text(block.code) for block in useless}) == 1


@pytest.mark.parametrize("iteration", REPAIRS)
def test_one_repair_is_enough(iteration: int) -> None:
    with running("broken", hold=True, block_timeout_s=BLOCK_S) as run:
        run.held("llm")
        block = f"root/i{iteration}/b1"
        while (held := run.held()).id != block:
            done(run.session.next(held.id))
            run.until(lambda fold, was=held.id: fold.held and was not in fold.held, "the next stop")
        done(run.session.edit(block, "code", REPAIRS[iteration](run.session.text(held.value["code"]))))
        done(run.session.release(block))
        run.ended()
        root = run.run.root
        assert root is not None
        assert (root.status, root.via, run.session.text(root.value)) == ("final", "FINAL_VAR", run.data.oracle)
        assert (run.run.blocks[block].mark, root.final_mark) == ("edited", "downstream")
