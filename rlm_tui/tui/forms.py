"""What a person edits of each held value, as one text, and how the text becomes the value again."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rlm_tui.journal.tree import Held
from rlm_tui.tui.text import clean

ROLES = ("system", "user", "assistant")
Language = Literal["python", "markdown", ""]


class Unreadable(ValueError):
    """The text cannot become a value; the message says why."""


@dataclass(frozen=True, slots=True)
class Form:
    """One held value as a text.

    Attributes:
        field: The ``edit`` event's field.
        text: The value as it stands now, as text.
        was: The value as it stands now.
        language: How to colour it.
        rule: The line between messages, for messages only.
    """

    field: str
    text: str
    was: Any
    language: Language = ""
    rule: str = ""
    name: str = ""

    def value(self, text: str) -> Any:
        """The value that a text stands for.

        Args:
            text: What the person made of ``self.text``.

        Raises:
            Unreadable: When it stands for none.
        """
        match self.field:
            case "messages":
                return read_messages(text, self.rule)
            case "limit":
                return {"name": self.name, "to": _number(text)}
            case "final":
                return {"accept": True, "text": text}
            case _:
                return text


_FIELDS: dict[str, tuple[str, str]] = {
    "reply": ("reply", "text"), "block": ("code", "code"), "call": ("prompt", "prompt"),
    "return": ("answer", "text"), "observe": ("obs", "text"), "final": ("final", "text"),
}  # fmt: skip
_FAILED = {"code": "block", "prompt": "call"}
"""What is edited of something that failed, as at the point where it first was held."""

_LANGUAGES: dict[str, Language] = {"block": "python", "reply": "markdown"}


def form(held: Held, value: Mapping[str, Any]) -> Form | None:
    """The form of a held value.

    Args:
        held: What is held.
        value: Its value as it stands now, every text of it whole.

    Returns:
        None when there is nothing to edit at that point.
    """
    if held.point == "llm" or (held.point == "error" and "messages" in value):
        messages = [{"role": str(m["role"]), "content": str(m["content"])} for m in value.get("messages", ())]
        rule = ruler([message["content"] for message in messages])
        return Form("messages", write_messages(messages, rule), messages, "markdown", rule)
    if held.point == "limit":
        limit = value.get("limit", 0)
        return Form("limit", f"{limit:.12g}", limit, name=str(value.get("name", "")))
    point = _FAILED.get(next((key for key in _FAILED if key in value), "")) if held.point == "error" else held.point
    if point not in _FIELDS:
        return None
    field, key = _FIELDS[point]
    text = str(value.get(key, ""))
    return Form(field, text, text, _LANGUAGES.get(point, ""))


def ruler(contents: Sequence[str]) -> str:
    """A row of ``=`` that stands around the role and begins no line of any message."""
    longest = max((len(run) for content in contents for run in re.findall(r"(?m)^=+", content)), default=0)
    return "=" * max(3, longest + 1)


def write_messages(messages: Sequence[Mapping[str, str]], rule: str) -> str:
    """Messages as one text: ``=== user ===``, then the message as it is."""
    return "\n".join(f"{rule} {message['role']} {rule}\n{message['content']}" for message in messages)


def read_messages(text: str, rule: str) -> list[dict[str, str]]:
    """The messages of a text made by `write_messages`.

    Args:
        text: The text.
        rule: The row around the roles.

    Raises:
        Unreadable: Without a heading at the start, or with a role that is none.
    """
    heading = re.compile(rf"^{rule} ([^\n]*?) {rule}$", re.MULTILINE)
    found = list(heading.finditer(text))
    if not found or text[: found[0].start()].strip():
        raise Unreadable(f"The text must begin with a line such as: {rule} user {rule}")
    ends = [match.start() - 1 for match in found[1:]] + [len(text)]
    messages = [{"role": m.group(1), "content": text[m.end() + 1 : end]} for m, end in zip(found, ends, strict=True)]
    for message in messages:
        if message["role"] not in ROLES:
            raise Unreadable(f"A message is from {', '.join(ROLES[:-1])} or {ROLES[-1]}, not from {message['role']!r}.")
    return messages


def _number(text: str) -> float:
    try:
        return float(text.strip().replace(",", ""))
    except ValueError:
        raise Unreadable("A limit is a number.") from None


def problem(form: Form, text: str) -> str:
    """What is wrong with a text, in one line; empty when nothing is.

    Args:
        form: What it is to become.
        text: The text.
    """
    if form.language != "python":
        try:
            form.value(text)
        except Unreadable as error:
            return str(error)
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return f"line {error.lineno or 1}: {clean(str(error.msg))}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"Python cannot read this: {clean(str(error)) or type(error).__name__}"
    return ""
