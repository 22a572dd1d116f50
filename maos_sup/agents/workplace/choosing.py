"""Takes over the best of several attempts at a task: by the score of a command, or as a reviewer said.

The command runs for each attempt that was done, in a scratch checkout of its branch, as the user; the last
line that it prints is its score. The decision is on record before anything is merged, so who was killed on
the way is followed by one that decides no other way.
"""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path
from typing import TypedDict

from maos_sup.agents.attempt.outcomes import phase_of, result_of
from maos_sup.agents.endings import WorkOutcome
from maos_sup.agents.work import Work
from maos_sup.agents.workplace.places import run_line, take_over
from maos_sup.workspaces.landing import Checkout
from maos_sup.workspaces.record import read_record
from maos_sup.workspaces.refs import read_ref
from maos_sup.workspaces.repository import Repository, repository_around
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.files.reading import opened_record
from state_layout.records import TaskPhase

_TAIL_BYTES = 4_000
_CHOSEN = re.compile(r"\bchosen:\s*[`*'\"]*([a-z0-9][a-z0-9_-]*)", re.IGNORECASE)


class Decision(TypedDict):
    """The decision is which attempt is taken over: its agent, its task, its commit, and why."""

    chosen: str
    task: str
    commit: str
    why: str


class Choosing:
    """Choosing is done in place of a kind, for a task that takes the best of others."""

    def run(self, work: Work) -> WorkOutcome:
        """Decide, take the work over, and end with the result of the one that was chosen."""
        if work.life.place is None or work.life.origin is None:
            return WorkOutcome(error="the agent has no worktree to take an attempt over into", is_final=True)
        repository = repository_around(work.life.origin)
        if isinstance(work.saved, dict) and "chosen" in work.saved:
            decision = Decision(**work.saved)  # type: ignore[typeddict-item] # as it was written below
        else:
            try:
                decision = _decided(work, repository)
            except BadInput as fault:  # the same again, however often it is tried
                return WorkOutcome(error=str(fault), is_final=True)
            work.life.recorder.commit("saved", {"value": decision})
        said = f"took over the attempt of {decision['chosen']} ({decision['why']})"
        if (note := take_over(work, repository, decision["chosen"], decision["commit"])) is not None:
            return WorkOutcome(error=f"{said}, which does not go together with what it has: {note}")
        sys.stderr.write(f"agent: {said}\n")
        sys.stderr.flush()
        return WorkOutcome(result=result_of(work.life.tree, work.life.specs.now, decision["task"]))


def _decided(work: Work, repository: Repository) -> Decision:
    """Decide which attempt is taken, its task and commit, and why. Raises BadInput, Ended."""
    known = _done(work, repository)
    choose = work.task.settings["choose"]
    review = choose.get("review")
    if review is not None:
        task = _named(work, review, known)
        why = f"as {work.life.specs.now.tasks[review].agent} said"
    else:
        scores = {
            task: _score(work, repository, task, commit, choose["line"]) for task, commit in known.items()
        }
        counted = {task: score for task, (score, _) in scores.items() if score is not None}
        if not counted:
            said = "; ".join(f"{_agent(work, task)}: {why}" for task, (_, why) in scores.items())
            raise BadInput(
                f"no attempt has a score: {said}; mend the line "
                f"(maos-sup set ID tasks/{work.task.id}.choose.line CMD) or the attempts, then retry"
            )
        task = max(counted, key=lambda each: counted[each])  # the first of several
        why = ", ".join(f"{_agent(work, each)} {told}" for each, (_, told) in scores.items())
    return {"chosen": _agent(work, task), "task": task, "commit": known[task], "why": why}


def _agent(work: Work, task: str) -> str:
    return work.life.specs.now.tasks[task].agent


def _done(work: Work, repository: Repository) -> dict[str, str]:
    """Find the newest commit of each attempt that was done, by task. Raises BadInput if there is none."""
    found = dict[str, str]()
    for task in work.task.any_of:
        specs = work.life.specs.now
        if task not in specs.tasks or phase_of(work.life.tree, specs, task) is not TaskPhase.DONE:
            continue
        record = read_record(work.life.tree.agent(_agent(work, task)))
        commit = None if record is None else read_ref(repository.common, record.ref)
        if commit is not None:
            found[task] = commit
    if not found:
        raise BadInput("no attempt was done whose branch is there; retry one of them, then this task")
    return found


def _named(work: Work, review: str, known: dict[str, str]) -> str:
    """Find the attempt that the result of the task `review` names. Raises BadInput."""
    result = result_of(work.life.tree, work.life.specs.now, review)
    text = result if isinstance(result, str) else codec.encode(result).decode()
    agents = {_agent(work, task): task for task in known}
    said = [name for name in _CHOSEN.findall(text) if name.lower() in agents]
    named = {name for name in agents if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)}
    if said:
        return agents[said[-1].lower()]
    if len(named) == 1:
        return agents[named.pop()]
    raise BadInput(
        f"the result of {review!r} names none of {', '.join(agents)} as chosen; retry it, then this task"
    )


def _score(work: Work, repository: Repository, task: str, commit: str, line: str) -> tuple[float | None, str]:
    """Score an attempt, None if it has no score, and word what is to be said of it. Raises Ended."""
    place = work.life.tree.run / "choosing" / work.task.id
    checkout = Checkout(repository, place)
    checkout.go_to(commit)
    output = place / f"{task}.out"
    with output.open("wb") as file:
        code = run_line(
            work,
            line,
            cwd=checkout.folder,
            stdout=file.fileno(),
            more={"MAOS_CHOOSING": _agent(work, task), **checkout.variables},
        )
    if code:
        return None, f"exit code {code}"
    last = _last_line(output)
    try:
        score = float(last)
    except ValueError:
        return None, f"no number in its last line, {last[:40]!r}"
    return (None, f"no score, {last!r}") if math.isnan(score) else (score, f"{score:g}")


def _last_line(path: Path) -> str:
    with opened_record(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
