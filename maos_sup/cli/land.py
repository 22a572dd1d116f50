"""`land DIR AGENT...`: merge what agents did into a branch of its own, check it, keep what passes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from maos_sup.cli import edge, options
from maos_sup.cli.changed import has_workspaces, repository_of
from maos_sup.cli.places import name_of, tree_of_words, word_of
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.core.overlaps import RESOLVER, counted_files, only_tried
from maos_sup.steering.resolving import give_to_resolver
from maos_sup.steering.starting import start_supervisor
from maos_sup.steering.wanting import known_agent
from maos_sup.views.files import printable
from maos_sup.workspaces import keeping, landing
from maos_sup.workspaces.landing import Candidate, Checkout, Landing, Outcome
from maos_sup.workspaces.modes import home_of, in_place, is_there, share
from maos_sup.workspaces.own import has_own, put_into_project, state_of_project
from maos_sup.workspaces.record import MADE, Record, read_record, write_record
from maos_sup.workspaces.refs import read_ref
from maos_sup.workspaces.repository import Repository
from state_layout.errors import BadInput, Locked
from state_layout.files import atomic
from state_layout.files.locks import alone_in, take_life_lock
from state_layout.files.reading import opened_record
from state_layout.paths import Tree
from state_layout.records import Land
from state_layout.specs import read_specs

_USAGE = "land [DIR|ID] [AGENT]..."
_TAIL_BYTES = 2_000


@click.command("land")
@click.argument("words", metavar="[DIR|ID] [AGENT]...", nargs=-1)
@click.option("--onto", metavar="BRANCH", help="The branch to begin with; the one that is checked out.")
@click.option("--squash", is_flag=True, help="One commit for each agent, without its own ones.")
@click.option("--check", metavar="LINE", help="Kept is only what this line for /bin/sh passes (exit code 0).")
@click.option("--into-project", is_flag=True, help="Of a project without git: put the result into it.")
@options.as_json
def command(
    words: tuple[str, ...],
    *,
    onto: str | None,
    squash: bool,
    check: str | None,
    into_project: bool,
    as_json: bool,
) -> int:
    """Merge what each AGENT (or all) did, one after the other, into the branch maos/ID/LANDED.

    Your own branch moves only when you merge that one; the command to type is printed. What does not merge is
    given to the agent 'resolver', if there is one, else left to you. Exit code 3 if something did not land.
    """
    tree, names = _meant(words)
    if into_project and not has_own(tree):
        raise BadInput(f"{name_of(tree)}: its project has git; merge the branch that 'land' makes there")
    told = read_specs(tree).specs.orchestration.land
    wish = Land(
        check=told.check if check is None else check,
        onto=told.onto if onto is None else onto,
        squash=squash or told.squash,
    )
    tell = say_aside if as_json else say
    done = land_now(tree, names, wish, tell, puts=into_project)
    if as_json:
        say_json(_told(done))
    return edge.OK if done.is_whole else edge.TASK_FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Tells what landed, on which branch of ours, and the resolver's new tasks, by agent."""

    found: Landing
    branch: str
    given: dict[str, str | None]
    put: list[str] | None = None  # the paths of the project that were changed, if it was

    @property
    def is_whole(self) -> bool:
        """All of what was done landed."""
        return all(one.sort in (landing.MERGED, landing.NOTHING) for one in self.found.outcomes)


def land_now(
    tree: Tree, names: list[str], wish: Land, tell: Callable[[str], object], *, puts: bool = False
) -> Done:
    """Land what the agents `names` did; `tell` hears of each at once. With `puts` it goes into the project.

    Raises BadInput, Locked (two would run their checks in one scratch checkout), StorageError.
    """
    place = tree.run / "landing"
    atomic.make_folder(place)
    with alone_in(place, busy=f"{name_of(tree)}: another landing is under way; wait for its end"):
        done = _landed(tree, names, wish, tell)
        if puts:
            return _put_into_project(tree, done, tell)
    if done.found.tip != done.found.start:
        merge = f", on {done.found.onto}: git merge {done.branch}"
        tell(f"take it over{f': maos-sup land {word_of(tree)} --into-project' if has_own(tree) else merge}")
    return done


