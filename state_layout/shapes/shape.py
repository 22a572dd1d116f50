"""Field tables: one source for validation with every error at once, and for JSON Schema.

A `Shape` names the keys of an object and the rule of each value (`shapes.rules`, all found here too).
Kinds declare their settings as a Shape. Nothing is converted or defaulted, nothing is read or written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from state_layout.shapes.rules import (
    Argv,
    At,
    CallableName,
    Fault,
    Flag,
    Free,
    ListOf,
    MapOf,
    Nullable,
    Number,
    OneOf,
    Rule,
    Text,
    Unknown,
    is_number,
    wrong,
)
from state_layout.shapes.wording import closest, key_text, listed

__all__ = [
    "ABSENT",
    "Argv",
    "At",
    "CallableName",
    "Effect",
    "Fault",
    "Field",
    "Flag",
    "Free",
    "ListOf",
    "MapOf",
    "Nullable",
    "Number",
    "OneOf",
    "Rule",
    "Shape",
    "Text",
    "Unknown",
    "wrong",
]

ABSENT: Any = object()


class Effect(StrEnum):
    """The effect says when a changed value is in force, where work is under way."""

    AT_ONCE = "at_once"  # whoever it concerns looks again within seconds
    NEXT_TASK = "next_task"  # what is begun from then on, in this attempt or another
    FIXED = "fixed"  # read when the tree is made, and never again


class Field(Struct, frozen=True):
    """A field is one key of a shape. `default` and `example` are for people and the JSON Schema only.

    `effect`: None is that of the key around it. `example` is needed where none can be made of the rule.
    """

    rule: Rule
    doc: str = ""
    required: bool = False
    default: Any = ABSENT
    effect: Effect | None = None
    example: Any = ABSENT

    def schema(self) -> dict[str, object]:
        schema = self.rule.schema()
        if self.doc:
            schema["description"] = self.doc
        if self.default is not ABSENT:
            schema["default"] = self.default
        return schema


class Shape(Struct, frozen=True, kw_only=True):
    """The value is an object with named keys.

    `exactly_one`: groups of keys of which one must be there. `instead`: remedies for keys that people write
    and that no key here resembles. `less`: pairs of numbers of which the first must be below the second.
    """

    fields: Mapping[str, Field]
    exactly_one: tuple[tuple[str, ...], ...] = ()
    instead: Mapping[str, str] = field(default_factory=dict)
    less: tuple[tuple[At, At], ...] = ()
    wish: str = "a table {...} of keys and values"

    def faults(self, value: object, at: At = (), *, unknown: Unknown = Unknown.REFUSED) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield wrong(value, at, self.wish)
            return
        faults = [*self._missing(value, at)]
        for key, item in value.items():
            if key in self.fields:
                faults += self.fields[key].rule.faults(item, (*at, key), unknown=unknown)
            elif unknown is Unknown.REFUSED:
                faults.append(self._unknown(key, at))
        for group in self.exactly_one:
            faults += self._not_one(value, at, group)
        yield from faults
        for low, high in self.less:
            if not any(fault.at in ((*at, *low), (*at, *high)) for fault in faults):
                yield from self._not_less(value, at, low, high)

    def schema(self) -> dict[str, Any]:
        schema: dict[str, object] = {
            "type": "object",
            "properties": {key: known.schema() for key, known in self.fields.items()},
            "additionalProperties": False,
        }
        required = [key for key, known in self.fields.items() if known.required]
        if required:
            schema["required"] = required
        if self.exactly_one:
            schema["allOf"] = [
                {"oneOf": [{"required": [key]} for key in group]} for group in self.exactly_one
            ]
        return schema

    def extended(self, more: Shape) -> Shape:
        """Add the keys of `more` to this shape; on a clash this one's key stands."""
        added = {key: known for key, known in more.fields.items() if key not in self.fields}
        return Shape(
            fields={**self.fields, **added},
            exactly_one=self.exactly_one + more.exactly_one,
            less=self.less + more.less,
            instead={**more.instead, **self.instead},
            wish=self.wish,
        )

    def _missing(self, value: Mapping[str, object], at: At) -> Iterator[Fault]:
        for key, known in self.fields.items():
            if known.required and key not in value:
                yield Fault(at=(*at, key), text=f"{key_text((*at, key))} is missing; add {known.rule.wish}")

    def _unknown(self, key: str, at: At) -> Fault:
        if key in self.instead:
            remedy = self.instead[key]
        else:
            remedy = closest(key, self.fields) or f"use one of {listed(self.fields, last='and')}"
        return Fault(at=(*at, key), text=f"{key_text((*at, key))} is no known key; {remedy}")

    def _not_one(self, value: Mapping[str, object], at: At, group: tuple[str, ...]) -> Iterator[Fault]:
        there = [key for key in group if key in value]
        where = f"{key_text(at)}: " if at else ""
        if not there:
            yield Fault(at=at, text=f"{where}none of {listed(group, last='and')} is there; add one")
        elif len(there) > 1:
            named = listed([key_text((*at, key)) for key in there], last="and")
            yield Fault(at=(*at, there[1]), text=f"{named} exclude each other; remove one")

    def _not_less(self, value: Mapping[str, object], at: At, low: At, high: At) -> Iterator[Fault]:
        (first, is_given), (second, _) = self._number_at(value, low), self._number_at(value, high)
        if first is None or second is None or first < second:
            return
        low_at, high_at = (*at, *low), (*at, *high)
        if is_given:
            text = f"{key_text(low_at)} is {first:g}; use less than {key_text(high_at)}, {second:g}"
        else:
            text = f"{key_text(high_at)} is {second:g}; use more than {key_text(low_at)}, {first:g}"
        yield Fault(at=low_at if is_given else high_at, text=text)

    def _number_at(self, value: object, at: At) -> tuple[float | None, bool]:
        """Find the number at `at` in `value`, or its default, and whether it is given."""
        field_: Field | None = None
        rule: Rule = self
        for key in at:
            field_ = rule.fields[str(key)] if isinstance(rule, Shape) else None
            value = value.get(key, ABSENT) if isinstance(value, dict) else ABSENT
            rule = field_.rule if field_ is not None else rule
        is_given = value is not ABSENT
        if not is_given and field_ is not None:
            value = field_.default
        return (value if is_number(value) else None), is_given
