from __future__ import annotations

from pathlib import Path

import pytest

from optillm.chat import Usage
from optillm.config.prices import Price, Prices, load_prices


def test_a_call_costs_its_tokens_and_cached_ones_less() -> None:
    price = Price(input=2.0, output=8.0, cached=0.5)
    assert price.of(Usage(1000, 500)) == pytest.approx(0.006)
    assert price.of(Usage(1000, 500, cached_tokens=400)) == pytest.approx(0.0054)


def test_cached_tokens_cost_like_others_unless_the_table_says_otherwise() -> None:
    assert Price(input=2.0, output=0.0).of(Usage(1000, 0, cached_tokens=400)) == pytest.approx(0.002)


def test_more_cached_tokens_than_tokens_cost_nothing_less() -> None:
    assert Price(input=2.0, output=0.0, cached=0.0).of(Usage(10, 0, cached_tokens=99)) == 0.0


def test_an_exact_name_counts_before_a_pattern_and_a_long_one_before_a_short_one() -> None:
    one, two, three = (Price(input=n, output=n) for n in (1, 2, 3))
    prices = Prices({"a*": one, "a-big*": two, "a-big": three})
    assert (prices.of("a-small"), prices.of("a-big-2"), prices.of("a-big")) == (one, two, three)
    assert prices.of("b") is None


def test_knows_some_prices_and_not_those_of_models_with_like_names() -> None:
    prices = load_prices()
    assert prices.of("gpt-4o") == prices.of("gpt-4o-2024-08-06")
    assert prices.of("gpt-4o-mini") != prices.of("gpt-4o")
    assert prices.of("gpt-4o-audio-preview") is None
    assert prices.of("demo-small") is None


def test_an_operators_table_takes_the_place_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('["local/*"]\ninput = 0\noutput = 0.1\n')
    prices = load_prices(str(file))
    assert prices.of("local/llama") == Price(input=0, output=0.1)
    assert prices.of("gpt-4o") is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[a]\ninput = -1\noutput = 1\n", "a.input: Input should be greater than"),
        ("[a]\ninput = 1\n", "a.output: Field required"),
        ("[a]\ninput = 1\noutput = 1\nouput = 1\n", "unknown field `a.ouput`; did you mean `output`"),
        ("[a\n", "Expected"),
    ],
)
def test_a_table_that_is_none_is_refused_in_one_line(content: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(content)
    with pytest.raises(ValueError, match=told) as error:
        load_prices(str(file))
    assert "\n" not in str(error.value)
