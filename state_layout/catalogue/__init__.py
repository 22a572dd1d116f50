"""The catalogue: every file of a tree, one row each. FORMAT.md's table is made of it, `check` goes by it.

A file that has no row here is reported by `check`, copied by nobody who asks, and in no table: so a new file
begins with its row. Pure; what stands in a file is a type in `state_layout.records`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import starmap

from state_layout.catalogue.row import Form, Row
from state_layout.catalogue.shared_rows import SHARED_ROWS
from state_layout.catalogue.team_rows import TEAM_ROWS

__all__ = [
    "ROWS",
    "Form",
    "Row",
    "file_pattern",
    "folder_pattern",
    "free_pattern",
    "globs",
    "markdown_table",
    "row_of",
    "with_table",
]

_NAME, _NUMBER = "[a-z0-9][a-z0-9_-]{0,63}", r"\d{4,}"
_PLACES = {  # what may stand in place of each word in angle brackets
    **dict.fromkeys(("agent", "task", "to", "from", "question", "writer", "name"), _NAME),
    **dict.fromkeys(("life", "attempt", "number"), _NUMBER),
    "n": r"\d+",
    "key": "[^/]+",
    "sha256": "[0-9a-f]{64}",
    "array": "[0-9a-f]{12}",
}
_PARTS = re.compile(r"<(\w+)>|\{([^}]*)\}|([^<{]+)")

ROWS = (*TEAM_ROWS, *SHARED_ROWS)
_ASIDE = r"(\.torn-\d+)?"  # what a repair set aside of any file
_HEAD = ("path", "writer", "readers", "how, durable", "edit?", "copy?")
_SET_ASIDE = (
    "`<file>.torn-<n>`",
    "the next writer",
    "people",
    "what a repair set aside",
    "delete",
    "no need",
)


@cache
def file_pattern() -> re.Pattern[str]:
    """Matches the path of every file that has a row, and of what a repair set aside of it."""
    return re.compile("|".join(f"(?:{_pattern(path)}{_ASIDE})" for path in _paths(is_free=False)))


@cache
def free_pattern() -> re.Pattern[str]:
    """Matches the path of every folder that is not entered."""
    return re.compile("|".join(_pattern(path.removesuffix("/**")) for path in _paths(is_free=True)))


@cache
def folder_pattern() -> re.Pattern[str]:
    """Matches the path of every folder that holds what has a row."""
    folders = dict.fromkeys(
        folder for is_free in (False, True) for path in _paths(is_free=is_free) for folder in _folders(path)
    )
    return re.compile("|".join(map(_pattern, folders)))


def row_of(path: str) -> Row | None:
    """Find the row of the file at `path`, relative to the tree; None if it has none, or lies in a free
    folder."""
    known = [(each, row) for row in ROWS if not row.is_free for each in row.paths]
    found = [(each.count("<"), row) for each, row in known if re.fullmatch(_pattern(each), path)]
    return min(found, key=lambda pair: pair[0], default=(0, None))[1]  # `operator` is no agent


def globs(form: Form) -> list[str]:
    """Patterns for `Path.glob` that find every file of this form, and some more: `row_of` tells.

    A file may be found by two of them.
    """
    return [re.sub(r"<\w+>|\{[^}]*\}", "*", path) for row in ROWS if row.form is form for path in row.paths]


def markdown_table() -> str:
    """Make the table of FORMAT.md, without a last line feed."""
    cells = [(_shown(row), row.writer, row.readers, row.how, row.edit, row.copy) for row in ROWS]
    head, *lines = (f"| {' | '.join(line)} |" for line in (_HEAD, *cells, _SET_ASIDE))
    return "\n".join([head, "|---" * len(_HEAD) + "|", *lines])


def with_table(document: str) -> str:
    """Put the table of FORMAT.md in the place of the one that `document` has. Raises ValueError if it has
    none."""
    begin = document.index(f"| {_HEAD[0]} | {_HEAD[1]} |")
    end = document.index("\n\n", begin)
    return document[:begin] + markdown_table() + document[end:]


def _shown(row: Row) -> str:
    return ", ".join(f"`{path}`" for path in row.paths)


def _paths(*, is_free: bool) -> Iterator[str]:
    for row in ROWS:
        if row.is_free is is_free and row.form is not Form.PASSING:
            yield from row.paths


def _folders(path: str) -> Iterator[str]:
    parts = path.removesuffix("/**").split("/")[:-1]
    yield from ("/".join(parts[:length]) for length in range(1, len(parts) + 1))


def _pattern(path: str) -> str:
    """Make the regular expression for one path of a row."""
    return "".join(starmap(_part, _PARTS.findall(path)))


def _part(word: str, either: str, plain: str) -> str:
    if word:
        return _PLACES[word]
    return f"({'|'.join(map(re.escape, either.split(',')))})" if either else re.escape(plain)
