"""Prints for commands: results and changes on stdout, the rest on stderr."""

from __future__ import annotations

import sys
from typing import Any

from maos_sup.views.files import printable
from state_layout.files import codec

_ESCAPED = {code: f"\\u{code:04x}" for code in (127, *range(0x80, 0xA0))}  # JSON need not, terminals obey


def say(text: str) -> None:
    """Print one result, or what was changed. Names and texts of others give a terminal no orders."""
    print(_shown(text), flush=True)


def say_exactly(text: str) -> None:
    """Print what a program is to read back: as it is, but on a terminal."""
    print(_shown(text) if sys.stdout.isatty() else text, flush=True)


def say_aside(text: str) -> None:
    """Print what is not the result."""
    print(_shown(text), file=sys.stderr, flush=True)


def say_json(value: Any) -> None:
    """Print a value as JSON, for people on a terminal too."""
    text = codec.encode_pretty(value).decode()
    sys.stdout.write(text.translate(_ESCAPED))
    sys.stdout.flush()


def _shown(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
