"""Tells programs of changes of shared state that were made: hooks `after_save` and `after_delete`.

How far the lines of a scope were told stands in `supervisor/hooked.json`, durable before the first program is
started: a hook runs at most once for a change, whoever dies. What fails is a note in the status, no more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from maos_sup.supervisor.programs import Programs
from state_layout.errors import Damaged, storage_error
from state_layout.files import atomic, codec
from state_layout.files.chain import Position
from state_layout.files.journal import Reader
from state_layout.files.reading import read_record
from state_layout.paths import Tree
from state_layout.scopes.hooks import AFTER_DELETE, AFTER_SAVE, Hook, meeting
from state_layout.scopes.lines import DELETE
from state_layout.scopes.names import GLOBAL, Scope, folders_in, located, shared_folder
from state_layout.scopes.store import SUFFIX

_CALL = "maos_sup.system.hooking"
_Marks = dict[str, dict[str, list[Any]]]  # by scope and writer: seq, offset, h


class Hooked:
    """The object runs the after-hooks of one tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._asks_home = False
        self._home_sizes: list[int] = []
        self.programs = Programs(tree)

    def look(self, hooks: list[Hook]) -> None:
        """Tell `hooks` what was changed since the last look. Raises Damaged, StorageError."""
        self.programs.see_ends()
        if not hooks:
            return
        marks, news = self._marks(), list[tuple[Hook, Mapping[str, Any]]]()
        is_first, before = marks is None, codec.encode(marks)
        marks = marks or {}
        for scope, path in self._files(hooks):
            mine = marks.setdefault(str(scope), {})
            writer = path.name.removesuffix(SUFFIX)
            reader = Reader(path, Position(*mine.get(writer, (0, 0, ""))))
            is_known = reader.stands()  # not so after a rollback: what is there was told
            reader = reader if is_known else Reader(path)
            for line in reader:
                if is_known and not is_first:
                    news += _news(hooks, scope, writer, line.fields())
            mine[writer] = list(reader.position)
        if is_first or codec.encode(marks) != before:
            atomic.replace(self._tree.hooked, codec.encode_pretty(marks))
        for hook, told in sorted(news, key=lambda each: int(each[1]["n"])):
            argv = located(self._tree, hook.run) if isinstance(hook.run, tuple) else _call(self._tree, hook)
            what = f"hook {hook.name} for {told['scope']} {told['key']!r}"
            self.programs.start(what, argv, told, variables={"MAOS_EVENT": hook.on}, longest_s=hook.timeout_s)

    def is_due(self) -> bool:
        """Agents of this tree have changed something in the home since the last look."""
        return self._asks_home and _sizes(self._in_home()) != self._home_sizes

    def _files(self, hooks: list[Hook]) -> Iterator[tuple[Scope, Path]]:
        """Yield the files of shared scopes whose changes are for `hooks`: of `global`, those of our own
        agents.

        So each change there is told by one orchestration at most.
        """
        for scope, folder in folders_in(self._tree):
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                yield scope, path
        self._asks_home = any(fnmatchcase(GLOBAL, hook.scope) for hook in hooks)
        if self._asks_home:
            paths = self._in_home()
            self._home_sizes = _sizes(paths)
            for path in paths:
                yield Scope(GLOBAL), path

    def _in_home(self) -> list[Path]:
        folder = shared_folder(self._tree, Scope(GLOBAL))
        ours = f"{self._tree.root.name}."
        return [path for path in sorted(folder.glob(f"*{SUFFIX}")) if path.name.startswith(ours)]

    def _marks(self) -> _Marks | None:
        try:
            found: _Marks = codec.decode_object(read_record(self._tree.hooked))
            return found
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise storage_error("read", self._tree.hooked, cause) from cause
        except codec.NotJson as cause:
            shown = self._tree.shown(self._tree.hooked)
            raise Damaged(f"{shown}: is no JSON; remove it: hooks then begin with what comes") from cause


def _sizes(paths: list[Path]) -> list[int]:
    sizes = list[int]()
    for path in paths:
        with suppress(OSError):
            sizes.append(path.stat().st_size)
    return sizes


def _news(
    hooks: list[Hook], scope: Scope, writer: str, fields: Mapping[str, Any]
) -> list[tuple[Hook, Mapping[str, Any]]]:
    on = AFTER_DELETE if fields["type"] == DELETE else AFTER_SAVE
    told = {"on": on, "scope": str(scope), "key": fields["key"], "value": fields.get("value"), "by": writer}
    told |= {name: fields[name] for name in ("n", "over", "task", "run", "step") if name in fields}
    return [(hook, told) for hook in meeting(hooks, on, str(scope), str(fields["key"]))]


def _call(tree: Tree, hook: Hook) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", _CALL, str(tree.files), str(hook.run))
