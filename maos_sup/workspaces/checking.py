"""Says what is wrong with kept files of workspaces, for `check`. Looks only:
at lists of files, at no contents.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from maos_sup.workspaces.snapshots import Snapshot, every, manifest_of
from maos_sup.workspaces.store import Store
from state_layout.check.problem import CATALOGUE, Finding, Problem
from state_layout.errors import Damaged
from state_layout.files.looking import is_dir
from state_layout.paths import Tree


def content_problems(tree: Tree) -> Iterator[Problem]:
    """Yield the snapshots of which contents are gone, or empty: a power cut, a copy that left them out."""
    store = Store(tree)
    there = set[str]()
    for name, path in store.names():
        with suppress(OSError):
            if path.stat().st_size:
                there.add(name)
    for agent in sorted(folder.name for folder in tree.agents.glob("*") if is_dir(folder)):
        paths = tree.agent(agent)
        for one in every(paths):
            what = _lost(store, one, there)
            if what:
                entry = CATALOGUE[Finding.CONTENTS_LOST]
                yield Problem(
                    finding=Finding.CONTENTS_LOST,
                    path=tree.shown(paths.snapshot(one.number)),
                    line=None,
                    what=what,
                    remedy=entry.remedy,
                    severity=entry.severity,
                    is_repairable=False,
                )


def _lost(store: Store, one: Snapshot, there: set[str]) -> str:
    try:
        held = manifest_of(store, one)
    except Damaged:
        return "the list of its files is lost, so nothing of it can be restored"
    lost = sorted(path for path, entry in held.entries.items() if entry.object and entry.object not in there)
    if not lost:
        return ""
    return f"{len(lost)} of its {len(held.entries)} entries cannot be restored, {lost[0]!r} first"
