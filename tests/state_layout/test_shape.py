"""Rules and shapes: what passes, what is said of the rest, and the schema of each."""

from __future__ import annotations

import datetime

import pytest

from state_layout.shapes.shape import (
    Argv,
    CallableName,
    Field,
    Flag,
    Free,
    ListOf,
    MapOf,
    Nullable,
    Number,
    OneOf,
    Rule,
    Shape,
    Text,
    Unknown,
)

NUMBER = Number(above=0, most=10)
COUNT = Number(least=1, whole=True)
INNER = Shape(fields={"max": Field(COUNT, default=5), "min": Field(COUNT, default=2)})
SHAPE = Shape(
    fields={
        "name": Field(Text(least=1), "its name", required=True),
        "inner": Field(INNER),
        "one": Field(Flag()),
        "two": Field(Flag()),
    },
    exactly_one=(("one", "two"),),
    instead={"title": "use 'name'"},
    less=((("inner", "min"), ("inner", "max")),),
)


def said(rule: Rule, value: object, *, unknown: Unknown = Unknown.REFUSED) -> list[str]:
    return [fault.text for fault in rule.faults(value, ("k",), unknown=unknown)]


GOOD: tuple[tuple[Rule, object], ...] = (
    (Text(), ""),
    (Text(least=1), "x"),
    (Text(pattern="[ab]+"), "abba"),
    (OneOf(("a", "b")), "b"),
    (NUMBER, 10),
    (NUMBER, 0.001),
    (COUNT, 1),
    (Flag(), False),
    (ListOf(item=COUNT), []),
    (ListOf(item=COUNT, unique=True), [1, 2]),
    (MapOf(value=COUNT), {"x": 1}),
    (Nullable(COUNT), None),
    (Nullable(COUNT), 3),
    (Free(), {"a": [1, None, {"b": 2**63 - 1}], "c": -1.5}),
    (Argv(), ["python3", "-c", ""]),
    (CallableName(), "a.b_1:c.d"),
    (SHAPE, {"name": "x", "one": True}),
    (SHAPE, {"name": "x", "two": True, "inner": {"min": 4}}),
)

BAD: tuple[tuple[Rule, object, list[str]], ...] = (
    (Text(), 3, ["'k' is 3; use text in quotes"]),
    (Text(), None, ["'k' is null; use text"]),
    (Text(), ["x"], ["'k' is a list of 1; use text"]),
    (Text(), "a\0", ["'k' is 'a\\x00'; use text without a zero character"]),
    (Text(least=1), " ", ["'k' is ' '; use text that is not empty"]),
    (Text(pattern="[ab]+", wish="a and b"), "abc", ["'k' is 'abc'; use a and b"]),
    (Text(pattern="[ab]+", wish="a and b"), "ab\n", ["'k' is 'ab\\n'; use a and b"]),
    (Text(secret=True), 12345, ["'k' is a number; use text in quotes"]),
    (Text(secret=True, pattern="a"), "hush", ["'k' is text; use text"]),
    (OneOf(("a", "b", "c")), "d", ["'k' is 'd'; use a, b or c"]),
    (OneOf(("a",)), {}, ["'k' is a table; use a"]),
    (NUMBER, 0, ["'k' is 0; use a number above 0 up to 10"]),
    (NUMBER, 10.5, ["'k' is 10.5; use a number above 0 up to 10"]),
    (NUMBER, "5", ["'k' is '5'; use a number above 0 up to 10, without quotes"]),
    (NUMBER, "five", ["'k' is 'five'; use a number above 0 up to 10"]),
    (NUMBER, True, ["'k' is true; use a number above 0 up to 10"]),
    (NUMBER, float("nan"), ["'k' is nan; use a number above 0 up to 10"]),
    (NUMBER, float("inf"), ["'k' is inf; use a number above 0 up to 10"]),
    (COUNT, 1.0, ["'k' is 1.0; use a whole number from 1"]),
    (COUNT, 2**70, ["'k' is a number beyond 64 bits; use a whole number from 1"]),
    (Flag(), 1, ["'k' is 1; use true or false"]),
    (ListOf(item=COUNT), "12", ["'k' is '12'; use a list [...]"]),
    (ListOf(item=COUNT), {"0": 1}, ["'k' is a table; use a list [...]"]),
    (ListOf(item=COUNT, least=1), [], ["'k' is empty; use a list [...]"]),
    (
        ListOf(item=COUNT, unique=True),
        [1, 0, 1],
        ["'k[1]' is 0; use a whole number from 1", "'k[2]' repeats 1; remove one"],
    ),
    (MapOf(value=COUNT), [], ["'k' is a list of 0; use a table {...} of keys and values"]),
    (MapOf(value=COUNT, least=1), {}, ["'k' is empty; use a table {...} of keys and values"]),
    (MapOf(value=COUNT), {"": 1}, ["'k': the name '' will not do; use a name that is not empty"]),
    (MapOf(value=COUNT), {"a": 0, "b": 0}, [f"'k.{key}' is 0; use a whole number from 1" for key in "ab"]),
    (Nullable(COUNT), 0, ["'k' is 0; use a whole number from 1"]),
    (
        Free(),
        {"a": [float("nan")], "b": datetime.date(2026, 11, 21), "c": 2**64},
        [
            "'k.a[0]' is nan; use text, a number below 2**63, true, false, a list or a table",
            "'k.b' is a date; use text, a number below 2**63, true, false, a list or a table",
            "'k.c' is a number beyond 64 bits; "
            "use text, a number below 2**63, true, false, a list or a table",
        ],
    ),
    (Argv(), "ls", ["'k' is 'ls'; use a list like [\"python3\", \"count.py\"]"]),
    (Argv(), [], ['\'k\' is empty; use a list like ["python3", "count.py"]']),
    (Argv(), ["ls", 1], ["'k[1]' is 1; use text in quotes"]),
    (CallableName(), "main", ["'k' is 'main'; use module:function, like reporter:main"]),
    (CallableName(), "a:b:c", ["'k' is 'a:b:c'; use module:function, like reporter:main"]),
    (CallableName(), "../a:b", ["'k' is '../a:b'; use module:function, like reporter:main"]),
    (SHAPE, [], ["'k' is a list of 0; use a table {...} of keys and values"]),
    (
        SHAPE,
        {},
        ["'k.name' is missing; add text", "'k': none of one and two is there; add one"],
    ),
    (
        SHAPE,
        {"name": "", "one": True, "two": True},
        [
            "'k.name' is ''; use text that is not empty",
            "'k.one' and 'k.two' exclude each other; remove one",
        ],
    ),
    (SHAPE, {"name": "x", "one": True, "nmae": 1}, ["'k.nmae' is no known key; did you mean 'name'?"]),
    (SHAPE, {"name": "x", "one": True, "title": 1}, ["'k.title' is no known key; use 'name'"]),
    (
        SHAPE,
        {"name": "x", "one": True, "zzz": 1},
        ["'k.zzz' is no known key; use one of name, inner, one and two"],
    ),
    (
        SHAPE,
        {"name": "x", "one": True, "inner": {"maximum": 1}},
        ["'k.inner.maximum' is no known key; did you mean 'max'?"],
    ),
    (
        SHAPE,
        {"name": "x", "one": True, "inner": {"max": 2}},
        ["'k.inner.max' is 2; use more than 'k.inner.min', 2"],
    ),
    (
        SHAPE,
        {"name": "x", "one": True, "inner": {"min": 9}},
        ["'k.inner.min' is 9; use less than 'k.inner.max', 5"],
    ),
    (
        SHAPE,
        {"name": "x" * 3, "one": "y" * 100},
        [f"'k.one' is {'y' * 60!r}...; use true or false"],
    ),
)


