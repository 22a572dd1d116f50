"""Amounts of money for people: rows are rounded so that they add up to their total. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

_MOST_USD, _MOST_TOKENS = 1e12, (1 << 63) - 1  # of a sum: what files say may be any number
_SMALL_USD = 1.0  # below this a cent is too coarse to tell agents apart


def usd_within(usd: float) -> float:
    """Limit `usd` to at most a million million: sums of what nobody spent do not grow beyond all numbers."""
    return max(-_MOST_USD, min(_MOST_USD, usd))


def tokens_within(tokens: int) -> int:
    """`tokens`, at most what JSON has for everybody."""
    return max(-_MOST_TOKENS, min(_MOST_TOKENS, tokens))


def digits_of(total_usd: float) -> int:
    """Choose how many digits after the point amounts of this size are shown with."""
    return 4 if 0 < total_usd < _SMALL_USD else 2


def money(usd: float) -> str:
    """Word an amount like `1.25`, `0.0092`, `0.00`."""
    return f"{usd:.{digits_of(usd)}f}"


def shares(amounts: Sequence[float]) -> list[str]:
    """Word the amounts, rounded so that they add up to `money(sum(amounts))`.

    The digits that rounding leaves over go to the amounts that lost most by it (largest remainder).
    """
    amounts = [usd_within(amount) for amount in amounts]
    total = sum(amounts)
    digits = digits_of(total)
    scaled = [amount * 10**digits for amount in amounts]
    units = [floor(round(amount, 6)) for amount in scaled]
    left = round(total * 10**digits) - sum(units)
    by_loss = sorted(range(len(amounts)), key=lambda index: units[index] - scaled[index])
    for index in by_loss[: max(0, left)]:
        units[index] += 1
    return [f"{unit / 10**digits:.{digits}f}" for unit in units]


def spent_text(spent_usd: float, cap_usd: float | None) -> str:
    """Word what was spent like `0.31 of 5.00 USD`, or without a cap `0.31 USD`."""
    if cap_usd is None:
        return f"{money(spent_usd)} USD"
    return f"{money(spent_usd)} of {money(cap_usd)} USD"


def tokens_text(tokens: int) -> str:
    """Word tokens like `812`, `12.3k`, `4.1M`."""
    if tokens < 10_000:
        return str(tokens)
    return f"{tokens / 1000:.1f}k" if tokens < 999_950 else f"{tokens / 1_000_000:.1f}M"


def bytes_text(count: int) -> str:
    """Word bytes like `0 B`, `812 B`, `12 KB`, `3.4 MB`, `1.2 GB`: what is there is never shown as
    nothing."""
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("KB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.5 or unit == "TB":
            break
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
