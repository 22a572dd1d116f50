"""Prices of models of any provider, by the names that programs for several providers use."""

from __future__ import annotations

import pytest

from maos_sup.agents.kinds.shared.prices import cost_usd, is_priced

_USAGE = {"input_tokens": 1000, "output_tokens": 1000}


@pytest.mark.parametrize(
    ("model", "named_as"),
    [
        ("openai/gpt-5", "gpt-5"),
        ("openrouter/openai/gpt-5", "gpt-5"),
        ("google/gemini-2.5-pro", "gemini-2.5-pro"),
        ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("a-proxy-of-mine/gpt-5-mini", "gpt-5-mini"),
    ],
)
def test_model_has_the_price_of_its_provider_however_it_is_named(model: str, named_as: str) -> None:
    found = cost_usd(model, _USAGE, price=None)
    assert found is not None and found > 0
    assert found == pytest.approx(cost_usd(named_as, _USAGE, price=None))


@pytest.mark.parametrize("model", ["", "nonsense", "a/b", "/", "ollama/my-own-model"])
def test_model_in_no_table_is_unknown_and_not_free(model: str) -> None:
    assert cost_usd(model, _USAGE, price=None) is None
    assert not is_priced(model, price=None)
    assert is_priced(model, price={"input": 0.0, "output": 0.0})
