"""Says where in a TOML text each key stands: `tomllib` gives values without lines, people want
`plan.toml:12`.

The text must be valid TOML already; nothing here checks that. A key that is not found costs a line number,
never an error.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field

At = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!"")|""(?!"))*"{3,5}'
    r"|'''(?:[^']|'(?!'')|''(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}\n#]*")


def toml_lines(text: str) -> dict[At, int]:
    """Find the line, from 1, of every key, table and list item of the TOML `text`."""
    scan = _Scan(text)
    with suppress(_LostError, RecursionError):  # what was found until then is still right
        scan.document()
    return scan.lines


class _LostError(Exception):
    """The scanner does not understand; it stops."""


@dataclass(slots=True)
class _Scan:
    text: str
    position: int = 0
    lines: dict[At, int] = field(default_factory=dict)
    counts: dict[At, int] = field(default_factory=dict)  # tables in each array of tables
    counted: tuple[int, int] = (0, 1)  # a position and its line

    def document(self) -> None:
        table: At = ()
        while not self._at_end():
            if self._take("[["):
                table = self._array_table()
            elif self._take("["):
                table = self._resolved(self._keys("]"))
            else:
                self._pair(table, end="=")

    def _array_table(self) -> At:
        *parents, name = self._keys("]]")
        at = (*self._resolved(parents), name)
        self._note(at)
        self.counts[at] = self.counts.get(at, 0) + 1
        table = (*at, self.counts[at] - 1)
        self._note(table)
        return table

    def _resolved(self, keys: list[str]) -> At:
        """Find the table that a header names: of an array of tables, its last."""
        at: At = ()
        for key in keys:
            at = (*at, key)
            self._note(at)
            if at in self.counts:
                at = (*at, self.counts[at] - 1)
        return at

    def _pair(self, table: At, *, end: str) -> None:
        at = table
        self._skip()
        start = self.position
        for key in self._keys(end):
            at = (*at, key)
            self._note(at, start)
        self._value(at)

    def _keys(self, end: str) -> list[str]:
        """Take the parts of a dotted key up to `end`, which is taken as well."""
        keys = [self._key()]
        while not self._take(end):
            if not self._take("."):
                raise _LostError
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        self._skip()
        bare = _BARE_KEY.match(self.text, self.position)
        quoted = _STRING.match(self.text, self.position)
        found = bare or quoted
        if found is None:
            raise _LostError
        self.position = found.end()
        word = found[0]
        if bare:
            return word
        try:
            return str(json.loads(word)) if word[0] == '"' else word[1:-1]
        except ValueError:  # an escape that only TOML has
            return word[1:-1]

    def _value(self, at: At) -> None:
        self._skip()
        if self._take("["):
            self._items(at)
        elif self._take("{"):
            while not self._take("}"):
                self._pair(at, end="=")
                self._take(",")
        else:
            found = _STRING.match(self.text, self.position) or _BARE_VALUE.match(self.text, self.position)
            if found is None:
                raise _LostError
            self.position = found.end()

    def _items(self, at: At) -> None:
        index = 0
        while not self._take("]"):
            before = self.position
            self._note((*at, index))
            self._value((*at, index))
            self._take(",")
            index += 1
            if self.position == before:
                raise _LostError

    def _at_end(self) -> bool:
        self._skip()
        return self.position >= len(self.text)

    def _take(self, word: str) -> bool:
        self._skip()
        if not self.text.startswith(word, self.position):
            return False
        self.position += len(word)
        return True

    def _skip(self) -> None:
        found = _SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position

    def _note(self, at: At, position: int | None = None) -> None:
        here = self.position if position is None else position
        seen, line = self.counted
        if here >= seen:
            line += self.text.count("\n", seen, here)
            self.counted = (here, line)
        self.lines.setdefault(at, line)
