"""Keeps secrets out of what an agent records: values of secret variables, and shapes that keys are known by.

Regular expressions for all of it (4 us a line; a scanner library takes milliseconds and cries wolf). What
they cannot know, such as a password in a program's prose, passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from state_layout.files import codec
from state_layout.files.reading import read_record
from state_layout.paths import Tree

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:API_?KEYS?|KEYS?|TOKENS?|SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE|CREDENTIALS?)(?:_|$)",
    re.IGNORECASE,
)
_NOT_SECRET = frozenset({"MAOS_MARK"})
_LEAST_CHARS = 8  # shorter values are words that stand anywhere
SHAPES = {
    "a model provider's key": r"sk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}",
    "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}",
    "a GitLab token": r"glpat-[A-Za-z0-9_-]{20,}",
    "an npm token": r"npm_[A-Za-z0-9]{30,}",
    "a Slack token": r"xox[abprs]-[A-Za-z0-9-]{10,}",
    "an AWS key id": r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    "a Google key": r"AIza[A-Za-z0-9_-]{35}",
    "a Hugging Face token": r"hf_[A-Za-z0-9]{30,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
}
# The same, told by what all of a group have in the middle, so that three looks at a text do for nine: one of
# these is found where one of `SHAPES` is.
_ANCHORED = (
    (
        b"-",
        rb"(?:(?<=sk-)[A-Za-z0-9_-]{20}|(?<=glpat-)[A-Za-z0-9_-]{20}|(?<=xox[abprs]-)[A-Za-z0-9-]{10}"
        rb"|----BEGIN [A-Z ]*PRIVATE KEY-----)",
    ),
    (b"_", rb"(?:(?:(?<=gh[pousr]_)|(?<=npm_)|(?<=hf_))[A-Za-z0-9]{30}|(?<=github_pat_)[A-Za-z0-9_]{30})"),
    (b"A", rb"(?:(?:KIA|SIA)[A-Z0-9]{16}|Iza[A-Za-z0-9_-]{35})"),
)
STAND_IN = "[redacted]"
_NAMES = frozenset(
    {"task", "run", "phase", "key", "token", "id", "name", "question", "received", "shown"}
) | {
    "source",
    "to",
    "n",
    "type",
    "reply_to",
    "attempt",
    "pin",
}
_KEY_BEGINS = b"PRIVATE KEY-----"
_key_begins = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----").finditer
_key_ends = re.compile(rb"-----END[A-Z ]*(?:-----)?").search
_LONGEST_KEY_BYTES = 1 << 15  # what is longer was none: somebody only spoke of keys


@cache
def is_secret_name(name: str) -> bool:
    """A variable called `name` holds a secret, as its name says."""
    return name not in _NOT_SECRET and _SECRET_NAME.search(name) is not None


def spec_variables(tree: Tree, agent: str) -> dict[str, str]:
    """Read the variables that the spec of `agent` sets, as far as it can be read."""
    try:
        told = codec.decode_object(read_record(tree.agent_spec(agent))).get("env")
    except (OSError, codec.NotJson):
        return {}
    variables = told if isinstance(told, dict) else {}
    return {key: value for key, value in variables.items() if isinstance(value, str)}


def secret_variables(environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Collect what to look for, by the name of its variable; of values that span lines their lines as
    well."""
    found = {}
    for name, value in environment.items():
        if is_secret_name(name):
            parts = {value.strip(), *(line.strip() for line in value.splitlines())}
            found[name] = sorted(part for part in parts if len(part) >= _LEAST_CHARS)
    return found


def secret_values(environment: Mapping[str, str]) -> list[str]:
    """List the values of secret variables, the longest first."""
    values = {value for parts in secret_variables(environment).values() for value in parts}
    return sorted(values, key=lambda value: (-len(value), value))


def escaped(value: str) -> str:
    """Write `value` as it stands within a text in JSON."""
    return codec.encode(value).decode()[1:-1]


def _forms(value: str) -> list[str]:
    """As it is, and as it stands in JSON: the longer one first, of which the other may be a part."""
    return [escaped(value), value] if escaped(value) != value else [value]


def pattern_of_secrets(environment: Mapping[str, str]) -> re.Pattern[str]:
    """Make the pattern that finds secrets in text."""
    exact = [re.escape(form) for value in secret_values(environment) for form in _forms(value)]
    return re.compile("|".join([*exact, *SHAPES.values()]), re.DOTALL)


