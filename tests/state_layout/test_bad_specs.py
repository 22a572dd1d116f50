"""Malformed spec files and the errors they give; what passes though it looks odd."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state_layout.files import codec
from state_layout.specs import validate_spec_bytes

CASES = Path(__file__).with_name("bad_specs.txt").read_text().split("====\n")[1:]

# What the JSON parser says may differ between versions; the line does not.
NO_JSON: tuple[tuple[bytes, int], ...] = (
    (b"{", 1),
    (b'{"kind": "command",\n}', 1),
    (b'{"kind": "command"\n "want": "run"}', 2),
    (b"{'kind': 'command'}", 1),
    (b'{"kind": "command"}\n\n{"kind": "command"}', 3),
    (b'{\n"kind": NaN}', 2),
    (b'{\n"kind": "comm\nand"}', 2),
    (b'{"a": 01}', 1),
    (b'// a comment\n{"kind": "command"}', 1),
)


@pytest.mark.parametrize("case", CASES)
def test_mistake_is_named(case: str) -> None:
    path, _, rest = case.partition("\n")
    text, _, expected = rest.partition("----\n")
    errors = validate_spec_bytes(path, text.encode())
    assert [error.text.removeprefix(path) for error in errors] == expected.splitlines()
    for error in errors:
        assert error.text.startswith(f"{path}:{error.line}: ")


def test_byte_that_is_not_utf_8_is_named_with_its_line() -> None:
    (error,) = validate_spec_bytes("spec/agents/bob.json", b'{"kind":\n"\xff"}')
    assert error.text == "spec/agents/bob.json:2: has a byte that is not UTF-8; save the file as UTF-8"
    assert error.line == 2


@pytest.mark.parametrize(("data", "line"), NO_JSON)
def test_line_that_is_no_json_is_named(data: bytes, line: int) -> None:
    (error,) = validate_spec_bytes("spec/agents/bob.json", data)
    assert error.text.startswith(f"spec/agents/bob.json:{line}: is no valid JSON object: ")
    assert error.line == line


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "spec/orchestration.json",
            '{"id": "x", "request": "r", "project": null, "budget": {"max_tokens": null}}',
        ),
        ("spec/orchestration.json", '{"id": "x", "request": "r", "limits": {"newer_s": "?"}, "newer": {}}'),
        ("spec/agents/bob.json", '{"kind": "of-somebody-else", "its": {"own": ["settings"]}}'),
        ("spec/agents/bob.json", '{"kind": "command", "cwd": null, "env": {"MAOS_SUP_HOME": "x"}}'),
        ("spec/tasks/t1.json", '{"agent": "bob", "timeout_s": null, "priority": 3}'),
        ("spec/tasks/t1.json", '\r\n\t{"agent":\r\n"bob"}\r\n'),
    ],
)
def test_unknown_keys_and_odd_spacing_pass(path: str, text: str) -> None:
    assert validate_spec_bytes(path, text.encode()) == []


@given(
    st.sampled_from(["spec/orchestration.json", "spec/agents/a.json", "spec/tasks/a.json"]),
    st.binary(max_size=40) | st.text(alphabet='{}[]:,"\\ \n1e-a', max_size=40).map(str.encode),
)
def test_any_bytes_are_good_or_bad_but_never_a_surprise(path: str, data: bytes) -> None:
    for error in validate_spec_bytes(path, data):
        assert error.text.startswith(path)


KEYS = """
id request want project limits intervals budget kind env restart keywords agent needs run timeout_s
"""
VALUES = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "x",
    "a\0",
    [],
    ["x", "x"],
    [[]],
    {},
    {"max": -1},
    {"": {"b": []}},
]


@given(
    st.sampled_from(["spec/orchestration.json", "spec/agents/a.json", "spec/tasks/a.json"]),
    st.dictionaries(st.sampled_from(KEYS.split()), st.sampled_from(VALUES), max_size=6),
)
def test_any_values_are_good_or_bad_but_never_a_surprise(path: str, value: dict[str, object]) -> None:
    with suppress(TypeError):  # what has no JSON form
        validate_spec_bytes(path, codec.encode(value))
