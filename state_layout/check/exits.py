"""Says how lives ended: `exit.json` is there for every dead life, and can be understood."""

from __future__ import annotations

from dataclasses import dataclass

from state_layout.check.problem import CATALOGUE, Finding
from state_layout.check.scene import Scene
from state_layout.files.reading import Unreadable
from state_layout.lives.attempts import list_attempts
from state_layout.paths import AgentPaths
from state_layout.records import CALM_EXITS, ExitReason

LOST_AGAIN = "the supervisor seals it as lost when it starts"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitSeen:
    """A seen exit says how a life ended, as far as is known. Up to `synced_seq` its journal was durable."""

    reason: ExitReason | None = None
    synced_seq: int = 0
    is_last_word: bool = False  # by the agent itself, in order: nothing comes after `synced_seq`
    h: str | None = None  # of the line `synced_seq`


def check_exit(scene: Scene, agent: str, number: int, *, is_last: bool) -> ExitSeen:
    """Check the `exit.json` of life `number`; what it says."""
    path = scene.tree.agent(agent).attempt(number).exit
    with scene.reading(path):
        try:
            return _ending(scene.object_in(path), number)
        except FileNotFoundError:
            _report_missing(scene, agent, number, is_last=is_last)
        except Unreadable:
            raise
        except (ValueError, TypeError) as cause:
            scene.report(Finding.EXIT_BAD, path, what=f"cannot be understood ({cause})")
    return ExitSeen()


def _ending(value: dict[str, object], number: int) -> ExitSeen:
    synced_seq = value.get("synced_seq")
    if value.get("attempt") != number:
        raise ValueError(f"it is of attempt {value.get('attempt')!r}")
    if not isinstance(synced_seq, int | None):
        raise ValueError("'synced_seq' is no number")
    reason, h = ExitReason(str(value.get("reason"))), value.get("h")
    is_calm = value.get("by") == "agent" and reason in CALM_EXITS and value.get("detail") is None
    is_last_word = is_calm and synced_seq is not None
    h = h if isinstance(h, str) else None
    return ExitSeen(reason=reason, synced_seq=synced_seq or 0, is_last_word=is_last_word, h=h)


def _report_missing(scene: Scene, agent: str, number: int, *, is_last: bool) -> None:
    """A living life has none yet; asked for twice, since it may have ended just now."""
    paths = scene.tree.agent(agent)
    path = paths.attempt(number).exit
    if is_last and scene.lives(agent):
        return
    if scene.is_file(path) or (is_last and _has_successor(paths, number)):
        return
    said = CATALOGUE[Finding.EXIT_MISSING]
    if is_last:
        said = said._replace(remedy=f"{LOST_AGAIN}, or --repair")
    scene.report(Finding.EXIT_MISSING, path, what="is missing: this life ended without a word", said=said)


def _has_successor(paths: AgentPaths, number: int) -> bool:
    return list_attempts(paths)[-1] > number
