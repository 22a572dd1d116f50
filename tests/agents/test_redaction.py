"""Secrets are taken out of whatever is recorded; words that only look important stay."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maos_sup.agents.secrets import redaction
from maos_sup.agents.secrets.redaction import (
    STAND_IN,
    ControlRedactor,
    LineRedactor,
    Redactor,
    is_secret_name,
)
from state_layout.files import codec

NAMES = ["ANTHROPIC_API_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "my_secret"]
HARMLESS = ["PATH", "KEYBOARD", "TOKENIZER", "MONKEY", "MAOS_MARK", "HOME"]
SHAPES = [
    "sk-ant-api03-" + "a1B2" * 10,
    "ghp_" + "a" * 36,
    "AKIAIOSFODNN7EXAMPLE",
    "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("name", NAMES)
def test_variable_that_holds_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_other_variables_are_left_alone(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("shape", SHAPES)
def test_key_is_known_by_its_shape(shape: str) -> None:
    assert Redactor({}).text(f"it is {shape}, they say") == f"it is {STAND_IN}, they say"


@settings(deadline=None)
@given(st.data(), st.sampled_from(sorted(redaction.SHAPES)), st.text())
def test_record_is_searched_for_each_shape(data: st.DataObject, what: str, before: str) -> None:
    shape = data.draw(st.from_regex(re.compile(redaction.SHAPES[what], re.ASCII), fullmatch=True))
    told = Redactor({}).record({"text": f"{before} {shape}"})["text"]
    assert STAND_IN in told and shape not in told


NEAR = [
    "sk-",
    "ant-",
    "-sk",
    "ghp_",
    "_",
    "github_pat_",
    "glpat-",
    "npm_",
    "xoxb-",
    "xox",
    "AKIA",
    "ASIA",
    "AIza",
]
NEAR += [
    "hf_",
    "-----BEGIN ",
    "RSA ",
    "PRIVATE KEY",
    "-----",
    "hunter2",
    "-hunter2",
    "\u00e4",
    '"',
    "\n",
    " ",
    "Z9",
]


@settings(deadline=None, max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(NEAR), st.sampled_from([1, 1, 2, 9, 18])), max_size=6))
def test_what_is_found_at_a_glance_is_what_the_shapes_say(parts: list[tuple[str, int]]) -> None:
    text = "".join(part * often for part, often in parts)
    redactor = Redactor({"X_TOKEN": "hunter2-hunter2", "Y_TOKEN": '\u00e4"\u00e4"\u00e4"\u00e4"\u00e4"'})
    fields = {"text": text}
    assert (redactor.record(fields) is not fields) == redactor.finds(codec.encode(text).decode())


def test_values_of_secret_variables_are_found_wherever_they_stand() -> None:
    redactor = Redactor({"X_TOKEN": "hunter2-hunter2", "Y_TOKEN": "short", "NAME": "not-a-secret"})
    value = {"a": ["x hunter2-hunter2 y", {"hunter2-hunter2": 1}], "b": "short not-a-secret", "n": 3}
    assert redactor.value(value) == {
        "a": [f"x {STAND_IN} y", {STAND_IN: 1}],
        "b": "short not-a-secret",
        "n": 3,
    }


def test_longer_secret_is_replaced_before_one_that_it_contains() -> None:
    assert Redactor({"A_KEY": "12345678", "B_KEY": "1234567890"}).text("1234567890") == STAND_IN


def test_a_record_keeps_its_names_and_loses_its_secrets() -> None:
    redactor = Redactor({"MY_PASSWORD": 'gather"it\\all', "MY_TOKEN": "gather-01"})
    fields = {"task": "gather-01", "key": "gather-01", "result": ['say gather"it\\all', {"gather-01": 1}]}
    assert redactor.record(fields) == {
        "task": "gather-01",
        "key": "gather-01",
        "result": ["say [redacted]", {"[redacted]": 1}],
    }
    harmless = {"task": "a", "result": 1}
    assert redactor.record(harmless) is harmless


def test_lines_lose_their_secrets_and_keys_that_span_them() -> None:
    lines = LineRedactor({"MY_TOKEN": "abcdefgh-1\nijklmnop-2"})
    assert lines.lines(b"a abcdefgh-1\nb ijklmnop-2\nc \xff\n") == b"a [redacted]\nb [redacted]\nc \xff\n"
    assert lines.lines(b"x\n-----BEGIN RSA PRIVATE KEY-----\n") == b"x\n[redacted]\n"
    assert lines.lines(b"MIIabc\nMIIdef\n") == b""
    assert lines.lines(b"-----END RSA PRIVATE KEY-----\ny\n") == b"y\n"


KEY = "-----BEGIN PRIVATE KEY-----\nMIIsecret\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize(
    "before", [KEY, "-----BEGIN CERTIFICATE-----\nMIIpub\n-----END CERTIFICATE-----", "a: "]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_key_that_begins_where_another_thing_ends_is_left_out(before: str, is_whole: bool, end: str) -> None:
    data = f"{before}{KEY}\nafter\n".replace("\n", end).encode()
    lines = LineRedactor({})
    pieces = [data] if is_whole else data.splitlines(keepends=True)
    told = b"".join(lines.lines(piece) for piece in pieces)
    assert b"MIIsecret" not in told and told.endswith(f"after{end}".encode())


def test_who_only_speaks_of_keys_is_heard_again() -> None:
    lines = LineRedactor({})
    assert lines.lines(b"if '-----BEGIN PRIVATE KEY-----' in text:\n") == b"if '[redacted]\n"
    line = b"x" * 1023 + b"\n"
    assert b"".join(lines.lines(line) for _ in range(40)) == line * 8
    lines.lines(b"-----BEGIN PRIVATE KEY-----\n" + line * 31 + KEY.encode() + b"\n")
    assert lines.lines(b"y\n") == b"y\n"


def test_control_lines_stay_control_lines_whatever_is_left_out() -> None:
    lines = ControlRedactor({"MY_TOKEN": 'p\u00e4"ss\\word'})
    told = [
        r'{"note":"a p\u00e4\"ss\\word"}',
        '{"note":"-----BEGIN PRIVATE KEY-----"}',
        '{"progress":1.0}',
        "{bad",
    ]
    kept = b"".join(lines.lines(line.encode() + b"\n") for line in told)
    assert kept == b'{"note":"a [redacted]"}\n{"note":"[redacted]"}\n{"progress":1.0}\n{bad\n'


def test_value_is_found_as_json_writes_it() -> None:
    assert (
        LineRedactor({"MY_TOKEN": 'pa"ss\\word'}).lines(b'{"a":"pa\\"ss\\\\word"}\n')
        == b'{"a":"[redacted]"}\n'
    )
