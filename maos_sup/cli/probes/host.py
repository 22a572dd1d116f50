"""Says what any orchestration needs of a host: Python, git, a home to write and to lock, room, limits."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from maos_sup import __version__
from maos_sup.cli.probes.finding import Grade, Probe, ProbeFinding, first_line_of
from maos_sup.system.inotify import InotifyFolders
from state_layout.files.looking import exists, is_dir, is_link
from state_layout.host.room import want_of_room

_LITTLE_BYTES = 1 << 30
_FEW_FILES = 256  # descriptors
_FEW_INSTANCES = 16
_LIMITS = Path("/proc/sys/fs/inotify")
_MOUNTS = Path("/proc/self/mountinfo")
# A change that another host makes is not noticed there, and what flock and fsync promise varies.
_SHARED = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "fuse.s3fs", "drvfs", "virtiofs", "vboxsf", "prl_fs")
_MOVE_HOME = "set MAOS_SUP_HOME to a folder on a local disk"


def host_probes(home: Path) -> list[Probe]:
    """List the probes of this host; `home` is where the trees lie, or will."""
    return [
        Probe(name="python", look=_python),
        Probe(name="maos-sup", look=_maos_sup),
        Probe(name="git", look=_git),
        Probe(name="home", look=lambda: _home(home)),
        Probe(name="locks", look=lambda: _locks(home)),
        Probe(name="disk", look=lambda: _disk(home)),
        Probe(name="inotify", look=_inotify),
        Probe(name="open files", look=_open_files),
    ]


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    return next((place for place in (path, *path.parents) if is_dir(place)), Path("/"))


def _python() -> Iterator[ProbeFinding]:
    text = f"{platform.python_version()} ({sys.executable})"
    yield ProbeFinding(name="python", grade=Grade.OK, text=text, is_needed=True)


def _maos_sup() -> Iterator[ProbeFinding]:
    found = shutil.which("maos-sup")
    if found is not None:
        yield ProbeFinding(name="maos-sup", grade=Grade.OK, text=f"{__version__} ({found})")
        return
    remedy = f"put {Path(sys.executable).parent} into PATH, or install it: pipx install ."
    text = f"{__version__}, not in PATH, where scripts of agents look for it"
    yield ProbeFinding(name="maos-sup", grade=Grade.WARN, text=text, remedy=remedy)


def _git() -> Iterator[ProbeFinding]:
    if shutil.which("git") is None:
        text = "not in PATH: checkpoints hold no workspaces"
        yield ProbeFinding(name="git", grade=Grade.MISSING, text=text, remedy="install git")
        return
    version = first_line_of(["git", "--version"]).removeprefix("git version ")
    yield ProbeFinding(name="git", grade=Grade.OK, text=version)


def _home(home: Path) -> Iterator[ProbeFinding]:
    place = existing(home)
    try:
        if home != place and is_link(obstacle := _first_below(place, home)) | exists(obstacle):
            raise NotADirectoryError(errno.ENOTDIR, f"{obstacle} is no folder")
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as cause:
        text = f"{home}: cannot be written ({cause.strerror})"
        remedy = "set MAOS_SUP_HOME to a folder that you may write"
        yield ProbeFinding(name="home", grade=Grade.MISSING, text=text, remedy=remedy, is_needed=True)
        return
    text = f"{home}" + ("" if place == home else ", made by the first run")
    yield ProbeFinding(name="home", grade=Grade.OK, text=text, is_needed=True)


def _first_below(place: Path, path: Path) -> Path:
    """Name the part of `path` that would be made first in `place`, a folder above it."""
    return place / path.relative_to(place).parts[0]


def _locks(home: Path) -> Iterator[ProbeFinding]:
    place = existing(home)
    kind = _file_system(place)
    try:
        with (
            tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-") as file,
            Path(file.name).open("rb") as other,
        ):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            keeps_out = _is_kept_out(other.fileno())
    except OSError as cause:
        if not os.access(place, os.W_OK) or _is_read_only(place):
            return  # `home` says so
        text = f"{place}: the file system ({kind}) cannot lock files ({cause.strerror})"
        yield ProbeFinding(name="locks", grade=Grade.MISSING, text=text, remedy=_MOVE_HOME, is_needed=True)
        return
    if not keeps_out:
        text = f"{place}: a lock of the file system ({kind}) keeps nobody out"
        yield ProbeFinding(name="locks", grade=Grade.MISSING, text=text, remedy=_MOVE_HOME, is_needed=True)
    elif kind.startswith(_SHARED):
        text = f"{kind}: shared with other hosts, whose changes are not noticed at once"
        yield ProbeFinding(name="locks", grade=Grade.WARN, text=text, remedy=_MOVE_HOME, is_needed=True)
    else:
        yield ProbeFinding(
            name="locks", grade=Grade.OK, text=f"the file system ({kind}) locks", is_needed=True
        )


def _is_kept_out(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _is_read_only(place: Path) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)


def _file_system(place: Path) -> str:
    """The kind of file system that `place` is on, `unknown` where that is not told."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown"
    found, longest = "unknown", -1
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split()[4].replace("\\040", " ")
        if len(point) > longest and place.resolve().is_relative_to(point):
            found, longest = after.split()[0], len(point)
    return found


def _disk(home: Path) -> Iterator[ProbeFinding]:
    place = existing(home)
    free = shutil.disk_usage(place).free
    want = want_of_room(place)
    text = f"{free / 1e9:.1f} GB free where {home} lies"
    if want is not None:
        yield ProbeFinding(name="disk", grade=Grade.MISSING, text=want, remedy="make room", is_needed=True)
    elif free < _LITTLE_BYTES:
        remedy = "make room; maos-sup cleanup --older-than 30 deletes old orchestrations"
        yield ProbeFinding(name="disk", grade=Grade.WARN, text=text, remedy=remedy, is_needed=True)
    else:
        yield ProbeFinding(name="disk", grade=Grade.OK, text=text, is_needed=True)


def _inotify() -> Iterator[ProbeFinding]:
    if not is_dir(_LIMITS):
        text = "not here: edits are noticed within two seconds"
        yield ProbeFinding(name="inotify", grade=Grade.WARN, text=text)
        return
    instances, watches = (
        int((_LIMITS / f"max_user_{what}").read_text()) for what in ("instances", "watches")
    )
    folders = InotifyFolders(())
    has_one = folders.fileno() >= 0
    folders.close()
    text = f"{instances} instances, {watches} watches a user"
    more = f"sysctl fs.inotify.max_user_instances={max(512, instances * 4)}"
    if not has_one:
        text += "; none is left: edits are noticed within two seconds"
        yield ProbeFinding(name="inotify", grade=Grade.WARN, text=text, remedy=f"close editors, or {more}")
    elif instances < _FEW_INSTANCES:
        yield ProbeFinding(name="inotify", grade=Grade.WARN, text=text, remedy=more)
    else:
        yield ProbeFinding(name="inotify", grade=Grade.OK, text=text)


def _open_files() -> Iterator[ProbeFinding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = "no limit" if soft == resource.RLIM_INFINITY else f"{soft} a process"
    if soft != resource.RLIM_INFINITY and soft < _FEW_FILES:
        highest = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
        remedy = f"ulimit -n {highest}"
        yield ProbeFinding(name="open files", grade=Grade.WARN, text=text, remedy=remedy)
    else:
        yield ProbeFinding(name="open files", grade=Grade.OK, text=text)
