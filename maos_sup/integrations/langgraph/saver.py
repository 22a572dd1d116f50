"""`TreeSaver`: LangGraph's checkpointer interface, every call durable before it returns.

Several processes may use one store: a thread is written in turn, and each sees at once what others wrote. The
asynchronous methods are the same calls in a worker thread. Follows LangGraph's own savers in what a call
means (the first write of a task's index stands, special ones are replaced), not in how it is kept.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from maos_sup.integrations.folders import checked_text
from maos_sup.integrations.langgraph import rewriting
from maos_sup.integrations.langgraph.index import ThreadIndex, new_writes
from maos_sup.integrations.langgraph.threads import Threads, thread_text
from maos_sup.integrations.langgraph.values import EMPTY, packed
from maos_sup.integrations.langgraph.view import ThreadView, config_of
from maos_sup.integrations.shared_journal import Fields, JournalShelf
from state_layout.errors import BadInput

STRATEGIES = ("keep_latest", "delete")


class TreeSaver(BaseCheckpointSaver[str]):
    """Keeps checkpoints below `folder`: a folder of its own, or an orchestration's tree (`state/langgraph`).

    Raises NotATree for a folder of something else; its methods raise Damaged, StorageError, Locked, BadInput.
    """

    def __init__(self, folder: Path | str, *, serde: SerializerProtocol | None = None) -> None:
        super().__init__(serde=serde)
        self._threads = Threads(Path(folder))

    @property
    def store(self) -> Path:
        """Give the folder of the threads."""
        return self._threads.store

    # -- reading

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or the newest of its namespace."""
        view = self._view(config["configurable"]["thread_id"])
        ns, id_ = _ns(config), config["configurable"].get("checkpoint_id")
        id_ = id_ or (view and view.index.latest.get(ns))
        return view.checkpoint(ns, str(id_)) if view and id_ else None

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, object] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints of a thread (all threads without `config`), newest first in each namespace."""
        wanted = config["configurable"] if config else {}
        ids = [wanted["thread_id"]] if config else self._threads.ids()
        left = limit
        for thread_id in ids:
            view = self._view(thread_id)
            for ns, id_ in _matching(view, wanted, before) if view else ():
                if left == 0:
                    return
                if view and _has(view.metadata(ns, id_), filter):
                    found = view.checkpoint(ns, id_)
                    left = left if left is None else left - 1
                    if found is not None:
                        yield found

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """The writes of each channel since the nearest ancestor with a value, and that value as `seed`."""
        view = self._view(config["configurable"]["thread_id"])
        ns, id_ = _ns(config), config["configurable"].get("checkpoint_id")
        id_ = id_ or (view and view.index.latest.get(ns))
        if view is None or not id_:
            return {channel: {"writes": []} for channel in channels}
        return view.history(ns, str(id_), channels)

    # -- writing

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint: one line with the values that changed, durable when this returns."""
        wanted = config["configurable"]
        ns, id_ = checked_text(_ns(config), "checkpoint_ns"), checked_text(checkpoint["id"], "checkpoint_id")
        values = checkpoint["channel_values"]
        rest = {key: value for key, value in checkpoint.items() if key != "channel_values"}
        parent = wanted.get("checkpoint_id")
        line: dict[str, object] = {"ns": ns, "id": id_, **({"parent": str(parent)} if parent else {})}
        line["checkpoint"] = packed(self.serde, rest)
        line["metadata"] = packed(self.serde, get_checkpoint_metadata(config, metadata))

        def make(index: ThreadIndex) -> dict[str, object]:
            versions = dict(new_versions)
            for channel, version in checkpoint["channel_versions"].items():
                if channel in values and not index.is_stored(ns, channel, version):
                    versions[channel] = version  # the caller's list was short; without it the value is lost
            return {**line, "values": [self._value(values, *pair) for pair in versions.items()]}

        self._threads.named(thread_text(wanted["thread_id"])).append("checkpoint", make)
        return config_of(wanted["thread_id"], ns, id_)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote, durable when this returns; what it wrote before stands."""
        wanted = config["configurable"]
        key = (checked_text(_ns(config), "checkpoint_ns"), str(wanted["checkpoint_id"]))
        forms = [
            {"idx": WRITES_IDX_MAP.get(channel, nth), "channel": channel, **packed(self.serde, value)}
            for nth, (channel, value) in enumerate(writes)
        ]

        def make(index: ThreadIndex) -> dict[str, object] | None:
            counting = new_writes(index, key, task_id, forms)
            named = {"ns": key[0], "id": key[1], "task": task_id, "path": task_path}
            return {**named, "writes": counting} if counting else None

        self._threads.named(thread_text(wanted["thread_id"])).append("writes", make)

    # -- removing and copying

    def delete_thread(self, thread_id: str) -> None:
        """Remove a thread with all its files."""
        self._threads.named(thread_text(thread_id)).remove()

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Remove the checkpoints of these runs, with their writes, from all threads.

        Raises BadInput, with nothing removed of that thread, if a checkpoint left over is rebuilt from them.
        """
        gone = frozenset(run_ids)
        for thread_id in self._threads.ids() if gone else ():
            view = self._view(thread_id)
            if view and len(rewriting.without_runs(view, gone)) < _count(view):
                self._keep(thread_id, lambda view: rewriting.without_runs(view, gone))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep the newest checkpoint of each namespace (and what it is rebuilt from), or `delete` all."""
        if strategy not in STRATEGIES:
            raise BadInput(f"strategy {strategy!r}: use one of {', '.join(STRATEGIES)}")
        for thread_id in thread_ids:
            if strategy == "delete":
                self.delete_thread(thread_id)
            elif self._view(thread_id) is not None:
                self._keep(thread_id, rewriting.keep_latest)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all checkpoints and writes of one thread into another, at once; what it has stays."""
        source = self._threads.named(thread_text(source_thread_id)).read()
        target = thread_text(target_thread_id)
        if source is None or target == thread_text(source_thread_id):
            return

        def make(shelf: JournalShelf[ThreadIndex] | None) -> Iterator[Fields]:
            if shelf is None or not shelf.is_begun:
                yield {"type": "thread", "thread_id": target}
            yield from shelf.lines() if shelf else ()
            yield from (fields for fields in source.lines() if fields["type"] != "thread")

        self._threads.named(target).rewrite(make)

    def get_next_version(self, current: str | None, channel: None) -> str:
        """Make a higher version than `current`, and another one on each branch of a thread."""
        number = 0 if current is None else int(str(current).split(".", 1)[0])
        return f"{number + 1:032}.{random.random():016}"

    # -- the same, asynchronously

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await asyncio.to_thread(self.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, object] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        found = self.list(config, filter=filter, before=before, limit=limit)
        while (item := await asyncio.to_thread(next, found, None)) is not None:
            yield item

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return await asyncio.to_thread(self.get_delta_channel_history, config=config, channels=channels)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return await asyncio.to_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        await asyncio.to_thread(self.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        await asyncio.to_thread(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await asyncio.to_thread(self.delete_for_runs, run_ids)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await asyncio.to_thread(self.prune, thread_ids, strategy=strategy)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await asyncio.to_thread(self.copy_thread, source_thread_id, target_thread_id)

    # -- within

    def _view(self, thread_id: object) -> ThreadView | None:
        shelf = self._threads.named(thread_text(thread_id)).read()
        return ThreadView(thread_id, shelf, self.serde) if shelf is not None else None

    def _value(
        self, values: Mapping[str, Any], channel: str, version: str | int | float
    ) -> dict[str, object]:
        form = packed(self.serde, values[channel]) if channel in values else EMPTY
        return {"channel": channel, "version": version, **form}

    def _keep(self, thread_id: object, choose: Any) -> None:
        def make(shelf: JournalShelf[ThreadIndex] | None) -> Iterator[Fields]:
            if shelf is not None:
                view = ThreadView(thread_id, shelf, self.serde)
                kept = choose(view)
                if kept:
                    yield from rewriting.only(shelf, view, kept)

        self._threads.named(thread_text(thread_id)).rewrite(make)


def _ns(config: RunnableConfig) -> str:
    return str(config["configurable"].get("checkpoint_ns") or "")


def _count(view: ThreadView) -> int:
    return sum(map(len, view.index.checkpoints.values()))


def _has(metadata: CheckpointMetadata, wanted: Mapping[str, Any] | None) -> bool:
    found: Mapping[str, Any] = {**metadata}
    return all(found.get(key) == value for key, value in (wanted or {}).items())


def _matching(
    view: ThreadView, wanted: Mapping[str, Any], before: RunnableConfig | None
) -> Iterator[tuple[str, str]]:
    """The checkpoints that a `list` asks for, but for its filter."""
    only, ns_only = wanted.get("checkpoint_id"), wanted.get("checkpoint_ns")
    end = before["configurable"].get("checkpoint_id") if before else None
    for ns, known in list(view.index.checkpoints.items()):
        if ns_only is None or ns == ns_only:
            for id_ in sorted(known, reverse=True):
                if (not only or id_ == only) and (not end or id_ < end):
                    yield ns, id_
