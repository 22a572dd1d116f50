"""Checkpoints of the team: what they and the way back of a rollback rely on must be there."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from state_layout.check.problem import Finding
from state_layout.check.scene import Scene
from state_layout.files.looking import exists
from state_layout.files.reading import read_record


def check_moments(scene: Scene, ways_back: Iterable[int]) -> None:
    """Report specs that checkpoints name and nobody kept, and checkpoints in `ways_back` that are gone.

    Those are pinned: only a hand removes them, and then `redo` leads nowhere.
    """
    for number in sorted(set(ways_back)):
        path = scene.tree.checkpoint_file(number)
        if number > 0 and not exists(path) and not scene.is_hidden(path):
            what = "is gone: a rollback kept there what was before it, and nobody can go back to that"
            scene.report(Finding.MOMENT_LOST, path, what=what)
    judged = dict[str, str | None]()
    for path in sorted(scene.tree.checkpoints.glob("*.json")):
        for rel, digest in _specs_in(scene, path).items():
            if digest not in judged:
                judged[digest] = _wrong_with(scene, digest)
            wrong = judged[digest]
            if wrong is not None and exists(path):  # else it was thinned meanwhile
                kept = scene.tree.kept_spec(digest)
                what = f"{wrong}: spec/{rel} of checkpoint {path.stem} cannot be brought back"
                scene.report(Finding.MOMENT_LOST, kept, what=what)
                judged[digest] = None  # said once


def _specs_in(scene: Scene, path: Path) -> dict[str, str]:
    """Read the SHA-256 by path of the specs of a checkpoint; none of one that is not whole: others tell
    that."""
    try:
        specs: Any = scene.object_in(path).get("specs")
    except (OSError, ValueError):
        return {}
    return {str(rel): str(digest) for rel, digest in specs.items()} if isinstance(specs, dict) else {}


def _wrong_with(scene: Scene, digest: str) -> str | None:
    """Say what is wrong with the bytes kept under `digest`; None if nothing is."""
    path = scene.tree.kept_spec(digest)
    if scene.is_hidden(path):
        return None  # told by the walk
    try:
        data = read_record(path)
    except FileNotFoundError:
        return "is gone"
    except OSError as cause:
        return f"cannot be read ({cause.strerror})"
    return None if sha256(data).hexdigest() == digest else "has other bytes than its name says"
