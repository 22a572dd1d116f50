"""What commands print: results and changes on stdout, the rest on stderr."""

from __future__ import annotations

import sys
from typing import Any

from state_layout.files import codec


def say(text: str) -> None:
    """Print one result, or what was changed."""
    print(text, flush=True)


def say_aside(text: str) -> None:
    """Print what is not the result."""
    print(text, file=sys.stderr, flush=True)


def say_json(value: Any) -> None:
    """Print a value as JSON, for people on a terminal too."""
    sys.stdout.write(codec.encode_pretty(value).decode())
    sys.stdout.flush()
