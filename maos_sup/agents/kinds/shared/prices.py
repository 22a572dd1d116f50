"""Says what a question costs: by the table of `genai-prices` as installed, never fetched; or as the agent
is told.

A model that is in no table costs "unknown", which is None and never 0. Nor does an answer cost nothing
because its server does not say what it used: then what was expected stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_KEYS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_input_tokens": "cache_read",
    "cache_creation_input_tokens": "cache_write",
}
_INPUT_KEYS = tuple(key for key in _KEYS if key != "output_tokens")
_MILLION = 1_000_000
CHARS_A_TOKEN = 3.5


def cost_usd(model: str, usage: Mapping[str, int], *, price: Mapping[str, float] | None) -> float | None:
    """Price `usage` (keys as the API's) in USD; `price` is in USD a million tokens and goes before tables."""
    if price is not None:
        fallback = {"cache_read": price.get("input", 0.0), "cache_write": price.get("input", 0.0)}
        rates = {**fallback, **price}
        return sum(usage.get(key, 0) * rates.get(name, 0.0) for key, name in _KEYS.items()) / _MILLION
    return _from_table(model, usage)


def tokens_of(usage: Mapping[str, int]) -> int:
    """All tokens of `usage`, read from a cache or not."""
    return sum(usage.get(key, 0) for key in _KEYS)


def is_priced(model: str, *, price: Mapping[str, float] | None) -> bool:
    """It is known what an answer of `model` costs."""
    return cost_usd(model, {"input_tokens": 1, "output_tokens": 1}, price=price) is not None


def completed_usage(
    usage: Mapping[str, int], expected: Mapping[str, int], *, chars: int
) -> dict[str, int] | None:
    """Complete `usage` with what its server left out, as expected before; None if it is complete.

    An answer of `chars` characters has read and written tokens, though servers in front of others say 0.
    """
    has_input = any(usage.get(key) for key in _INPUT_KEYS)
    has_output = bool(usage.get("output_tokens"))
    if not chars or (has_input and has_output):
        return None
    if not has_input and not has_output:
        return dict(expected)
    known = usage if has_input else expected
    written = usage["output_tokens"] if has_output else max(1, int(chars / CHARS_A_TOKEN))
    return {key: known.get(key, 0) for key in _INPUT_KEYS} | {"output_tokens": written}


def broken_usage(usage: Mapping[str, int], *, chars: int) -> dict[str, int] | None:
    """Count what an answer that broke off after `chars` characters used; None if its prompt was not
    counted."""
    if not any(usage.get(key) for key in _INPUT_KEYS):
        return None
    output = max(usage.get("output_tokens", 0), int(chars / CHARS_A_TOKEN))
    return {**usage, "output_tokens": output}


def untold_usage(whose: str) -> str:
    """Say once that answers come without a usage."""
    return f"{whose} does not say what it used: budgets count the tokens they expected"


def blind_cap(model: str) -> str:
    """Say once that a cap in USD holds nothing."""
    return (
        f"no table knows what model {model!r} costs: max_cost_usd cannot be held; give the agent's 'price', "
        "or cap max_tokens"
    )


def _from_table(model: str, usage: Mapping[str, int]) -> float | None:
    try:
        from genai_prices import Usage  # a fifth of a second, paid by who asks
    except ImportError:
        return None
    read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
    counted: Any = Usage(
        input_tokens=usage.get("input_tokens", 0) + read + written,  # the table's inputs hold the cached ones
        output_tokens=usage.get("output_tokens", 0),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
    for provider, name in _names(model):
        found = _price(counted, provider, name)
        if found is not None:
            return found
    return None


def _names(model: str) -> Iterator[tuple[str | None, str]]:
    """Yield the providers (None: whose model it is by its name) and names by which a table may have
    `model`.

    Programs for several providers write `provider/model`, and some do so twice: openrouter/openai/gpt-5.
    """
    if model.startswith("claude"):
        yield "anthropic", model
    rest = model
    while "/" in rest:
        provider, _, rest = rest.partition("/")
        yield provider, rest
    yield None, rest


def _price(counted: Any, provider: str | None, name: str) -> float | None:
    from genai_prices import calc_price

    try:
        return float(calc_price(counted, model_ref=name, provider_id=provider).total_price)
    except LookupError:
        return None
