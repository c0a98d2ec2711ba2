"""Reading a reply: what runs, what does not and why, and what is declared in prose."""

from __future__ import annotations

import ast
import warnings
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlm_tui.engine import parsing
from rlm_tui.engine.parsing import MAX_ENDS, RUN_TAGS, in_text, normalise, parse
from rlm_tui.engine.values import ParsedReply


def codes(parsed: ParsedReply) -> list[str]:
    return [block.code for block in parsed.blocks]


def reasons(parsed: ParsedReply) -> list[str]:
    return [reject.reason for reject in parsed.rejects]


# --- which fences run ---


def test_s30_blocks_run_in_the_order_written_whatever_their_tags() -> None:
    parsed = parse("```python\na = 1\n```\nthen\n```repl\nb = a\n```\n```py\nc = b\n```", "stop")
    assert codes(parsed) == ["a = 1", "b = a", "c = b"]
    assert parsed.rejects == ()


@pytest.mark.parametrize("tag", ["repl", "PY", "Repl", "python3", "python title=x", " repl", "Python  "])
def test_s31_a_tag_is_the_first_word_in_any_case(tag: str) -> None:
    parsed = parse(f"```{tag}\nprint(1)\n```", "stop")
    assert codes(parsed) == ["print(1)"]
    assert parsed.blocks[0].reasons == ()


@pytest.mark.parametrize("tag", ["json", "bash", "text", "replx", "replica", "python-repl", "python4"])
def test_s31_other_tags_do_not_run_and_are_reported(tag: str) -> None:
    parsed = parse(f"```{tag}\nprint(1)\n```", "stop")
    assert codes(parsed) == []
    assert [(r.reason, r.tag, r.code) for r in parsed.rejects] == [("other_tag", tag, "print(1)")]


@pytest.mark.parametrize(("body", "compiles"), [("print(1)", True), ("two words", False)])
def test_s31_a_fence_without_tag_does_not_run_and_says_whether_it_could(body: str, compiles: bool) -> None:
    parsed = parse(f"```\n{body}\n```", "stop")
    assert codes(parsed) == []
    assert [(r.reason, r.code, r.compiles) for r in parsed.rejects] == [("untagged", body, compiles)]


def test_the_run_tags_are_the_callers() -> None:
    assert codes(parse("```repl\n1\n```\n```py\n2\n```", "stop", frozenset({"py"}))) == ["2"]


# --- fences on one line, and words in backticks ---


@pytest.mark.parametrize(
    "text",
    [
        "Write code in ```repl``` fences.",
        "```repl``` is the tag to use.",
        "```repl``` and ```python```",
        "```print(1)``` prints",
    ],
)
def test_s32_backticks_in_a_sentence_are_no_fence(text: str) -> None:
    assert parse(text, "stop") == ParsedReply()


def test_s32_a_sentence_with_backticks_does_not_shift_the_pairing() -> None:
    parsed = parse(
        "Use ```repl``` like this:\n```repl\nx = 1\n```\nand ```python``` too\n```python\ny = 2\n```", "stop"
    )
    assert codes(parsed) == ["x = 1", "y = 2"]


def test_s32_a_one_liner_runs() -> None:
    parsed = parse("```repl print(1)```\nprose", "stop")
    assert codes(parsed) == ["print(1)"]
    assert parsed.blocks[0].reasons == ("one_line",)
    assert parsed.blocks[0].span == (0, 19)


def test_a_one_liner_may_hold_backticks_in_a_string() -> None:
    assert codes(parse('```repl print("```")```', "stop")) == ['print("```")']


def test_a_one_liner_of_another_tag_is_reported() -> None:
    parsed = parse('```json {"a": 1}```', "stop")
    assert [(r.reason, r.tag, r.code) for r in parsed.rejects] == [("other_tag", "json", '{"a": 1}')]
    assert [(r.reason, r.tag, r.code) for r in parse("```print(1)```", "stop").rejects] == [
        ("untagged", "", "print(1)")
    ]


# --- where a block ends ---


def test_s33_a_fence_inside_a_string_belongs_to_the_block() -> None:
    code = 'prompt = """Answer like this:\n```json\n{}\n```\nand\n```\nplain\n```\n"""\nprint(prompt)'
    parsed = parse(f"```repl\n{code}\n```\nafter\n```json\n1\n```", "stop")
    assert codes(parsed) == [code]
    assert parsed.blocks[0].reasons == ("nested_fence",)
    assert reasons(parsed) == ["other_tag"]


