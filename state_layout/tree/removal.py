"""Deletes a whole tree: only when nobody works on it, and never half (a half-deleted tree is no tree).

The locks of the supervisor and of every agent are held while it goes, so none can start in between.
"""

from __future__ import annotations

import secrets
import shutil

from state_layout.errors import storage_error
from state_layout.files import atomic, disk
from state_layout.host.triggers import remove_triggers
from state_layout.paths import Tree
from state_layout.tree.stillness import held_still


def remove_tree(tree: Tree) -> None:
    """Delete `tree`, all of it. Raises Locked while a supervisor or an agent lives, StorageError.

    It is renamed aside first, so what a crash leaves bears a name beginning with a dot and is no tree.
    """
    with held_still(tree):
        remove_triggers(tree)
        aside = tree.root.with_name(f".{tree.root.name}.tmp-{secrets.token_hex(4)}")
        try:
            disk.rename(tree.root, aside)
            atomic.fsync_folder(aside.parent)
            disk.unlink(aside / "FORMAT")
            shutil.rmtree(aside)
        except OSError as cause:
            raise storage_error("delete", tree.root, cause) from cause
