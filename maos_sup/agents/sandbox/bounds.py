"""Says what confined programs of an agent may write, and what of that stays as it is.

Three places are never theirs: the orchestration (but for the agent's own folders), the home of orchestrations
and the installation, from which what confines the next command is started. A folder that holds one of them is
granted without it; one that lies in it is refused. Mounts are looked through: a place that can be seen under
another name is kept under that as well.

Who may write a folder may put a link in the place of what lies in it. So nothing that lies in a granted
folder is granted by its own name: the next command would be given what the link points to.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import maos_sup
import state_layout
from maos_sup.agents.sandbox.aliases import Mount, names_of, read_mounts
from maos_sup.agents.sandbox.repository import git_places
from state_layout.errors import BadInput
from state_layout.files.looking import is_dir, is_regular
from state_layout.paths import Tree

_SHARED = ("/", "/usr", "/usr/local")  # prefixes that are not Python's alone
_OPEN = ("workspace", "artifacts", "worktree")  # folders of an agent that people may give to others


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Paths without links. `notes` is what a person should know."""

    write: tuple[Path, ...] = ()
    read: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def is_kept(self, path: Path) -> bool:
        """The `path`, which may be written by its place, is not to be."""
        whole = Path(os.path.realpath(path))
        held = _deepest(whole, (*self.kept, *self.guarded))
        return held > _deepest(whole, map(str, self.write))


NO_BOUNDS = Bounds()


def bounds_of(
    tree: Tree,
    *,
    own: Sequence[Path],
    asked: Sequence[Path],
    home: Path | None,
    folder: Path,
    branch: str | None = None,
) -> Bounds:
    """The bounds of an agent with the folders `own` in `tree` for which people ask `asked` as well.

    `folder` is where it works: the repository there is opened too, of a worktree with a `branch` of its own
    only what that needs. Raises BadInput for a path that confined
    programs must not write.
    """
    mounts = read_mounts()
    places = [(tree.root.resolve(), "the orchestration")]
    places += [(home.resolve(), "the home of orchestrations")] if home is not None else []
    places += [(path, "the installation of maos-sup") for path in installation()]
    mine = [Path(os.path.realpath(path)) for path in own]
    wanted = _wanted(asked, mine)
    named = [(name, what) for place, what in places for name in names_of(place, mounts)]
    for path in wanted:
        _refuse_inside(path, named)
    repository = git_places(folder, branch=branch)
    write = [*mine, *wanted]
    write += [path for path in repository.open if not any(path.is_relative_to(other) for other in wanted)]
    kept = {name: what for name, what in named if any(_holds(path, name) for path in write)}
    notes = [
        f"{name} ({what}) lies in a folder that confined commands may write; it is kept from them"
        for name, what in _outermost(kept)
    ]
    return Bounds(
        write=tuple(dict.fromkeys(write)),
        read=tuple(str(path) for path in repository.read),
        kept=tuple(str(name) for name in kept),
        guarded=tuple(str(path) for path in repository.guarded),
        notes=(*notes, *repository.notes, *_imported(wanted)),
    )


def home_of(environment: Mapping[str, str]) -> Path | None:
    """Name the home of orchestrations that commands in `environment` use."""
    told, home = environment.get("MAOS_SUP_HOME"), environment.get("HOME")
    if told:
        return Path(told).expanduser().absolute()
    return Path(home) / ".maos-sup" if home else None


def installation() -> list[Path]:
    """List where our programs and their interpreter lie, without links."""
    packages = [Path(module.__file__ or "").parent for module in (maos_sup, state_layout)]
    found = [*packages, Path(sys.executable), Path(sysconfig.get_path("stdlib"))]
    found += [Path(sys.executable).parent] if sys.prefix != sys.base_prefix else []
    found += [Path(prefix) for prefix in (sys.prefix, sys.base_prefix) if prefix not in _SHARED]
    return [*dict.fromkeys(Path(os.path.realpath(path)) for path in found)]


def is_reached_through(path: str, writable: Iterable[str | Path], *, kept: Sequence[str] = ()) -> bool:
    """The `path` lies in what may be written, links on the way there followed, and is not kept."""
    folders = [Path(folder) for folder in writable]
    whole = Path(os.path.normpath(Path.cwd() / path))
    for step in (*reversed(whole.parents), whole):
        here = Path(os.path.realpath(step))
        if any(here.is_relative_to(folder) for folder in folders):
            real = Path(os.path.realpath(whole))
            return _deepest(real, map(str, folders)) >= _deepest(real, kept)
    return False


def _wanted(asked: Sequence[Path], mine: Sequence[Path]) -> list[Path]:
    """Pick what people ask for, without what lies in what they ask for, or in what is the agent's anyway."""
    found: list[Path] = []
    for path in sorted(asked, key=lambda path: len(path.parts)):
        if not is_reached_through(str(path), [*mine, *found]):
            found.append(Path(os.path.realpath(path)))
    return found


def _refuse_inside(path: Path, named: Sequence[tuple[Path, str]]) -> None:
    for name, what in named:
        if path.is_relative_to(name) and not _is_given(path):
            raise BadInput(
                f"{path}: lies in {what} ({name}), which confined commands must not write; "
                "take another project or 'sandbox_write', or sandbox 'none'"
            )


def _is_given(path: Path) -> bool:
    """The `path` is, or lies in, a folder of an agent in which others may work, or in no tree at all.

    Folders in the home that are no orchestration are people's own.
    """
    if any(is_regular(above / "FORMAT") for above in (path, *path.parents)):
        above = next(above for above in (path, *path.parents) if is_regular(above / "FORMAT"))
        parts = path.relative_to(above).parts
        return len(parts) >= 3 and parts[0] == "agents" and parts[2] in _OPEN
    return not any(path.is_relative_to(place) for place in installation()) and not (
        any(is_regular(path / name / "FORMAT") for name in _names(path))
    )


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _holds(folder: Path, place: Path) -> bool:
    return place != folder and place.is_relative_to(folder)


def _outermost(kept: Mapping[Path, str]) -> Iterator[tuple[Path, str]]:
    for name, what in kept.items():
        if not any(_holds(other, name) for other in kept):
            yield name, what


def _deepest(path: Path, folders: Iterable[str]) -> int:
    """Count the parts of the innermost of `folders` that holds `path`; 0 for none."""
    return max((len(Path(folder).parts) for folder in folders if path.is_relative_to(folder)), default=0)


def _imported(wanted: Sequence[Path]) -> Iterator[str]:
    """Yield what this process and its supervisor would import although confined commands may write it."""
    ours = installation()
    for name in sys.path:
        path = Path(os.path.realpath(name or "."))
        is_ours = any(path.is_relative_to(place) for place in ours)
        if not is_ours and is_dir(path) and any(path.is_relative_to(folder) for folder in wanted):
            yield (
                f"{path} is in the Python path of maos-sup, and confined commands may write it: what they "
                "put there runs unconfined; take it out of PYTHONPATH, or install maos-sup elsewhere"
            )


__all__ = ["NO_BOUNDS", "Bounds", "Mount", "bounds_of", "home_of", "installation", "is_reached_through"]
