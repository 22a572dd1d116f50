"""Says which files beside a plan its agents name: they go into `spec/files`, so that the tree has all it
runs.

Found by the rules in the kinds' settings: `Argv` (the program or an interpreter's script) and `CallableName`
(a module). Python files bring the modules along that they import from beside the plan.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from maos_sup.core.argv import file_argument, missing_script, plain_relative
from maos_sup.planner.callables import callable_fault
from state_layout.files.reading import is_file, is_folder, is_there, read_foreign
from state_layout.shapes.shape import Argv, At, CallableName, Fault, Shape, Unknown
from state_layout.shapes.wording import closest, key_text

MOST_FILES, MOST_BYTES = 1000, 64 << 20


@dataclass(slots=True)
class Collection:
    """The collection is files of a plan by their path in `spec/files`, and what was wrong on the way."""

    folder: Path  # the plan's
    project: Path | None
    files: dict[str, Path] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add_agents(self, agents: Mapping[str, Any], kinds: Mapping[str, Shape]) -> None:
        """Add what the agents' settings name."""
        for name, agent in agents.items():
            kind = agent.get("kind") if isinstance(agent, dict) else None
            for key, known in kinds[kind].fields.items() if isinstance(kind, str) and kind in kinds else ():
                self._add_named(agent.get(key), ("agents", name, key), known.rule, cwd=agent.get("cwd"))

    def add_patterns(self, patterns: object) -> None:
        """Add the files that match the plan's `files`; a pattern that matches none is a mistake."""
        for index, pattern in enumerate(patterns if isinstance(patterns, list) else []):
            if isinstance(pattern, str) and pattern.strip():
                self._add_pattern(pattern, ("files", index))

    def check_size(self) -> None:
        """Refuse what is too much for a tree."""
        total = sum(_size(path) for path in self.files.values())
        if len(self.files) > MOST_FILES or total > MOST_BYTES:
            text = (
                f"{len(self.files)} files of {total >> 20} MiB would be copied, the most is {MOST_FILES} of "
                f"{MOST_BYTES >> 20} MiB; name fewer in 'files' and leave data in the project"
            )
            self.faults.append(Fault(at=("files",), text=text))

    def _add_named(self, value: object, at: At, rule: object, *, cwd: object) -> None:
        if isinstance(rule, Argv) and isinstance(value, list):
            if value and all(isinstance(word, str) for word in value):
                self._add_command(value, at, cwd=cwd)
        elif isinstance(rule, CallableName) and isinstance(value, str):
            self._add_module(value.partition(":")[0], PurePosixPath())
            if not [*rule.faults(value, at, unknown=Unknown.REFUSED)]:
                self._check_callable(value, at)

    def _check_callable(self, name: str, at: At) -> None:
        folders = [self.folder] if self.project is None else [self.folder, self.project]
        fault = callable_fault(name, folders)
        if fault is not None:
            self.faults.append(Fault(at=at, text=f"{key_text(at)} is {name!r}, {fault}"))

    def _add_command(self, argv: list[str], at: At, *, cwd: object) -> None:
        index = file_argument(argv, lambda rel: is_file(self.folder / rel))
        if index is None:
            if cwd != "workspace":
                self._refuse_missing_script(argv, at)
            return
        rel = plain_relative(argv[index]) or argv[index]
        if index == 0 and not os.access(self.folder / rel, os.X_OK):
            remedy = "chmod +x it, or name its interpreter first"
            text = f"{key_text((*at, 0))} is {argv[0]!r}, which may not be executed; {remedy}"
            self.faults.append(Fault(at=(*at, 0), text=text))
        self._add_file(PurePosixPath(rel))

    def _refuse_missing_script(self, argv: list[str], at: At) -> None:
        """Refuse a script that is neither beside the plan nor in the project: it would fail at every
        start."""
        project = self.project
        index = missing_script(argv, lambda word: project is not None and is_there(project / word))
        if index is not None:
            remedy = closest(argv[index], _names_in(self.folder)) or "write it there, or name one that is"
            lack = "a file neither beside the plan nor in the project"
            text = f"{key_text((*at, index))} is {argv[index]!r}, {lack}; {remedy}"
            self.faults.append(Fault(at=(*at, index), text=text))

    def _add_file(self, rel: PurePosixPath) -> None:
        if str(rel) in self.files or len(self.files) > MOST_FILES:
            return
        self.files[str(rel)] = self.folder / rel
        if rel.suffix == ".py":
            for module in _imported(self.folder / rel):
                self._add_module(module, rel.parent)

    def _add_module(self, module: str, folder: PurePosixPath) -> None:
        """Add `module` if it lies in `folder` beside the plan: a file, or a package and all that is in it."""
        top = folder / module.partition(".")[0]
        if is_file(self.folder / f"{top}.py"):
            self._add_file(PurePosixPath(f"{top}.py"))
        elif is_folder(self.folder / top) and any((self.folder / top).glob("*.py")):
            self._add_folder(self.folder / top)

    def _add_folder(self, folder: Path) -> None:
        for path in _files_below(folder):
            self._add_file(PurePosixPath(path.relative_to(self.folder).as_posix()))

    def _add_pattern(self, pattern: str, at: At) -> None:
        if plain_relative(pattern.rstrip("/")) is None:
            text = f"{key_text(at)} is {pattern!r}; use a path relative to the plan, without '..'"
            self.faults.append(Fault(at=at, text=text))
            return
        found = False
        for path in self._matching(pattern):
            found = True
            if is_folder(path):
                self._add_folder(path)
            else:
                self._add_file(PurePosixPath(path.relative_to(self.folder).as_posix()))
        if not found:
            text = f"{key_text(at)} is {pattern!r}, which matches no file beside the plan; mend or remove it"
            self.faults.append(Fault(at=at, text=text))

    def _matching(self, pattern: str) -> Iterator[Path]:
        try:
            for path in self.folder.glob(pattern.rstrip("/")):
                if len(self.files) > MOST_FILES:
                    return
                if is_file(path) or is_folder(path):
                    yield path
        except (ValueError, OSError):
            return


def _names_in(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _files_below(folder: Path) -> Iterator[Path]:
    """Regular files below `folder`, without what Python and version control keep there."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in ("__pycache__", ".git"))
        for name in sorted(names):
            path = Path(root) / name
            if path.suffix != ".pyc" and is_file(path):
                yield path


def _imported(path: Path) -> list[str]:
    """List the modules that the Python file `path` imports, as far as can be read."""
    try:
        parsed = ast.parse(read_foreign(path))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    found = list[str]()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
