"""Says where in a JSON text each key stands, and which keys are there twice. For error texts only.

The text must be valid JSON already; nothing here checks that. Works without recursion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from state_layout.shapes.wording import key_text

At = tuple[str | int, ...]
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_BRACKET = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"""'
    r"|'''(?:[^']|'(?!''))*'''"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'|#[^\n]*|[{}\[\]]",
    re.DOTALL,
)


class Places(Struct):
    """The places are the line of every key and list item, from 1, and keys that repeat: (where, first
    line, line)."""

    lines: dict[At, int] = field(default_factory=dict)
    repeated: list[tuple[At, int, int]] = field(default_factory=list)


class _Frame(Struct):
    at: At
    is_list: bool
    here: str | int = 0  # the key or index whose value is under way
    wants_key: bool = True


def line_of(lines: Mapping[At, int], at: At) -> int:
    """Find the line of `at`, or of the nearest thing around it that has one; 1 for the document."""
    while at and at not in lines:
        at = at[:-1]
    return lines.get(at, 1)


def repeats_a_key(text: bytes) -> bool:
    """An object in the JSON `text` has one key twice (the last would win in silence)."""
    try:
        _DECODER.decode(text.decode())
    except _RepeatsError:
        return True
    return False


def repeat_in(text: bytes) -> tuple[int, str] | None:
    """Find the first key of the JSON `text` that is there twice: its line, and the fault in words."""
    if not repeats_a_key(text):
        return None
    at, first, line = json_places(text.decode()).repeated[0]
    return line, repeat_text(at, first)


def repeat_text(at: At, first: int) -> str:
    """Word the fault of a key at `at` that is there twice, once on line `first`."""
    return f"{key_text(at)} is there twice, first on line {first}; remove one"


class _RepeatsError(Exception):
    """A key is there twice."""


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise _RepeatsError


_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_repeats)


def deep_line(text: str, *, levels: int) -> int:
    """Find the line, from 1, where the JSON or TOML `text` is nested deeper than `levels`; 1 if nowhere."""
    depth = 0
    for token in _BRACKET.finditer(text):
        if token[0] in "{[":
            depth += 1
            if depth > levels:
                return text.count("\n", 0, token.start()) + 1
        elif token[0] in "}]":
            depth -= 1
    return 1


def json_places(text: str) -> Places:
    """Find every key of the JSON `text`."""
    places, frames, line, seen_to = Places(), list[_Frame](), 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", seen_to, token.start())
        seen_to = token.start()
        _take(token[0], line, frames, places)
    return places


def _take(token: str, line: int, frames: list[_Frame], places: Places) -> None:
    frame = frames[-1] if frames else None
    if token in "]}":
        frames.pop()
    elif token == ",":
        _next(frames[-1])
    elif frame is not None and not frame.is_list and frame.wants_key and token.startswith('"'):
        frame.here, frame.wants_key = json.loads(token), False
        _note((*frame.at, frame.here), line, places)
    elif token != ":":
        at = (*frame.at, frame.here) if frame is not None else ()
        if frame is not None and frame.is_list:
            places.lines.setdefault(at, line)
        if token in "{[":
            frames.append(_Frame(at, is_list=token == "["))


def _next(frame: _Frame) -> None:
    frame.wants_key = True
    if frame.is_list and isinstance(frame.here, int):
        frame.here += 1


def _note(at: At, line: int, places: Places) -> None:
    if at in places.lines:
        places.repeated.append((at, places.lines[at], line))
    else:
        places.lines[at] = line
