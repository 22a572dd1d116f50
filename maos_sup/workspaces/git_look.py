"""Asks git about a folder that others may write, without obeying what they wrote there.

The configuration of a repository names programs (`core.fsmonitor`, filters, hooks, `core.sshCommand`, what it
includes), and git runs them for whoever looks. So git is given a folder of our own in place of the
repository's: an empty configuration, copies of its index and refs, its objects by reference. Submodules are
not to be entered: they have configurations of their own.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from state_layout.files.looking import exists

_PATIENCE_S = 20
_MOST_BYTES = 1 << 28
_COPIED = ("HEAD", "index", "packed-refs", "shallow", "info/exclude")
_MOST_REFS = 20_000
SAFE = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false"),
    *("-c", "protocol.allow=never", "-c", "core.pager=cat", "-c", "submodule.recurse=false"),
)
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"


class CannotLook(OSError):
    """Git cannot be asked about that folder in this way."""


def git_answer(folder: Path, question: Sequence[str]) -> bytes:
    """Ask git a `question`, like ["status", "--porcelain"], about the work tree at `folder`.

    Raises CannotLook where there is no git, no repository, or one that cannot be looked at so.
    """
    if shutil.which("git") is None:
        raise CannotLook("there is no git")
    top, repository = _repository_of(folder)
    with _own_repository(repository) as own:
        argv = ["git", *SAFE, f"--git-dir={own}", f"--work-tree={top}", "-C", str(folder), *question]
        try:
            done = subprocess.run(
                argv,
                env=nobodys_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as cause:
            raise CannotLook(f"git did not answer: {cause}") from cause
    if done.returncode:
        raise CannotLook(done.stderr.decode("utf-8", "replace").strip() or "git gave up")
    return done.stdout


def nobodys_environment() -> dict[str, str]:
    """Make an environment of ours without git's own variables, and with nobody's configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    nowhere = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
    never = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
    return kept | nowhere | never


def quoted(value: str | Path) -> str:
    """`value` as git reads it in its configuration and in lists of object folders, line feeds and all."""
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _repository_of(folder: Path) -> tuple[Path, Path]:
    """Find the top of the work tree around `folder`, and its git folder. Raises CannotLook."""
    for above in (folder, *folder.parents):
        entry = above / ".git"
        try:
            mode = entry.lstat().st_mode
        except OSError:
            continue
        if stat.S_ISDIR(mode):
            return above, entry
        told = (_content(entry) or b"").decode("utf-8", "replace")
        if not told.startswith("gitdir:"):
            raise CannotLook(f"{entry} is no git folder and names none")
        return above, above / told.removeprefix("gitdir:").strip()
    raise CannotLook(f"{folder} is in no repository")


@contextmanager
def _own_repository(repository: Path) -> Iterator[Path]:
    """A git folder of our own that shows what `repository` holds."""
    shared = (_content(repository / "commondir") or b".").decode("utf-8", "replace").strip()
    common = repository / shared  # of a worktree: where its objects and refs are
    if _extended(common):
        raise CannotLook(f"{repository} is of a format that has to be read from its configuration")
    with tempfile.TemporaryDirectory(prefix="maos-sup-git-") as name:
        own = Path(name)
        for inner in ("objects/info", "refs", "info"):
            (own / inner).mkdir(parents=True)
        (own / "config").write_text(_CONFIG)
        (own / "objects/info/alternates").write_text(f"{quoted(os.path.realpath(common / 'objects'))}\n")
        for rel in _COPIED:
            _copy(repository / rel, own / rel)
            if not exists(own / rel):
                _copy(common / rel, own / rel)
        for count, path in enumerate(_files(common / "refs")):
            if count > _MOST_REFS:
                raise CannotLook(f"{repository} has more than {_MOST_REFS} refs")
            _copy(path, own / path.relative_to(common))
        yield own


def _extended(repository: Path) -> bool:
    """The repository's configuration speaks of extensions (other hashes, other refs)."""
    text = _content(repository / "config") or b""
    return b"extensions" in text.lower() or exists(repository / "reftable")


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        for name in names:
            yield Path(root, name)


def _copy(source: Path, target: Path) -> None:
    data = _content(source)
    if data is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        as_old(target, source)


def as_old(copy: Path, index: Path) -> None:
    """Give the copy of an index its time: git looks into files that are as new as that, and into no others.

    Else a change in the second in which files were checked out, to as many bytes, would not be seen.
    """
    with suppress(FileNotFoundError):
        found = index.lstat()
        os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))


def _content(path: Path) -> bytes | None:
    """Read the content of a regular file, not through a link; None where there is none."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read(_MOST_BYTES)
    return None
