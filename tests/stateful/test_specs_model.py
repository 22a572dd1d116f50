"""Spec edits against a model: by command, by hand, good and bad, with deaths in between."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from test_lives_model import Fuse, Killed

from state_layout.errors import BadInput
from state_layout.files import disk
from state_layout.files.atomic import is_temporary
from state_layout.paths import Tree
from state_layout.specs import accept, edit_spec, read_specs
from state_layout.tree.making import create_tree

TASKS = ("one", "two")
tasks = st.sampled_from(TASKS)
BAD = (
    b"",
    b"{",
    b'{"agent": "a", "want": "runn"}',
    b'{"agent": "a", "run": 0}',
    b"\xff",
)


class Specs(RuleBasedStateMachine):
    """One person with a command line, one with an editor, and a supervisor that accepts what is good."""

    def __init__(self) -> None:
        super().__init__()
        shared = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
        self.tree: Tree = create_tree(
            self.folder / "tree",
            orchestration={"id": "x", "request": "x"},
            agents={"a": {"kind": "command", "command": ["true"]}},
            tasks={name: {"agent": "a", "run": 1} for name in TASKS},
        )
        self.fuse = Fuse()
        disk.tap(self.fuse)
        self.runs = dict.fromkeys(TASKS, 1)  # the good version in spec/
        self.is_bad = dict.fromkeys(TASKS, False)  # what is in spec/ now
        self.accepted: dict[str, int | None] = dict.fromkeys(TASKS)

    def teardown(self) -> None:
        disk.tap(None)
        shutil.rmtree(self.folder)

    @rule(task=tasks, run=st.integers(1, 9), fuse=st.none() | st.integers(0, 9))
    def edit_by_command(self, task: str, run: int, fuse: int | None) -> None:
        """All or nothing; of a bad file it is refused."""
        path = self.tree.task_spec(task)
        self.fuse.left = fuse
        try:
            edit_spec(self.tree, path, lambda spec: {**spec, "run": run})
        except BadInput:
            assert self.is_bad[task]
        except Killed:
            self.fuse.left = None
            if not self.is_bad[task]:
                found = json.loads(path.read_bytes())["run"]
                assert found in (self.runs[task], run)
                self.runs[task] = found
        else:
            assert not self.is_bad[task]
            self.runs[task] = run
        finally:
            self.fuse.left = None

    @rule(task=tasks, run=st.integers(1, 9))
    def edit_by_hand(self, task: str, run: int) -> None:
        self.tree.task_spec(task).write_text(json.dumps({"agent": "a", "run": run, "mine": "kept"}))
        self.runs[task], self.is_bad[task] = run, False

    @rule(task=tasks, data=st.sampled_from(BAD))
    def spoil(self, task: str, data: bytes) -> None:
        self.tree.task_spec(task).write_bytes(data)
        self.is_bad[task] = True

    @rule(task=tasks)
    def remove(self, task: str) -> None:
        self.tree.task_spec(task).unlink(missing_ok=True)
        self.is_bad[task] = True

    @rule(fuse=st.none() | st.integers(0, 12))
    def accept_what_is_good(self, fuse: int | None) -> None:
        """As the supervisor does; it may die at it."""
        read = read_specs(self.tree)
        self.fuse.left = fuse
        try:
            _accept(self.tree, {rel: read.raw[rel] for rel in read.unaccepted})
        except Killed:
            self.fuse.left = None
        finally:
            self.fuse.left = None
        for task in TASKS:
            path = self.tree.accepted_copy(self.tree.task_spec(task))
            self.accepted[task] = json.loads(path.read_bytes())["run"] if path.exists() else None

    @invariant()
    def what_is_in_force_is_the_last_good(self) -> None:
        read = read_specs(self.tree)
        for task in TASKS:
            found = read.specs.tasks.get(task)
            wanted = self.accepted[task] if self.is_bad[task] else self.runs[task]
            assert (found.run if found else None) == wanted
            said = [error for error in read.errors if f"tasks/{task}.json" in error.path]
            assert bool(said) == self.is_bad[task] or (wanted is None and not said)

    @invariant()
    def no_command_leaves_half_a_file(self) -> None:
        names = [path.name for path in self.tree.task_specs.iterdir()]
        assert {name for name in names if not is_temporary(name)} <= {f"{task}.json" for task in TASKS}


def _accept(tree: Tree, contents: dict[str, bytes]) -> Any:
    return accept(tree, contents)


TestSpecs = Specs.TestCase
TestSpecs.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # to shrink takes longer than a test may
    database=None,
    suppress_health_check=list(HealthCheck),
)
