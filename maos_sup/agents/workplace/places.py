"""Says where an agent works on the project: in a worktree of its own, made before its first task begins.

It is made, found again, set up, and brought up to date with the results that a task needs; what was done
there is committed to its branch when a task is done. All of it by the agent's process, which holds the lock.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from maos_sup.agents.attempt.life import AgentLife
from maos_sup.agents.endings import Ended
from maos_sup.agents.work import Work
from maos_sup.agents.workplace.snapping import Snapper
from maos_sup.agents.workplace.surveying import Survey
from maos_sup.system.children import end_descendants
from maos_sup.workspaces import carrying, keeping, worktree
from maos_sup.workspaces.modes import MODES, Mode, bring, home_of, in_place, repository_for, share
from maos_sup.workspaces.own import OWN
from maos_sup.workspaces.record import MADE, Record, read_record, write_record
from maos_sup.workspaces.refs import read_head, read_ref
from maos_sup.workspaces.repository import Repository
from maos_sup.workspaces.snapshots import WORKTREE
from state_layout.errors import BadInput
from state_layout.files.looking import is_dir, is_link
from state_layout.records import TaskSpec, Workspace

_LOOK_S = 0.1


def wish_of(life: AgentLife) -> Workspace:
    """Read on what the agent is to work."""
    spec, common = life.specs.agent, life.specs.now.orchestration.workspace
    return Workspace.of({} if spec is None else spec.workspace, common)


def take_place(work: Work) -> None:
    """See to it that the agent's worktree is there and as its task needs it; `life.place` is in it then.

    Raises BadInput (with what a person has to do), Ended, StorageError.
    """
    life = work.life
    project = life.origin
    wish = wish_of(life)
    if project is None or wish.workspace == "shared":
        return
    if not is_dir(project):
        raise BadInput(f"the project {project.name!r} is not there; point to it with 'resume --project P'")
    record = read_record(life.paths)
    mode = wish.workspace if record is None else record.mode
    if mode != wish.workspace:
        life.warn_once(f"its workspace is of the sort {mode} and stays so; its spec says {wish.workspace}")
    repository = repository_for(life.tree, project, mode)
    needs = results_needed(work, repository)
    told = worktree.Wish(
        id=life.specs.now.orchestration.id,
        agent=life.agent,
        base=wish.base,
        needs={} if wish.setup else needs,  # its lines run as the user: on nothing that agents wrote
        carry=wish.carry,
        has_setup=bool(wish.setup),
        copy_limit_mib=wish.copy_limit_mib,
    )
    found = _found(work, repository, record, told, MODES[mode])
    life.place = life.paths.worktree / found.inside
    life.branch = None if found.mode == OWN else found.branch
    home = home_of(life.paths, repository, found)
    life.place.mkdir(parents=True, exist_ok=True)  # a project that has no files in its base
    found = _set_up(work, found, wish)
    if found.behind:
        found = worktree.catch_up(life.paths, home, found)
    bring(life.paths, repository, found, needs.values())
    kept = keeping.take_up(life.paths, home, found, needs, who=life.agent)
    if kept.note:
        life.warn_once(kept.note)
    if kept.record != record:
        write_record(life.paths, kept.record)
    kept = _with_merge(work, repository, kept)
    if life.snap is None:
        admin = worktree.admin_of(home, kept.record)
        life.snap = Snapper(life, WORKTREE, lambda: read_head(admin, home.common)[1])
    if life.survey is None:
        survey = Survey(life, repository)
        life.survey = survey.look
        survey.start()


def _found(
    work: Work, repository: Repository, record: Record | None, told: worktree.Wish, mode: Mode
) -> Record:
    """The workspace, made or found again."""
    life = work.life
    if record is None:
        work.pulse.start()  # a large repository takes its time
        record = mode.begin(life.paths, repository, told)
    if record.state != MADE:
        work.pulse.start()
        record = mode.make(life.paths, repository, record, told)
        _tell(life, repository, record)
    found = mode.find(life.paths, repository, record, told)
    if found != record:
        life.warn(f"its {found.mode} was found again: branch {found.branch}, at {found.tip[:12]}")
    if found.merging and found.merging["run"] != work.run:
        found = keeping.drop_merge(life.paths, home_of(life.paths, repository, found), found)
    return found


def _with_merge(work: Work, repository: Repository, kept: keeping.Kept) -> keeping.Kept:
    """Begin the merge that the task is to resolve, if it is one."""
    asked, life = work.task.settings.get("merge"), work.life
    if asked is None:
        return kept
    bring(life.paths, repository, kept.record, [asked["ours"], asked["theirs"]])
    begun = keeping.begin_merge(
        life.paths,
        home_of(life.paths, repository, kept.record),
        kept.record,
        run=work.run,
        ours=asked["ours"],
        theirs=asked["theirs"],
        who=life.agent,
    )
    return replace(kept, record=begun)


def keep_work(work: Work) -> str | None:
    """Commit what is done in the agent's worktree, if it has one; warns where it cannot be.

    Why the task is not done, for one that is to resolve a merge and has not. Raises StorageError.
    """
    life = work.life
    record = read_record(life.paths) if life.place is not None else None
    if record is None or life.origin is None:
        return None
    is_merge, text = record.merging.get("run") == work.run, _message(work.task)
    try:
        repository = repository_for(life.tree, life.origin, record.mode)
        if is_link(life.paths.worktree) or not is_dir(life.paths.worktree):
            raise BadInput(
                f"{life.paths.worktree} is not there any more; what was kept of it: "
                f"maos-sup files {life.specs.now.orchestration.id} {life.agent}"
            )
        here = in_place(life.paths, repository, record, id=life.specs.now.orchestration.id, agent=life.agent)
        put = keeping.end_merge if is_merge else keeping.keep
        kept = put(life.paths, home_of(life.paths, repository, here), here, text=text, who=life.agent)
        kept = replace(kept, record=share(life.paths, repository, kept.record))
    except BadInput as cause:
        if is_merge:
            return str(cause)
        life.warn(f"what it did is in its worktree and was not committed to {record.branch}: {cause}")
        return None
    if kept.note:
        life.warn_once(kept.note)
    if kept.record != record:
        write_record(life.paths, kept.record)
    if life.survey is not None:
        life.survey()
    if kept.files:
        told = {"branch": kept.record.branch, "commit": kept.record.tip, "files": kept.files}
        life.recorder.record_later("committed", {"task": work.task.id, "run": work.task.run, **told})
    return None


def take_over(work: Work, repository: Repository, agent: str, commit: str) -> str | None:
    """Merge `commit`, work of `agent`, into the worktree; why that cannot be, None if it is done.

    Raises BadInput, StorageError.
    """
    life, record = work.life, read_record(work.life.paths)
    if record is None:
        raise BadInput("its worktree is not there any more; resume, and it is made again")
    bring(life.paths, repository, record, [commit])
    home = home_of(life.paths, repository, record)
    kept = keeping.take_up(life.paths, home, record, {agent: commit}, who=life.agent, as_own=True)
    if kept.record != record:
        write_record(life.paths, kept.record)
    return kept.note if kept.record.taken.get(agent) != commit else None


def results_needed(work: Work, repository: Repository) -> dict[str, str]:
    """The newest commits of other agents with worktrees whose tasks this one needs, by name."""
    life, found = work.life, dict[str, str]()
    tasks = life.specs.now.tasks
    for need in work.task.needs:
        if need in tasks and "attempt_of" in tasks[need].settings:
            continue  # of several attempts one is taken over, by who was to choose
        other = tasks[need].agent if need in tasks else life.agent
        record = read_record(life.tree.agent(other)) if other != life.agent else None
        if record is not None and record.branch:
            commit = read_ref(repository.common, record.ref)
            if commit is not None:
                found[other] = commit
    return found


def _tell(life: AgentLife, repository: Repository, record: Record) -> None:
    """Put on record what was made, and warn of what a person should know."""
    told = {"mode": record.mode, "branch": record.branch, "base": record.base, "asked": record.asked}
    life.recorder.commit("workspace", {**told, "taken": record.taken, "notes": record.notes})
    where = "a copy of the project" if record.mode == OWN else f"a {record.mode} on branch {record.branch}"
    sys.stderr.write(f"agent: works in {where}, from {record.base[:12]}\n")
    sys.stderr.flush()
    cautions = () if record.mode == OWN else carrying.cautions(repository, life.paths.worktree)
    for note in (*record.notes, *cautions):
        life.warn(note)


def _set_up(work: Work, record: Record, wish: Workspace) -> Record:
    """Run the lines of `setup` that did not run yet; the record then.

    They run as the user, so on the base alone: before the results of other agents are there. Raises BadInput
    for one that fails, Ended.
    """
    for number, line in enumerate(wish.setup[record.done :], start=record.done + 1):
        work.pulse.start()
        work.life.recorder.commit("setup", {"number": number, "line": line})
        code = run_line(work, line, cwd=work.folder(), stdout=2)
        if code:
            raise BadInput(
                f"setup line {number} ({line!r}) ended with exit code {code}; its output is in stderr.log; "
                "mend it, then retry"
            )
        record = replace(record, done=number)
        write_record(work.life.paths, record)
        work.life.recorder.commit("setup", {"number": number, "exit_code": code})
    return record


def run_line(work: Work, line: str, *, cwd: Path, stdout: int, more: Mapping[str, str] | None = None) -> int:
    """Run `line` as the user, with `more` in its environment; its exit code. Raises Ended."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", line],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=2,
        cwd=cwd,
        env={**work.environment(), "PWD": str(cwd), **(more or {})},
        start_new_session=True,
        umask=work.life.umask,
    )
    while (code := process.poll()) is None:
        work.life.beats.progress(work.limits.timeout_s)
        if (ending := work.act()) is not None:
            end_descendants(grace_s=work.limits.stop_grace_s)
            process.wait()
            raise Ended(ending)
        work.wait([], _LOOK_S)
    return code


def _message(task: TaskSpec) -> str:
    """Write the text of a commit: which task, in its own words."""
    if (merge := task.settings.get("merge")) is not None:
        return f"Merge the work of {merge['of']}\n\nMaos-Task: {task.id}/{task.run}\n"
    first = " ".join(task.description.split())[:60]
    head = f"{task.id}: {first}".rstrip(": ")
    return f"{head}\n\n{task.description}\n\nMaos-Task: {task.id}/{task.run}\n"
