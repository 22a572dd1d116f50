"""Landlock by system calls: executes a program that can reach only the paths it is given. Linux only.

Also a program of its own, `python -I -S landlock.py RULES -- ARGV...`, because the rules must be set in the
child before it executes: code between fork and exec of a process with threads is not safe. So this file
imports nothing but the standard library. RULES is JSON: {"read": [paths], "write": [paths]}. Rules are
inherited by whatever the program starts, and can only be made stricter.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Sequence

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 38, 24
_DROPPED = (16, 17, 19, 21, 22, 27, 38, 39)  # modules, raw I/O, ptrace, admin, boot, mknod, perfmon, bpf
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_FIRST_ABI_RIGHTS = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15  # of ABI 2, 3 and 5
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPES = (1 << 0) | (1 << 1)  # ABI 6: abstract sockets and signals reach only what is confined alike
REFUSED = 126


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """The version of Landlock that the kernel has; 0 for none."""
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
        for capability in _DROPPED:
            prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused to who has it not: then there is no need
        if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        _syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


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


def main(arguments: list[str]) -> int:
    """Confine this process, then become the program. Returns only if that failed."""
    rules, separator, *argv = arguments
    if separator != "--" or not argv:
        return REFUSED
    told = json.loads(rules)
    try:
        restrict(read=told["read"], write=told["write"])
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"landlock: cannot start {argv[0]}: {error}\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
