from __future__ import annotations

from collections import Counter

import pytest
from textual.binding import Binding
from textual.keys import KEY_ALIASES, _character_to_key

from rlm_tui.debugger.session import Session
from rlm_tui.tui import actions
from rlm_tui.tui.actions import ACTIONS, ALWAYS, BAR, BY_ID, FOOTER, FOOTER_RUNNING
from rlm_tui.tui.screens.main import MainScreen
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.calls import CallTree
from rlm_tui.tui.widgets.decision import compose as compose_bar
from rlm_tui.tui.widgets.footer import compose as compose_footer
from rlm_tui.tui.widgets.rowlist import RowList
from rlm_tui.tui.widgets.trajectory import Trajectory
from tests.runs import watched
from tests.tui.sample import answered_run, held_run, log_call, view

KEYS = [key for action in ACTIONS for key in action.keys]


@pytest.fixture
def session() -> Session:
    with watched() as one:
        yield one.session


def held() -> View:
    made = view(held_run())
    made.select_node(log_call(2))
    return made


def names(found: list[actions.Action]) -> list[str]:
    return [action.id for action in found]


def test_no_key_means_two_things() -> None:
    assert [key for key, times in Counter(KEYS).items() if times > 1] == []


def test_every_key_is_one_that_a_terminal_can_send() -> None:
    for key in KEYS:
        last = key.rsplit("+", 1)[-1]
        named = {_character_to_key(chr(code)) for code in range(33, 127)} | {"tab", "escape", "left", "right"}
        # What most terminals send for shift and F11 is known by the name of a later key.
        assert last in named or last in {f"f{n}" for n in (*range(1, 13), 23)} or last in KEY_ALIASES, key


def test_every_binding_of_the_screen_resolves_to_an_action() -> None:
    bound = [binding for binding in MainScreen.BINDINGS if isinstance(binding, Binding)]
    assert {binding.id for binding in bound} == {action.id for action in ACTIONS if action.keys}
    assert sorted(key for binding in bound for key in binding.key.split(",")) == sorted(KEYS)


def test_no_key_of_a_list_hides_one_of_ours() -> None:
    own = [b for widget in (RowList, CallTree, Trajectory) for b in widget.BINDINGS if isinstance(b, Binding)]
    taken = {key for binding in own for key in binding.key.split(",")}
    # In the tree enter folds; everywhere else it opens what can be opened.
    assert taken & set(KEYS) == {"enter"}


def test_every_action_is_asked_of_the_session_or_done_by_the_screen() -> None:
    for action in ACTIONS:
        assert (action.ask is None) == hasattr(MainScreen, f"do_{action.id}"), action.id


def test_every_place_names_only_actions_there_are() -> None:
    assert set(BAR) | set(FOOTER) | set(FOOTER_RUNNING) | set(ALWAYS) <= set(BY_ID)


def test_a_held_block_offers_its_verbs_the_primary_first(session: Session) -> None:
    assert names(actions.bar(held(), session)) == [
        "release", "edit", "revert", "skip", "force_final", "step", "next", "into", "out", "iteration", "kill",
    ]  # fmt: skip
    assert BY_ID["release"].name(held(), session) == "run edited"


def test_an_ended_run_takes_no_verb_and_says_why(session: Session) -> None:
    ended = view(answered_run())
    for id in ("release", "edit", "skip", "step", "next", "into", "pause", "force_final", "again", "revert"):
        assert BY_ID[id].legal(ended, session) == "The run has ended.", id
    assert actions.bar(ended, session) == []
    assert names(actions.footer(ended, session))[0] == "copy"


def test_a_journal_that_nobody_runs_takes_no_verb(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "read_only", True)
    for action in ACTIONS:
        if action.decides or action.id == "pause":
            assert "read-only" in str(action.legal(held(), session)), action.id
    assert compose_bar(held(), session, 100) == ([], [])


def test_every_refusal_is_a_sentence(session: Session) -> None:
    empty, root = View(), view(held_run())
    for made in (empty, root, held(), view(answered_run())):
        for action in ACTIONS:
            why = action.legal(made, session)
            assert why is None or (why[0].isupper() and why.endswith(".")), (action.id, why)


@pytest.mark.parametrize("cells", [60, 80, 100, 120, 160])
def test_the_footer_fits_and_always_ends_with_the_same_keys(session: Session, cells: int) -> None:
    made = held()
    made.size = "narrow" if cells < 100 else "wide"
    lines, targets = compose_footer(made, session, cells)
    assert [line.width for line in lines] == [cells]
    ends = ": commands   ? help" if cells < 100 else ": commands   ? help   Q quit"
    assert lines[0].plain.rstrip().endswith(ends)
    for target in targets:
        words = lines[0].plain[target.start : target.stop]
        assert words.split(" ", 1)[1] == BY_ID[target.action].name(made, session) or target.action in (
            "pane",
            "iteration_back",
        )


@pytest.mark.parametrize(("cells", "size", "rows"), [(113, "wide", 3), (120, "medium", 3), (80, "narrow", 2)])
def test_the_decision_bar_fits(session: Session, cells: int, size: str, rows: int) -> None:
    made = held()
    made.size = size
    lines, targets = compose_bar(made, session, cells)
    assert [line.width for line in lines] == [cells] * rows
    assert "held before block 1" in lines[0].plain
    assert lines[0].plain.rstrip().endswith("0:38")
    assert lines[-1].plain.startswith(("▌    a run edited ", "▌  a run edited "))
    assert [target.action for target in targets][:3] == ["release", "edit", "revert"]
    if rows == 3:
        assert lines[1].plain.strip() == "▌   Nothing of this block has run. What follows from your edit will carry ✎."


def test_the_decision_bar_of_a_wide_label_is_cut_by_cells(session: Session) -> None:
    made = held()
    made.labels._known[log_call(2)] = (5, "測" * 100)
    lines, _ = compose_bar(made, session, 80)
    assert [line.width for line in lines] == [80] * 3


def test_a_hollow_chip_while_keys_are_not_taken(session: Session) -> None:
    made = held()
    made.grace = True
    lines, _ = compose_bar(made, session, 100)
    assert [words for piece, words in lines[-1].spans if "run edited" in piece] == ["held-text bold"]
    made.grace = False
    lines, _ = compose_bar(made, session, 100)
    assert [words for piece, words in lines[-1].spans if "run edited" in piece] == ["held"]


def test_the_table_for_the_readme_has_every_key() -> None:
    table = actions.markdown_table()
    assert table.count("\n") == len(ACTIONS) + 2
    for action in ACTIONS:
        assert f"`{action.key}`" in table or not action.keys
        assert action.help in table