@pytest.mark.parametrize(("rule", "value"), GOOD)
def test_good_value_passes(rule: Rule, value: object) -> None:
    assert said(rule, value) == []


@pytest.mark.parametrize(("rule", "value", "expected"), BAD)
def test_bad_value_is_explained(rule: Rule, value: object, expected: list[str]) -> None:
    assert said(rule, value) == expected


def test_unknown_keys_are_kept_where_asked_but_known_ones_still_checked() -> None:
    value = {"name": 3, "one": True, "x": 1, "inner": {"y": 2, "max": 0}}
    assert said(SHAPE, value, unknown=Unknown.KEPT) == [
        "'k.name' is 3; use text in quotes",
        "'k.inner.max' is 0; use a whole number from 1",
    ]


def test_extended_shape_has_the_keys_of_both_and_the_first_wins() -> None:
    more = Shape(
        fields={"name": Field(Flag()), "more": Field(Flag(), required=True)}, instead={"x": "use 'more'"}
    )
    both = SHAPE.extended(more)
    assert [*both.fields] == ["name", "inner", "one", "two", "more"]
    assert said(both, {"name": "n", "one": True, "x": 1}) == [
        "'k.more' is missing; add true or false",
        "'k.x' is no known key; use 'more'",
    ]


def test_schema_says_what_the_checks_do() -> None:
    assert SHAPE.schema() == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "description": "its name"},
            "inner": {
                "type": "object",
                "properties": {
                    "max": {"type": "integer", "minimum": 1, "default": 5},
                    "min": {"type": "integer", "minimum": 1, "default": 2},
                },
                "additionalProperties": False,
            },
            "one": {"type": "boolean"},
            "two": {"type": "boolean"},
        },
        "additionalProperties": False,
        "required": ["name"],
        "allOf": [{"oneOf": [{"required": ["one"]}, {"required": ["two"]}]}],
    }


@pytest.mark.parametrize(
    ("rule", "schema"),
    [
        (OneOf(("a", "b")), {"enum": ["a", "b"]}),
        (NUMBER, {"type": "number", "exclusiveMinimum": 0, "maximum": 10}),
        (
            ListOf(item=Flag(), least=1, unique=True),
            {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "uniqueItems": True},
        ),
        (
            MapOf(value=Flag(), key="[a-z]+", least=1),
            {
                "type": "object",
                "propertyNames": {"pattern": "^(?:[a-z]+)$"},
                "additionalProperties": {"type": "boolean"},
                "minProperties": 1,
            },
        ),
        (Nullable(Flag()), {"anyOf": [{"type": "boolean"}, {"type": "null"}]}),
        (Text(pattern="a"), {"type": "string", "pattern": "^(?:a)$"}),
        (Free(), {}),
    ],
)
def test_schema_of_a_rule(rule: Rule, schema: dict[str, object]) -> None:
    assert rule.schema() == schema
