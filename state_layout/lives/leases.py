"""The lease of who lives on another machine: a counter that moves as long as an attempt may write.

Between machines a lock is not trusted. The attempt's folder, made exclusively, is the claim; `lease.json` in
it is replaced every fifth of its time to live. Who looks judges it by his own monotonic clock: one that stood
still for longer than that is given up by its owner, who looks at his own clock before each write. Only the
change of `n` means anything. Not durable: it means nothing once the attempt has ended. A supervisor of such
agents has one, too, so that it is seen from other machines; it claims nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from msgspec import DecodeError, Struct, ValidationError, convert

from state_layout.errors import storage_error
from state_layout.files import atomic, codec
from state_layout.files.locks import is_free
from state_layout.files.looking import exists
from state_layout.files.reading import is_folder, read_record
from state_layout.host.stats import boot_id
from state_layout.lives.numbers import last_number, numbers_in
from state_layout.paths import AgentPaths, AttemptPaths, Tree
from state_layout.records import fields_of

BUMPS = 5  # within its time to live
_LOOK_EVERY_S = 0.05
PATIENCE = 1.5  # times its time to live, before others may take the agent over


class Lease(Struct, frozen=True, kw_only=True):
    """A lease holds what an attempt on another machine says of itself, or its supervisor."""

    n: int  # moves
    ttl_s: float
    launcher: str
    job: str  # its launcher's name for it
    host: str
    boot_id: str
    pid: int
    beat: int = 0
    progress: int = 0
    expect_s: int = 0

    @property
    def where(self) -> str:
        """The place where the attempt lives is put in words."""
        return f"process {self.pid} on {self.host}" + (
            f", {self.launcher} job {self.job}" if self.job else ""
        )


def write_lease(path: Path, lease: Lease) -> None:
    """Replace the lease at `path`, atomically and not durably. Raises StorageError."""
    atomic.refresh(path, codec.encode(fields_of(lease)) + b"\n")


def read_lease(attempt: AttemptPaths) -> Lease | None:
    """Read the lease of an attempt; None if it has none (it lives where its supervisor does), or none to
    read."""
    return _read(attempt.lease)


def life_lease(tree: Tree, life: int) -> Path:
    """Name the lease of a supervisor, beside its journal."""
    return tree.life_journal(life).with_name("lease.json")


def supervisor_elsewhere(tree: Tree) -> Lease | None:
    """Read the lease of the supervisor if that lives on another machine, else None.

    Believed by the clock of the file system, and where that cannot be asked. Raises StorageError.
    """
    number = last_number(tree.lives)
    path = life_lease(tree, number)
    lease = _read(path) if number else None
    if lease is None or lease.boot_id == boot_id():
        return None  # here its handle and its lock tell
    return lease if _age_s(path, tree.supervisor_lock) < PATIENCE * lease.ttl_s else None


def _age_s(path: Path, touched: Path) -> float:
    """Measure how old the file at `path` is by the clock of its file system, for which `touched` is touched.

    0 where that cannot be told.
    """
    try:
        os.utime(touched)
        return touched.stat().st_mtime - path.stat().st_mtime
    except OSError:
        return 0.0


def _read(path: Path) -> Lease | None:
    try:
        return convert(codec.decode_object(read_record(path)), Lease)
    except (OSError, codec.NotJson, DecodeError, ValidationError):
        return None


def open_lease(agent: AgentPaths) -> Lease | None:
    """Read the lease of the last attempt, unless that said how it ended. Raises StorageError."""
    attempts = numbers_of(agent)
    if not attempts:
        return None
    last = agent.attempt(attempts[-1])
    lease = read_lease(last)
    return None if lease is None or exists(last.exit) else lease


def placed_agents(tree: Tree) -> set[str]:
    """Find the agents whose last attempt a cluster placed on some machine, and that said nothing of its end.

    Raises StorageError.
    """
    folders = sorted(tree.agents.iterdir()) if is_folder(tree.agents) else []
    return {
        each.name for each in folders if is_folder(each) and open_lease(tree.agent(each.name)) is not None
    }


def have_moved(agents: Iterable[AgentPaths]) -> bool:
    """One of these agents lives on another machine: its lease is seen to move. May wait for that.

    In a copy of a tree leases look alive and move no more. Raises StorageError.
    """
    before = {agent: lease for agent in agents if (lease := open_lease(agent)) is not None}
    until_s = time.monotonic() + max((2 * lease.ttl_s / BUMPS for lease in before.values()), default=0.0)
    while before and time.monotonic() < until_s:
        time.sleep(_LOOK_EVERY_S)
        for agent, lease in before.items():
            now = open_lease(agent)
            if now is not None and now.n != lease.n:
                return True
    return False


def is_inhabited(agent: AgentPaths) -> bool:
    """The agent lives, here (its lock) or elsewhere (its lease). Raises StorageError.

    For who looks once, and may touch the lock: a supervisor watches (`LeaseWatch`). A lease is believed by
    the clock of the file system, and where that cannot be asked.
    """
    if not is_free(agent.lock):
        return True
    lease = open_lease(agent)
    if lease is None:
        return False
    last = agent.attempt(numbers_of(agent)[-1])
    return _age_s(last.lease, agent.lock) < PATIENCE * lease.ttl_s


def last_written_s(agent: AgentPaths) -> float:
    """Tell when the lease of the last attempt was written, by the file system's clock. Raises OSError."""
    return agent.attempt(numbers_of(agent)[-1]).lease.stat().st_mtime


def numbers_of(agent: AgentPaths) -> list[int]:
    """List the numbers of the agent's attempts, lowest first. Raises StorageError."""
    try:
        return numbers_in(agent.attempts)
    except OSError as cause:
        raise storage_error("read", agent.attempts, cause) from cause


class LeaseWatch:
    """Looks at the leases of attempts again and again. Times are of the looker's monotonic clock."""

    def __init__(self) -> None:
        self._seen = dict[str, tuple[int, float]]()  # by the attempt's folder: `n`, and since when

    def has_stopped(self, attempt: AttemptPaths, lease: Lease, *, now_s: float) -> bool:
        """The lease stood still for so long that its owner has given it up."""
        key = str(attempt.root)
        n, since_s = self._seen.get(key, (-1, now_s))
        if n != lease.n:
            self._seen[key] = (lease.n, now_s)
            return False
        return now_s - since_s > PATIENCE * lease.ttl_s

    def forget(self, attempt: AttemptPaths) -> None:
        """Forget the attempt, which is over."""
        self._seen.pop(str(attempt.root), None)
