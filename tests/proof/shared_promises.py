"""Says what must hold of shared state after a cut, read from the files by the rules of FORMAT.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from state_layout.files.journal import Reader
from state_layout.scopes.names import scope_of
from state_layout.scopes.store import ScopeStore

from .promises import Broken, Found

Line = dict[str, Any]


def lines_of(found: Found, scope: str) -> dict[str, list[Line]]:
    """By writer the lines of a shared scope."""
    where = scope_of(scope)
    folder = found.tree.state_scope(where.sort, where.owner)
    return {
        path.stem: [json.loads(line.raw) for line in Reader(path).read()]
        for path in sorted(folder.glob("*.jsonl"))
    }


def scopes_of(found: Found) -> list[str]:
    return [scope for scope in ("orchestration", "custom:plan") if lines_of(found, scope)]


def changes_are_there(found: Found) -> Broken:
    for writer, scope, key, value, version, token, over in found.told("kept"):
        lines = lines_of(found, scope).get(writer, [])
        mine = [line for line in lines if line.get("token") == token]
        if [_version(writer, line) for line in mine] != [version]:
            yield f"{scope}: {writer} was told that {token} is {version}, there is {mine}"
        elif (mine[0]["key"], mine[0]["value"], mine[0].get("over")) != (key, value, over):
            yield f"{scope}: {writer} put {value} under {key} over {over}, there is {mine}"


def what_was_looked_at_is_there(found: Found) -> Broken:
    for reader, scope, version in found.told("looked"):
        lines = lines_of(found, scope).get(version[0], [])
        if version not in [_version(version[0], line) for line in lines]:
            yield f"{scope}: {reader} looked at {version}, which is not there"


def no_change_is_lost(found: Found) -> Broken:
    """Each line took the place of the one that was there; no two have one number."""
    for scope in scopes_of(found):
        lines = [
            (line["n"], writer, line) for writer, each in lines_of(found, scope).items() for line in each
        ]
        numbers = [n for n, _, _ in lines]
        if len({*numbers}) != len(numbers):
            yield f"{scope}: two lines have one number: {sorted(numbers)}"
        last: dict[str, Any] = {}
        for n, writer, line in sorted(lines, key=lambda each: each[:2]):
            if line.get("over") != last.get(line["key"]):
                yield f"{scope}: line {n} of {writer} is over {line.get('over')}, not {last.get(line['key'])}"
            last[line["key"]] = _version(writer, line)


def causes_are_durable(found: Found) -> Broken:
    """A change names the last line of its writer's journal before it: that one is there."""
    for scope in scopes_of(found):
        for writer, lines in lines_of(found, scope).items():
            after = max((line.get("after", 0) for line in lines), default=0)
            if writer in found.agents and after > len(found.entries[writer]):
                yield f"{scope}: {writer} changed something after line {after}, which its journal has not"


def journals_name_what_is_there(found: Found) -> Broken:
    for agent, entries in found.entries.items():
        for entry in entries:
            for scope, seq in entry.get("stored", {}).items():
                if seq > len(lines_of(found, scope).get(agent, [])):
                    yield f"{agent}: says that it stored line {seq} of {scope}, which is not there"


def only_written_lines_count(found: Found) -> Broken:
    for path in found.tree.state.rglob("*.jsonl"):
        known = found.truth.lines[found.tree.shown(path)]
        if bad := [line.raw for line in Reader(path).read() if line.raw not in known]:
            yield f"{found.tree.shown(path)}: counts a line that nobody wrote: {bad[0]!r}"


def done_is_found_done(found: Found) -> Broken:
    """Whoever asks again for a change that was acknowledged does nothing."""
    for writer, scope, key, value, version, token, _ in [*found.told("kept")]:
        where = scope_of(scope)
        store = ScopeStore(found.tree.state_scope(where.sort, where.owner), writer)
        written = store.put(key, value, token=token)
        store.close()
        if [*written.version] != version:
            yield f"{scope}: {writer} asked again for {token} and got {written.version}, not {version}"


def writing_goes_on(found: Found) -> Broken:
    """Whoever wrote before can write again, and others see it, whatever was torn."""
    for scope in scopes_of(found):
        where = scope_of(scope)
        folder = found.tree.state_scope(where.sort, where.owner)
        for writer in lines_of(found, scope):
            store, other = ScopeStore(folder, writer), ScopeStore(folder, "looker")
            version, seen = store.put("later", writer).version, other.get("later")
            if seen is None or seen.version != version:
                yield f"{scope}: {writer} wrote {version}, others see {seen and seen.version}"
            store.close(), other.close()


def _version(writer: str, line: Line) -> list[Any]:
    return [writer, line["seq"], line["h"]]


SHARED: dict[str, Callable[[Found], Iterator[str]]] = {
    "acknowledged changes of shared state are there": changes_are_there,
    "what was looked at is there": what_was_looked_at_is_there,
    "no change of shared state is lost": no_change_is_lost,
    "a change comes after what caused it": causes_are_durable,
    "journals name what is there": journals_name_what_is_there,
}
SHARED_AS_FOUND = {**SHARED, "no torn change is taken for whole": only_written_lines_count}
SHARED_AFTER = {
    **SHARED,
    "a change asked for again is found done": done_is_found_done,
    "writing goes on": writing_goes_on,
}
