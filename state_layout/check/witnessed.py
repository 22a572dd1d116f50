"""A tree against what its witness saw: nothing that was there may be gone, or be another."""

from __future__ import annotations

from state_layout.check.problem import Finding
from state_layout.check.scene import Scene
from state_layout.errors import LayoutError
from state_layout.witness import Witness, has_digest, id_of, stands


def check_witness(scene: Scene) -> None:
    """Report what the witness saw and is there no more."""
    witness = Witness.named(scene.tree)
    if witness is None:
        return
    try:
        seen = witness.seen()
    except (LayoutError, KeyError, TypeError, ValueError) as cause:
        scene.report(Finding.UNREADABLE, witness.path, what=f"is the witness and cannot be read ({cause})")
        return
    if seen.id is None:
        return
    if seen.id != id_of(scene.tree):
        what = f"is orchestration {id_of(scene.tree)!r}, but the witness saw {seen.id!r} here"
        scene.report(Finding.OTHER_SEEN, scene.tree.orchestration_spec, what=what)
        return
    for rel, end in seen.ends.items():
        if not stands(scene.tree.root / rel, end):
            what = f"is not what the witness saw: seq {end.seq} with hash {end.h} (last noted {seen.at})"
            scene.report(Finding.ROLLED_BACK, scene.tree.root / rel, what=what)
    for rel, digest in seen.digests.items():
        if not has_digest(scene.tree.root / rel, digest):
            what = f"is not what the witness saw: SHA-256 {digest[:12]}... (last noted {seen.at})"
            scene.report(Finding.ROLLED_BACK, scene.tree.root / rel, what=what)