def test_s33_a_block_that_does_not_compile_ends_at_the_first_fence_and_runs() -> None:
    parsed = parse("```repl\nif True\n```\nprose\n```repl\nprint(2)\n```", "stop")
    assert codes(parsed) == ["if True", "print(2)"]


def test_s33_an_open_string_that_nothing_completes_ends_at_the_first_fence() -> None:
    parsed = parse('```repl\ns = """open\n```\nprose\n```repl\nprint(2)\n```', "stop")
    assert codes(parsed) == ['s = """open', "print(2)"]


def test_a_wider_fence_holds_narrower_ones() -> None:
    parsed = parse("````markdown\n```repl\nprint(1)\n```\n````\n", "stop")
    assert codes(parsed) == []
    assert [(r.reason, r.code) for r in parsed.rejects] == [("other_tag", "```repl\nprint(1)\n```")]
    assert codes(parse("````repl\ns = '''\n```\n'''\n`````\n", "stop")) == ["s = '''\n```\n'''"]


def test_s33_backticks_at_the_end_of_a_line_of_code_close_an_open_fence() -> None:
    parsed = parse("```repl\nx = 1\nprint(x)```\nSo far.", "stop")
    assert codes(parsed) == ["x = 1\nprint(x)"]
    assert parsed.blocks[0].reasons == ("line_end_fence",)


def test_s33_a_fence_closed_at_a_lines_end_runs_even_if_it_does_not_compile() -> None:
    parsed = parse("```repl\nprint(1))```\nSo far.", "stop")
    assert codes(parsed) == ["print(1))"]
    assert parsed.blocks[0].reasons == ("line_end_fence",)


def test_backticks_at_the_end_of_a_line_close_before_the_fence_of_a_later_block() -> None:
    parsed = parse("```repl\nprint(1)```\nand\n```repl\nprint(2)\n```", "stop")
    assert codes(parsed) == ["print(1)", "print(2)"]


@pytest.mark.parametrize("line", ["x = 1  # not a fence: ```", "s = '''```\n'''"])
def test_backticks_at_the_end_of_a_line_that_are_python_close_nothing(line: str) -> None:
    assert codes(parse(f"```repl\n{line}\nprint(2)\n```", "stop")) == [f"{line}\nprint(2)"]


@pytest.mark.parametrize("finish", ["length", None, "content_filter"])
def test_s33_an_unclosed_block_of_a_cut_reply_does_not_run(finish: str | None) -> None:
    parsed = parse("```repl\nx = 1\ny = 2", finish)
    assert codes(parsed) == []
    assert [(r.reason, r.code) for r in parsed.rejects] == [("unclosed", "x = 1\ny = 2")]


def test_s33_an_unclosed_block_of_a_whole_reply_runs_if_it_compiles() -> None:
    parsed = parse("Now:\n```repl\nx = 1\ny = 2\n", "stop")
    assert codes(parsed) == ["x = 1\ny = 2"]
    assert parsed.blocks[0].reasons == ("unclosed_run",)
    assert reasons(parse("```repl\nx = 1\n\nThat was it, I think.", "stop")) == ["unclosed"]


# --- code as it runs ---


def test_s34_common_indentation_is_removed_and_nothing_else() -> None:
    parsed = parse("1. First:\n   ```repl\n   if 1:\n       print('  a')  \n   ```\n2. done", "stop")
    assert codes(parsed) == ["if 1:\n    print('  a')  "]
    assert parsed.blocks[0].reasons == ("dedented",)


def test_s34_an_indented_first_line_keeps_its_place() -> None:
    assert codes(parse("```repl\n    x = 1\n    y = 2\n```", "stop")) == ["x = 1\ny = 2"]


@pytest.mark.parametrize("text", ["```repl\n \n\t\n```", "```repl```", "```repl\n```", "```repl\n"])
def test_s34_a_blank_block_does_not_run(text: str) -> None:
    parsed = parse(text, "stop")
    assert codes(parsed) == []
    assert reasons(parsed) == ["empty"]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("a\r\nb\r\n", "a\nb"),
        ("\n\n  \na\n\nb\n\n", "a\n\nb"),
        ("  a\n\n    b\n  c", "a\n\n  b\nc"),
        ("\ta\n\t\tb", "a\n\tb"),
        ("\ta\n    b", "\ta\n    b"),
        ("  s = '''\nx\n'''", "  s = '''\nx\n'''"),
        ("s = '''\n   \n'''", "s = '''\n   \n'''"),
        ("\ns = 'a\x0cb\u2028c'\n", "s = 'a\x0cb\u2028c'"),
    ],
)
def test_normalise(raw: str, code: str) -> None:
    assert normalise(raw)[0] == code


