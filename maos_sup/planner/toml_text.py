"""A plan as TOML that people like to read and edit: the other direction of `document`. Pure.

Long texts become multi-line ones, tables of one line stay on one line, nothing is sorted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_QUOTES = re.compile(r'"{3,}|"+\Z')  # those that would end a multi-line text
_LONGEST_LINE = 100
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


def plan_text(plan: Mapping[str, Any], *, head: str = "") -> str:
    """Write the TOML text of `plan`; `head` goes before it as a comment."""
    blocks = ["\n".join(f"# {line}".rstrip() for line in head.splitlines())] if head else []
    plain = {key: item for key, item in plan.items() if key not in ("agents", "tasks", "limits", "budget")}
    blocks.append("\n".join(_pairs(plain)))
    blocks += [_table(f"[{key}]", plan[key]) for key in ("limits", "budget") if plan.get(key)]
    blocks += [_table(f"[agents.{_key(name)}]", agent) for name, agent in plan.get("agents", {}).items()]
    blocks += [_table("[[tasks]]", task) for task in plan.get("tasks", [])]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _table(heading: str, table: Mapping[str, Any]) -> str:
    return "\n".join([heading, *_pairs(table)])


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for key, item in table.items():
        if item is not None:
            yield f"{_key(key)} = {_value(item)}"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else quoted(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _text(value)
        case Mapping():
            return "{ " + ", ".join(_pairs_inline(value)) + " }" if value else "{}"
        case _:
            return "[" + ", ".join(_inline(item) for item in value) + "]"


def _pairs_inline(table: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{_key(key)} = {_inline(item)}" for key, item in table.items() if item is not None)


def _inline(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else _value(value)


def _text(text: str) -> str:
    """One line in quotes, or a multi-line text that is read back as it was."""
    if "\n" not in text and len(text) <= _LONGEST_LINE:
        return quoted(text)
    escaped = text.replace("\\", "\\\\")
    escaped = _QUOTES.sub(lambda found: found[0].replace('"', '\\"'), escaped)
    escaped = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped)
    return f'"""\n{escaped}"""'


def quoted(text: str) -> str:
    """Quote `text` as a string of TOML on one line."""
    escaped = "".join(_ESCAPES.get(character, character) for character in text)
    return '"' + _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'
