"""Merges what agents did into a branch of its own, one after the other, and keeps what passes a check.

No checkout of the user's and no branch of his moves; he takes the result over himself. Nothing is half done:
objects are made first, and the branch moves once, at the end. Who was killed before that has changed nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from maos_sup.workspaces.git import Git, split_null
from maos_sup.workspaces.merging import Merge, commit_tree, is_ancestor, merge, tree_of
from maos_sup.workspaces.refs import last_reason, move_ref, read_head, read_ref
from maos_sup.workspaces.repository import NoWorktree, Repository
from state_layout.files.looking import is_regular

LANDED = "LANDED"  # no agent can be called so: their names are in lower case
_WHY, _FROM, _MOST_COPIES = "landed", " from ", 1000
MERGED, NOTHING, CONFLICT, REFUSED = "merged", "nothing", "conflict", "refused"
Check = Callable[[str, str], str | None]  # agent, commit -> why it does not pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A candidate is the work of one agent: its newest commit, and what it began with.

    `is_apart`: its base holds what the user had not committed, so only the difference to that is merged.
    """

    agent: str
    tip: str
    ground: str
    is_apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Tells what became of an agent's work. `ours`: what it was merged into; `ancestor`: what both come from.

    `files`: how many it changed there. `conflicts`: paths, each with the agents that landed before and
    changed it too. `why`: what the check said, or whose work holds this.
    """

    agent: str
    sort: str
    tip: str
    ours: str
    ancestor: str = ""
    commit: str | None = None
    files: int = 0
    conflicts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """Says where it landed: `start` is the commit of `onto`, `tip` what holds all that was merged."""

    onto: str
    start: str
    tip: str
    outcomes: tuple[Outcome, ...] = ()


def target(repository: Repository, onto: str | None) -> tuple[str, str]:
    """Find the branch to land on (without refs/heads/) and its commit. Raises NoWorktree."""
    if onto is not None:
        commit = read_ref(repository.common, f"refs/heads/{onto}")
        if commit is None:
            raise NoWorktree(f"--onto {onto!r} is no branch of {repository.top}; name one that is there")
        return onto, commit
    ref, commit = read_head(repository.git_dir, repository.common)
    if ref is None or commit is None:
        raise NoWorktree(f"{repository.top}: no branch is checked out; name one with --onto BRANCH")
    return ref.removeprefix("refs/heads/"), commit


def land(
    repository: Repository,
    candidates: Sequence[Candidate],
    *,
    onto: str | None,
    squash: bool,
    check: Check | None,
    tell: Callable[[Outcome], object] = lambda _: None,
) -> Landing:
    """Merge the work of `candidates`, in that order, on top of the branch `onto`; no branch is moved.

    `tell` hears of each outcome at once. Raises BadInput, StorageError.
    """
    branch, start = target(repository, onto)
    tip, outcomes, who = start, list[Outcome](), dict[str, list[str]]()
    with Git(repository) as git:
        for candidate in candidates:
            holder = _holder(git, candidate, candidates)
            if holder is None:
                outcome = _landed(git, candidate, tip, who, squash=squash)
            else:
                done = Outcome(agent=candidate.agent, sort=NOTHING, tip=candidate.tip, ours=tip)
                outcome = replace(done, why=f"its work is in that of {holder}")
            if outcome.commit is not None and check is not None:
                why = check(candidate.agent, outcome.commit)
                outcome = outcome if why is None else replace(outcome, sort=REFUSED, commit=None, why=why)
            if outcome.commit is not None:
                for path in _paths(git, tip, outcome.commit):
                    who.setdefault(path, []).append(candidate.agent)
                tip = outcome.commit
            outcomes.append(outcome)
            tell(outcome)
    return Landing(onto=branch, start=start, tip=tip, outcomes=tuple(outcomes))


def _holder(git: Git, candidate: Candidate, candidates: Sequence[Candidate]) -> str | None:
    """Name the agent whose work holds that of `candidate`: a resolver's holds what it resolved."""
    tip = candidate.tip
    if tip == candidate.ground:
        return None
    return next(
        (other.agent for other in candidates if other.tip != tip and is_ancestor(git, tip, other.tip)), None
    )


def landed_branch(repository: Repository, folder: str, tree: Path) -> str:
    """Choose the branch for what lands of `tree` in `folder` (maos/ID).

    That of another copy of the tree stays as it is, and so does one on which somebody went on by himself:
    the newest line of a branch's reflog says whose it is. That of a tree that has gone is free.
    """
    for number in range(1, _MOST_COPIES):
        branch = f"{folder}/{LANDED}" + ("" if number == 1 else f".{number}")
        why, _, whose = last_reason(repository.common, f"refs/heads/{branch}").partition(_FROM)
        if not why or (why == _WHY and (whose == _whose(tree) or not is_regular(Path(whose) / "FORMAT"))):
            return branch
    raise NoWorktree(f"{repository.common}: has {_MOST_COPIES} branches {folder}/{LANDED}; remove some")


def publish(repository: Repository, landing: Landing, branch: str, tree: Path) -> None:
    """Have `branch`, that of `tree`, name what landed. Raises Moved, NoWorktree if it is checked out."""
    ref = f"refs/heads/{branch}"
    for git_dir in (repository.common, *(repository.common / "worktrees").glob("*")):
        if read_head(git_dir, repository.common)[0] == ref:
            raise NoWorktree(
                f"{branch} is checked out (HEAD of {git_dir}): it cannot be moved under whoever works on it; "
                f"check out another branch there, like {landing.onto}"
            )
    move_ref(
        repository.common,
        ref,
        landing.tip,
        old=read_ref(repository.common, ref),
        why=f"{_WHY}{_FROM}{_whose(tree)}",
    )


