"""Looks for secrets in all files of a tree, those of programs and people among them. Reads only, shows none.

A secret is what the redactor would leave out: the value of a secret variable, of this environment or of an
agent's `env`, or what has the shape of a well-known key. Links are not followed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from maos_sup.agents.secrets.redaction import (
    SEARCHES,
    SHAPES,
    escaped,
    secret_variables,
    spec_variables,
)
from state_layout.errors import storage_error
from state_layout.files import atomic
from state_layout.paths import Tree

_CHUNK_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 1 << 24  # what is longer is looked at in pieces
_OVERLAP_BYTES = 1 << 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A found secret is told by its place and its name: never the secret."""

    path: str  # relative to the tree
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def find_secrets(tree: Tree, environment: Mapping[str, str]) -> list[Secret]:
    """Find every line of every file with a secret. Raises StorageError for a file that cannot be read."""
    pattern, names = _pattern(tree, environment)
    return [
        Secret(path=str(path.relative_to(tree.root)), line=line, what=names[number])
        for path in _files(tree.root)
        for line, number in _in_file(path, pattern)
    ]


class SecretSearch:
    """Finds the secrets that `find_secrets` finds, in bytes as they come: several times as fast, where there
    are none.
    """

    def __init__(self, tree: Tree, environment: Mapping[str, str]) -> None:
        known = _known_values(tree, environment)
        self._values = [
            (form.encode("utf-8", "surrogateescape"), what)
            for value, what in known.items()
            for form in sorted({value, escaped(value)})
        ]
        self._shapes = {what: re.compile(shape.encode(), re.DOTALL) for what, shape in SHAPES.items()}

    def in_bytes(self, data: bytes) -> str | None:
        """Name the secret that is in `data`; None if there is none."""
        for value, what in self._values:
            if value in data:
                return what
        if any(search(data) for _, search in SEARCHES):  # three looks in place of nine
            for what, shape in self._shapes.items():
                if shape.search(data):
                    return f"what looks like {what}"
        return None


def _known_values(tree: Tree, environment: Mapping[str, str]) -> dict[str, str]:
    """Collect what is secret by the name of its variable, and what to call it."""
    known: dict[str, str] = {}
    for agent in sorted(path.stem for path in tree.agent_specs.glob("*.json")):
        for name, values in secret_variables(spec_variables(tree, agent)).items():
            known |= dict.fromkeys(values, f"the value of {name}, set in spec/agents/{agent}.json")
    for name, values in secret_variables(environment).items():
        known |= dict.fromkeys(values, f"the value of the variable {name}")
    return known


def _pattern(tree: Tree, environment: Mapping[str, str]) -> tuple[re.Pattern[bytes], dict[int, str]]:
    """Make the pattern that finds secrets in bytes, a group for each; and say what each group is."""
    known = _known_values(tree, environment)
    parts, names = [], {}
    for value in sorted(known, key=len, reverse=True):
        forms = {value, escaped(value)}
        parts.append("|".join(re.escape(form) for form in sorted(forms)))
        names[len(parts)] = known[value]
    for what, shape in SHAPES.items():
        parts.append(shape)
        names[len(parts)] = f"what looks like {what}"
    joined = "|".join(f"({part})" for part in parts)
    return re.compile(joined.encode("utf-8", "surrogateescape"), re.DOTALL), names


def _files(folder: Path) -> Iterator[Path]:
    """Yield the regular files below `folder`, sorted; what vanishes meanwhile is none."""
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        except OSError as cause:
            raise storage_error("read", Path(cause.filename or folder), cause) from cause
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                stack.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _in_file(path: Path, pattern: re.Pattern[bytes]) -> list[tuple[int, int]]:
    """Find the line and group of each secret, each once a line."""
    found: dict[tuple[int, int], None] = {}
    try:
        with atomic.opened(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW) as descriptor:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return []
            for data, first_line in _pieces(descriptor):
                for match in pattern.finditer(data):
                    line = first_line + data.count(b"\n", 0, match.start())
                    found[line, match.lastindex or 0] = None
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    return [*found]


def _pieces(descriptor: int) -> Iterator[tuple[bytes, int]]:
    """Yield whole lines, some at a time, and the number of the first; of very long lines pieces that
    overlap."""
    rest, line = b"", 1
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        data = rest + chunk
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) < _LONGEST_LINE_BYTES:
            rest = data
            continue
        yield data[: cut or len(data)], line
        line += data.count(b"\n", 0, cut)
        rest = data[cut:] if cut else data[-_OVERLAP_BYTES:]
    if rest:
        yield rest, line
