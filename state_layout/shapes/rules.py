"""Says what values must be: text, numbers, choices, lists, maps. Each rule yields faults and describes
itself.

Anything with `faults`, `wish` and `schema` is a rule. `shapes.shape` puts rules together to objects.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from enum import Enum
from typing import Protocol, TypeGuard

from msgspec import Struct

from state_layout.shapes.wording import key_text, kind_of, listed, shown

At = tuple[str | int, ...]  # where in a document: ("agents", "bob", "command", 0)


class Unknown(Enum):
    """The choice says what to do about keys that a shape does not name."""

    REFUSED = "refused"  # plans: a typing mistake would pass in silence
    KEPT = "kept"  # spec files: newer versions and other tools may write them


class Fault(Struct, frozen=True, kw_only=True):
    """A fault is one mistake in a document; `text` names key, value and remedy. The file's reader adds
    path and line."""

    at: At
    text: str


class Rule(Protocol):
    """A rule says what a value must be."""

    @property
    def wish(self) -> str:
        """The wish says what belongs there, to follow "use"."""

    def faults(self, value: object, at: At, *, unknown: Unknown) -> Iterator[Fault]:
        """Yield every mistake in `value`, which lies at `at`."""

    def schema(self) -> dict[str, object]:
        """Describe this rule as JSON Schema."""


class Text(Struct, frozen=True, kw_only=True):
    """The value is text of at least `least` characters; `pattern` must match all of it and is explained by
    `wish`.

    `secret` keeps the value out of error texts.
    """

    least: int = 0
    pattern: str | None = None
    wish: str = "text"
    secret: bool = False

    def faults(self, value: object, at: At, *, unknown: Unknown) -> Iterator[Fault]:
        wish = f"{self.wish} in quotes" if is_number(value) and self.wish == "text" else self.wish
        if not isinstance(value, str):
            yield wrong(value, at, wish, secret=self.secret)
        elif "\0" in value:
            yield wrong(value, at, f"{self.wish} without a zero character", secret=self.secret)
        elif len(value.strip()) < self.least:
            yield wrong(value, at, f"{self.wish} that is not empty" if self.wish == "text" else self.wish)
        elif self.pattern is not None and not re.fullmatch(self.pattern, value, re.DOTALL):
            yield wrong(value, at, self.wish, secret=self.secret)

    def schema(self) -> dict[str, object]:
        schema: dict[str, object] = {"type": "string"}
        if self.least:
            schema["minLength"] = self.least
        if self.pattern is not None:
            schema["pattern"] = f"^(?:{self.pattern})$"
        return schema


class OneOf(Struct, frozen=True):
    """The value is one of a few words."""

    words: tuple[str, ...]

    @property
    def wish(self) -> str:
        return listed(self.words, last="or")

    def faults(self, value: object, at: At, *, unknown: Unknown) -> Iterator[Fault]:
        if not isinstance(value, str) or value not in self.words:
            yield wrong(value, at, self.wish)

    def schema(self) -> dict[str, object]:
        return {"enum": list(self.words)}


class Number(Struct, frozen=True, kw_only=True):
    """The value is a finite number: `above` is excluded, `least` and `most` are not. `whole` refuses
    fractions."""

    above: float | None = None
    least: float | None = None
    most: float = 1e15
    whole: bool = False

    @property
    def wish(self) -> str:
        text = "a whole number" if self.whole else "a number"
        text += f" above {self.above:g}" if self.above is not None else ""
        text += f" from {self.least:g}" if self.least is not None else ""
        return text + (f" up to {self.most:g}" if self.most < 1e15 else "")

    def faults(self, value: object, at: At, *, unknown: Unknown) -> Iterator[Fault]:
        if not self._accepts(value):
            quoted = isinstance(value, str) and re.fullmatch(r"\s*[-+]?[\d.]+\s*", value)
            yield wrong(value, at, f"{self.wish}, without quotes" if quoted else self.wish)

    def schema(self) -> dict[str, object]:
        schema: dict[str, object] = {"type": "integer" if self.whole else "number"}
        if self.above is not None:
            schema["exclusiveMinimum"] = self.above
        if self.least is not None:
            schema["minimum"] = self.least
        if self.most < 1e15:
            schema["maximum"] = self.most
        return schema

    def _accepts(self, value: object) -> bool:
        if not is_number(value) or (self.whole and not isinstance(value, int)):
            return False
        return (
            value <= self.most  # false for NaN too
            and (self.above is None or value > self.above)
            and (self.least is None or value >= self.least)
        )


class Flag(Struct, frozen=True):
    """The value is true or false."""

    wish: str = "true or false"

    def faults(self, value: object, at: At, *, unknown: Unknown) -> Iterator[Fault]:
        if not isinstance(value, bool):
            yield wrong(value, at, self.wish)

    def schema(self) -> dict[str, object]:
        return {"type": "boolean"}


class ListOf(Struct, frozen=True, kw_only=True):
    """The value is a list of at least `least` items, no two alike if `unique`."""

    item: Rule
    least: int = 0
    unique: bool = False
    wish: str = "a list [...]"

    def faults(self, value: object, at: At, *, unknown: Unknown) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield wrong(value, at, self.wish)
            return
        if len(value) < self.least:
            yield Fault(at=at, text=f"{key_text(at)} is empty; use {self.wish}")
        for index, item in enumerate(value):
            yield from self.item.faults(item, (*at, index), unknown=unknown)
            if self.unique and item in value[:index]:
                text = f"{key_text((*at, index))} repeats {shown(item)}; remove one"
                yield Fault(at=(*at, index), text=text)

    def schema(self) -> dict[str, object]:
        schema: dict[str, object] = {"type": "array", "items": self.item.schema()}
        if self.least:
            schema["minItems"] = self.least
        if self.unique:
            schema["uniqueItems"] = True
        return schema


class MapOf(Struct, frozen=True, kw_only=True):
    """The value is an object with free keys that match `key` (a pattern, explained by `key_wish`)."""

    value: Rule
    key: str = ".+"
    key_wish: str = "a name that is not empty"
    least: int = 0
    wish: str = "a table {...} of keys and values"

    def faults(self, value: object, at: At, *, unknown: Unknown) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield wrong(value, at, self.wish)
            return
        if len(value) < self.least:
            yield Fault(at=at, text=f"{key_text(at)} is empty; use {self.wish}")
        for key, item in value.items():
            if not re.fullmatch(self.key, key, re.DOTALL):
                text = f"{key_text(at)}: the name {shown(key)} will not do; use {self.key_wish}"
                yield Fault(at=(*at, key), text=text)
            yield from self.value.faults(item, (*at, key), unknown=unknown)

    def schema(self) -> dict[str, object]:
        schema: dict[str, object] = {
            "type": "object",
            "propertyNames": {"pattern": f"^(?:{self.key})$"},
            "additionalProperties": self.value.schema(),
        }
        if self.least:
            schema["minProperties"] = self.least
        return schema


class Nullable(Struct, frozen=True):
    """The value keeps to the rule, or is null."""

    rule: Rule

    @property
    def wish(self) -> str:
        return f"{self.rule.wish}, or null"

    def faults(self, value: object, at: At, *, unknown: Unknown) -> Iterator[Fault]:
        if value is not None:
            yield from self.rule.faults(value, at, unknown=unknown)

    def schema(self) -> dict[str, object]:
        return {"anyOf": [self.rule.schema(), {"type": "null"}]}


class Free(Struct, frozen=True):
    """The value is any that JSON has a form for (TOML has dates, NaN and longer numbers)."""

    wish: str = "a value"

    def faults(self, value: object, at: At, *, unknown: Unknown) -> Iterator[Fault]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from self.faults(item, (*at, key), unknown=unknown)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.faults(item, (*at, index), unknown=unknown)
        elif not _has_json_form(value):
            yield wrong(value, at, "text, a number below 2**63, true, false, a list or a table")

    def schema(self) -> dict[str, object]:
        return {}


class Argv(ListOf, frozen=True, kw_only=True):
    """The value is a program and its arguments. A planner looks here for files to take along."""

    item: Rule = Text(wish="text in quotes")
    least: int = 1
    wish: str = 'a list like ["python3", "count.py"]'


class CallableName(Text, frozen=True, kw_only=True):
    """The value is a name like `module:function`. A planner looks here for files to take along."""

    pattern: str | None = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
    wish: str = "module:function, like reporter:main"


def wrong(value: object, at: At, wish: str, *, secret: bool = False) -> Fault:
    """Make the fault of a value that should be `wish`."""
    return Fault(at=at, text=f"{key_text(at)} is {kind_of(value) if secret else shown(value)}; use {wish}")


def is_number(value: object) -> TypeGuard[int | float]:
    """The `value` is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _has_json_form(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return value.bit_length() <= 63
    return value is None or isinstance(value, str)
