"""A clone of the project for one agent alone: with objects, branches and configuration of its own.

Made by hand, as worktrees are. It names no remote, so nothing can be pushed from it by mistake; when a task
is done its commits are brought into the project's repository, on the branch `maos/ID/AGENT`. What lies in its
git folder may have been written by the agent: nothing is read or written there by way of a link or of
borrowed objects, and its configuration is not obeyed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from maos_sup.workspaces.carrying import carry
from maos_sup.workspaces.git import Git
from maos_sup.workspaces.record import MADE, Record, to_be_made, write_record
from maos_sup.workspaces.refs import Moved, last_reason, move_ref, read_head, read_ref, refuse_blocked
from maos_sup.workspaces.repository import NoWorktree, Repository
from maos_sup.workspaces.worktree import Wish, base_of, fill, has, names_for, with_needs
from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic, disk
from state_layout.files.looking import exists, is_dir, is_link, is_regular
from state_layout.files.reading import read_foreign
from state_layout.paths import AgentPaths

CLONE = "clone"
_FROM, _MOST_NAMES = " from ", 1000
_FOLDERS = ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info", "hooks")


def home_of(paths: AgentPaths, repository: Repository) -> Repository:
    """See the clone itself as a repository; how contents are written is said by the project's."""
    top = Path(os.path.realpath(paths.worktree))
    return replace(repository, top=top, git_dir=top / ".git", common=top / ".git")


def begin(paths: AgentPaths, repository: Repository, wish: Wish) -> Record:
    """The record of a clone that is to be made: settles on a base. Durable.

    Raises NoWorktree, StorageError.
    """
    refuse_blocked(repository.common)
    base, notes = base_of(repository, wish, tree=paths.root.parent.parent)
    ground, more = with_needs(repository, base, wish)
    record = Record(
        mode=CLONE,
        name=next(names_for(wish))[1],
        base=base,
        asked=wish.base,
        ground=ground,
        tip=ground,
        inside=str(repository.inside),
        taken=wish.needs if not more else {},
        notes=[*notes, *more],
    )
    write_record(paths, record)
    return record


def make(paths: AgentPaths, repository: Repository, record: Record, wish: Wish) -> Record:
    """The clone of `record`, made; what an earlier making left of it is removed. Durable.

    Raises NoWorktree, StorageError.
    """
    claimed = _with_branch(paths, repository, record)
    if claimed != record:
        write_record(paths, claimed)
    record = claimed
    tip = read_ref(repository.common, record.ref) or record.tip
    start = record.base if wish.has_setup else tip
    home = home_of(paths, repository)
    try:
        _clear(paths)
        _lay_out(paths, repository, record, tip)
        fill(paths, home, record, start)
        lacking = carry(repository, paths.worktree, wish.carry)
        os.sync()
    except OSError as cause:
        raise storage_error("make the clone", paths.worktree, cause) from cause
    behind = tip if start != tip else ""
    made = replace(record, state=MADE, tip=tip, behind=behind, notes=[*record.notes, *lacking])
    write_record(paths, made)
    return made


def find(paths: AgentPaths, repository: Repository, record: Record, wish: Wish) -> Record:
    """The clone of `record`, which was made: made again where it was removed, with a branch that is its own.

    Raises NoWorktree, StorageError.
    """
    if not has(repository, record.base):
        raise NoWorktree(
            f"{repository.top}: does not have the commit {record.base} on which agent {wish.agent!r} worked; "
            "fetch it from where it was, then resume"
        )
    if not is_dir(paths.worktree / ".git"):
        return make(paths, repository, to_be_made(paths, record), wish)
    found = _with_branch(paths, repository, record)
    if found.branch == record.branch:
        return found
    home = home_of(paths, repository)
    refuse_strange(home)
    ref, head = read_head(home.git_dir, home.common)
    if ref == record.ref and head is not None:
        with suppress(Moved):
            move_ref(home.common, found.ref, head, old=None, why="branch of its own")
        atomic.refresh(home.git_dir / "HEAD", f"ref: {found.ref}\n".encode())
    write_record(paths, found)
    return found


def bring(paths: AgentPaths, repository: Repository, record: Record, commits: Collection[str]) -> None:
    """Have the clone hold `commits` of the project. Raises BadInput, StorageError."""
    home = home_of(paths, repository)
    refuse_strange(home)
    new = [commit for commit in commits if not has(home, commit)]
    if new:
        _carry_over(repository, home, new, known=[record.base])


def share(paths: AgentPaths, repository: Repository, record: Record) -> Record:
    """Bring the newest commit of the clone into the project's repository, on its branch there.

    Raises BadInput, StorageError.
    """
    old = read_ref(repository.common, record.ref)
    if old == record.tip and has(repository, record.ground):
        return record
    home = home_of(paths, repository)
    refuse_strange(home)
    known = [commit for commit in (record.base, *record.taken.values(), old or "") if has(home, commit)]
    _carry_over(home, repository, [record.tip, record.ground], known=known)
    shared = _with_branch(paths, repository, record)
    old = read_ref(repository.common, shared.ref)
    if old != record.tip:
        why = f"work of a task{_FROM}{_whose(paths)}"
        move_ref(repository.common, shared.ref, record.tip, old=old, why=why)
    return shared


