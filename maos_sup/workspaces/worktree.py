"""Makes a linked worktree for one agent, whole or not at all, and finds it again after anything.

By hand and not by `git worktree add`, which runs the user's hooks and filters and obeys his configuration.
Only the process that holds the agent's lock makes it. The record says `making` before anything is made: who
was killed within is followed by one that removes what is half made and makes it anew. Nobody has worked in it
before it is `made`. The name of its folder in the repository is claimed by making that folder, so that no two
agents, of two copies of a tree even, get one branch.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from maos_sup.core.overlaps import counted_files
from maos_sup.workspaces.carrying import carry
from maos_sup.workspaces.git import Git, split_null
from maos_sup.workspaces.git_look import CannotLook, as_old, git_answer
from maos_sup.workspaces.linking import entry_of, is_at, named_by
from maos_sup.workspaces.merging import commit_tree, joined
from maos_sup.workspaces.record import MADE, Record, to_be_made, write_record
from maos_sup.workspaces.refs import move_ref, read_head, read_ref, refuse_blocked
from maos_sup.workspaces.repository import NoWorktree, Repository
from state_layout.errors import storage_error
from state_layout.files import atomic, disk
from state_layout.files.looking import exists, is_dir, is_link, is_regular
from state_layout.files.reading import read_foreign
from state_layout.paths import AgentPaths

_MOST_NAMES, _LONGEST_ID = 1000, 80
_MODE, _FOLDER_MODE = 0o644, 0o755
HEAD, WORKING_TREE = "HEAD", "working-tree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Says whose worktree it is (the orchestration's `id`), what it begins with, which results it takes up.

    `needs`: the newest commits of agents whose tasks come before, by name. `carry`: files that git does not
    know, taken along. `has_setup`: lines are run in it, on the base alone. `copy_limit_mib`: of a project
    that is copied.
    """

    id: str
    agent: str
    base: str
    needs: dict[str, str]
    carry: tuple[str, ...] = ()
    has_setup: bool = False
    copy_limit_mib: int = 1024


def begin(paths: AgentPaths, repository: Repository, wish: Wish) -> Record:
    """The record of a worktree that is to be made: claims a name, settles on a base. Durable.

    Raises NoWorktree, StorageError.
    """
    refuse_blocked(repository.common)
    base, notes = base_of(repository, wish, tree=paths.root.parent.parent)
    ground, more = with_needs(repository, base, wish)
    for name, branch in names_for(wish):
        if not _is_free(repository, name, branch):
            continue
        record = Record(
            mode="worktree",
            name=name,
            branch=branch,
            base=base,
            asked=wish.base,
            ground=ground,
            tip=ground,
            inside=str(repository.inside),
            taken=wish.needs if not more else {},
            notes=[*notes, *more],
        )
        write_record(paths, record)
        if _claim(paths, repository, record):
            return record
    raise NoWorktree(f"{repository.common}: has {_MOST_NAMES} worktrees for this agent; remove some")


def make(paths: AgentPaths, repository: Repository, record: Record, wish: Wish) -> Record:
    """The worktree of `record`, made; what an earlier making left of it is removed. Durable.

    One with lines of setup holds its base only, and is `behind` until these have run.

    Raises NoWorktree, StorageError.
    """
    if not _claim(paths, repository, record):
        raise NoWorktree(
            f"{admin_of(repository, record)}: belongs to another worktree by now; "
            f"remove {paths.worktree_record}"
        )
    try:
        _clear(paths, repository, record)
        _lay_out(paths, repository, record)
        if read_ref(repository.common, record.ref) is None:
            move_ref(repository.common, record.ref, record.tip, old=None, why="worktree made")
        tip = read_ref(repository.common, record.ref) or record.tip
        start = record.base if wish.has_setup else tip
        fill(paths, repository, record, start)
        lacking = carry(repository, paths.worktree, wish.carry)
        _unlock(admin_of(repository, record))
        os.sync()
    except OSError as cause:
        raise storage_error("make the worktree", paths.worktree, cause) from cause
    behind = tip if start != tip else ""
    made = replace(record, state=MADE, tip=tip, behind=behind, notes=[*record.notes, *lacking])
    write_record(paths, made)
    return made


