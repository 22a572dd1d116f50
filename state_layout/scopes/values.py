"""Says what may be kept under a key: what JSON has a form for, not too deep, not too long. Pure.

A value that may not is refused with the place of the fault inside it (`value.limits[3]`), and nothing of it
is changed on the way: what has no form is not guessed.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from state_layout.errors import BadInput
from state_layout.files import codec

LARGEST_VALUE_BYTES = 1 << 20
_BITS = 63
_LONG = re.compile(r"\d{19}")
_PLAIN = (str, bool, type(None))
_SMALL = range(-(1 << 31), 1 << 31)


def checked_value(value: Any) -> bytes:
    """Encode `value` as JSON. Raises BadInput that names the place of the fault."""
    _check(value, "value", ())
    data = codec.encode(value)
    if len(data) > LARGEST_VALUE_BYTES:
        raise BadInput(
            f"value: has {len(data)} bytes; use at most {LARGEST_VALUE_BYTES}, or hand over a file (artifact)"
        )
    return data


def value_of_json(text: str) -> Any:
    """Read the value that a person wrote as JSON. Raises NotJson, BadInput for an integer beyond 64 bits.

    The codec would make it a float, and its last digits would be others.
    """
    value = codec.decode(text)
    if _LONG.search(text):
        value = json.loads(text)
        _check(value, "value", ())
    return value


def _check(value: Any, place: str, within: tuple[int, ...]) -> None:
    if isinstance(value, _PLAIN):
        return
    if isinstance(value, int):
        if value.bit_length() > _BITS:
            raise BadInput(f"{place}: is a whole number beyond 64 bits; keep it as text")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise BadInput(f"{place}: JSON has no form for {value}")
    elif isinstance(value, dict | list | tuple):
        _check_inside(value, place, within)
    else:
        raise BadInput(f"{place}: is of type {type(value).__name__}, which JSON has no form for")


def _check_inside(value: Any, place: str, within: tuple[int, ...]) -> None:
    if id(value) in within:
        raise BadInput(f"{place}: is a part of itself, which JSON has no form for")
    if len(within) >= codec.MOST_LEVELS:
        raise BadInput(f"{place[:120]}: is nested too deeply; use at most {codec.MOST_LEVELS} levels")
    inside = (*within, id(value))
    if not isinstance(value, dict):
        for index, item in enumerate(value):
            if type(item) not in _PLAIN:
                _check(item, f"{place}[{index}]", inside)
        return
    for key, item in value.items():
        if not isinstance(key, str):
            raise BadInput(f"{place}: has the key {key!r}, which is no text")
        if type(item) not in _PLAIN and not (type(item) is int and item in _SMALL):
            _check(item, f"{place}.{key}", inside)
