"""Finds the repository around a project, and says in one sentence why no worktree of it can be made.

Reads files only; configuration is read with the eyes of git's own parser, includes left out, and of it only
what says how contents are stored and written.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from maos_sup.workspaces.git_look import nobodys_environment
from state_layout.errors import BadInput
from state_layout.files.looking import exists, is_dir, is_regular
from state_layout.files.reading import read_foreign

_PATIENCE_S = 20
_KEPT = frozenset(
    {
        "core.autocrlf",
        "core.eol",
        "core.filemode",
        "core.symlinks",
        "core.ignorecase",
        "core.precomposeunicode",
    }
    | {"core.longpaths", "core.safecrlf", "core.checkroundtripencoding", "core.bigfilethreshold"}
)
_INSTEAD = "give the agents workspace = 'shared'"
HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class NoWorktree(BadInput):
    """No worktree can be made of that project; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository has a work tree. Paths are absolute, without links.

    `git_dir` is that of the user's checkout, `common` the one that all worktrees share; `inside` is where the
    project lies in the work tree. `settings` are configuration keys that say how contents are written.
    """

    top: Path
    git_dir: Path
    common: Path
    inside: PurePosixPath
    settings: dict[str, str] = field(default_factory=dict)
    object_format: str = "sha1"
    is_shallow: bool = False


def is_in_repository(folder: Path) -> bool:
    """Git would find a repository around `folder`, whatever its state."""
    return any(exists(above / ".git") for above in (folder, *folder.parents)) or _is_bare(folder)


def refuse_without_git(project: Path) -> None:
    """Raise NoWorktree where git is not installed."""
    if shutil.which("git") is None:
        raise NoWorktree(f"{project}: there is no git here; install it, or {_INSTEAD}")


def repository_around(project: Path) -> Repository:
    """The repository that `project` lies in. Raises NoWorktree."""
    refuse_without_git(project)
    folder = Path(os.path.realpath(project))
    top = next((above for above in (folder, *folder.parents) if exists(above / ".git")), None)
    if top is None:
        why = (
            "is a bare repository, without files to work on; make a clone of it and name that as the project"
        )
        raise NoWorktree(f"{project}: {why if _is_bare(folder) else f'is in no git repository; {_INSTEAD}'}")
    git_dir = _git_dir(top)
    common = _common_of(git_dir)
    settings = _settings(common)
    _refuse_formats(project, common, settings)
    return Repository(
        top=top,
        git_dir=git_dir,
        common=common,
        inside=PurePosixPath(folder.relative_to(top).as_posix()),
        settings={key: value for key, value in settings.items() if key in _KEPT},
        object_format=settings.get("extensions.objectformat", "sha1"),
        is_shallow=exists(common / "shallow"),
    )


def _is_bare(folder: Path) -> bool:
    return is_regular(folder / "HEAD") and is_dir(folder / "objects") and is_dir(folder / "refs")


def _git_dir(top: Path) -> Path:
    entry = top / ".git"
    if is_dir(entry):
        found = Path(os.path.realpath(entry))
    else:
        told = _text(entry)
        if told is None or not told.startswith("gitdir:"):
            raise NoWorktree(f"{entry}: is no git folder and names none; mend it, or {_INSTEAD}")
        found = Path(os.path.realpath(top / told.removeprefix("gitdir:").strip()))
    if not exists(found / "HEAD"):
        raise NoWorktree(f"{entry}: names {found}, which is no git folder; mend it, or {_INSTEAD}")
    return found


def _common_of(git_dir: Path) -> Path:
    told = _text(git_dir / "commondir")
    return git_dir if told is None else Path(os.path.realpath(git_dir / told.strip()))


def _settings(common: Path) -> dict[str, str]:
    """Read the keys of the repository's configuration, in lower case; what it includes is left out. Raises
    NoWorktree."""
    path = common / "config"
    if not exists(path):
        return {}
    done = subprocess.run(
        ["git", "config", "--file", str(path), "--no-includes", "--list", "-z"],
        env=nobodys_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PATIENCE_S,
        check=False,
        cwd="/",
    )
    if done.returncode:
        raise NoWorktree(f"{path}: cannot be read: {done.stderr.decode('utf-8', 'replace').strip()}")
    pairs = (entry.partition("\n") for entry in done.stdout.decode("utf-8", "replace").split("\0") if entry)
    return {key: value for key, _, value in pairs}


def _refuse_formats(project: Path, common: Path, settings: dict[str, str]) -> None:
    if settings.get("extensions.refstorage", "files") != "files" or exists(common / "reftable"):
        raise NoWorktree(f"{project}: its repository keeps its branches as a reftable; {_INSTEAD}")
    if "extensions.partialclone" in settings or any(
        key.startswith("remote.") and key.endswith(".promisor") for key in settings
    ):
        remedy = "fetch the rest with: git fetch --refetch --no-filter, after: git config --unset"
        raise NoWorktree(
            f"{project}: is a partial clone, whose missing files only its server has; {remedy} "
            f"extensions.partialClone; or {_INSTEAD}"
        )


def _text(path: Path) -> str | None:
    try:
        return read_foreign(path).decode("utf-8", "surrogateescape")
    except OSError:
        return None
