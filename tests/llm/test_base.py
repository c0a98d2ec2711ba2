"""Names to models."""

from __future__ import annotations

import pytest

from rlm_tui.llm.base import ChatModel, ModelError, Models, UnknownModelError
from rlm_tui.llm.callable import CallableModel
from tests.llm.asking import ask, request


def named(name: str) -> ChatModel:
    return CallableModel(lambda messages: f"I am {name}")


def says(models: Models, name: str) -> str:
    reply = ask(models.get(name), request()).reply
    assert reply is not None
    return reply.text


def test_the_longest_prefix_answers_and_the_default_for_all_others() -> None:
    models = Models(lambda name: named(f"default {name}"))
    models.register("scripted:", lambda name: named(f"scripted {name}"))
    models.register("scripted:slow:", lambda name: named(f"slow {name}"))
    assert says(models, "scripted:a") == "I am scripted scripted:a"
    assert says(models, "scripted:slow:a") == "I am slow scripted:slow:a"
    assert says(models, "openai/gpt-4o") == "I am default openai/gpt-4o"


def test_a_model_is_made_once() -> None:
    made: list[str] = []

    def make(name: str) -> ChatModel:
        made.append(name)
        return named(name)

    models = Models(make)
    assert models.get("a") is models.get("a")
    assert models.get("a") is not models.get("b")
    assert made == ["a", "b"]


def test_a_name_nobody_answers_to() -> None:
    models = Models()
    with pytest.raises(UnknownModelError, match="known prefixes: none"):
        models.get("openai/gpt-4o")
    models.register("scripted:", named)
    with pytest.raises(UnknownModelError, match=r"'openai/gpt-4o' \(known prefixes: scripted:\)"):
        models.get("openai/gpt-4o")


def test_an_error_as_the_journal_keeps_it() -> None:
    error = ModelError("rate", "rate limited", detail="429", retry=True, original=ValueError("x"))
    assert error.info.model_dump() == {"kind": "rate", "message": "rate limited", "detail": "429"}
    assert str(error) == "rate limited"