# --- what is no code at all ---


def test_blocks_in_thoughts_do_not_run() -> None:
    text = "<think>maybe\n```repl\nx = 1\n```\nFINAL(1)\n</think>\n```repl\nx = 2\n```"
    parsed = parse(text, "stop")
    assert codes(parsed) == ["x = 2"]
    assert reasons(parsed) == ["in_think"]
    assert parsed.finals == ()


def test_thoughts_whose_beginning_is_missing_do_not_run() -> None:
    parsed = parse("perhaps\n```repl\nx = 1\n```\n</think>\n\nFINAL(7)", "stop")
    assert codes(parsed) == []
    assert reasons(parsed) == ["in_think"]
    assert [(p.text, p.refused) for p in parsed.finals] == [("7", None)]


def test_thoughts_that_never_end_hold_the_whole_reply() -> None:
    parsed = parse("<think>\n```repl\nx = 1\n```\nFINAL(7)", "stop")
    assert (codes(parsed), reasons(parsed), parsed.finals) == ([], ["in_think"], ())


def test_the_word_think_in_code_is_no_thought() -> None:
    code = 'print(context.split("</think>")[-1])'
    assert codes(parse(f"```repl\n{code}\n```", "stop")) == [code]


def test_what_follows_thoughts_on_their_last_line_begins_a_line() -> None:
    assert codes(parse("<think>a</think>```repl\n1\n```", "stop")) == ["1"]
    assert [p.refused for p in parse("<think>a</think> FINAL(4)", "stop").finals] == [None]


@pytest.mark.parametrize(
    "call",
    [
        "<function_calls>\n<invoke name='x'>1</invoke>\n</function_calls>",
        '<tool_call>{"name": "repl"}</tool_call>',
        '<tool_call>{"name": "repl"}',
        '<invoke name="python">print(1)</invoke>',
        '<ns:invoke name="python">print(1)</ns:invoke>',
    ],
)
def test_calls_of_another_protocol_are_reported(call: str) -> None:
    parsed = parse(f"Let me look.\n{call}", "stop")
    assert codes(parsed) == []
    assert reasons(parsed) == ["tool_call"]
    assert parsed.rejects[0].span == (13, 13 + len(call))


def test_a_tool_call_in_code_is_code() -> None:
    assert parse("```repl\ns = '<tool_call>'\n```", "stop").rejects == ()
    assert parse("I could write `<tool_call>` here.", "stop").rejects == ()


@pytest.mark.parametrize("text", ["", "  \n", "<think>hm</think>\n"])
def test_an_empty_reply(text: str) -> None:
    parsed = parse(text, "stop")
    assert (codes(parsed), reasons(parsed), parsed.finals) == ([], ["empty_reply"], ())


# --- answers in prose ---


def test_s23_a_final_in_prose_is_found() -> None:
    parsed = parse("Checked.\n\nFINAL(42)\n", "stop")
    assert [(p.text, p.via, p.origin, p.refused, p.span) for p in parsed.finals] == [
        ("42", "FINAL", "text", None, (10, 19))
    ]


def test_s23_a_final_beside_code_is_refused() -> None:
    parsed = parse("```repl\nprint(1)\n```\nFINAL(42)", "stop")
    assert codes(parsed) == ["print(1)"]
    assert [(p.text, p.refused) for p in parsed.finals] == [("42", "final_beside_code")]


@pytest.mark.parametrize("fence", ["```\nFINAL(42)\n```", "```text\n  FINAL(42)  \n```", "```FINAL(42)```"])
def test_s23_a_fence_that_holds_only_a_final_is_an_answer(fence: str) -> None:
    parsed = parse(f"Here:\n{fence}\n", "stop")
    assert parsed.rejects == ()
    assert [(p.text, p.reasons, p.refused) for p in parsed.finals] == [("42", ("fenced_final",), None)]
    assert parsed.finals[0].span == (6, 6 + len(fence))


