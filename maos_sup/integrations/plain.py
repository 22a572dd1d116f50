"""Says which values are exactly JSON: they stand in our files as they are, so that `jq` reads them."""

from __future__ import annotations

import math

_DEEPEST, _INT_BITS = 100, 63


def is_plain(value: object, *, depth: int = _DEEPEST, tuples: bool = False) -> bool:
    """The `value` comes back from JSON as it is: its own types, text keys, numbers that fit.

    `tuples`: they may become lists.
    """
    kind = type(value)
    if value is None or kind is bool:
        return True
    if kind is str:
        return _is_text(str(value))
    if isinstance(value, int) and kind is int:
        return value.bit_length() <= _INT_BITS
    if isinstance(value, float) and kind is float:
        return math.isfinite(value)
    if depth == 0:
        return False
    if isinstance(value, dict) and kind is dict:
        return all(
            type(key) is str and _is_text(key) and is_plain(item, depth=depth - 1, tuples=tuples)
            for key, item in value.items()
        )
    if isinstance(value, list | tuple) and (kind is list or (tuples and kind is tuple)):
        return all(is_plain(item, depth=depth - 1, tuples=tuples) for item in value)
    return False


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
