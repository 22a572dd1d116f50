"""Lines of TOML keys, against what tomllib finds."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maos_sup.planner.toml_lines import toml_lines

TRICKY = '''# comment [not.a.table]
title = "a # b" # x = 1
"quoted key" = 'lit # eral'
a.b."c.d" = 1
a . b . e = [ 1, 2, # one
  [3, 4,], { x = 1, y.z = [ "]", '}' ] },
  """multi
line ]""",
]
text = """
[not a table]
x = 1 \\"""
"""
raw = \'\'\'
it''s """ \'\'\'
quotes = """a""""
[table.sub] # c
k = 2026-11-21T01:42:00Z
[[list]]
id = 1
[[list]]

id = 2
[list.inner]
deep = true
[[list.more]]
x = +1.0e3
[[list.more]]
x = inf
[table]
late = ""
'''


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


def test_every_key_has_a_line() -> None:
    lines = toml_lines(TRICKY)
    assert {*paths(tomllib.loads(TRICKY))} == {*lines}


@pytest.mark.parametrize(
    ("at", "line"),
    [
        (("title",), 2),
        (("quoted key",), 3),
        (("a",), 4),
        (("a", "b", "c.d"), 4),
        (("a", "b", "e", 1), 5),
        (("a", "b", "e", 2), 6),
        (("a", "b", "e", 2, 1), 6),
        (("a", "b", "e", 3, "y", "z", 1), 6),
        (("a", "b", "e", 4), 7),
        (("text",), 10),
        (("raw",), 14),
        (("quotes",), 16),
        (("table",), 17),
        (("table", "sub", "k"), 18),
        (("list", 0), 19),
        (("list", 1, "id"), 23),
        (("list", 1, "inner", "deep"), 25),
        (("list", 1, "more", 1, "x"), 29),
        (("table", "late"), 31),
    ],
)
def test_line_is_where_the_key_stands(at: tuple[str | int, ...], line: int) -> None:
    text = TRICKY.splitlines()
    assert toml_lines(TRICKY)[at] == line, text[line - 1]


@given(st.text(alphabet="[]{}=.,\"'#\n a1\\", max_size=60))
def test_no_text_makes_it_fail_or_hang(text: str) -> None:
    toml_lines(text)


@given(st.text(alphabet="[]{}=.,\"'#\n a1\\", max_size=30))
def test_what_is_valid_gets_all_its_lines(text: str) -> None:
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert {*paths(value)} <= {*toml_lines(text)}


def test_deep_nesting_costs_lines_not_the_plan() -> None:
    assert toml_lines("a = 1\nb = " + "[" * 5000 + "]" * 5000)[("b",)] == 2