SEARCHES = [(anchor[0], re.compile(anchor + rest).search) for anchor, rest in _ANCHORED]
# Bytes in the order in which they are rare in prose and code: what a text does not have, no secret in it has.
_COMMON = b"jqxzkvbywgpfmucdlhrsnioate "


def _rarest(value: bytes) -> int:
    """Find the byte of `value` that a text most likely does not have."""
    return min(value, key=_COMMON.find)


class Redacted(NamedTuple):
    """Parts of a record without secrets, each the object that was given if it had none; and all as JSON."""

    parts: Sequence[Mapping[str, Any]]
    encoded: bytes
    is_plain: bool  # each part is decoded as it is, and nobody can change its values


class Redactor:
    """Replaces secrets in texts and in whatever is made of texts."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._pattern = pattern_of_secrets(environment)
        exact = {
            form.encode("utf-8", "replace") for value in secret_values(environment) for form in _forms(value)
        }
        self._searches = [
            *SEARCHES,
            *((_rarest(form), re.compile(re.escape(form)).search) for form in sorted(exact)),
        ]

    def finds(self, text: str) -> bool:
        """There is a secret in `text`."""
        return self._pattern.search(text) is not None

    def record(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take secrets out of `fields` of a journal line: of what people, models and programs said, not of
        how lines, tasks and messages are named. The same object if there is none."""
        return self.records(fields).parts[0] if fields else fields

    def records(self, *parts: Mapping[str, Any]) -> Redacted:
        """Take secrets out of a line and of what goes with it, encoded once.

        Raises TypeError for what JSON has no form for.
        """
        plain = codec.encode_plain(parts)
        encoded = codec.encode(parts) if plain is None else plain
        for byte, search in self._searches:
            if byte in encoded and search(encoded):
                break
        else:
            return Redacted(parts, encoded, plain is not None)
        clean = [
            {key: item if key in _NAMES else self.value(item) for key, item in part.items()} for part in parts
        ]
        return Redacted(clean, codec.encode(clean), False)

    def text(self, text: str) -> str:
        """Take secrets out of `text`."""
        return self._pattern.sub(STAND_IN, text)

    def value(self, value: Any) -> Any:
        """Redact every text in `value`, an object as JSON has them; keys as well."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


class LineRedactor:
    """Redacts whole lines of bytes as they come; a private key that spans them is left out to its end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._redactor = Redactor(environment)
        self._is_within_key, self._left_out_bytes = False, 0

    def lines(self, data: bytes) -> bytes:
        """Take secrets out of `data`, whole lines."""
        if not self._is_within_key and _KEY_BEGINS not in data:
            return self._text(data)
        return b"".join(self._line(line) for line in data.splitlines(keepends=True))

    def _text(self, data: bytes) -> bytes:
        text = data.decode("utf-8", "surrogateescape")
        return self._redactor.text(text).encode("utf-8", "surrogateescape")

    def _line(self, line: bytes) -> bytes:
        if self._is_within_key:
            line = self._behind_key(line)
        is_begun = _ends_within_key(line)
        redacted = self._text(line)
        if is_begun:
            self._is_within_key, self._left_out_bytes = True, 0
            return redacted.rstrip(b"\r\n") + b"\n"  # its end was taken for a part of the key
        return redacted

    def _behind_key(self, line: bytes) -> bytes:
        """Take what follows in `line` behind the key that it is within; there another key may begin."""
        end = _key_ends(line)
        if end is None and not any(_key_begins(line)):
            self._left_out_bytes += len(line)
            self._is_within_key = self._left_out_bytes < _LONGEST_KEY_BYTES
            return b""
        self._is_within_key = False
        rest = line if end is None else line[end.end() :]
        return rest if rest.strip() else b""


class ControlRedactor:
    """The object does as `LineRedactor` for control lines: each is JSON by itself, and stays so whatever
    is left out."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._redactor, self._others = Redactor(environment), LineRedactor(environment)

    def lines(self, data: bytes) -> bytes:
        """Take secrets out of `data`, whole lines."""
        return b"".join(self._line(line) for line in data.splitlines(keepends=True))

    def _line(self, line: bytes) -> bytes:
        try:
            told = codec.decode_object(line)
        except codec.NotJson:
            return self._others.lines(line)
        redacted = self._redactor.value(told)
        return line if redacted == told else codec.encode(redacted) + b"\n"


def _ends_within_key(line: bytes) -> bool:
    begun = [match.end() for match in _key_begins(line)]
    return bool(begun) and _key_ends(line, begun[-1]) is None