def find(paths: AgentPaths, repository: Repository, record: Record, wish: Wish) -> Record:
    """The worktree of `record`, which was made: seen to, where it was moved, copied or removed.

    Raises NoWorktree, StorageError.
    """
    _refuse_strange(paths)
    admin = admin_of(repository, record)
    entry = entry_of(paths)
    told = named_by(admin)
    if told == entry and is_at(entry, admin):
        return _with_branch(repository, record)
    if told is not None and told != entry and not is_at(told, admin):  # the tree was moved
        _write(admin / "gitdir", f"{entry}\n")
        told = entry
    if told != entry:
        return _adopt(paths, repository, record, wish)
    if not is_dir(paths.worktree) or not any(paths.worktree.iterdir()):
        return make(paths, repository, to_be_made(paths, record), wish)
    _point(paths, admin)
    return record


def _with_branch(repository: Repository, record: Record) -> Record:
    """The record of a worktree that is where it was; its branch is made again where somebody deleted it."""
    ref, head = read_head(admin_of(repository, record), repository.common)
    if ref != record.ref or head is not None or not has(repository, record.tip):
        return record
    move_ref(repository.common, record.ref, record.tip, old=None, why="branch made again")
    note = f"its branch was not there any more and was made again, at {record.tip[:12]}"
    return replace(record, notes=[*(said for said in record.notes if said != note), note])


def _adopt(paths: AgentPaths, repository: Repository, record: Record, wish: Wish) -> Record:
    """A name and a branch for what is no worktree of this repository any more; its files stay as they are.

    It belongs to a copy of the tree, the project is another clone, or somebody pruned worktrees.
    """
    here = read_ref(repository.common, record.ref)
    known = next(
        (commit for commit in (record.tip, record.ground, record.base) if has(repository, commit)), None
    )
    if known is None:
        raise NoWorktree(
            f"{repository.top}: does not have the commit {record.tip or record.base} on which agent "
            f"{wish.agent!r} worked; fetch the branch {record.branch} from where it was, then resume"
        )
    is_pruned = not exists(admin_of(repository, record)) and here is not None
    for name, branch in names_for(wish):
        is_same = is_pruned and name == record.name
        if not is_same and not _is_free(repository, name, branch):
            continue
        own = replace(record, name=name, branch=branch, tip=here or known if is_same else known)
        write_record(paths, own)
        if not _claim(paths, repository, own):
            continue
        if not is_dir(paths.worktree):
            return make(paths, repository, to_be_made(paths, own), wish)
        if read_ref(repository.common, own.ref) is None:
            move_ref(repository.common, own.ref, known, old=None, why="worktree found again")
        admin = admin_of(repository, own)
        _write_heads(admin, own)
        with Git(repository, index=admin / "index", work_tree=paths.worktree) as git:
            git.run("read-tree", own.tip)
        _point(paths, admin)
        _unlock(admin)
        return own
    raise NoWorktree(f"{repository.common}: has {_MOST_NAMES} worktrees for this agent; remove some")


def has(repository: Repository, commit: str) -> bool:
    """The repository has `commit`."""
    if not commit:
        return False
    with Git(repository) as git:
        return git.outcome("cat-file", "-e", f"{commit}^{{commit}}", fine=(0, 1, 128))[0] == 0


def base_of(repository: Repository, wish: Wish, *, tree: Path) -> tuple[str, list[str]]:
    """The commit that `wish` begins with, and what is to be said of it. Raises NoWorktree, StorageError."""
    commit = base_commit(repository, wish.base)
    return _with_uncommitted(repository, commit, wish, tree) if wish.base == WORKING_TREE else (commit, [])


