"""The colours: five hues with one meaning each, three inks, and nothing else on the screen.

Amber is held, red wrong, violet a person's hand, cyan live now, green the accepted answer.
"""

from __future__ import annotations

from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

_DARK = {
    "bg": "#0f1217", "raised": "#161a21", "cursor": "#232a36", "rule": "#2e3541", "rule-2": "#4a5463",
    "ink": "#eceef1", "ink-2": "#b4bcc8", "ink-3": "#8a93a2",
    "held": "#ffb938", "on-held": "#1c1200", "held-text": "#ffb938", "held-bg": "#2b2110",
    "error": "#ff7f76", "human": "#c8a6ff", "human-bg": "#251d38", "live": "#62c9ee", "final": "#86d67c",
    "code-keyword": "#9fb3d8", "code-string": "#a3bf96", "code-number": "#d3a9b4",
}  # fmt: skip

_LIGHT = {
    "bg": "#fbfaf7", "raised": "#f2f0ea", "cursor": "#e3e4e6", "rule": "#d5d3cb", "rule-2": "#a3a39b",
    "ink": "#17191d", "ink-2": "#454b55", "ink-3": "#5f6671",
    "held": "#ffc04a", "on-held": "#1c1200", "held-text": "#855300", "held-bg": "#fff0d0",
    "error": "#b3261e", "human": "#6b35b8", "human-bg": "#eee5fa", "live": "#00627f", "final": "#236b1e",
    "code-keyword": "#34517f", "code-string": "#3f5f2f", "code-number": "#8a3a50",
}  # fmt: skip

_ANSI = dict.fromkeys(_DARK, "ansi_default")
# `ansi_bright_black` is invisible in some palettes, and blue is not readable on black: neither is used for text.
_ANSI_DARK = _ANSI | {
    "held": "ansi_bright_yellow", "on-held": "ansi_black", "held-text": "ansi_bright_yellow",
    "error": "ansi_bright_red", "human": "ansi_bright_magenta", "live": "ansi_bright_cyan",
    "final": "ansi_bright_green", "code-string": "ansi_bright_green",
}  # fmt: skip
_ANSI_LIGHT = _ANSI | {
    "held": "ansi_yellow", "on-held": "ansi_black",
    "error": "ansi_red", "human": "ansi_magenta", "live": "ansi_blue",
}  # fmt: skip

# Weights that carry what a colour would: empty in true colour, needed where there are few colours or none.
_PLAIN_STYLES = dict.fromkeys(("ink-3", "rule", "held-text", "final", "code-keyword", "cursor", "held-bg"), "none")
_ANSI_STYLES = _PLAIN_STYLES | {
    "ink-3": "dim", "rule": "dim", "code-keyword": "bold", "cursor": "bold", "held-bg": "bold"
}  # fmt: skip

TEXT_TOKENS = (
    "ink", "ink-2", "ink-3", "held-text", "error", "human", "live", "final",
    "code-keyword", "code-string", "code-number",
)  # fmt: skip
"""Tokens that letters are written in."""

GROUNDS = ("bg", "raised", "cursor", "held-bg", "human-bg")
"""Tokens that letters are written on."""


def tokens(dark: bool, ansi: bool = False) -> dict[str, str]:
    """Every colour and weight of ours by name, for `App.get_theme_variable_defaults`.

    Args:
        dark: Whether the ground is dark.
        ansi: Whether only the terminal's own sixteen colours may be used.

    Returns:
        Colours as ``name``, weights as ``name-style``.
    """
    colours = (_ANSI_DARK if dark else _ANSI_LIGHT) if ansi else (_DARK if dark else _LIGHT)
    styles = _ANSI_STYLES if ansi else _PLAIN_STYLES
    if ansi and not dark:
        styles = styles | {"held-text": "bold", "final": "bold"}
    return colours | {f"{name}-style": style for name, style in styles.items()}


def _theme(name: str, *, dark: bool, ansi: bool = False) -> Theme:
    t = tokens(dark, ansi)
    # Textual's own widgets ask for more names where there are only sixteen colours.
    base = BUILTIN_THEMES["ansi-dark" if dark else "ansi-light"].variables if ansi else {}
    return Theme(
        name=name, dark=dark, ansi=ansi,
        primary=t["live"], accent=t["live"], secondary=t["human"], warning=t["held"], error=t["error"],
        success=t["final"], foreground=t["ink"], background=t["bg"], surface=t["raised"], panel=t["raised"],
        boost=t["raised"],
        variables=base | t | {
            "text-muted": t["ink-3"],
            "block-cursor-background": t["cursor"], "block-cursor-foreground": t["ink"],
            "block-cursor-text-style": "bold",
            "block-cursor-blurred-background": t["raised"], "block-cursor-blurred-foreground": t["ink"],
            "input-cursor-background": t["ink"], "input-cursor-foreground": t["bg"],
            "scrollbar": t["rule-2"], "scrollbar-hover": t["ink-3"], "scrollbar-active": t["ink-2"],
            "scrollbar-background": t["bg"], "scrollbar-background-hover": t["bg"],
            "scrollbar-background-active": t["bg"], "scrollbar-corner-color": t["bg"],
        },
    )  # fmt: skip


DARK = _theme("rlm-dark", dark=True)
LIGHT = _theme("rlm-light", dark=False)
ANSI_DARK = _theme("rlm-ansi-dark", dark=True, ansi=True)
ANSI_LIGHT = _theme("rlm-ansi-light", dark=False, ansi=True)

THEMES: tuple[Theme, ...] = (DARK, LIGHT, ANSI_DARK, ANSI_LIGHT)
"""Themes to register; the first is the default, the third is taken under ``NO_COLOR``."""


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21, by the rule of WCAG 2.

    Args:
        one: A colour as ``#rrggbb``.
        other: Another.
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    def linear(channel: int) -> float:
        c = channel / 255
        return c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4

    red, green, blue = Color.parse(colour).rgb
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