def _put_into_project(tree: Tree, done: Done, tell: Callable[[str], object]) -> Done:
    found = done.found
    if found.tip == found.start:
        return replace(done, put=[])
    paths = put_into_project(tree, repository_of(tree), found.start, found.tip)
    tell(f"put into the project: {counted_files(len(paths))}")
    return replace(done, put=paths)


def _landed(tree: Tree, names: list[str], wish: Land, tell: Callable[[str], object]) -> Done:
    nothing = f"{name_of(tree)}: no agent has a workspace of its own; there is nothing to land"
    if not has_workspaces(tree):
        raise BadInput(nothing)
    repository = repository_of(tree)
    known = {name: record for name in names if (record := _kept(tree, repository, name)) is not None}
    if not known:
        raise BadInput(nothing)
    folder = next(iter(known.values())).branch.rpartition("/")[0]
    branch = landing.landed_branch(repository, folder, tree.root)
    run = None if wish.check is None else _Check(tree, repository, wish.check)
    is_own = has_own(tree)
    if is_own:
        if wish.onto is not None:
            raise BadInput(f"the project has no git, so no branch {wish.onto!r} either; leave 'onto' out")
        state_of_project(tree, repository)
    onto, start = landing.target(repository, wish.onto)
    where = "the project as it is now" if is_own else onto
    tell(f"landing on {where} ({start[:10]}), as {branch}")
    found = landing.land(
        repository,
        _candidates(repository, known),
        onto=onto,
        squash=wish.squash,
        check=run,
        tell=lambda outcome: tell(f"  {_line(outcome, is_checked=run is not None)}"),
    )
    if found.tip != found.start:
        landing.publish(repository, found, branch, tree.root)
    given = _hand_over(tree, found, known, branch, tell)
    return Done(found=found, branch=branch, given=given)


def landed_when_done(tree: Tree, watch: Callable[[], int], tell: Callable[[str], object]) -> int:
    """Watch it by `watch`, and land what was done if the spec says so, as often as the resolver had to help.

    The exit code of `watch`, or 3 where something did not land.
    """
    seen = set[str]()
    while (code := watch()) == edge.OK:
        wish = read_specs(tree).specs.orchestration.land
        if wish.when != "done" or not any(tree.agents.glob("*/worktree.json")):
            return code
        done = land_now(tree, _everybody(tree), wish, tell)
        new = {task for task in done.given.values() if task is not None} - seen
        if not new:
            return edge.OK if done.is_whole else edge.TASK_FAILED
        seen |= new
        start_supervisor(tree).let_go()
    return code


def _everybody(tree: Tree) -> list[str]:
    """List all agents, the resolver last; not those who only made an attempt: the best one was taken over."""
    specs = read_specs(tree).specs
    tried = only_tried(specs.tasks.values())
    return sorted(
        (name for name in specs.agents if name not in tried), key=lambda name: (name == RESOLVER, name)
    )


def _meant(words: tuple[str, ...]) -> tuple[Tree, list[str]]:
    tree, rest = tree_of_words(words, 0, usage=_USAGE)
    return tree, [known_agent(tree, word) for word in rest] or _everybody(tree)


def _kept(tree: Tree, repository: Repository, name: str) -> Record | None:
    """Read the record of an agent's worktree; what a resting agent left uncommitted is committed first."""
    paths = tree.agent(name)
    record = read_record(paths)
    if record is None or record.state != MADE:
        return None
    with _held(tree, name) as is_resting:
        if not is_resting:
            say_aside(f"{name} still works: what it has committed so far is landed")
            return record
        record = read_record(paths) or record
        if not is_there(paths, record):
            return record
        text = f"work of {name} that no task has finished\n"
        try:
            id_ = read_specs(tree).specs.orchestration.id
            here = in_place(paths, repository, record, id=id_, agent=name)
            kept = keeping.keep(paths, home_of(paths, repository, here), here, text=text, who=name)
            kept = replace(kept, record=share(paths, repository, kept.record))
        except BadInput as cause:
            say_aside(f"{name}: {cause}")
            return record
        if kept.note:
            say_aside(f"{name}: {kept.note}")
        if kept.record != record:
            write_record(paths, kept.record)
        return kept.record