def base_commit(repository: Repository, base: str) -> str:
    """The commit that `base` names, for `working-tree` the one that is checked out. Raises NoWorktree."""
    _, head = read_head(repository.git_dir, repository.common)
    if base in (HEAD, WORKING_TREE):
        if head is None:
            raise NoWorktree(
                f"{repository.top}: has no commit yet to begin with; make one (git commit --allow-empty), or "
                "give the agents workspace = 'shared'"
            )
        return head
    try:
        told = git_answer(repository.top, ["rev-parse", "--verify", "--quiet", f"{base}^{{commit}}"])
    except CannotLook as cause:
        raise NoWorktree(f"base {base!r} names no commit of {repository.top}; use HEAD or another") from cause
    return told.decode().strip()


def _with_uncommitted(repository: Repository, head: str, wish: Wish, home: Path) -> tuple[str, list[str]]:
    """A commit of what the user has not committed, on `head`; his index and files are only read."""
    admin = repository.git_dir / "index"
    with Git(repository, work_tree=repository.top) as scratch:
        index = scratch.folder / "index"
        if is_regular(admin):
            index.write_bytes(read_foreign(admin))
            as_old(index, admin)
        with Git(repository, index=index, work_tree=repository.top, head=head) as git:
            changed = stage_all(git, without=os.path.relpath(os.path.realpath(home), repository.top))
            tree = git.text("write-tree")
            if tree == git.text("rev-parse", "--verify", f"{head}^{{tree}}"):
                return head, []
            text = "what was not committed when the agents began\n"
            commit = commit_tree(git, tree, head, text=text, who=wish.agent)
    return commit, [f"it begins with what is not committed in the project ({counted_files(changed)})"]


def stage_all(git: Git, *, without: str = "..") -> int:
    """Put what the work tree has into the index, ignored files and nested repositories aside; how many.

    `without`: what lies in this folder stays out, an orchestration that lies in its project.
    """
    told = git.run("ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard")
    paths = [path for path in dict.fromkeys(split_null(told)) if not path.endswith("/")]
    paths = [path for path in paths if not path.startswith(f"{without}/")]
    if paths:
        data = b"".join(os.fsencode(path) + b"\0" for path in paths)
        git.run("update-index", "-z", "--add", "--remove", "--stdin", data=data)
    return len(paths)


def with_needs(repository: Repository, base: str, wish: Wish) -> tuple[str, list[str]]:
    """`base` with the results that are needed, in one commit; what could not be merged is said."""
    notes, ground = list[str](), base
    with Git(repository) as git:
        for agent, commit in wish.needs.items():
            text = f"results of {agent}\n"
            ground, conflicts = joined(git, ground, commit, text=text, who=wish.agent)
            if conflicts:
                notes.append(_conflict_text(agent, conflicts))
    return ground, notes


def _conflict_text(agent: str, conflicts: tuple[str, ...]) -> str:
    return f"the results of {agent} were left out: {', '.join(conflicts[:5])} cannot be merged"


def names_for(wish: Wish) -> Iterator[tuple[str, str]]:
    """Names for its folder in the repository, and branches, the usual ones first."""
    id_ = re.sub(r"[^A-Za-z0-9_-]", "-", wish.id)[:_LONGEST_ID].strip("-") or "team"
    for number in range(1, _MOST_NAMES):
        more = "" if number == 1 else f".{number}"
        yield f"maos.{id_}.{wish.agent}{more}", f"maos/{id_}/{wish.agent}{more}"


def admin_of(repository: Repository, record: Record) -> Path:
    """Find the index and HEAD of a workspace: of a clone in its git folder, else in the repository."""
    if record.mode == "clone":
        return repository.git_dir
    return repository.common / "worktrees" / record.name


def _is_free(repository: Repository, name: str, branch: str) -> bool:
    is_taken = exists(repository.common / "worktrees" / name)
    return not is_taken and read_ref(repository.common, f"refs/heads/{branch}") is None


