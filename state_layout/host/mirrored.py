"""Says which databases follow a tree, and how far they are: what stands of them in `run/`.

It is bound to the folder that the tree is, by its inode: a copy has no mirrors, whatever was copied with it,
so it never writes into those of the original; a tree that is moved keeps them. Who follows holds the `lock`
for life, and its handle tells viewers whether it lives.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from state_layout.errors import BadInput
from state_layout.files import atomic, codec, disk
from state_layout.files.reading import read_record
from state_layout.host.identity import is_alive, read_handle
from state_layout.paths import Tree, checked_name, is_name

_SUFFIX = ".json"


class FollowerTold(TypedDict):
    """A follower told this last (None: nothing yet); `alive` says whether it lives (None: unknown)."""

    state: str | None
    at: str | None
    lag_bytes: int | None
    lag_s: float | None
    lines: int | None
    trouble: str | None
    alive: bool | None
    pid: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """A mirror of a tree is a database that follows it. `url` may be `$NAME`, of a variable of the
    environment of whoever uses it."""

    name: str
    url: str

    @property
    def place(self) -> str:
        """The mirror's URL is this, the variable looked up. Raises BadInput for a variable that is not
        set."""
        if not self.url.startswith("$"):
            return self.url
        found = os.environ.get(self.url[1:])
        if found is None:
            raise BadInput(
                f"mirror {self.name}: its URL is {self.url}, a variable that is not set; set it first"
            )
        return found


def mirrors_of(tree: Tree) -> list[Mirrored]:
    """List the mirrors of `tree` by name; none where there is no such folder."""
    try:
        names = sorted(os.listdir(tree.mirrors))  # noqa: PTH208 - names are all we want
    except OSError:
        return []
    found = (_read(tree, name.removesuffix(_SUFFIX)) for name in names if _is_of_mirror(name))
    return [mirror for mirror in found if mirror is not None]


def mirror_named(tree: Tree, name: str) -> Mirrored:
    """Find the mirror `name`. Raises BadInput if there is none."""
    found = _read(tree, name) if is_name(name) else None
    if found is None:
        known = ", ".join(each.name for each in mirrors_of(tree)) or "none; maos-sup mirror add"
        raise BadInput(f"no mirror {name!r} of this orchestration; there are: {known}")
    return found


def add_mirror(tree: Tree, mirror: Mirrored) -> None:
    """Note `mirror`, durably. Raises BadInput if one has that name or place, StorageError."""
    checked_name(mirror.name, "mirror")
    for other in mirrors_of(tree):
        if mirror.name == other.name or mirror.url == other.url:
            raise BadInput(f"mirror {other.name} ({other.url}) is there already; mirror rm removes it")
    atomic.make_folder(tree.mirrors)
    if _read(tree, mirror.name) is None:  # what came along with a copy: its follower is that of the original
        for what in ("handle.json", "status.json", "json"):
            disk.unlink(tree.mirror_file(mirror.name, what))
    data = codec.encode_pretty({"url": mirror.url, "folder": _folder_of(tree)})
    if not atomic.create_once(tree.mirror_file(mirror.name, "json"), data):
        raise BadInput(f"mirror {mirror.name} is there already; mirror rm removes it")


def status_of_mirror(tree: Tree, name: str) -> FollowerTold:
    """Read what the mirror's follower told last, and whether one lives."""
    told: Mapping[str, Any]
    try:
        told = codec.decode_object(read_record(tree.mirror_file(name, "status.json")))
    except (OSError, ValueError):
        told = {}
    handle = read_handle(tree.mirror_file(name, "handle.json"))
    alive = False if handle is None else is_alive(handle)
    return {
        "state": told.get("state"),
        "at": told.get("at"),
        "lag_bytes": told.get("lag_bytes"),
        "lag_s": told.get("lag_s"),
        "lines": told.get("lines"),
        "trouble": told.get("trouble"),
        "alive": alive,
        "pid": handle.pid if handle is not None and alive else None,
    }


def _is_of_mirror(name: str) -> bool:
    return name.endswith(_SUFFIX) and is_name(name.removesuffix(_SUFFIX))


def _read(tree: Tree, name: str) -> Mirrored | None:
    path: Path = tree.mirror_file(name, "json")
    try:
        told = codec.decode_object(read_record(path))
        url, folder = told.get("url"), told.get("folder")
        if folder is not None and folder != _folder_of(tree):
            return None
    except (OSError, ValueError):
        return None
    return Mirrored(name=name, url=url) if isinstance(url, str) else None


def _folder_of(tree: Tree) -> int:
    """Ask for the inode of the folder that the tree is."""
    return tree.root.stat().st_ino