@contextmanager
def _held(tree: Tree, name: str) -> Iterator[bool]:
    """Hold the agent's lock, so that it does not start meanwhile; whether that could be."""
    try:
        lock = take_life_lock(tree.agent(name).lock)
    except Locked:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _candidates(repository: Repository, known: dict[str, Record]) -> list[Candidate]:
    found = []
    for name, record in known.items():
        tip = read_ref(repository.common, record.ref)
        if tip is None:
            say_aside(f"{name}: its branch {record.branch} is not there any more")
            continue
        is_apart = record.asked == "working-tree"
        found.append(Candidate(agent=name, tip=tip, ground=record.ground, is_apart=is_apart))
    return found


class _Check:
    """Runs a line in a scratch checkout of each merge."""

    def __init__(self, tree: Tree, repository: Repository, line: str) -> None:
        self._checkout, self._line = Checkout(repository, tree.run / "landing"), line
        self._log = tree.run / "landing" / "check.log"

    def __call__(self, agent: str, commit: str) -> str | None:
        self._checkout.go_to(commit)
        began_s = time.monotonic()
        with self._log.open("wb") as log:
            code = subprocess.run(
                ["/bin/sh", "-c", self._line],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._checkout.folder,
                env={**os.environ, "MAOS_LANDING": agent, **self._checkout.variables},
                check=False,
            ).returncode
        if code == 0:
            return None
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        kept = self._log.with_name(f"check.{agent}.log")
        self._log.replace(kept)
        took_s = time.monotonic() - began_s
        return f"the check ended with {how} after {took_s:.1f} s: {_last_line(kept)}; see {kept}"


def _last_line(path: Path) -> str:
    with opened_record(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return printable(lines[-1]) if lines else "it said nothing"


def _line(outcome: Outcome, *, is_checked: bool) -> str:
    if outcome.sort == landing.MERGED:
        checked = ", the check passed" if is_checked else ""
        return f"{outcome.agent}: merged, {counted_files(outcome.files)}{checked}"
    if outcome.sort == landing.NOTHING:
        return f"{outcome.agent}: {outcome.why or 'nothing to land'}"
    if outcome.sort == landing.REFUSED:
        return f"{outcome.agent}: not kept: {outcome.why}"
    named = [
        f"{printable(path)} (with {', '.join(who)})" if who else printable(path)
        for path, who in outcome.conflicts
    ]
    return f"{outcome.agent}: does not merge: {', '.join(named)}"


def _hand_over(
    tree: Tree, found: Landing, known: dict[str, Record], branch: str, tell: Any
) -> dict[str, str | None]:
    """Give each conflict to the resolver, or tell a person what to type; the task by agent."""
    given = dict[str, str | None]()
    for outcome in found.outcomes:
        if outcome.sort != landing.CONFLICT:
            continue
        others = {name for _, who in outcome.conflicts for name in who}
        task = give_to_resolver(tree, outcome.agent, others, ours=found.tip, theirs=outcome.tip)
        given[outcome.agent] = task
        if task is not None:
            tell(
                f"  {outcome.agent}: given to the resolver as task {task}; when that is done: "
                f"maos-sup land {word_of(tree)}"
            )
        else:
            place = tree.own_project if has_own(tree) else None
            lines = landing.by_hand(outcome, branch, known[outcome.agent].branch, git_dir=place)
            for line in lines:
                tell(f"    {line}")
    return given


def _told(done: Done) -> dict[str, object]:
    found, branch, given = done.found, done.branch, done.given
    return {
        "onto": found.onto,
        "start": found.start,
        "branch": branch,
        "tip": found.tip,
        **({} if done.put is None else {"put": done.put}),
        "agents": [
            {
                "name": outcome.agent,
                "outcome": outcome.sort,
                "commit": outcome.commit,
                "files": outcome.files,
                "conflicts": {path: list(who) for path, who in outcome.conflicts},
                "why": outcome.why,
                "task": given.get(outcome.agent),
            }
            for outcome in found.outcomes
        ],
    }
