"""A start pays for no module that nobody needs, and takes none away from who wants it."""

from __future__ import annotations

import subprocess
import sys

LIGHT = """
import sys
import state_layout.files.codec
assert "msgspec" in sys.modules and "typing_extensions" not in sys.modules
import typing_extensions
assert typing_extensions.TypedDict
import msgspec
from typing import NotRequired, Required, TypedDict
Told = TypedDict("Told", {"a": int, "b": NotRequired[int]})
assert msgspec.json.decode(b'{"a": 1}', type=Told) == {"a": 1}
try:
    msgspec.json.decode(b'{"b": 1}', type=Told)
except msgspec.ValidationError:
    print("light")
"""
THERE_BEFORE = (
    "import typing_extensions as a, state_layout, typing_extensions as b; assert a is b; print('same')"
)


def told(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_msgspec_is_imported_without_a_module_that_it_does_not_need() -> None:
    assert told(LIGHT) == "light"


def test_who_has_that_module_keeps_it() -> None:
    assert told(THERE_BEFORE) == "same"
