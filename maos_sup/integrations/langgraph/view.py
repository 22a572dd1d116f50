"""Says what LangGraph is given of a thread: checkpoint tuples and the history of channels, made of lines.

A view is for one call: it keeps the lines it has decoded, so that many values of one line cost one decoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from maos_sup.integrations.langgraph.index import ThreadIndex, Version, WritePlace
from maos_sup.integrations.langgraph.values import unpacked
from maos_sup.integrations.shared_journal import JournalPlace, JournalShelf


def config_of(thread_id: object, ns: str, id_: str) -> RunnableConfig:
    """The config that names a checkpoint."""
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": id_}}


class ThreadView:
    """The checkpoints of the thread `thread_id`, as the caller wrote the id."""

    def __init__(
        self, thread_id: object, shelf: JournalShelf[ThreadIndex], serde: SerializerProtocol
    ) -> None:
        self.index = shelf.index
        self._thread_id, self._shelf, self._serde = thread_id, shelf, serde
        self._lines: dict[JournalPlace, Mapping[str, Any]] = {}

    def checkpoint(self, ns: str, id_: str) -> CheckpointTuple | None:
        """The checkpoint `id_` with its values and pending writes; None if there is none."""
        found = self.index.checkpoints.get(ns, {}).get(id_)
        if found is None:
            return None
        checkpoint = self._stored(found.place)
        checkpoint["channel_values"] = dict(self._values(ns, checkpoint["channel_versions"]))
        return CheckpointTuple(
            config=config_of(self._thread_id, ns, id_),
            checkpoint=checkpoint,
            metadata=self.metadata(ns, id_),
            parent_config=config_of(self._thread_id, ns, found.parent) if found.parent else None,
            pending_writes=[self._write(write) for write in self.index.ordered_writes(ns, id_)],
        )

    def metadata(self, ns: str, id_: str) -> CheckpointMetadata:
        """The metadata of a checkpoint that is there."""
        line = self._line(self.index.checkpoints[ns][id_].place)
        return cast(CheckpointMetadata, unpacked(self._serde, line["metadata"]))

    def versions(self, ns: str, id_: str) -> dict[str, Version]:
        """The versions of the channels of a checkpoint that is there."""
        return dict(self._stored(self.index.checkpoints[ns][id_].place)["channel_versions"])

    def history(self, ns: str, id_: str, channels: Sequence[str]) -> Mapping[str, DeltaChannelHistory]:
        """For each channel, its writes back to the nearest ancestor that has a value, and that value."""
        writes: dict[str, list[PendingWrite]] = {channel: [] for channel in channels}
        seeds: dict[str, object] = {}
        for ancestor, _ in self.index.lineage(ns, id_):
            wanted = [channel for channel in writes if channel not in seeds]
            if not wanted:
                break
            for write in reversed(self.index.ordered_writes(ns, ancestor)):
                if write.channel in wanted:
                    writes[write.channel].append(self._write(write))
            versions = self.versions(ns, ancestor)
            here = {channel: versions[channel] for channel in wanted if channel in versions}
            seeds.update(self._values(ns, here))
        return {
            channel: {"writes": writes[channel][::-1], "seed": seeds[channel]}
            if channel in seeds
            else {"writes": writes[channel][::-1]}
            for channel in channels
        }

    def _stored(self, place: JournalPlace) -> Checkpoint:
        return cast(Checkpoint, {**unpacked(self._serde, self._line(place)["checkpoint"])})

    def _values(self, ns: str, versions: Mapping[str, Version]) -> Iterator[tuple[str, Any]]:
        for channel, version in versions.items():
            found = self.index.value(ns, channel, version)
            if found is not None:
                place, nth = found
                yield channel, unpacked(self._serde, self._line(place)["values"][nth])

    def _write(self, write: WritePlace) -> PendingWrite:
        value = self._line(write.place)["writes"][write.nth]
        return write.task, write.channel, unpacked(self._serde, value)

    def _line(self, place: JournalPlace) -> Mapping[str, Any]:
        if place not in self._lines:
            self._lines[place] = self._shelf.line(place)
        return self._lines[place]
