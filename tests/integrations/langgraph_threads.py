"""Makes checkpoints as LangGraph would, for the tests of the saver."""

from __future__ import annotations

from itertools import count
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointMetadata, CheckpointTuple

_ids = count(1)


def config(thread_id: object, *, ns: str = "", id_: str | None = None) -> Any:
    named = {"thread_id": thread_id, "checkpoint_ns": ns}
    return {"configurable": {**named, "checkpoint_id": id_} if id_ else named}


def checkpoint(values: dict[str, Any], versions: dict[str, Any], *, id_: str | None = None) -> Checkpoint:
    return Checkpoint(
        v=4,
        id=id_ or f"{next(_ids):08}",
        ts="2026-11-21T01:42:00+00:00",
        channel_values=values,
        channel_versions=versions,
        versions_seen={"node": dict(versions)},
        updated_channels=None,
    )


def put(
    saver: BaseCheckpointSaver[str],
    thread_id: object,
    values: dict[str, Any],
    *,
    parent: Any = None,
    ns: str = "",
    version: Any = 1,
    metadata: dict[str, Any] | None = None,
    id_: str | None = None,
) -> Any:
    """Store a checkpoint whose `values` are new at `version`; the config that names it."""
    versions = dict.fromkeys(values, version)
    named = config(thread_id, ns=ns, id_=parent["configurable"]["checkpoint_id"] if parent else None)
    told: Any = {"source": "loop", "step": 0, "parents": {}, **(metadata or {})}
    return saver.put(named, checkpoint(values, versions, id_=id_), CheckpointMetadata(**told), versions)


def listed(saver: BaseCheckpointSaver[str], thread_id: object) -> list[CheckpointTuple]:
    return list(saver.list({"configurable": {"thread_id": thread_id}}))


def delta_chain(
    saver: BaseCheckpointSaver[str], thread_id: str, *, steps: int, snapshots: dict[int, Any]
) -> list[Any]:
    """Steps of a delta channel `ch`: each writes its number, a value is stored where `snapshots` says."""
    made: list[Any] = []
    since = 0
    for step in range(steps):
        values = {"ch": snapshots[step]} if step in snapshots else {}
        since = 0 if values else since + 1
        metadata: dict[str, Any] = {"step": step}
        if since:
            metadata["counters_since_delta_snapshot"] = {"ch": (since, since)}
        parent = made[-1] if made else None
        made.append(put(saver, thread_id, values, parent=parent, version=step + 1, metadata=metadata))
        saver.put_writes(made[-1], [("ch", step)], f"task-{step}", "~pull, a")
    return made
