"""Keeps secrets out of what an agent records: values of secret variables, and shapes that keys are known by.

One regular expression for all of it (29 us a line; a scanner library takes milliseconds and cries wolf).
What it cannot know, such as a password in a program's prose, passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from state_layout.files import codec
from state_layout.paths import Tree

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:API_?KEYS?|KEYS?|TOKENS?|SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE|CREDENTIALS?)(?:_|$)",
    re.IGNORECASE,
)
_NOT_SECRET = frozenset({"MAOS_MARK"})
_LEAST_CHARS = 8  # shorter values are words that stand anywhere
_SHAPES = (
    r"sk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}",
    r"gh[pousr]_[A-Za-z0-9]{30,}",
    r"github_pat_[A-Za-z0-9_]{30,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"xox[abprs]-[A-Za-z0-9-]{10,}",
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"hf_[A-Za-z0-9]{30,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
)
STAND_IN = "[redacted]"


def is_secret_name(name: str) -> bool:
    """Whether a variable called `name` holds a secret, as its name says."""
    return name not in _NOT_SECRET and _SECRET_NAME.search(name) is not None


def spec_variables(tree: Tree, agent: str) -> dict[str, str]:
    """The variables that the spec of `agent` sets, as far as it can be read."""
    try:
        told = codec.decode_object(tree.agent_spec(agent).read_bytes()).get("env")
    except (OSError, codec.NotJson):
        return {}
    variables = told if isinstance(told, dict) else {}
    return {key: value for key, value in variables.items() if isinstance(value, str)}


class Redactor:
    """Replaces secrets in texts and in whatever is made of texts."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        values = {value for name, value in environment.items() if is_secret_name(name)}
        longest_first = sorted(values, key=len, reverse=True)
        exact = [re.escape(value) for value in longest_first if len(value) >= _LEAST_CHARS]
        self._pattern = re.compile("|".join([*exact, *_SHAPES]), re.DOTALL)

    def text(self, text: str) -> str:
        """`text` without secrets."""
        return self._pattern.sub(STAND_IN, text)

    def value(self, value: Any) -> Any:
        """`value`, an object as JSON has them, with every text in it redacted; keys as well."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value
