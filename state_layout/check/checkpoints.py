"""Checkpoints: whole, and never ahead of the journal they fold."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from state_layout.check.problem import Finding, as_note
from state_layout.check.scan import FileScan
from state_layout.check.scene import LARGEST_SNAPSHOT_BYTES, Scene
from state_layout.files.journal import Reader
from state_layout.files.reading import read_regular
from state_layout.lives.checkpoints import SLOTS, Checkpoint, decoded
from state_layout.lives.history import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A slot is a whole checkpoint, reduced to what is checked."""

    path: Path
    attempt: int
    seq: int
    stands: bool  # a line with its hash ends where it says


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSlots:
    """One life has these checkpoints. `mailed`: mail that they rely on, by recipient."""

    number: int
    whole: list[Slot] = field(default_factory=list)
    mailed: dict[str, Mark] = field(default_factory=dict)

    @property
    def seq(self) -> int:
        """Up to here the journal of this life was durable."""
        return max((slot.seq for slot in self.whole if slot.attempt == self.number), default=0)

    def up_to(self, last_seq: int | None) -> CheckedSlots:
        """Keep those that fold no line above `last_seq`, which a rollback took back; mail is not relied
        on."""
        whole = [slot for slot in self.whole if last_seq is not None and slot.seq <= last_seq]
        return CheckedSlots(number=self.number, whole=whole)


def read_slots(scene: Scene, agent: str, number: int) -> CheckedSlots:
    """Read the checkpoints of life `number`; report one that is not whole unless it is being written."""
    paths = scene.tree.agent(agent).attempt(number)
    slots = CheckedSlots(number=number)
    for index in SLOTS:
        path = paths.checkpoint(index)
        checkpoint = _read(scene, path)
        if checkpoint is None:
            if scene.is_file(path) and not scene.lives(agent) and _read(scene, path) is None:
                what = "does not fit its hash: half written in a crash, or edited"
                scene.report(Finding.CHECKPOINT_BAD, path, what=what)
            continue
        position = checkpoint.history.position
        stands = scene.is_file(paths.journal) and Reader(paths.journal, position).stands()
        slots.whole.append(Slot(path=path, attempt=checkpoint.attempt, seq=position.seq, stands=stands))
        for to, mark in checkpoint.history.mailed.items():
            slots.mailed[to] = max(mark, slots.mailed.get(to, mark))
    return slots


def judge_checkpoints(scene: Scene, slots: CheckedSlots, scan: FileScan, *, last_seq: int | None) -> None:
    """Report checkpoints that do not stand on the journal in `scan`; above `last_seq` it is void."""
    for slot in slots.whole:
        if slot.attempt != slots.number:
            what = f"is of attempt {slot.attempt}: moved here from another folder; it is ignored"
            scene.report(Finding.CHECKPOINT_BAD, slot.path, what=what)
        elif slot.seq > scan.position.seq or not slot.stands:
            what = f"folds the journal up to seq {slot.seq}, which it has not (last {scan.position.seq})"
            remedy = "as in a copy of a living tree: it is ignored, the journal serves"
            said = as_note(Finding.CHECKPOINT_AHEAD, remedy) if scene.is_copy else None
            scene.report(Finding.CHECKPOINT_AHEAD, slot.path, what=what, said=said)
        elif last_seq is not None and slot.seq > last_seq:
            what = f"folds lines up to seq {slot.seq} that count for nothing above {last_seq}"
            said = as_note(Finding.CHECKPOINT_AHEAD, "it is ignored")
            scene.report(Finding.CHECKPOINT_AHEAD, slot.path, what=what, said=said)


def _read(scene: Scene, path: Path) -> Checkpoint | None:
    if not scene.is_file(path):
        return None
    checkpoint: Checkpoint | None = None
    with scene.reading(path):
        data, _ = read_regular(path, most_bytes=LARGEST_SNAPSHOT_BYTES)
        checkpoint = decoded(data)
    return checkpoint
