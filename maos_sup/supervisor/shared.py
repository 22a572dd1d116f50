"""Shared state, as the supervisor keeps it for people: what they write by hand, and what they read.

Files in `spec/state/` are put in force and journaled like every edit; one that cannot be used is told once
its bytes failed at two looks that lie apart, and the value before stays. The readable snapshots are made anew
when something changed, at longer intervals where that takes long.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maos_sup.supervisor.hooked import Hooked
from maos_sup.supervisor.life import Life
from maos_sup.system.hooking import ask_before
from state_layout.errors import BadInput, LayoutError, StorageFull
from state_layout.files.looking import is_dir
from state_layout.paths import Tree
from state_layout.scopes.hooks import BEFORE_SAVE, Hook, meeting
from state_layout.scopes.lines import described
from state_layout.scopes.names import Scope, folders_in
from state_layout.scopes.people import HandEdit, edits_in, refresh_snapshot, take_edit
from state_layout.scopes.store import ScopeStore

if TYPE_CHECKING:
    from state_layout.records.snapshots import SpecFault

WRITER = "supervisor"
LOOK_S = 0.5
_SHARE = 20  # of the time may go into snapshots: one in so many
_Stamp = tuple[tuple[str, int, int, int], ...]


class SharedState:
    """Looks after the shared scopes of one tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._stores: dict[Scope, ScopeStore] = {}
        self._shown: dict[Scope, dict[str, int]] = {}  # sizes of the files when the snapshot was made
        self._not_before_s: dict[Scope, float] = {}  # when to make it again
        self._due_s = 0.0
        self._stamp: _Stamp | None = None  # of what lay in `spec/state/` at the last look
        self._suspected: dict[tuple[Path, str], float] = {}
        self._hooked = Hooked(tree)
        self._told = set[tuple[Path, str]]()
        self.errors: list[SpecFault] = []  # as `status` shows those of specs
        self.trouble: str | None = None

    def look(self, life: Life, hooks: Sequence[dict[str, object]] = (), *, is_last: bool = False) -> None:
        """Take edits, make snapshots; nothing if the last look was just now. Raises StorageError."""
        now_s = time.monotonic()
        if now_s < self._due_s and not is_last:
            return
        self._due_s = now_s + LOOK_S
        self.trouble = None
        if is_dir(self._tree.state_specs):
            self._look_at_edits(life, now_s, hooks)
        self._tell_hooks(hooks)
        if is_last:
            self._hooked.programs.wait()  # each is ended in its time
        for scope, _ in folders_in(self._tree):
            if is_last or now_s >= self._not_before_s.get(scope, 0.0):
                self._show(scope)

    def is_due(self) -> bool:
        """Something has changed since the last look, as far as a few stats tell."""
        if time.monotonic() < self._due_s:
            return False
        if self._suspected or self._hooked.programs.is_busy:
            return True
        if _stamp(self._tree) != (self._stamp or ()) or self._hooked.is_due():
            return True
        return is_dir(self._tree.state) and any(map(self._is_behind, folders_in(self._tree)))

    def _is_behind(self, place: tuple[Scope, Path]) -> bool:
        """A snapshot is to be made of a scope."""
        scope, folder = place
        is_shown = self._shown.get(scope) == _sizes(folder)
        return not is_shown and time.monotonic() >= self._not_before_s.get(scope, 0.0)

    def close(self) -> None:
        """Close the files."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()

    def _store(self, scope: Scope) -> ScopeStore:
        if scope not in self._stores:
            folder = self._tree.state_scope(scope.sort, scope.owner)
            self._stores[scope] = ScopeStore(folder, WRITER)
        return self._stores[scope]

    def _show(self, scope: Scope) -> None:
        store, began_s = self._store(scope), time.monotonic()
        try:
            sizes = _sizes(store.folder)
            if self._shown.get(scope) != sizes:
                refresh_snapshot(self._tree, scope, store)
                self._shown[scope] = sizes
        except LayoutError as error:
            self.trouble = str(error)
        self._not_before_s[scope] = time.monotonic() + _SHARE * (time.monotonic() - began_s)

    def _tell_hooks(self, hooks: Sequence[dict[str, object]]) -> None:
        """Run what is to be told of changes."""
        try:
            self._hooked.look([hook for hook in map(Hook.of, hooks) if hook.on.startswith("after_")])
        except LayoutError as error:
            self.trouble = str(error)

    @property
    def troubles(self) -> list[str]:
        """The troubles say for the status what went wrong."""
        return [*self._hooked.programs.troubles, *([self.trouble] if self.trouble else [])]

    def _look_at_edits(self, life: Life, now_s: float, hooks: Sequence[dict[str, object]]) -> None:
        stamp = _stamp(self._tree)
        if stamp == self._stamp and not self._suspected:
            return
        faults = dict[tuple[Path, str], tuple[HandEdit, str]]()
        for edit in edits_in(self._tree):
            fault = edit.fault or self._take(edit, life, hooks)
            if fault is not None:
                faults[edit.path, edit.digest + fault] = edit, fault
        known, self._suspected = self._suspected, {}
        self.errors = []
        for key, (edit, fault) in faults.items():
            since_s = known.get(key, now_s)
            self._suspected[key] = since_s
            if now_s > since_s:  # an editor may have been seen in the middle of saving
                self._tell(edit, fault, life, is_new=key not in self._told)
                self._told.add(key)
        self._stamp = stamp

    def _take(self, edit: HandEdit, life: Life, hooks: Sequence[dict[str, object]]) -> str | None:
        """Put an edit in force; why it cannot be."""
        store = self._store(edit.scope)
        try:
            before = store.get(edit.key)
            if store.last_by_hand(edit.key) != edit.digest:
                edit = replace(edit, value=self._asked(edit, before and before.value, hooks))
            entry = take_edit(self._tree, store, edit)
        except BadInput as fault:
            return str(fault)
        except StorageFull:
            raise
        except LayoutError as error:
            self.trouble = str(error)
            return None
        if entry is not None:
            told = {"scope": str(edit.scope), "key": edit.key, "version": list(entry.version)}
            over = {} if before is None else {"over": list(before.version), "was_by": described(before)}
            path = self._tree.shown(edit.path)
            life.record_later(
                "spec", {"path": path, "sha256": edit.digest, "changed": [edit.key], **told, **over}
            )
        return None

    def _asked(self, edit: HandEdit, before: Any, hooks: Sequence[dict[str, object]]) -> Any:
        """Take what hooks leave of the value of an edit. Raises BadInput."""
        met = meeting(map(Hook.of, hooks), BEFORE_SAVE, str(edit.scope), edit.key)
        told = {"on": BEFORE_SAVE, "scope": str(edit.scope), "key": edit.key, "value": edit.value}
        return ask_before(self._tree, met, told | {"before": before, "by": WRITER})["value"]

    def _tell(self, edit: HandEdit, fault: str, life: Life, *, is_new: bool) -> None:
        path = self._tree.shown(edit.path)
        text = f"{path}: {fault}; mend it, the value before stays in force"
        told: SpecFault = {"path": path, "line": None, "key": edit.key, "text": text}
        if is_new:
            life.commit("spec_error", told)
        self.errors.append(told)


def _sizes(folder: Path) -> dict[str, int]:
    with suppress(OSError):
        return {path.stem: path.stat().st_size for path in folder.glob("*.jsonl")}
    return {}


def _stamp(tree: Tree) -> _Stamp:
    """Make a stamp that differs when a file in `spec/state/` came, went or changed."""
    found = list[tuple[str, int, int, int]]()
    if not is_dir(tree.state_specs):
        return ()
    for path in sorted(tree.state_specs.rglob("*.json")):
        try:
            seen = path.lstat()
        except OSError:
            continue
        found.append((str(path), seen.st_ino, seen.st_size, seen.st_mtime_ns))
    return tuple(found)
