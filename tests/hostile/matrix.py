"""The matrix of hostile blocks: its rows, and how they are run and checked."""

from __future__ import annotations

from pathlib import Path

from rlm_tui.journal.events import ExecStart, Rebuild
from rlm_tui.journal.run import Run
from tests.hostile.harm import HARM
from tests.hostile.leaving import LEAVING
from tests.hostile.row import BEFORE, Row
from tests.hostile.stopping import STOPPING
from tests.hostile.trial import AFTER, HOSTILE, LEVELS, Told, Trial
from tests.hostile.values import VALUES
from tests.journal.build import picture

ROWS = sorted([*STOPPING, *HARM, *LEAVING, *VALUES], key=lambda row: row.number)


def play(row: Row, folder: Path, level: str) -> Told:
    """Run a row through the engine."""
    before = "\n".join(filter(None, [BEFORE, row.before]))
    return Trial(
        folder,
        row.hostile,
        before=before,
        after=row.after,
        act=row.act,
        holds=row.holds,
        children=row.children,
        **LEVELS[level],
        **row.options,
    ).run()


def check(row: Row, told: Told) -> None:
    """Hold what is left of a run to its row."""
    end = told.ran()
    assert end.status in row.statuses, (end.status, told.error())
    assert row.error in told.error(), told.error()
    assert row.error in told.observed(1)
    if row.stdout is not None:
        assert told.stdout() == row.stdout
    assert told.stdout(AFTER) in row.prints, told.error(AFTER)
    assert told.observed(2).partition("REPL output:\n")[2].startswith(told.stdout(AFTER).rstrip("\n"))
    if row.state != "either":
        assert told.same_repl is (row.state == "kept")
        assert bool(told.of(Rebuild)) is (row.state == "rebuilt")
    if row.check is not None:
        row.check(told)


def check_host(told: Told) -> None:
    """The run came to its answer, the host was free meanwhile, and the journal is whole."""
    assert (told.end.status, told.text(told.end.value)) == ("final", "survived")
    began = next(event for event in told.of(ExecStart, HOSTILE))
    seconds = (told.ran().t or 0) - (began.t or 0)
    assert told.ticks >= int(seconds), "the host's loop did not go round"
    assert [event.seq for event in told.stored] == list(range(len(told.stored)))
    assert told.stored == told.events
    assert picture(Run(told.stored)) == picture(told.live)
    assert list(told.scratch.iterdir()) == []
