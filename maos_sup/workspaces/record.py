"""Says what an agent's workspace of the project is, and how far its making got:
`agents/<agent>/worktree.json`.

Written by the agent's process (its lock is held), replaced whole and durably; read by everybody. It holds
names and commits, no absolute path: a copy of the tree finds its way by them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from state_layout.errors import Damaged, reason_of
from state_layout.files import atomic, codec, reading
from state_layout.paths import AgentPaths

MAKING, MADE = "making", "made"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record says what a workspace is; `base` is the commit it began with. `ground`: that, with what was
    taken up of others since.

    `state`: `making` until it is whole. `done`: how many lines of `setup` ran. `taken`: commits of others, by
    agent. `tip`: its newest commit as of the last task. `merging`: a task that merges (`run`, `ours`,
    `theirs`, `state`: `beginning` until the files are as the merge has them). `behind`: the commit that its
    files are to be of once `setup` has run, on its base. `notes`: what a person should know of it.
    """

    mode: str
    state: str = MAKING
    name: str = ""  # of its folder in the repository's `worktrees`
    branch: str = ""  # without refs/heads/
    base: str = ""
    asked: str = "HEAD"  # what the plan said of the base
    ground: str = ""
    tip: str = ""
    inside: str = "."  # where the project lies in it
    done: int = 0
    behind: str = ""
    taken: dict[str, str] = field(default_factory=dict)
    merging: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"


def read_record(paths: AgentPaths) -> Record | None:
    """Read what is on record, None if nothing is. Raises Damaged for what is no record."""
    try:
        value = codec.decode_object(reading.read_record(paths.worktree_record))
    except FileNotFoundError:
        return None
    except (OSError, codec.NotJson) as cause:
        raise Damaged(
            f"{paths.worktree_record}: cannot be read ({reason_of(cause)}); move it away, then resume"
        ) from cause
    known = {each.name: value[each.name] for each in fields(Record) if each.name in value}
    if not all(_fits(name, item) for name, item in known.items()) or "mode" not in known:
        raise Damaged(f"{paths.worktree_record}: is no record of a worktree; move it away, then resume")
    return Record(**known)


def write_record(paths: AgentPaths, record: Record) -> None:
    """Put `record` on record, durably. Raises StorageError."""
    value: dict[str, object] = {each.name: getattr(record, each.name) for each in fields(Record)}
    atomic.replace(paths.worktree_record, codec.encode_pretty(value))


def to_be_made(paths: AgentPaths, record: Record) -> Record:
    """Put on record that a workspace which was removed is made again, with its setup; before it is begun."""
    anew = replace(record, state=MAKING, done=0)
    write_record(paths, anew)
    return anew


def _fits(name: str, item: object) -> bool:
    kinds = {"done": int, "taken": dict, "merging": dict, "notes": list}
    return isinstance(item, kinds.get(name, str))
