"""Says whether a value keeps to a JSON schema: the part of it that results are described with. Pure.

Known: type, enum, const, properties, required, additionalProperties, items, minItems, maxItems, minLength,
maxLength, pattern, minimum, maximum, anyOf. What else a schema says is taken on trust.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "null": lambda value: value is None,
}
_BOUNDS: dict[str, tuple[type, Callable[[Any, Any], bool]]] = {
    "minItems": (list, lambda value, bound: len(value) >= bound),
    "maxItems": (list, lambda value, bound: len(value) <= bound),
    "minLength": (str, lambda value, bound: len(value) >= bound),
    "maxLength": (str, lambda value, bound: len(value) <= bound),
    "pattern": (str, lambda value, bound: re.search(bound, value) is not None),
    "minimum": (object, lambda value, bound: not _TYPES["number"](value) or value >= bound),
    "maximum": (object, lambda value, bound: not _TYPES["number"](value) or value <= bound),
}


def problems(value: Any, schema: Mapping[str, Any], *, at: str = "result") -> list[str]:
    """List what is wrong with `value`, each with its place; empty if nothing is."""
    return [*_problems(value, schema, at)]


def _problems(value: Any, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    types = schema.get("type")
    names = [types] if isinstance(types, str) else types or []
    if names and not any(_TYPES.get(name, lambda _: True)(value) for name in names):
        yield f"{at} must be {' or '.join(names)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at} must be one of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{at} must be {schema['const']!r}"
    if "anyOf" in schema and all(problems(value, choice, at=at) for choice in schema["anyOf"]):
        yield f"{at} keeps to none of the allowed forms"
    for name, (type_, holds) in _BOUNDS.items():
        if name in schema and isinstance(value, type_) and not holds(value, schema[name]):
            yield f"{at} does not keep to {name} {schema[name]!r}"
    if isinstance(value, dict):
        yield from _of_object(value, schema, at)
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for index, item in enumerate(value):
            yield from _problems(item, schema["items"], f"{at}[{index}]")


def _of_object(value: dict[str, object], schema: Mapping[str, Any], at: str) -> Iterator[str]:
    known = schema.get("properties") or {}
    yield from (f"{at}.{name} is missing" for name in schema.get("required") or () if name not in value)
    for name, item in value.items():
        if name in known:
            yield from _problems(item, known[name], f"{at}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{at}.{name} is not wanted"
