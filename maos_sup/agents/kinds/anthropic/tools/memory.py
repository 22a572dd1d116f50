"""Tool `memory` (memory_20250818): Claude's own memory, kept in the shared scope `custom:memory`.

A file of `/memories` is a text under its path; so it is durable, has its history, goes back with the team and
is shared by all agents that are granted the scope. Two that edit one file lose nothing: an edit is made anew
on what the other wrote. The texts that are given back are those of Anthropic's own implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from maos_sup.agents.attempt.shared import KeptValue, Shared
from maos_sup.agents.bus.keeping import asker_of
from maos_sup.agents.kinds.anthropic.desk import ConversationDesk
from maos_sup.agents.kinds.anthropic.tools.base import BadCall, Result, VerbCall, schema, text_property
from state_layout.scopes.names import Scope

SCOPE = Scope("custom", "memory")
ROOT = "/memories"
_COMMANDS = ("view", "create", "str_replace", "insert", "delete", "rename")
_MOST_TRIES = 20
_NUMBER_WIDTH = 6


class MemoryTool:
    """Works on texts in `custom:memory`."""

    name = "memory"

    def definition(self, desk: ConversationDesk, *, plain: bool) -> dict[str, object]:
        if not plain:
            return {"type": "memory_20250818", "name": self.name}
        return {
            "name": self.name,
            "description": (
                "Your memory: files below /memories that outlive this task and that other agents may share. "
                "View /memories before you begin; note there what will be useful later."
            ),
            "input_schema": schema(
                "command",
                command={"type": "string", "enum": list(_COMMANDS)},
                path=text_property("like /memories/notes.md"),
                file_text=text_property("create: the content"),
                old_str=text_property("str_replace: what to replace"),
                new_str=text_property("str_replace: by what"),
                insert_line={
                    "type": "integer",
                    "description": "insert: after this line, 0: at the beginning",
                },
                insert_text=text_property("insert: the text"),
                old_path=text_property("rename: from"),
                new_path=text_property("rename: to"),
                view_range={"type": "array", "items": {"type": "integer"}, "description": "[first, last]"},
            ),
        }

    def may_repeat(self, call: VerbCall) -> bool:
        return True  # what was changed is found done, by the token of the call

    def run(self, desk: ConversationDesk, call: VerbCall) -> Result:
        command = _RUNS.get(call.text("command"))
        if command is None:
            raise BadCall(f"'command' must be one of {', '.join(_COMMANDS)}")
        memory = _Memory(desk, call)
        text = command(memory, call)
        return Result(text=text, effects=memory.effects)


class _Memory:
    """The texts are as one call sees them; `effects` is what its journal line has to say."""

    def __init__(self, desk: ConversationDesk, call: VerbCall) -> None:
        self._shared: Shared = desk.scene.recorder.shared
        self._asker = asker_of(desk.scene, call)
        self._changes = 0
        self.effects: dict[str, dict[str, int]] = {}

    @property
    def was_begun(self) -> bool:
        """An earlier life made the first change of this call: it is repeated then."""
        return self._shared.was_done(SCOPE, replace(self._asker, token=f"{self._asker.token}/0"))

    def names(self, prefix: str) -> list[str]:
        """List the files below a folder; all that are texts."""
        kept = self._shared.keys(SCOPE, prefix, self._asker)
        self._note(kept)
        return [name for name in kept.value if "=" not in name]  # others are of other tools

    def read(self, path: str) -> KeptValue | None:
        kept = self._shared.load(SCOPE, path, self._asker)
        if kept is not None:
            self._note(kept)
        return kept if kept is not None and isinstance(kept.value, str) else None

    def write(self, path: str, text: str, *, over: Any) -> bool:
        """Put a text in the place of the version `over`; false if somebody else was first."""
        kept = self._shared.save(SCOPE, path, text, self._named(), over=over)
        return self._changed(kept)

    def remove(self, path: str) -> bool:
        return self._changed(self._shared.forget(SCOPE, path, self._named()) or KeptValue())

    def _named(self) -> Any:
        return replace(self._asker, token=f"{self._asker.token}/{self._changes}")

    def _changed(self, kept: KeptValue) -> bool:
        if kept.lost is not None:
            return False
        self._changes += 1
        self._note(kept)
        return True

    def _note(self, kept: KeptValue) -> None:
        for name in ("stored", "seen"):
            for key, seq in kept.effects.get(name, {}).items():
                known = self.effects.setdefault(name, {})
                known[key] = max(seq, known.get(key, 0))


def _view(memory: _Memory, call: VerbCall) -> str:
    shown = call.text("path", default=ROOT)
    path = _path(shown, may_be_root=True)
    kept = memory.read(path) if path else None
    if kept is None:
        return _listing(memory, shown, path)
    lines = kept.value.split("\n")
    first, last = _range(call.input.get("view_range"), len(lines))
    return f"Here's the content of {shown} with line numbers:\n{_numbered(lines, first, last)}"


def _listing(memory: _Memory, shown: str, path: str) -> str:
    names = [name[len(path) + 1 :] if path else name for name in memory.names(f"{path}/" if path else "")]
    if path and not names:
        raise BadCall(f"The path {shown} does not exist. Please provide a valid path.")
    found = dict[str, None]()
    for name in names:
        parts = name.split("/")
        for depth in range(1, min(len(parts), 3)):
            found["/".join(parts[:depth]) + "/"] = None
        if len(parts) <= 2:
            found[name] = None
    head = f"Here're the files and directories up to 2 levels deep in {shown}, excluding hidden items:"
    return "\n".join([head, shown, *(f"{shown.rstrip('/')}/{name}" for name in found)])


def _create(memory: _Memory, call: VerbCall) -> str:
    path = _path(call.text("path"))
    if not memory.write(path, call.text("file_text"), over=None):
        raise BadCall(f"File {call.text('path')} already exists")
    return f"File created successfully at: {call.text('path')}"


def _str_replace(memory: _Memory, call: VerbCall) -> str:
    old, new, shown = call.text("old_str"), call.text("new_str", default=""), call.text("path")

    def change(text: str) -> tuple[str, int]:
        count = text.count(old) if old else 0
        if count == 0:
            raise BadCall(
                f"No replacement was performed, old_str `{old}` did not appear verbatim in {shown}."
            )
        if count > 1:
            raise BadCall(
                f"No replacement was performed. Multiple occurrences of old_str `{old}`. Please ensure it "
                "is unique"
            )
        return text.replace(old, new), text[: text.index(old)].count("\n") + 1

    text, line = _edited(memory, shown, change)
    lines = text.split("\n")
    snippet = _numbered(lines, max(1, line - 2), min(len(lines), line + 2))
    return f"The memory file has been edited. Here is the snippet showing the change:\n{snippet}"


def _insert(memory: _Memory, call: VerbCall) -> str:
    at, more, shown = int(call.number("insert_line", default=0)), call.text("insert_text"), call.text("path")

    def change(text: str) -> tuple[str, int]:
        lines = text.split("\n")
        if not 0 <= at <= len(lines):
            raise BadCall(
                f"Invalid `insert_line` parameter: {at}. It should be within the range [0, {len(lines)}]."
            )
        return "\n".join([*lines[:at], *more.rstrip("\n").split("\n"), *lines[at:]]), at

    _edited(memory, shown, change)
    return f"The file {shown} has been edited."


def _edited(memory: _Memory, shown: str, change: Callable[[str], tuple[str, int]]) -> tuple[str, int]:
    """Change a text, again on what somebody else wrote meanwhile."""
    path = _path(shown)
    if memory.was_begun and (done := memory.read(path)) is not None:
        return done.value, 1
    for _ in range(_MOST_TRIES):
        kept = memory.read(path)
        if kept is None:
            raise BadCall(f"The path {shown} does not exist. Please provide a valid path.")
        changed = change(kept.value)
        if memory.write(path, changed[0], over=kept.version):
            return changed
    raise BadCall(f"{shown} is changed by others all the time; try again later")


def _delete(memory: _Memory, call: VerbCall) -> str:
    shown = call.text("path")
    path = _path(shown)
    names = [path] if memory.read(path) is not None else memory.names(f"{path}/")
    if not names and not memory.was_begun:
        raise BadCall(f"The path {shown} does not exist")
    for name in names:
        memory.remove(name)
    return f"Successfully deleted {shown}"


def _rename(memory: _Memory, call: VerbCall) -> str:
    old, new = call.text("old_path"), call.text("new_path")
    source, target = _path(old), _path(new)
    kept, is_again = memory.read(source), memory.was_begun
    if not is_again and (memory.read(target) is not None or memory.names(f"{target}/")):
        raise BadCall(f"The destination {new} already exists")
    names = [source] if kept is not None else memory.names(f"{source}/")
    if not names and not is_again:
        raise BadCall(f"The path {old} does not exist")
    for name in names:
        moved, place = memory.read(name), target + name.removeprefix(source)
        if moved is not None and (memory.write(place, moved.value, over=None) or is_again):
            memory.remove(name)
    return f"Successfully renamed {old} to {new}"


def _path(shown: str, *, may_be_root: bool = False) -> str:
    """Turn `/memories/a/b` into the key that it is kept under: `a/b`. Raises BadCall."""
    parts = shown.split("/")
    if parts[:2] != ["", "memories"]:
        raise BadCall(f"Path must start with {ROOT}, got: {shown}")
    rest = [part for part in parts[2:] if part]
    if any(part in (".", "..") or "=" in part for part in rest):
        raise BadCall(f"Path {shown} would escape {ROOT} directory, or has an equals sign in it")
    if not rest and not may_be_root:
        raise BadCall(f"{ROOT} is the directory itself; name a file in it")
    return "/".join(rest)


def _range(told: object, count: int) -> tuple[int, int]:
    if not isinstance(told, list) or len(told) != 2 or not all(type(each) is int for each in told):
        return 1, count
    return max(1, told[0]), count if told[1] == -1 else min(told[1], count)


def _numbered(lines: list[str], first: int, last: int) -> str:
    return "\n".join(
        f"{number:>{_NUMBER_WIDTH}}\t{line}" for number, line in enumerate(lines[first - 1 : last], first)
    )


_RUNS: dict[str, Callable[[_Memory, VerbCall], str]] = {
    "view": _view,
    "create": _create,
    "str_replace": _str_replace,
    "insert": _insert,
    "delete": _delete,
    "rename": _rename,
}