def _whose(tree: Path) -> str:
    return os.path.realpath(tree).replace("\n", "?")


def _landed(git: Git, candidate: Candidate, ours: str, who: dict[str, list[str]], *, squash: bool) -> Outcome:
    tip, theirs, mine = candidate.tip, candidate.tip, ours
    done = Outcome(agent=candidate.agent, sort=NOTHING, tip=tip, ours=ours)
    if is_ancestor(git, tip, ours) or tip == candidate.ground:
        return done
    if candidate.is_apart:
        theirs, mine = _apart(git, candidate.ground, tip, ours)
    if is_ancestor(git, ours, tip) and not squash and not candidate.is_apart:
        return replace(done, sort=MERGED, commit=tip, files=len(_paths(git, ours, tip)), ancestor=ours)
    found = merge(git, mine, theirs)
    ancestor = candidate.ground if candidate.is_apart else _ancestor(git, ours, tip)
    if found.conflicts:
        conflicts = tuple((path, tuple(who.get(path, ()))) for path in found.conflicts)
        return replace(done, sort=CONFLICT, conflicts=conflicts, ancestor=ancestor)
    if found.tree == tree_of(git, ours):
        return done
    parents = (ours,) if squash or candidate.is_apart else (ours, tip)
    at = git.text("log", "-1", "--format=%cI", tip)  # so that landing it again makes the same commit
    text = _text(git, candidate, ours)
    commit = commit_tree(git, found.tree, *parents, text=text, who=candidate.agent, at=at)
    files = len(_paths(git, ours, commit))
    return replace(done, sort=MERGED, commit=commit, files=files, ancestor=ancestor)


def _apart(git: Git, ground: str, tip: str, ours: str) -> tuple[str, str]:
    """Commits that stand for `tip` and `ours`, with `ground` as what both come from."""
    made = {"who": "maos-sup", "at": "2000-01-01T00:00:00Z"}
    root = commit_tree(git, tree_of(git, ground), text="ground\n", **made)
    theirs, mine = (
        commit_tree(git, tree_of(git, commit), root, text="side\n", **made) for commit in (tip, ours)
    )
    return theirs, mine


def _ancestor(git: Git, ours: str, tip: str) -> str:
    code, told = git.outcome("merge-base", ours, tip)
    return told.decode().strip() if code == 0 else ""


def _paths(git: Git, old: str, new: str) -> list[str]:
    return split_null(git.run("diff-tree", "-r", "-z", "--no-renames", "--name-only", old, new))


def _text(git: Git, candidate: Candidate, ours: str) -> str:
    """Write the text of the commit: the first lines of what it brings."""
    base = candidate.ground if candidate.is_apart else ours
    told = git.run("log", "-z", "--no-merges", "--reverse", "--format=%s", f"{base}..{candidate.tip}")
    lines = [line for line in split_null(told) if line.strip()]
    head = f"Work of {candidate.agent}" if len(lines) != 1 else lines[0]
    body = "\n".join(f"- {line}" for line in lines[:50]) if len(lines) > 1 else ""
    return f"{head}\n\n{body}\n\nMaos-Agent: {candidate.agent}\n".replace("\n\n\n\n", "\n\n")


def conflict_tree(repository: Repository, ours: str, theirs: str) -> Merge:
    """The merge of two commits with conflict marks in its files. Raises GitFailed."""
    with Git(repository) as git:
        return merge(git, ours, theirs)


def by_hand(outcome: Outcome, branch: str, tip_branch: str, *, git_dir: Path | None = None) -> Iterator[str]:
    """Yield what a person may type to see the three versions of what does not merge, and to merge it.

    `git_dir`: where the commits are, if that is not the project.
    """
    git = "git" if git_dir is None else f"git --git-dir={git_dir}"
    for path, _ in outcome.conflicts[:3]:
        yield f"{git} show {outcome.ours[:12]}:{path}    # what is landed"
        yield f"{git} show {outcome.tip[:12]}:{path}    # what {outcome.agent} has"
        if outcome.ancestor:
            yield f"{git} show {outcome.ancestor[:12]}:{path}    # what both began with"
    if git_dir is not None:
        yield f"# put it into the project by hand, or have {outcome.agent} change it, then land again"
        return
    yield f"git switch -c mine {branch} && git merge {tip_branch}"


class Checkout:
    """A scratch checkout to run checks in; made anew whenever it is not there."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self._repository, self.folder = repository, folder / "files"
        self._index = folder / "index"

    @property
    def variables(self) -> dict[str, str]:
        """For what runs there: git finds no repository around it, not even where the tree lies in one."""
        return {"PWD": str(self.folder), "GIT_CEILING_DIRECTORIES": str(self.folder.parent)}

    def go_to(self, commit: str) -> None:
        """Put the files of `commit` there, and take away what is neither in it nor ignored."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._index.with_name("index.lock").unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self._index.unlink(missing_ok=True)
        with Git(self._repository, index=self._index, work_tree=self.folder, head=commit) as git:
            git.run("read-tree", "--reset", "-u", commit)
            git.run("clean", "-q", "-ffd")
