"""A mount namespace for what runs confined by Landlock, which knows only paths and the rights to open them.

What Landlock cannot do is done here: all is read-only but what may be written, so modes and times of files
elsewhere cannot be changed either; places within what may be written are read-only, and no folder above them
can be renamed; terminals and shared memory are its own; the sockets that lie in the folders of `_HIDDEN` are
not to be seen. Part of the program `landlock`, so nothing but the standard library is imported. Linux only.

After bubblewrap, which does the same with a new root.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same on every architecture
_AT_FDCWD, _AT_RECURSIVE, _AT_EMPTY_PATH, _AT_NO_FOLLOW = -100, 0x8000, 0x1000, 0x100
_CLONE, _CLOEXEC, _FROM_EMPTY_PATH = 1, os.O_CLOEXEC, 4
_READ_ONLY = 1
_NEW_MOUNTS, _NEW_USER = 0x20000, 0x10000000
_NO_SUID, _NO_DEVICES, _NO_EXEC, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 8, 32, 4096, 1 << 14, 1 << 18
_HIDDEN = ("/run", "/tmp", "/var/tmp")  # where sockets of the user's other programs lie
_SHARED_MEMORY, _TERMINALS, _MASTERS = "/dev/shm", "/dev/pts", "/dev/ptmx"  # replaced


class _Attributes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns"))


def part(*, read: Sequence[str], write: Sequence[str], held: Sequence[str]) -> None:
    """Go on in a mount namespace where only `write` can be written, and of that not `held`.

    Paths are absolute and without links; those that are not there are left out. Raises OSError where this is
    not allowed; then this process may no longer be what it was.
    """
    _unshare()
    _mount("none", "/", flags=_RECURSIVE | _PRIVATE)
    here = os.getcwd()  # noqa: PTH109 - pathlib is an import that each command would pay for
    plan = _all_cloned(order(write, held))
    shown = _all_cloned(_seen_again(read, [path for path, _ in plan]))
    _set_read_only(_AT_FDCWD, "/")
    for hidden in _HIDDEN:
        _hide(hidden, [path for path, _ in (*shown, *plan)])
    for path, clone in shown:
        _set_read_only(clone, "")
        _attach(clone, path)
    for path, clone in plan:
        if path in held:
            _set_read_only(clone, "")
        _attach(clone, path)
    for hidden in _HIDDEN:
        with suppress(OSError):
            _mount("none", hidden, flags=_REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES)
    _own_devices()
    with suppress(OSError):  # it is hidden now: who starts there may not go on there
        os.chdir(here)


def order(write: Sequence[str], held: Sequence[str]) -> list[str]:
    """List what is mounted, outer places first: `write`, `held` in it, and the folders between.

    A mount cannot be renamed: so none can put another folder above what is held.
    """
    places = {path for path in write if not path.startswith("/dev/")}
    inner = {place for place in held if any(_is_within(place, path) for path in places)}
    between = set[str]()
    for place in inner:
        above = os.path.dirname(place)  # noqa: PTH120 - as above
        while any(_is_within(above, path) for path in places) and above not in places:
            between.add(above)
            above = os.path.dirname(above)  # noqa: PTH120 - as above
    return sorted(places | inner | between, key=lambda path: (path.count("/"), path))


def _is_within(path: str, folder: str) -> bool:
    return path != folder and path.startswith(folder.rstrip("/") + "/")


def _seen_again(read: Sequence[str], mounted: Sequence[str]) -> Iterator[str]:
    """Yield what of `read` lies in a folder that is hidden and is not mounted anyway."""
    for path in sorted({os.path.realpath(path) for path in read}):
        is_hidden = any(_is_within(path, hidden) for hidden in _HIDDEN)
        if is_hidden and path not in mounted and not any(_is_within(path, other) for other in mounted):
            yield path


def _hide(folder: str, shown: Sequence[str]) -> None:
    """Put an empty folder in the place of `folder`, with nothing but the places for `shown`."""
    if not os.path.isdir(folder) or os.path.islink(folder) or folder in shown:  # noqa: PTH112, PTH114
        return
    inner = [(path, os.path.isdir(path)) for path in shown if _is_within(path, folder)]  # noqa: PTH112
    _mount("tmpfs", folder, kind="tmpfs", flags=_NO_SUID | _NO_DEVICES, data="mode=755,size=1m")
    for path, is_folder in inner:
        os.makedirs(path if is_folder else os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        if not is_folder:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _own_devices() -> None:
    """Terminals and shared memory that nobody else has."""
    _mount("tmpfs", _SHARED_MEMORY, kind="tmpfs", flags=_NO_SUID | _NO_DEVICES, data="mode=1777")
    _mount("devpts", _TERMINALS, kind="devpts", flags=_NO_SUID | _NO_EXEC, data="newinstance,ptmxmode=0666")
    _mount(f"{_TERMINALS}/ptmx", _MASTERS, flags=_BIND)


def _unshare() -> None:
    """Leave the mount namespace; who is not root leaves the user namespace for that, and stays who he is."""
    user, group = os.geteuid(), os.getegid()
    try:
        _call("unshare", _NEW_MOUNTS)
    except OSError:
        _call("unshare", _NEW_MOUNTS | _NEW_USER)
        maps = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
        for name, text in maps.items():
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - as above
                file.write(text)


def _cloned(path: str) -> int | None:
    """Open a descriptor of the mounts at `path` and beneath, as they are now; None where it is not there."""
    flags = _CLONE | _CLOEXEC | _AT_RECURSIVE | _AT_NO_FOLLOW
    try:
        return _syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags)
    except FileNotFoundError:
        return None


def _all_cloned(paths: Iterable[str]) -> list[tuple[str, int]]:
    return [(path, clone) for path in paths if (clone := _cloned(path)) is not None]


def _attach(clone: int, path: str) -> None:
    _syscall(_MOVE_MOUNT, clone, b"", _AT_FDCWD, os.fsencode(path), _FROM_EMPTY_PATH)
    os.close(clone)


def _set_read_only(folder: int, path: str) -> None:
    """Make the mounts at `path`, or those of the descriptor `folder`, read-only, and all beneath."""
    attributes = _Attributes(_READ_ONLY, 0, 0, 0)
    flags = _AT_RECURSIVE | (0 if path else _AT_EMPTY_PATH)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    _syscall(_MOUNT_SETATTR, folder, os.fsencode(path), flags, ctypes.byref(attributes), size)


def _mount(source: str, target: str, *, flags: int, kind: str = "", data: str = "") -> None:
    arguments = [os.fsencode(text) if text else None for text in (source, target, kind, data)]
    _call("mount", arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[3])


def _syscall(number: int, *arguments: object) -> int:
    return _call("syscall", ctypes.c_long(number), *arguments)


def _call(name: str, *arguments: object) -> int:
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    function.restype = ctypes.c_long
    result = int(function(*arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result