def test_a_fence_that_holds_more_than_a_final_is_none() -> None:
    parsed = parse("```\nx = 1\nFINAL(42)\n```", "stop")
    assert (reasons(parsed), parsed.finals) == (["untagged"], ())


# --- the grammar of a declaration ---


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("FINAL(42)", "42"),
        ("  FINAL( 42 )  ", "42"),
        ("FINAL(f(x) = (1, 2))", "f(x) = (1, 2)"),
        ('FINAL("it\'s")', "it's"),
        ('FINAL("a :) b")', "a :) b"),
        ('FINAL("a\\nb")', "a\nb"),
        ("FINAL('''two\nlines)''')", "two\nlines)"),
        ("FINAL(two\n(long)\nlines)", "two\n(long)\nlines"),
        ('FINAL("Hello," she said)', '"Hello," she said'),
        ("FINAL('tis (late))", "'tis (late)"),
        ('FINAL("a" "b")', '"a" "b"'),
        ('FINAL("")', ""),
        ('FINAL("\\q")', "\\q"),
        ("FINAL(b'x')", "b'x'"),
        ("FINAL({'a': 1})", "{'a': 1}"),
        ('FINAL(f"{x}")', 'f"{x}"'),
        ("FINAL(None)", "None"),
        ("FINAL(é ☃ \U0001f600)", "é ☃ \U0001f600"),
    ],
)
def test_s42_an_answer_ends_where_its_parentheses_balance(text: str, answer: str) -> None:
    found = in_text(text)
    assert [(p.text, p.refused, p.var) for p in found] == [(answer, None, None)]


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("FINAL(42) once verified", "trailing_text"),
        ("FINAL(42).", "trailing_text"),
        ("So: FINAL(42)", "not_anchored"),
        ("`FINAL(42)`", "not_anchored"),
        ("I will call FINAL(x) later", "not_anchored"),
        ("FINAL(never closed", "unbalanced"),
        ("FINAL(", "unbalanced"),
        ("FINAL()", "no_argument"),
        ("FINAL_VAR()", "no_argument"),
        ("FINAL_VAR(a['b'])", "not_a_name"),
    ],
)
def test_s42_what_does_not_count_says_why(text: str, refused: str) -> None:
    assert [p.refused for p in in_text(text)] == [refused]


@pytest.mark.parametrize("text", ["MY_FINAL(1)", "obj.FINAL(1)", "FINALLY(1)", "final(1)", "FINAL (1)", "FINAL"])
def test_other_words_are_no_declaration(text: str) -> None:
    assert in_text(text) == ()


@pytest.mark.parametrize("text", ["FINAL_VAR(total)", "FINAL_VAR('total')", ' FINAL_VAR( "total" ) '])
def test_s43_a_final_var_in_text_gives_the_name(text: str) -> None:
    assert [(p.var, p.text, p.via, p.refused) for p in in_text(text)] == [("total", "", "FINAL_VAR", None)]


def test_s42_a_declaration_inside_another_is_part_of_it() -> None:
    assert [p.text for p in in_text("FINAL(say\nFINAL(1)\nor so)")] == ["say\nFINAL(1)\nor so"]


def test_an_open_mention_in_a_sentence_hides_no_answer() -> None:
    found = in_text("I would write FINAL( and then\nFINAL(42)\n)")
    assert [(p.text, p.refused) for p in found if p.refused is None] == [("42", None)]


def test_parentheses_in_skipped_spans_close_nothing() -> None:
    text = "FINAL(never closed\n```json\n:)\n```\n"
    assert [p.refused for p in parse(text, "stop").finals] == ["unbalanced"]


def test_s45_a_long_answer_is_whole() -> None:
    answer = "a (b) \n é" * 40_000
    assert in_text(f"FINAL({answer})")[0].text == answer
    assert in_text(f"FINAL({answer!r})")[0].text == answer


# --- no input raises, every span points into the text, work is linear ---

PIECES = [
    "```", "````", "```repl", "```python\n", "```json", "\n", "\r\n", "print(1)", "x = '''", '"""', "'''", '"', "\\",
    "FINAL(", "FINAL_VAR(", "FINAL(42)", ")", "(", "<think>", "</think>", "<tool_call>", "</tool_call>", "#", "if x:",
    "    ", "{", "f'{", "\x00", "\ud800", "é", " ", "a", "`",
]  # fmt: skip
replies = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(exclude_categories=())),
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=40).map("\n".join),
)


