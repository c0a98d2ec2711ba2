"""What the desk does besides folding: a long run is taken out of the collector's sight as it is read."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest

from rlm_tui.tui import desk
from tests.tui.branched import looking, played


def test_what_was_folded_is_not_gone_through_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = played(tmp_path)
    monkeypatch.setattr(desk, "SETTLED", 20)

    async def play() -> int:
        async with looking(path, (120, 36)) as stage:
            assert stage.view.live.seen > 20
            return gc.get_freeze_count()

    gc.unfreeze()
    try:
        assert asyncio.run(play()) > 0
    finally:
        gc.unfreeze()
