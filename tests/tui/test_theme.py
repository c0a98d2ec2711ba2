from __future__ import annotations

import pytest
from textual.color import Color

from rlm_tui.tui import theme
from rlm_tui.tui.theme import GROUNDS, TEXT_TOKENS, contrast, tokens
from tests.tui import sample
from tests.tui.panes import Panes, in_loop


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#777777") == pytest.approx(1.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("ours", [theme.DARK, theme.LIGHT], ids=lambda t: t.name)
@pytest.mark.parametrize("token", TEXT_TOKENS)
def test_every_ink_reads_on_every_ground(ours, token: str) -> None:
    worst = min(contrast(ours.variables[token], ours.variables[ground]) for ground in GROUNDS)
    assert worst >= 4.5, f"{token} {worst:.2f}"


@pytest.mark.parametrize("ours", [theme.DARK, theme.LIGHT], ids=lambda t: t.name)
def test_the_fill_reads_and_so_does_the_main_ink(ours) -> None:
    assert contrast(ours.variables["on-held"], ours.variables["held"]) >= 10
    assert contrast(ours.variables["ink"], ours.variables["bg"]) >= 16
    # A dialog's primary verb: letters of the ground on the hue of the hand.
    assert contrast(ours.variables["bg"], ours.variables["human"]) >= 4.5


@pytest.mark.parametrize("ours", theme.THEMES, ids=lambda t: t.name)
def test_a_theme_has_every_token(ours) -> None:
    assert set(tokens(ours.dark, ours.ansi)) <= set(ours.variables)
    assert set(tokens(True)) == set(tokens(False)) == set(tokens(True, True)) == set(tokens(False, True))


@pytest.mark.parametrize("dark", [True, False])
def test_sixteen_colours_mean_the_terminals_own(dark: bool) -> None:
    ours = {name: value for name, value in tokens(dark, ansi=True).items() if not name.endswith("-style")}
    assert all(value.startswith("ansi_") for value in ours.values())
    assert "ansi_bright_black" not in ours.values()
    assert all(ours[ground] == "ansi_default" for ground in GROUNDS)
    if dark:
        assert not {"ansi_blue", "ansi_bright_blue"} & set(ours.values())
    else:
        assert ours["held-text"] == ours["final"] == "ansi_default"


@pytest.mark.parametrize("ours", [theme.DARK, theme.LIGHT], ids=lambda t: t.name)
@in_loop
async def test_no_colour_on_the_screen_that_is_no_token(ours) -> None:
    view = sample.view(sample.held_run())
    allowed = {Color.parse(v).rgb for k, v in tokens(ours.dark).items() if not k.endswith("-style")}
    app = Panes(view, ours.name)
    async with app.run_test(size=(160, 45)) as pilot:
        seen: set[tuple[int, int, int]] = set()
        for node in ("root", sample.log_call(2)):
            view.select_node(node)
            for item in (view.item, None, f"{node}/i1", f"{node}/i1/b1", f"{node}/i1/obs"):
                view.item = item
                for tab in range(4):
                    view.tab = tab
                    app.sync()
                    await pilot.pause()
                    seen |= _colours(app)
    assert len(seen) > 12
    assert not seen - allowed


def _colours(app: Panes) -> set[tuple[int, int, int]]:
    found: set[tuple[int, int, int]] = set()
    for row in app.segments():
        for segment in row:
            for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                if colour is not None:
                    assert colour.triplet is not None, colour
                    found.add(tuple(colour.triplet))
    return found


@in_loop
async def test_without_colour_the_badge_is_reversed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    view = sample.view(sample.held_run())
    view.select_node(sample.log_call(2))
    app = Panes(view, "rlm-ansi-dark", ansi=True)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        badges = [s for row in app.segments() for s in row if s.text in (" block 1 ", " ǁ 1 held ")]
        assert len(badges) == 3
        assert all(s.style is not None and s.style.reverse for s in badges)