@given(replies, st.sampled_from(["stop", "length", None]))
@example("```repl\n" + "(" * 300, "stop")
@example("```repl\n" + "-" * 20_000 + "1\n```", "stop")
@example("```repl\n" + "a." * 20_000 + "a\n```", "stop")
@example("FINAL('\\N{x}')", "stop")
@example('FINAL("\ud800")', "stop")
def test_no_reply_raises_and_every_span_points_into_it(text: str, finish: str | None) -> None:
    parsed = parse(text, finish)
    for span in [*(b.span for b in parsed.blocks), *(r.span for r in parsed.rejects), *(p.span for p in parsed.finals)]:
        assert span is not None
        assert 0 <= span[0] <= span[1] <= len(text)
    for block in parsed.blocks:
        assert text.startswith("```", block.span.start)
        assert block.code.strip()
        for line in block.code.split("\n"):
            assert line.strip() in text
    ordered = [block.span for block in parsed.blocks]
    assert all(left.end <= right.start for left, right in pairwise(ordered))
    fences = sorted([*ordered, *(r.span for r in parsed.rejects if r.span.start != r.span.end)])
    assert all(left.end <= right.start for left, right in pairwise(fences))
    for final in parsed.finals:
        assert "FINAL" in text[slice(*(final.span or (0, 0)))]


@given(replies)
def test_a_reply_reads_the_same_twice_and_more_text_before_it_moves_its_spans(text: str) -> None:
    assert parse(text, "stop") == parse(text, "stop")
    thoughts = "<think>é</think>\n"
    moved = parse(thoughts + text, "stop")
    if "think>" not in text:
        assert [b.code for b in moved.blocks] == codes(parse(text, "stop"))
        assert [b.span.start - len(thoughts) for b in moved.blocks] == [
            b.span.start for b in parse(text, "stop").blocks
        ]


HOSTILE = {
    "open declarations": "FINAL(\n",
    "open strings in declarations": "FINAL('''",
    "nested declarations": "FINAL(x ",
    "blocks closed at a line's end": "```repl\nx```\n",
    "comments that end in backticks": "```repl\n#```\n",
    "fences that nothing closes": "```a\n",
    "run fences that nothing closes": "```repl\n",
    "fences in open strings": "```repl\nx='''\n```\n",
    "lines in open strings": "x='''```\n",
    "one-liners": "```repl x``` ```y```\n",
    "calls": "<tool_call>",
    "thoughts": "<think>",
    "parentheses": "(\n",
    "blanks": " ",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_the_code_that_is_compiled_is_bounded_by_the_length_of_the_reply(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = 0
    read = ast.parse

    def counting(code: str) -> ast.Module:
        nonlocal spent
        spent += len(code)
        return read(code)

    monkeypatch.setattr(parsing.ast, "parse", counting)
    text = "```repl\n" + piece * (200_000 // len(piece))
    parse(text, "stop")
    assert spent <= 4 * MAX_ENDS * len(text)
    spent = 0
    parse(text + "\n```", "length")
    assert spent <= 4 * MAX_ENDS * len(text)


def test_at_most_fifty_ends_of_a_block_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    read = ast.parse
    monkeypatch.setattr(parsing.ast, "parse", lambda code: (tried.append(code), read(code))[1])
    inner = "```\n" * (MAX_ENDS + 5)
    parsed = parse(f"```repl\ns = '''\n{inner}'''\nprint(s)\n```", "stop")
    assert parsed.blocks[0].code == "s = '''"
    assert sum(code.startswith("s = '''") for code in tried) == MAX_ENDS


def test_code_that_nothing_can_complete_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    read = ast.parse
    monkeypatch.setattr(parsing.ast, "parse", lambda code: (tried.append(code), read(code))[1])
    parse("```repl\nif True\n```\n" + "prose\n```\n" * 20, "length")
    assert tried.count("if True") == 1
    assert sum(code.startswith("if True") for code in tried) == 1


def test_reading_code_warns_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert codes(parse("```repl\nx = '\\q'\n```\n```repl\n1 is 1\n```", "stop")) == ["x = '\\q'", "1 is 1"]
        assert in_text("FINAL('\\q')")[0].text == "\\q"


def test_the_run_tags_are_the_four() -> None:
    assert frozenset({"repl", "python", "py", "python3"}) == RUN_TAGS