def _claim(paths: AgentPaths, repository: Repository, record: Record) -> bool:
    """Put its folder into the repository, or find that it is ours already; whether it is."""
    admin = admin_of(repository, record)
    if named_by(admin) == entry_of(paths):
        return True
    mine = sha256(os.fsencode(entry_of(paths))).hexdigest()[:12]  # nobody else's: we hold the agent's lock
    aside = admin.with_name(f".{admin.name}.{mine}")
    try:
        with suppress(FileExistsError):
            disk.mkdir(admin.parent, _FOLDER_MODE)
        shutil.rmtree(aside, ignore_errors=True)  # of a claim that was cut off
        disk.mkdir(aside, _FOLDER_MODE)
        _write(aside / "locked", "maos-sup makes it\n")  # `git worktree prune` leaves it alone
        _write(aside / "gitdir", f"{entry_of(paths)}\n")
        _write(aside / "commondir", "../..\n")
        _write_heads(aside, record)
        try:
            disk.rename(aside, admin)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
            if not exists(admin):
                raise
            return False
        atomic.fsync_folder(admin.parent)
    except OSError as cause:
        raise storage_error("make the worktree", admin, cause) from cause
    return True


def _clear(paths: AgentPaths, repository: Repository, record: Record) -> None:
    """Remove what a making that was cut off left: nobody has worked there."""
    _refuse_strange(paths)
    if exists(paths.worktree):
        shutil.rmtree(paths.worktree)
    for name in ("index", "index.lock", "HEAD.lock"):
        disk.unlink(admin_of(repository, record) / name)


def _refuse_strange(paths: AgentPaths) -> None:
    """Nothing is ever written through a link: it may lead to the user's checkout. Raises NoWorktree."""
    if is_link(paths.worktree) or (exists(paths.worktree) and not is_dir(paths.worktree)):
        raise NoWorktree(f"{paths.worktree}: is no folder; remove it")


def _lay_out(paths: AgentPaths, repository: Repository, record: Record) -> None:
    admin = admin_of(repository, record)
    disk.mkdir(paths.worktree, atomic.FOLDER_MODE)
    _write_heads(admin, record)
    _point(paths, admin)


def _write_heads(admin: Path, record: Record) -> None:
    for folder in (admin / "refs", admin / "logs"):
        with suppress(FileExistsError):
            disk.mkdir(folder, _FOLDER_MODE)
    _write(admin / "HEAD", f"ref: {record.ref}\n")


def _unlock(admin: Path) -> None:
    disk.unlink(admin / "locked")


def _point(paths: AgentPaths, admin: Path) -> None:
    """Have the worktree name its folder in the repository, by a relative path: the tree holds no other."""
    entry = entry_of(paths)
    _write(entry, f"gitdir: {os.path.relpath(os.path.realpath(admin), entry.parent)}\n")


def fill(paths: AgentPaths, repository: Repository, record: Record, commit: str) -> None:
    """Put the files of `commit` there, and an index that knows them. No filter is run."""
    index = admin_of(repository, record) / "index"
    with Git(repository, index=index, work_tree=paths.worktree, head=commit) as git:
        git.run("read-tree", "--reset", "-u", commit)


def catch_up(paths: AgentPaths, repository: Repository, record: Record) -> Record:
    """Put the files of the newest commit there, in place of the base on which setup ran. Durable."""
    fill(paths, repository, record, record.behind)
    os.sync()
    caught_up = replace(record, behind="")
    write_record(paths, caught_up)
    return caught_up


def _write(path: Path, text: str) -> None:
    """Replace a small file of git's."""
    temporary = path.with_name(f".{path.name}.maos-new")
    with suppress(FileNotFoundError):
        disk.unlink(temporary)
    descriptor = disk.create(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        atomic.write_all(descriptor, text.encode("utf-8", "surrogateescape"))
        disk.fsync(descriptor)
    finally:
        os.close(descriptor)
    disk.rename(temporary, path)
