"""Says what the catalogue says of one sort of file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Form(StrEnum):
    """A form says what the bytes of a file are."""

    CHAINED = "chained"  # JSONL with hashes, one writer
    LINES = "lines"  # JSONL without
    JSON = "json"
    BYTES = "bytes"
    LOCK = "lock"  # empty, or as good as that
    FREE = "free"  # a folder whose contents are not ours to name
    PASSING = "passing"  # there only while something is made: no part of a tree


@dataclass(frozen=True, slots=True)
class Row:
    """A row describes one sort of file; the first four fields stand in the order of the table.

    `path` is relative to the tree, with words in angle brackets for what differs and alternatives in braces.
    A folder that is free ends with `/**`. Several paths are separated by a blank.
    """

    path: str
    writer: str
    readers: str
    how: str  # it is written, and how durable it is then
    form: Form = field(kw_only=True)
    edit: str = field(default="no", kw_only=True)  # whether people may edit it
    copy: str = field(default="yes", kw_only=True)  # whether it belongs into a copy of the tree
    record: str | None = field(default=None, kw_only=True)  # the type of it or of its lines, in `records`

    @property
    def paths(self) -> list[str]:
        """The row's files have these paths."""
        return self.path.split(" ")

    @property
    def is_free(self) -> bool:
        """The file is a folder that is not entered."""
        return self.form is Form.FREE

    @property
    def is_copied(self) -> bool:
        """A copy of the tree is not whole without this file."""
        return self.copy == "yes"
