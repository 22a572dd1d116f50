"""Bugs of the room `files`: writing, syncing, replacing, reading what is torn."""

from __future__ import annotations

from ..plant import Bug

_ATOMIC, _JOURNAL, _CHAIN = (f"state_layout.files.{name}" for name in ("atomic", "journal", "chain"))
_WRITE_SYNC_RENAME = """write_all(descriptor, data)
sync(descriptor)
disk.rename(temporary, path)"""
_RENAME_WRITE_SYNC = """disk.rename(temporary, path)
write_all(descriptor, data)
sync(descriptor)"""
_LOOK_AT_H = """if not raw.endswith(b',"h":"%b"}' % h.encode()):
return None"""

BUGS = [
    Bug(
        "a replaced file is not synced",
        f"{_ATOMIC}:replace",
        "_swap(path, data, disk.fsync)",
        "_swap(path, data, _no_sync)",
    ),
    Bug(
        "the folder of files replaced together is not synced",
        f"{_ATOMIC}:replace_all",
        "fsync_folder(folder)",
        "pass",
    ),
    Bug("a rename before its data", f"{_ATOMIC}:_swap", _WRITE_SYNC_RENAME, _RENAME_WRITE_SYNC),
    Bug("an edited spec is not synced", f"{_ATOMIC}:replace_if", "disk.fsync(descriptor)", "pass"),
    Bug(
        "an edited spec's folder is not synced", f"{_ATOMIC}:replace_if", "fsync_folder(path.parent)", "pass"
    ),
    Bug("a file made once is not synced", f"{_ATOMIC}:_write_file", "disk.fsync(descriptor)", "pass"),
    Bug(
        "the folder of a file made once is not synced",
        f"{_ATOMIC}:create_once",
        "fsync_folder(path.parent)",
        "pass",
    ),
    Bug("a new folder's name is not synced", f"{_ATOMIC}:make_folder", "fsync_folder(path.parent)", "pass"),
    Bug(
        "a folder's sync does nothing",
        f"{_ATOMIC}:fsync_folder",
        "disk.fsync(descriptor)",
        "pass",
    ),
    Bug(
        "a journal's sync does nothing",
        f"{_JOURNAL}:Journal.sync",
        "disk.fdatasync(self._descriptor)",
        "pass",
    ),
    Bug(
        "a new journal's name is not synced",
        f"{_JOURNAL}:Journal.create",
        "atomic.fsync_folder(path.parent)",
        "pass",
    ),
    Bug(
        "a sync claims the line after the last",
        f"{_JOURNAL}:Journal.sync",
        "covered = self._position",
        "covered = self._position._replace(seq=self._position.seq + 1)",
    ),
    Bug("the hash of a line is not looked at", f"{_CHAIN}:verified", _LOOK_AT_H, "h = raw[-14:-2].decode()"),
    Bug(
        "a torn tail is left where it is",
        f"{_JOURNAL}:Journal.open",
        "atomic.set_tail_aside(path, descriptor, position.offset)",
        "pass",
    ),
]
