"""A look at the project before it is planned for: its files, its README, its manifests. Bounded in size.

Files that git ignores are left out, and files whose name says that they hold secrets are never opened.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from maos_sup.workspaces.git_look import CannotLook, git_answer
from state_layout.files.looking import is_link
from state_layout.files.reading import is_file

MOST_PATHS, MOST_LISTED = 20_000, 250
MOST_TEXT_CHARS, MOST_TEXTS_CHARS = 4_000, 20_000
_READ = (
    *("README*", "AGENTS.md", "CLAUDE.md", "CONTRIBUTING*", "pyproject.toml", "setup.cfg", "setup.py"),
    *("requirements*.txt", "package.json", "Cargo.toml", "go.mod", "pom.xml", "build.gradle*", "Gemfile"),
    *("composer.json", "CMakeLists.txt", "Makefile", "justfile", "Dockerfile", "tox.ini"),
)
_NOT_ENTERED = frozenset({"node_modules", "__pycache__", "venv", "target", "build", "dist", "vendor"})


def survey(project: Path) -> str:
    """Tell a model what there is to say of the folder `project`, as text. Reads only; never raises."""
    listed = _git_paths(project)
    paths = _walked(project) if listed is None else listed
    kind = "a folder without version control" if listed is None else "a git repository"
    parts = [f"The project is {kind} called {project.name!r} with {_many(len(paths))}."]
    if paths:
        parts.append("<files>\n" + "\n".join(_tree_lines(paths)) + "\n</files>")
    return "\n\n".join([*parts, *_texts(project, paths)])


def _git_paths(project: Path) -> list[str] | None:
    """List the files that git knows of or would add; None where there is no git or no repository."""
    try:
        told = git_answer(project, ["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    except CannotLook:
        return None
    names = [name.decode("utf-8", "replace") for name in told.split(b"\0") if name]
    return sorted(set(names))[:MOST_PATHS]


def _walked(project: Path) -> list[str]:
    found = list[str]()
    for root, folders, names in os.walk(project):
        folders[:] = sorted(name for name in folders if name not in _NOT_ENTERED and name[0] != ".")
        for name in sorted(names):
            if not name.startswith("."):
                found.append((Path(root) / name).relative_to(project).as_posix())
        if len(found) >= MOST_PATHS:
            break
    return found[:MOST_PATHS]


def _tree_lines(paths: list[str]) -> Iterable[str]:
    """List all paths if they are few; else folders with the number of files in them, as deep as there is
    room."""
    if len(paths) <= MOST_LISTED:
        return paths
    lines = list[str]()
    for depth in (1, 2, 3, 4):
        counted = Counter(_cut(path, depth) for path in paths)
        if lines and len(counted) > MOST_LISTED:
            break
        lines = [path if count == 1 else f"{path} ({count} files)" for path, count in counted.items()]
    left_out = len(lines) - MOST_LISTED
    return lines if left_out <= 0 else [*lines[:MOST_LISTED], f"... and {left_out} more"]


def _cut(path: str, depth: int) -> str:
    parts = path.split("/")
    return path if len(parts) <= depth else "/".join(parts[:depth]) + "/"


def _texts(project: Path, paths: list[str]) -> Iterator[str]:
    """Yield the beginnings of files at the top that say what the project is."""
    room = MOST_TEXTS_CHARS
    names = [path for path in paths if "/" not in path]
    for pattern in _READ:
        for name in (name for name in names if PurePosixPath(name).match(pattern)):
            text = _beginning(project / name, min(MOST_TEXT_CHARS, room))
            if text:
                room -= len(text)
                yield f'<file path="{name}">\n{text}\n</file>'


def _beginning(path: Path, most_chars: int) -> str:
    if most_chars <= 0 or is_link(path) or not is_file(path):
        return ""
    try:
        with path.open("rb") as file:
            text = file.read(4 * most_chars).decode("utf-8", "replace")
    except OSError:
        return ""
    cut = text[:most_chars]
    return cut.strip() + ("\n[...]" if len(text) > len(cut) else "")


def _many(count: int) -> str:
    return "no files" if not count else "1 file" if count == 1 else f"{count} files"
