"""The bus's side of a call: one control line out, one journal line back. Nothing is held in this process.

The call is durable before it is waited for, the answer before it is given. Which life is spoken to: that of
the environment, where the client passed it on, else the newest; when a newer one begins, this bus is over.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maos_sup.agents.control.control_file import append_control
from maos_sup.agents.secrets.redaction import Redactor, spec_variables
from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic, disk
from state_layout.files.journal import Reader
from state_layout.files.looking import exists, is_dir, is_regular
from state_layout.host.triggers import pull
from state_layout.paths import Tree, checked_name
from state_layout.shapes.wording import not_known
from state_layout.tree import open_tree


class Over(BadInput):
    """The life of the agent that this bus speaks to is over."""


class Relay:
    """Passes calls to the agent `agent` and finds their answers."""

    def __init__(self, tree: Tree, agent: str, *, environment: Mapping[str, str]) -> None:
        """Raises BadInput for an agent that never lived."""
        self._tree, self._agent = tree, agent
        self._attempt = _attempt_of(tree, agent, environment) or _newest_attempt(tree, agent)
        self._files = tree.agent(agent).attempt(self._attempt)
        self._reader = Reader(self._files.journal)
        self._size = -1
        self._answers: dict[str, dict[str, object]] = {}
        self._redactor = Redactor({**environment, **spec_variables(tree, agent)})

    def call(self, id_: str, name: str, told: Mapping[str, Any], *, after: str | None) -> None:
        """Ask the agent, durably, unless it answered already. Raises BadInput, Over, StorageError."""
        if self.answer(id_) is not None:
            return
        self.check()
        call = {"id": id_, "name": name, "input": self._redactor.value(dict(told))}
        append_control(self._files.control, {"call": call | ({} if after is None else {"after": after})})
        pull(self._tree, self._agent)

    def answer(self, id_: str) -> dict[str, object] | None:
        """Find the answer to the call `id_`, if there is one: `content`, `is_error`. Raises StorageError."""
        self._read()
        return self._answers.get(id_)

    def check(self) -> None:
        """Raise Over if nobody will answer any more."""
        is_last = not exists(self._tree.agent(self._agent).attempt(self._attempt + 1).root)
        if exists(self._files.exit) or not is_last:
            raise Over(f"this life of agent {self._agent} is over; nothing more was done")

    def _read(self) -> None:
        try:
            size = self._files.journal.stat().st_size
        except FileNotFoundError:
            return
        except OSError as cause:
            raise storage_error("read", self._files.journal, cause) from cause
        if size == self._size:
            return
        self._size = size
        found = False
        for line in self._reader:
            if b'"called"' in line.raw:
                entry = line.fields()
                if entry["type"] == "called":
                    self._answers[entry["id"]] = entry
                    found = True
        if found:
            self._make_durable()

    def _make_durable(self) -> None:
        """Make an answer that is given durable: power loss may not take it back."""
        try:
            with atomic.opened(self._files.journal, os.O_RDONLY) as descriptor:
                disk.fdatasync(descriptor)
        except OSError as cause:
            raise storage_error("sync", self._files.journal, cause) from cause


def connected(root: Path, agent: str, *, environment: Mapping[str, str]) -> Relay:
    """Connect to `agent` of the tree at `root`, and give the relay. Raises BadInput, NotATree."""
    return Relay(tree_of(root, agent), agent, environment=environment)


def tree_of(root: Path, agent: str) -> Tree:
    """Open the tree at `root`, which has an agent of this name. Raises BadInput, NotATree."""
    tree = open_tree(root)
    checked_name(agent, "--agent")
    specs = (tree.agent_spec(agent), tree.accepted_copy(tree.agent_spec(agent)))  # absence ends nothing
    if not any(is_regular(spec) for spec in specs):
        names = [path.stem for path in tree.agent_specs.glob("*.json")]
        raise BadInput(not_known(agent, names, what="agent"))
    return tree


def _newest_attempt(tree: Tree, agent: str) -> int:
    """Find the number of the last life. Raises BadInput if there is none."""
    folder = tree.agent(agent).attempts
    names = [path.name for path in folder.iterdir()] if is_dir(folder) else []
    numbers = [int(name) for name in names if name.isdecimal()]
    if not numbers:
        raise BadInput(f"agent {agent} never ran; this is for the programs of agents that run")
    return max(numbers)


def _attempt_of(tree: Tree, agent: str, environment: Mapping[str, str]) -> int | None:
    """Read the life that the environment names, if it speaks of this agent of this tree."""
    number = environment.get("MAOS_ATTEMPT", "")
    is_ours = environment.get("MAOS_DIR") == str(tree.root) and environment.get("MAOS_AGENT") == agent
    return int(number) if is_ours and number.isdecimal() else None
