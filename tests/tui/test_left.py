"""Forms that were left while what was asked for is on its way: its answer finds nobody, and nothing breaks."""

from __future__ import annotations

import pytest

from tests.tui import scenes
from tests.tui.stage import Stage, staged


@pytest.mark.parametrize("act", ["do_force_final", "do_tell", "do_limits", "do_edit", "do_console"])
def test_a_refusal_that_comes_to_a_form_that_was_left_is_no_error(act: str) -> None:
    @staged()
    async def leaves(stage: Stage) -> None:
        await scenes.held_block(stage)
        getattr(stage.main, act)()
        await stage.until(lambda: stage.app.screen is not stage.main, "the form")
        form = stage.app.screen
        await stage.press("escape")
        await stage.until(lambda: stage.app.screen is stage.main and not form.children, "the run")
        first: list[object] = {"do_edit": [True]}.get(act, [])
        form._answered(*first, "It is over.")  # type: ignore[attr-defined]
        await stage.pilot.pause()
        assert stage.app.screen is stage.main and stage.app._exception is None

    leaves()
