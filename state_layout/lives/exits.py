"""Says how a life of an agent ended (`exit.json`): told once, by itself, its successor or the supervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from state_layout.errors import storage_error
from state_layout.files import atomic, codec
from state_layout.files.chain import utc_now
from state_layout.files.reading import read_record
from state_layout.paths import Tree
from state_layout.records import ExitReason

if TYPE_CHECKING:
    from state_layout.records.snapshots import ExitSnapshot


def read_exit(tree: Tree, agent: str, attempt: int) -> ExitSnapshot | None:
    """Read how a life ended, None while nobody has said so. One that cannot be understood is `lost`.

    Raises StorageError.
    """
    path = tree.agent(agent).attempt(attempt).exit
    try:
        value = codec.decode_object(read_record(path))
        return cast("ExitSnapshot", value | {"reason": str(ExitReason(value["reason"]))})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError):
        detail = f"{tree.shown(path)}: not as FORMAT.md says"
        return {"attempt": attempt, "reason": str(ExitReason.LOST), "detail": detail}
    except OSError as cause:
        raise storage_error("read", path, cause) from cause


def seal_exit(tree: Tree, agent: str, attempt: int, *, by: str, reason: str, **more: Any) -> bool:
    """Say how a life ended, once and durably; whether nobody had said so before. Raises StorageError."""
    told = dict.fromkeys(("task", "exit_code", "signal", "detail", "synced_seq"))
    head = {"attempt": attempt, "at": utc_now(), "by": by, "reason": str(reason)}
    path = tree.agent(agent).attempt(attempt).exit
    return atomic.create_once(path, codec.encode({**head, **told, **more}) + b"\n")
