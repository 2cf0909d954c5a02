"""What tokens cost: a small table of models, which the operator can replace.

Unknown prices stay unknown. The table is TOML: a table for each model's name, or a pattern with `*`, with `input`,
`output` and, if it differs from `input`, `cached`, in US dollars per million tokens. An exact name takes precedence
over a pattern, and a longer pattern over a shorter one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from optillm.chat import Usage
from optillm.config.problems import explain_file

MILLION = 1_000_000


class Price(BaseModel):
    """US dollars per million tokens.

    `cached` is for prompt tokens that the upstream had in its cache.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)

    def of(self, usage: Usage) -> float:
        """Return what a call cost, in US dollars."""
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        for_cached = self.input if self.cached is None else self.cached
        prompt = (usage.prompt_tokens - cached) * self.input + cached * for_cached
        return (prompt + usage.completion_tokens * self.output) / MILLION


def dearest(prices: Sequence[Price]) -> Price:
    """Return the highest of some prices for each kind of token; needs at least one price."""
    if len(prices) == 1:
        return prices[0]
    cached = max(price.input if price.cached is None else price.cached for price in prices)
    return Price(
        input=max(price.input for price in prices),
        output=max(price.output for price in prices),
        cached=cached,
    )


class Prices:
    """The prices of models by name."""

    def __init__(self, table: Mapping[str, Price] | None = None) -> None:
        self._table = dict(table or {})
        self._patterns = sorted((name for name in self._table if "*" in name), key=len, reverse=True)
        self._cached = lru_cache(1024)(self._find)

    def of(self, model: str, alias: str | None = None) -> Price | None:
        """Return the price of a model by either of its names; `None` if it is not known."""
        price = self._cached(model)
        return self._cached(alias) if price is None and alias is not None else price

    def _find(self, model: str) -> Price | None:
        exact = self._table.get(model)
        if exact is not None:
            return exact
        return next((self._table[name] for name in self._patterns if fnmatchcase(model, name)), None)


def load_prices(path: str | None = None) -> Prices:
    """Return the prices in a TOML file, by default those that come with optillm.

    Raises `ValueError`, one line, if the file is not such a table.
    """
    source = files(__package__).joinpath("prices.toml") if path is None else Path(path)
    try:
        table = tomllib.loads(source.read_text(encoding="utf-8"))
        return Prices(TypeAdapter(dict[str, Price]).validate_python(table))
    except ValidationError as error:
        raise ValueError(f"{path}: {explain_file(error, lambda _: Price.model_fields)}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
