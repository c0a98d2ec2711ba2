"""Prices of a person's own: how they are written, what they come to, and what they win over."""

from __future__ import annotations

import pytest

from rlm_tui.llm.litellm import LiteLLMModel
from rlm_tui.llm.prices import Price, read_price
from tests.llm.asking import ask, request
from tests.llm.server import serve


def test_a_price_is_of_a_million_tokens_and_cached_ones_have_their_own() -> None:
    assert Price(2.0, 10.0).of(1_000_000, 0, None) == 2.0
    assert Price(2.0, 10.0).of(1_000, 100, 500) == pytest.approx(0.003)
    assert Price(2.0, 10.0, 0.5).of(1_000, 100, 500) == pytest.approx(0.00225)
    # More cached tokens than were sent are none that anybody pays for.
    assert Price(2.0, 0.0, 0.0).of(100, 0, 900) == 0.0


@pytest.mark.parametrize("text", ["0.15/0.6", "0.15/0.6/0.075", "0/0", "1e-3/2"])
def test_it_is_read_as_it_is_written(text: str) -> None:
    assert read_price(str(read_price(text))) == read_price(text)


@pytest.mark.parametrize("text", ["", "1", "1/2/3/4", "a/b", "-1/2", "nan/1", "inf/1", "1/"])
def test_what_is_none_is_refused_with_what_it_is_to_be(text: str) -> None:
    with pytest.raises(ValueError, match="in/out"):
        read_price(text)


@pytest.mark.xdist_group("litellm")
@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince211")
@pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")
@pytest.mark.parametrize("mode", ["plain", "own-cost", "no-usage"])
@pytest.mark.parametrize("stream", [True, False])
def test_it_wins_over_every_table_and_prices_only_what_was_reported(mode: str, stream: bool) -> None:
    name = f"openai/{mode}"
    with serve() as server:
        model = LiteLLMModel(name, api_base=server.base_url, api_key="k", prices={name: Price(100.0, 1_000.0, 10.0)})
        got = ask(model, request(stream=stream))
    assert got.reply is not None
    if mode == "no-usage":
        assert got.reply.usage is None
    else:
        # 120 tokens sent, 100 of them cached; 30 came back.
        assert got.reply.usage is not None and got.reply.usage.cost == pytest.approx(0.033)