def refuse_strange(home: Repository) -> None:
    """Raise BadInput where the git folder of a clone leads out of it: we would write, or read, elsewhere."""
    if is_link(home.git_dir) or not is_dir(home.git_dir):
        raise BadInput(f"{home.git_dir}: is no folder any more; nothing of the clone is taken over")
    if os.path.lexists(home.git_dir / "objects" / "info" / "alternates"):
        raise BadInput(f"{home.git_dir}: borrows objects of others (alternates); nothing of it is taken over")
    for link in _links(home.git_dir):
        raise BadInput(f"{link}: is a link, which no git makes there; nothing of the clone is taken over")


def _links(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        if Path(root) == folder:
            folders[:] = [name for name in folders if name != "hooks"]
        with os.scandir(root) as entries:
            yield from (Path(entry.path) for entry in entries if entry.is_symlink() and entry.name != "hooks")
        del names


def _carry_over(
    source: Repository, target: Repository, commits: Collection[str], *, known: list[str]
) -> None:
    """Copy the objects of `commits` and of all before them that the `known` commits do not have."""
    asked = "".join([*(f"{commit}\n" for commit in commits), *(f"^{commit}\n" for commit in known)])
    with Git(source, writes=False) as git:
        pack = git.run("pack-objects", "--revs", "--thin", "--stdout", "-q", data=asked.encode())
    with Git(target) as git:
        git.run("unpack-objects", "-q", "--strict", data=pack)


def _with_branch(paths: AgentPaths, repository: Repository, record: Record) -> Record:
    """With a branch in the project that is its own: the same, unless that is another's by now.

    The newest line of a branch's reflog says whose it is: a copy of the tree takes another one, and so does
    who finds that a person went on there by himself.
    """
    tip = record.tip if has(repository, record.tip) else record.base
    for number in range(1, _MOST_NAMES):
        branch = record.name + ("" if number == 1 else f".{number}")
        ref = f"refs/heads/{branch}"
        found = read_ref(repository.common, ref)
        if found is not None:
            is_possible = bool(record.branch) or found == record.tip  # else it is of an earlier orchestration
            if is_possible and _is_ours(paths, repository, record, ref):
                return replace(record, branch=branch)
            continue
        with suppress(Moved):
            move_ref(repository.common, ref, tip, old=None, why=f"clone made{_FROM}{_whose(paths)}")
            return replace(record, branch=branch)
    raise NoWorktree(f"{repository.common}: has {_MOST_NAMES} branches for this agent; remove some")


def _is_ours(paths: AgentPaths, repository: Repository, record: Record, ref: str) -> bool:
    _, is_told, whose = last_reason(repository.common, ref).partition(_FROM)
    if not is_told:
        return read_ref(repository.common, ref) == record.tip and not last_reason(repository.common, ref)
    return whose == _whose(paths) or not is_regular(Path(whose) / "FORMAT")


def _whose(paths: AgentPaths) -> str:
    return os.path.realpath(paths.root.parent.parent).replace("\n", "?")


def _clear(paths: AgentPaths) -> None:
    if is_link(paths.worktree) or (exists(paths.worktree) and not is_dir(paths.worktree)):
        raise NoWorktree(f"{paths.worktree}: is no folder; remove it")
    if exists(paths.worktree):
        shutil.rmtree(paths.worktree)


def _lay_out(paths: AgentPaths, repository: Repository, record: Record, tip: str) -> None:
    """Make the clone's git folder, with all that `tip` and the base hold."""
    own = home_of(paths, repository).git_dir
    disk.mkdir(paths.worktree, atomic.FOLDER_MODE)
    for inner in _FOLDERS:
        (own / inner).mkdir(parents=True)
    for rel in ("shallow", "info/exclude", "info/attributes"):
        source = repository.common / rel
        if is_regular(source) and not is_link(source):
            (own / rel).write_bytes(read_foreign(source))
    (own / "config").write_text(_config(repository))
    borrowed = [repository.common / "objects"]  # written beside where it will be: that may be another disk
    with Git(home_of(paths, repository), borrows=borrowed) as git:
        pack = str(own / "objects" / "pack" / "pack")
        git.run("pack-objects", "--revs", "-q", pack, data=f"{tip}\n{record.base}\n".encode())
    move_ref(own, record.ref, tip, old=None, why="clone made")
    (own / "HEAD").write_text(f"ref: {record.ref}\n")


def _config(repository: Repository) -> str:
    is_sha1 = repository.object_format == "sha1"
    lines = ["[core]", f"\trepositoryformatversion = {0 if is_sha1 else 1}", "\tbare = false"]
    lines += ["\tlogAllRefUpdates = true"]
    lines += [
        f'\t{key.removeprefix("core.")} = "{value}"'
        for key, value in repository.settings.items()
        if '"' not in value and "\\" not in value and "\n" not in value
    ]
    lines += [] if is_sha1 else ["[extensions]", f"\tobjectFormat = {repository.object_format}"]
    return "\n".join([*lines, "[push]", "\tdefault = nothing", ""])
