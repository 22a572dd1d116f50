"""A plan file as a value whose keys have lines: TOML or JSON, told apart by name or by content."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from maos_sup.planner.toml_lines import toml_lines
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.files.reading import Unreadable, is_file, read_regular
from state_layout.shapes import places
from state_layout.shapes.shape import At, Fault
from state_layout.specs.files import not_json_text, repeated_keys

LARGEST_PLAN_BYTES = 4 << 20
_TOML_PLACE = re.compile(r" ?\(at (?:line (\d+), column (\d+)|end of document)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document is a plan as it was read; `repeats` are keys that are there twice, with their lines."""

    path: Path
    value: dict[str, object]
    text: str
    is_json: bool
    repeats: list[tuple[Fault, int]] = field(default_factory=list)

    def problems(self, faults: Iterable[Fault]) -> list[str]:
        """List all mistakes as `path:line: text`, in the order of the file."""
        found = [(line, fault.text) for fault, line in self.repeats]
        faults = list(faults)
        if faults:
            lines = self.lines()
            found += [(places.line_of(lines, fault.at), fault.text) for fault in faults]
        found.sort(key=lambda problem: problem[0])
        return [f"{self.path}:{line}: {text}" for line, text in found]

    def lines(self) -> dict[At, int]:
        """Find the line of every key."""
        return places.json_places(self.text).lines if self.is_json else toml_lines(self.text)


def read_document(path: Path) -> Document:
    """Read the plan file `path`. Raises BadInput if it cannot be read or is neither TOML nor JSON."""
    data = _read(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        raise BadInput(f"{path}: is YAML; write the plan as TOML or JSON")
    if path.suffix.lower() == ".json" or (path.suffix.lower() != ".toml" and data.lstrip()[:1] == b"{"):
        return _json(path, data)
    return _toml(path, data)


def _read(path: Path) -> bytes:
    try:
        data = read_regular(path, most_bytes=LARGEST_PLAN_BYTES, through_links=True)[0]
    except FileNotFoundError as cause:
        remedy = "name the file of a plan, or put a request of several words"
        raise BadInput(f"{path}: is not there; {remedy}") from cause
    except Unreadable as cause:
        inside = path / "plan.toml"
        hint = f"; did you mean {inside}?" if is_file(inside) else ""
        raise BadInput(f"{path}: {cause}{hint}") from cause
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(f"{path}:1: is UTF-16; save it as UTF-8")
    return data.removeprefix(b"\xef\xbb\xbf")


def _json(path: Path, data: bytes) -> Document:
    try:
        value = codec.decode_object(data)
        twice = places.repeats_a_key(data)
    except (codec.NestedTooDeeply, RecursionError) as cause:
        raise BadInput(_too_deep(path, data.decode())) from cause
    except codec.NotJson as cause:
        raise BadInput(f"{path}:{cause.line}: {not_json_text(data, cause)}") from cause
    text = data.decode()
    repeats = [*repeated_keys(places.json_places(text))] if twice else []
    return Document(path=path, value=value, text=text, is_json=True, repeats=repeats)


_MANY_DOTS = re.compile(r"""(?m)(?:^|[\[{,])[ \t]*(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){64}""")
_MANY_DIGITS = re.compile(r"(?m)^[^#\n]*?\d[\d_]{999}")


def _toml(path: Path, data: bytes) -> Document:
    try:
        text = data.decode()
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        raise BadInput(f"{path}:{line}: has a byte that is not UTF-8; save the file as UTF-8") from cause
    if dotted := _MANY_DOTS.search(text):  # it would take minutes to be refused
        raise BadInput(_too_deep(path, text, at=dotted.end()))
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise BadInput(_not_toml(path, text, str(cause))) from cause
    except RecursionError as cause:
        raise BadInput(_too_deep(path, text)) from cause
    except ValueError as cause:
        digits = _MANY_DIGITS.search(text)
        line = _line_at(text, digits.start() if digits else 0)
        raise BadInput(f"{path}:{line}: holds a number that is too long; use at most 18 digits") from cause
    return Document(path=path, value=value, text=text, is_json=False)


def _line_at(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _too_deep(path: Path, text: str, *, at: int | None = None) -> str:
    line = places.deep_line(text, levels=codec.MOST_LEVELS) if at is None else _line_at(text, at)
    return f"{path}:{line}: is nested too deeply; make it flatter"


def _not_toml(path: Path, text: str, message: str) -> str:
    """Give tomllib's message with the line in front and the line's text behind."""
    place = _TOML_PLACE.search(message)
    lines = text.splitlines() or [""]
    number = int(place[1]) if place and place[1] else len(lines)
    reason = _TOML_PLACE.sub("", message)
    reason = reason[:1].lower() + reason[1:]
    shown = "".join(
        character if character.isprintable() else ascii(character)[1:-1]
        for character in lines[min(number, len(lines)) - 1].strip()[:60]
    )
    return f"{path}:{number}: is no valid TOML: {reason}; mend this line: {shown}"
