"""Bugs in the lives of agents: where one begins, what it continues from, what a checkpoint may cover."""

from __future__ import annotations

from ..plant import Bug

_ATTEMPTS, _HISTORY = "state_layout.lives.attempts", "state_layout.lives.history"
_CHECKPOINTS, _LINEAGE = "state_layout.lives.checkpoints", "state_layout.lives.lineage"
_JOURNAL = "state_layout.files.journal"

BUGS = [
    Bug(
        "what a life continues from is not synced first",
        f"{_ATTEMPTS}:_make_durable",
        "disk.fdatasync(descriptor)",
        "pass",
    ),
    Bug(
        "the number of a life that never began is taken again",
        f"{_ATTEMPTS}:begin_attempt",
        "number = claimed or recall.attempt + 1",
        'number = (recall.pin["attempt"] if recall.pin else 0) + 1',
    ),
    Bug(
        "the folder of a life is not synced",
        f"{_ATTEMPTS}:begin_attempt",
        "atomic.fsync_folder(paths.attempts)",
        "pass",
    ),
    Bug(
        "a checkpoint is written before its journal is synced",
        f"{_CHECKPOINTS}:Checkpointer.save",
        "journal.sync()",
        "pass",
    ),
    Bug(
        "a checkpoint forgets what is begun",
        f"{_HISTORY}:History.to_json",
        "tasks = {task: fields_of(outcome) for task, outcome in self.tasks.items()}",
        "tasks = {task: fields_of(outcome) for task, outcome in self.tasks.items() if outcome.result}",
    ),
    Bug(
        "a checkpoint forgets marks",
        f"{_HISTORY}:History.from_json",
        "return cls(**read)",
        'return cls(**(read | {"marks": {}}))',
    ),
    Bug(
        "marks take any number",
        f"{_HISTORY}:_received",
        "if mark[0] >= before:",
        "if mark[0] > before + 1 or not before:",
    ),
    Bug(
        "a torn tail is taken for corruption",
        f"{_JOURNAL}:refuse_corruption",
        "if damage.is_partial or (damage.is_tail and damage.position.seq >= floor):",
        "if damage.is_partial:",
    ),
    Bug(
        "a torn middle ends the life before",
        f"{_LINEAGE}:Lineage._own_runs",
        "for run in reader.runs():",
        "for run in (lambda runs: [*runs[:-1], *(run.up_to(run.end.seq - 1) for run in runs[-1:] "
        "if len(run.raws) > 1)])([*reader.runs()]):",
    ),
    Bug(
        "a repair leaves a byte of what is torn",
        "state_layout.files.atomic:set_tail_aside",
        "disk.truncate(descriptor, length)",
        "disk.truncate(descriptor, length + 1)",
    ),
    Bug(
        "a torn tail is cut off and not kept",
        "state_layout.files.atomic:set_tail_aside",
        'while not create_once(path.with_name(f"{path.name}.torn-{number}"), tail):',
        "while number < 1:",
    ),
]
