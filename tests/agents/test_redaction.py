"""Secrets are taken out of whatever is recorded; words that only look important stay."""

from __future__ import annotations

import pytest

from maos_sup.agents.redaction import STAND_IN, Redactor, is_secret_name

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
