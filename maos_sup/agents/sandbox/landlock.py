"""Landlock by system calls: executes a program that can reach only the paths it is given. Linux only.

Also a program of its own, `python -I -S landlock.py RULES -- ARGV...`, because the rules must be set in the
child before it executes: code between fork and exec of a process with threads is not safe. So this file
imports nothing but the standard library and its neighbour `mounts`. RULES is JSON, or the number of a
descriptor to read it from: {"read": [paths], "write": [paths], "kept": [paths], "guarded": [paths], "apart":
bool, "environment": {name: value}}. The environment is the program's: it is in force behind the confinement
only, for a variable that the confined chose must not act on what confines it. Rules are inherited by whatever
the program starts, and can only be made stricter.

`kept` and `guarded` lie in what may be written and may not. "apart": by a mount namespace of the program's
own. Where there can be none, `kept` is spared by granting what lies beside it, entry by entry, and `guarded`
cannot be.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 38, 24
_LAST_CAPABILITY = 63
CAPABILITIES = {  # what root keeps, as in containers: nothing that reaches around files or to the kernel
    **{"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3, "CAP_FSETID": 4, "CAP_KILL": 5},
    **{"CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETPCAP": 8, "CAP_NET_BIND_SERVICE": 10, "CAP_NET_RAW": 13},
    **{"CAP_SYS_CHROOT": 18, "CAP_AUDIT_WRITE": 29, "CAP_SETFCAP": 31},
}
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_FIRST_ABI_RIGHTS = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15  # of ABI 2, 3 and 5
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPES = (1 << 0) | (1 << 1)  # ABI 6: abstract sockets and signals reach only what is confined alike
_TERMINALS = ("/dev/pts", "/dev/ptmx")  # its own ones, where it is apart; else they would be the user's
REFUSED = 126


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # as `_pack_` means everywhere; from Python 3.14 on it wants to be said
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """Ask for the version of Landlock that the kernel has; 0 for none."""
    if sys.platform != "linux":
        return 0
    try:
        return max(0, _syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG))
    except OSError:
        return 0


def restrict(*, read: Sequence[str], write: Sequence[str]) -> None:
    """Confine this process and its children for good; paths that are not there are left out.

    Root also loses what would let it look into other processes or around the kernel. Raises OSError.
    """
    version = abi()
    handled = _FIRST_ABI_RIGHTS
    handled |= _REFER if version >= 2 else 0
    handled |= _TRUNCATE if version >= 3 else 0
    handled |= _IOCTL_DEV if version >= 5 else 0
    attributes = _RulesetAttributes(handled, 0, _SCOPES if version >= 6 else 0)
    size = ctypes.sizeof(attributes) if version >= 6 else 16 if version >= 4 else 8
    ruleset = _syscall(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    try:
        for paths, rights in ((read, _READ), (write, handled)):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        for capability in range(_LAST_CAPABILITY + 1):
            if capability not in CAPABILITIES.values():
                prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused to who has it not: no need then
        if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        _syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def spared(path: str, kept: Sequence[str]) -> Iterator[str]:
    """Yield what is granted in place of `path` so that nothing of `kept` is: all entries on the way but
    those.

    Nothing new can be made beside them: the right to make would be one for all that lies beneath.
    """
    inner = [place for place in kept if _is_beneath(place, path)]
    if path in kept:
        return
    if not inner:
        yield path
        return
    try:
        names = os.listdir(path)  # noqa: PTH208 - pathlib is an import that each command would pay for
    except OSError:
        return
    for name in names:
        entry = os.path.join(path, name)  # noqa: PTH118 - as above
        if not os.path.islink(entry):  # noqa: PTH114 - a rule would be one for what it points to
            yield from spared(entry, inner)


def _is_beneath(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - pathlib is an import that each command would pay for
            rights &= _OF_FILES
        rule = _PathBeneath(rights, descriptor)
        _syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)


def _syscall(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def neighbour_mounts() -> Any:
    """Load the neighbour `mounts`, which an isolated interpreter does not find by itself."""
    path = os.path.join(os.path.dirname(__file__), "mounts.py")  # noqa: PTH118, PTH120 - as above
    spec = importlib.util.spec_from_file_location("mounts", path)
    if spec is None or spec.loader is None:
        raise OSError(f"{path} is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _rules(text: str) -> Any:
    """Read the rules in `text`, or in the descriptor of this number, which is closed."""
    if not text.isdecimal():
        return json.loads(text)
    with open(int(text), "rb") as file:  # noqa: PTH123 - a descriptor
        return json.loads(file.read())


def confine(told: Any) -> None:
    """Confine this process as `told`. Raises OSError."""
    read, write, kept = told["read"], told["write"], told.get("kept", [])
    if told.get("apart"):
        held = [*kept, *told.get("guarded", [])]
        neighbour_mounts().part(read=read, write=write, held=held)
    else:
        write = [granted for path in write for granted in spared(path, kept)]
    terminals = _TERMINALS if told.get("apart") else ()
    restrict(read=read, write=[*write, *terminals])


def main(arguments: list[str]) -> int:
    """Confine this process, then become the program. Returns only if that failed, or if there is none."""
    rules, separator, *argv = arguments
    if separator != "--":
        return REFUSED
    told = _rules(rules)
    name = argv[0] if argv else "nothing"
    try:
        confine(told)
        if not argv:
            return 0
        environment = told.get("environment")
        os.execvpe(argv[0], argv, os.environ if environment is None else environment)
    except OSError as error:
        sys.stderr.write(f"landlock: cannot start {name}: {error}\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
