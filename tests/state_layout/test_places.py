"""Lines of JSON keys and keys that repeat, against the parser."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state_layout.shapes.places import json_places, line_of, repeats_a_key

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def paths(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every key and item below `value`."""
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = [*value.items()]
    elif isinstance(value, list):
        items = [*enumerate(value)]
    for key, item in items:
        yield (*at, key)
        yield from paths(item, (*at, key))


@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
def test_every_key_and_item_has_a_line(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = json_places(text)
    assert {*found.lines} == {*paths(value)}
    assert found.repeated == []
    assert not repeats_a_key(text.encode())
    if indent is not None:  # one key or item a line, after that of what holds it
        lines = [found.lines[at] for at in paths(value)]
        assert lines == sorted({*lines})


def test_line_is_where_the_key_stands() -> None:
    lines = json_places('{"a": 1,\n "b": [\n  {"c": "x\\n{", "d":\n   {}},\n 2], "\\u0065": 3}').lines
    assert lines == {
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 0, "c"): 3,
        ("b", 0, "d"): 3,
        ("b", 1): 5,
        ("e",): 5,
    }


def test_what_has_no_line_gets_that_of_what_is_around_it() -> None:
    lines = json_places('{\n"a": {\n"b": 1}}').lines
    assert line_of(lines, ("a", "b")) == 3
    assert line_of(lines, ("a", "missing", "deeper")) == 2
    assert line_of(lines, ("missing",)) == 1
    assert line_of(lines, ()) == 1


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        ('{"a": 1, "a": 2}', [(("a",), 1, 1)]),
        ('{"a": 1,\n "\\u0061": 2}', [(("a",), 1, 2)]),
        ('{"x": [{"a": 1}, {"a": 1,\n\n"b": 0, "a": 2}]}', [(("x", 1, "a"), 1, 3)]),
        ('{"a": {"a": {"a": 1}}}', []),
        ('{"a": 1, "a": 2, "a": 3}', [(("a",), 1, 1), (("a",), 1, 1)]),
    ],
)
def test_key_that_repeats_is_found(text: str, repeated: list[tuple[tuple[str, ...], int, int]]) -> None:
    assert json_places(text).repeated == repeated
    assert repeats_a_key(text.encode()) == bool(repeated)


def test_deep_nesting_is_no_recursion() -> None:
    assert len(json_places('{"a":' * 5000 + "1" + "}" * 5000).lines) == 5000
