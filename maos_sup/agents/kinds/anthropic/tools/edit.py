"""Tool `str_replace_based_edit_tool`: look at files, make them, change them, within the workspace."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from maos_sup.agents.kinds.anthropic.desk import ConversationDesk
from maos_sup.agents.kinds.anthropic.tools.base import BadCall, Result, VerbCall, schema, text_property
from maos_sup.agents.sandbox.beneath import opened_folder, read_beneath, relative_to_one, write_beneath
from state_layout.files.looking import is_dir, is_link

_MOST_BYTES = 16 << 20
_MOST_ENTRIES = 500
_SNIPPET_LINES = 4
_COMMANDS = ("view", "create", "str_replace", "insert")


class EditTool:
    """Works on text files."""

    name = "str_replace_based_edit_tool"

    def definition(self, desk: ConversationDesk, *, plain: bool) -> dict[str, object]:
        if not plain:
            return {"type": "text_editor_20250728", "name": self.name}
        integer = {"type": "integer"}
        return {
            "name": self.name,
            "description": (
                "View, create and change text files. view: a file with line numbers, or a folder; create: "
                "replaces the whole file; str_replace: old_str must stand there exactly once; insert: "
                "insert_text after line insert_line (0: at the beginning)."
            ),
            "input_schema": schema(
                "command",
                "path",
                command={"type": "string", "enum": list(_COMMANDS)},
                path=text_property("relative to the workspace"),
                file_text=text_property("create: the content"),
                old_str=text_property("str_replace: what to replace"),
                new_str=text_property("str_replace: by what; nothing by default"),
                insert_line=integer,
                insert_text=text_property("insert: the text"),
                view_range={"type": "array", "items": integer, "description": "view: [first, last], -1: end"},
            ),
        }

    def may_repeat(self, call: VerbCall) -> bool:
        return call.input.get("command") in ("view", "create")

    def run(self, desk: ConversationDesk, call: VerbCall) -> Result:
        command = _RUNS.get(call.text("command"))
        if command is None:
            raise BadCall(f"'command' must be one of {', '.join(_COMMANDS)}")
        folder, path = relative_to_one(call.text("path"), desk.writable)
        if call.input["command"] != "view" and desk.bounds.is_kept(folder / path):
            raise BadCall(f"{call.text('path')}: is kept from you; it can only be read")
        try:
            text = command(desk, folder, path, call)
        except OSError as cause:
            return Result(text=f"{call.text('path')}: {cause.strerror or cause}", is_error=True)
        return Result(text=text)


def _view(desk: ConversationDesk, folder: Path, path: PurePath, call: VerbCall) -> str:
    if is_dir(folder / path) and not is_link(folder / path):
        return _listing(folder, path)
    lines = _read(folder, path).split("\n")
    first, last = _range(call.input.get("view_range"), len(lines))
    return _limited(_numbered(lines[first - 1 : last], first), desk.settings.tool_output_chars)


def _create(desk: ConversationDesk, folder: Path, path: PurePath, call: VerbCall) -> str:
    if not path.parts:
        raise BadCall("'path' is the folder itself")
    write_beneath(folder, path, call.text("file_text").encode("utf-8", "replace"))
    return f"{path} written"


def _str_replace(desk: ConversationDesk, folder: Path, path: PurePath, call: VerbCall) -> str:
    text, old, new = _read(folder, path), call.text("old_str"), call.text("new_str", default="")
    count = text.count(old) if old else 0
    if count != 1:
        raise BadCall(
            f"'old_str' stands {count} times in {path}; it must stand there exactly once"
            if count
            else f"'old_str' does not stand in {path}; view it first"
        )
    line = text[: text.index(old)].count("\n")
    return _replaced(folder, path, text.replace(old, new), around=line)


def _insert(desk: ConversationDesk, folder: Path, path: PurePath, call: VerbCall) -> str:
    lines = _read(folder, path).splitlines(keepends=True)
    at, text = call.input.get("insert_line"), call.text("insert_text")
    if not isinstance(at, int) or not 0 <= at <= len(lines):
        raise BadCall(f"'insert_line' must be 0 to {len(lines)}")
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    text = text if text.endswith("\n") or at == len(lines) else text + "\n"
    return _replaced(folder, path, "".join([*lines[:at], text, *lines[at:]]), around=at)


_RUNS: dict[str, Callable[[ConversationDesk, Path, PurePath, VerbCall], str]] = {
    "view": _view,
    "create": _create,
    "str_replace": _str_replace,
    "insert": _insert,
}


def _replaced(folder: Path, path: PurePath, text: str, *, around: int) -> str:
    """Write the new text; what it looks like near line `around` (from 0)."""
    write_beneath(folder, path, text.encode("utf-8", "replace"))
    lines = text.split("\n")
    first = max(0, around - _SNIPPET_LINES)
    return f"{path} changed:\n" + _numbered(lines[first : around + 2 * _SNIPPET_LINES], first + 1)


def _read(folder: Path, path: PurePath) -> str:
    data = read_beneath(folder, path, most_bytes=_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise BadCall(f"{path} is larger than {_MOST_BYTES >> 20} MiB; use bash to look at parts of it")
    try:
        return data.decode()
    except UnicodeDecodeError as cause:
        raise BadCall(f"{path} is no text; use bash to look at it") from cause


def _range(value: Any, count: int) -> tuple[int, int]:
    """Read the first and last line to show."""
    if value is None:
        return 1, count
    if not isinstance(value, list) or len(value) != 2 or not all(type(item) is int for item in value):
        raise BadCall("'view_range' must be two line numbers, like [1, 40] or [10, -1]")
    first, last = value[0], count if value[1] == -1 else min(value[1], count)
    if not 1 <= first <= max(1, last):
        raise BadCall(f"'view_range' must lie within 1 and {count}")
    return first, last


def _numbered(lines: list[str], first: int) -> str:
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, first))


def _limited(text: str, most_chars: int) -> str:
    if len(text) <= most_chars:
        return text
    return f"{text[:most_chars]}\n[... {len(text) - most_chars} characters left out; use view_range ...]"


def _listing(folder: Path, path: PurePath) -> str:
    """List files and folders, two levels deep; hidden ones are left out."""
    found: list[str] = []
    _list(folder, path.parts, 2, found)
    shown = found[:_MOST_ENTRIES]
    if len(found) > len(shown):
        shown.append(f"[... {len(found) - len(shown)} more ...]")
    return "\n".join(shown) or "[empty]"


def _list(folder: Path, parts: tuple[str, ...], depth: int, found: list[str]) -> None:
    with opened_folder(folder, parts) as descriptor, os.scandir(descriptor) as entries:
        here = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for name, is_folder in here:
        if name.startswith("."):
            continue
        found.append("/".join([*parts, name]) + ("/" if is_folder else ""))
        if is_folder and depth > 1 and len(found) < 2 * _MOST_ENTRIES:
            _list(folder, (*parts, name), depth - 1, found)
