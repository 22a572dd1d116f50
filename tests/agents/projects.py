"""Projects in git as their users have them, and a picture of one, byte for byte."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from pathlib import Path


def git(folder: Path, *words: str, check: bool = True) -> str:
    """Give git's answer, as its user runs it, with nobody's configuration."""
    who = ["-c", "user.name=x", "-c", "user.email=x@y.z", "-c", "init.defaultBranch=main"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true"}
    done = subprocess.run(
        ["git", *who, "-C", str(folder), *words], check=check, capture_output=True, text=True, env=environment
    )
    return done.stdout.strip()


def make_project(folder: Path, **files: str) -> Path:
    """A repository with one commit of `files` (`a.txt` by default)."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    for name, text in (files or {"a_txt": "a\n"}).items():
        path = folder / name.replace("_", ".")
        path.write_text(text)
    (folder / ".gitignore").write_text("*.ignored\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def make_busy(project: Path, spy: Path) -> None:
    """Make what users have about: hooks, a filter, a stash, a rebase that stopped, edits of every sort.

    Whatever git runs by hook or filter writes to `spy`.
    """
    (project / "b.txt").write_text("b\n")
    git(project, "add", ".")
    git(project, "commit", "-qm", "second")
    (project / "a.txt").write_text("stashed\n")
    git(project, "stash")
    git(project, "checkout", "-q", "-b", "side", "HEAD~1")
    (project / "b.txt").write_text("another b\n")
    git(project, "add", ".")
    git(project, "commit", "-qm", "side")
    git(project, "rebase", "main", check=False)
    assert (project / ".git" / "rebase-merge").exists()
    (project / "staged.txt").write_text("staged\n")
    git(project, "add", "staged.txt")
    (project / "a.txt").write_text("edited, not staged\n")
    (project / "untracked.txt").write_text("untracked\n")
    (project / "x.ignored").write_text("ignored\n")
    program = f"#!/bin/sh\necho $0 >> {spy}\ncat\n"
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-commit", "post-merge"):
        path = project / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {hook} >> {spy}\n")
        path.chmod(0o755)
    (spy.parent / "filter.sh").write_text(program)
    (spy.parent / "filter.sh").chmod(0o755)
    for key in ("filter.f.clean", "filter.f.smudge", "core.fsmonitor"):
        git(project, "config", key, str(spy.parent / "filter.sh"))
    (project / ".git" / "info" / "attributes").write_text("* filter=f\n")
    spy.unlink(missing_ok=True)


def picture(project: Path) -> dict[str, tuple[int, str]]:
    """Mode and content of every file of a project and of its `.git`, but for what worktrees of ours are."""
    found = {}
    for root, folders, names in os.walk(project):
        here = Path(root).relative_to(project)
        if here == Path(".git"):
            folders[:] = [name for name in folders if name not in ("objects", "worktrees")]
        if here in (Path(".git/refs/heads"), Path(".git/logs/refs/heads")):
            folders[:] = [name for name in folders if name != "maos"]
        for name in names:
            path = Path(root) / name
            mode = path.lstat().st_mode
            data = str(path.readlink()).encode() if stat.S_ISLNK(mode) else path.read_bytes()
            found[str(here / name)] = (mode, hashlib.sha256(data).hexdigest())
    return found
