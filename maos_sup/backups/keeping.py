"""Says which backups stay, and letting go of others: as in restic, forgetting and freeing space are two
things.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from maos_sup.backups.manifest import BackupHead
from maos_sup.backups.repository import BackupRepository
from state_layout.errors import BadInput, Damaged

_HOUR, _DAY, _WEEK = "%Y-%m-%d %H", "%Y-%m-%d", "%G-%V"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRule:
    """Tells how many of an orchestration's backups stay: the newest of each hour, day, week; all young ones.

    `within` is measured from the newest one, so that what is not backed up any more does not vanish.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    within: timedelta | None = None

    @property
    def says_something(self) -> bool:
        """By this rule something would stay."""
        return bool(self.last or self.hourly or self.daily or self.weekly or self.within is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """Counts what was let go of, or would be: segments no backup needs, leftovers of killed processes."""

    segments: int
    stored_bytes: int
    leftovers: int
    kept_segments: int
    kept_bytes: int


def forgettable(heads: Iterable[BackupHead], rule: KeepRule) -> list[BackupHead]:
    """List the backups that go by `rule`, each orchestration's on their own; the oldest first."""
    if not rule.says_something:
        raise BadInput("say what stays: --keep-last N, --keep-daily N, ...")
    by_tree = defaultdict[str, list[BackupHead]](list)
    for head in sorted(heads, key=lambda head: head.id, reverse=True):
        by_tree[head.tree].append(head)
    gone = [head for own in by_tree.values() for head in own if head not in _staying(own, rule)]
    return sorted(gone, key=lambda head: head.id)


def _staying(heads: Sequence[BackupHead], rule: KeepRule) -> list[BackupHead]:
    """Choose those of one orchestration, the newest first, that stay."""
    stay = [*heads[: rule.last]]
    for count, form in ((rule.hourly, _HOUR), (rule.daily, _DAY), (rule.weekly, _WEEK)):
        newest = dict[str, BackupHead]()
        for head in heads:
            newest.setdefault(_time(head).strftime(form), head)
        stay += list(newest.values())[:count]
    if rule.within is not None:
        stay += [head for head in heads if _time(heads[0]) - _time(head) <= rule.within]
    return stay


def _time(head: BackupHead) -> datetime:
    return datetime.fromisoformat(head.at)


def forget(repository: BackupRepository, names: Iterable[str]) -> None:
    """Let go of the backups called `names`; the space comes back with `prune`. Raises StorageError."""
    with repository.held():
        for name in names:
            repository.store.remove(name)


def prune(
    repository: BackupRepository, *, is_dry: bool = False, sweep: Callable[[], int] = lambda: 0
) -> Pruned:
    """Let go of segments that no backup needs. `sweep` removes what killed processes left.

    Nobody else may be at work there. Raises Locked, StorageError, Damaged if a manifest cannot be read:
    nobody knows what it needs.
    """
    with repository.held_to_read() if is_dry else repository.held(alone=True):
        used = set[str]()
        for name in [*repository.names(), *repository.synced()]:
            try:
                used |= {each.sha256 for each in repository.manifest(name).segments}
            except Damaged as cause:
                raise Damaged(f"{cause}; nothing was pruned") from cause
        sizes = repository.segment_sizes()
        unused = {digest: size for digest, size in sizes.items() if digest not in used}
        if not is_dry:
            for digest in unused:
                repository.store.remove(f"segments/{digest[:2]}/{digest}")
        return Pruned(
            segments=len(unused),
            stored_bytes=sum(unused.values()),
            leftovers=0 if is_dry else sweep(),
            kept_segments=len(sizes) - len(unused),
            kept_bytes=sum(size for digest, size in sizes.items() if digest in used),
        )
