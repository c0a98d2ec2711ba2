"""The colours of prose that is edited: fenced code as code, headings, the lines between messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.tui.markup import prose
from rlm_tui.tui.typed import visible
from rlm_tui.tui.widgets.editor import Editor
from tests.tui.stage import Stage, staged
from tests.tui.test_edit import open_editor, type_into


def names(lines: list[str], rule: str = "") -> dict[int, set[str]]:
    return {n: {name for *_, name in row} for n, row in prose(lines, rule).items()}


def test_code_between_fences_is_coloured_and_prose_is_not() -> None:
    found = names(["for you", "```repl", "for x in context:  # all", "```", "for me", "# Heading"])
    assert 0 not in found
    assert found[1] == found[3] == {"comment"}
    assert {"keyword", "rlm", "comment"} <= found[2]
    assert 4 not in found
    assert found[5] == {"heading"}


def test_another_language_is_left_plain() -> None:
    assert names(["```json", "for x in y", "```"]).keys() == {0, 2}


def test_a_fence_that_is_still_open_is_coloured_as_it_is_typed() -> None:
    assert "keyword" in names(["```python", "for x in y"])[1]


def test_a_message_ends_the_fence_that_the_one_before_left_open() -> None:
    found = names(["=== user ===", "```", "=== assistant ===", "for x in y"], "===")
    assert found[0] == found[2] == {"heading"}
    assert 3 not in found


def test_places_are_bytes_of_what_is_shown() -> None:
    (row,) = [row for n, row in prose(["```", "é = 'ü' # ok", "```"]).items() if n == 1]
    line = "é = 'ü' # ok".encode()
    assert b"".join(line[a:b] for a, b, name in row if name == "string").decode() == "'ü'"
    assert [line[a:b].decode() for a, b, name in row if name == "comment"] == ["# ok"]


@given(st.text(st.characters(codec=None, exclude_categories=())), st.sampled_from(["", "==="]))
def test_no_text_is_too_odd_to_be_coloured(text: str, rule: str) -> None:
    lines = [visible(line) for line in text.split("\n")]
    for n, row in prose(["```", *lines], rule).items():
        assert 0 <= n <= len(lines)
        assert all(a <= (b if b is not None else a) for a, b, _ in row)


@staged()
async def test_a_reply_is_coloured_in_the_editor_as_it_is_typed(stage: Stage) -> None:
    await stage.next_to("reply")
    await open_editor(stage)
    editor = stage.app.screen.query_one(Editor)
    assert any(name == "rlm" for row in editor._highlights.values() for *_, name in row)
    await type_into(stage, "only prose")
    assert not any(editor._highlights.values())
    await type_into(stage, "```repl\nfor x in y:\n\tpass  # é\n```")
    assert any(name == "keyword" for *_, name in editor._highlights[1])
    assert "pass" in stage.text
