"""The lines that a thread has after something was removed from it.

What survives keeps all it needs: a channel value that only a removed checkpoint's line carried moves into a
line `values`. A channel kept as writes (LangGraph's DeltaChannel) needs its ancestors back to a value: these
are kept by a prune, and their removal by run is refused rather than leave a survivor silently empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import Any

from maos_sup.integrations.langgraph.index import ThreadIndex, Version
from maos_sup.integrations.langgraph.view import ThreadView
from maos_sup.integrations.shared_journal import Fields, JournalShelf
from state_layout.errors import BadInput

Key = tuple[str, str]  # namespace, checkpoint


def keep_latest(view: ThreadView) -> set[Key]:
    """The newest checkpoint of each namespace, and the ancestors its channels are rebuilt from."""
    kept = set[Key]()
    for ns, latest in view.index.latest.items():
        kept.add((ns, latest))
        kept |= needed_by(view, ns, latest)
    return kept


def without_runs(view: ThreadView, run_ids: Set[str]) -> set[Key]:
    """All checkpoints but those of the runs. Raises BadInput if a survivor is rebuilt from one of them."""
    keys = {(ns, id_) for ns, known in view.index.checkpoints.items() for id_ in known}
    gone = {key for key in keys if view.metadata(*key).get("run_id") in run_ids}
    for key in sorted(keys - gone) if gone else ():
        lost = needed_by(view, *key) & gone
        if lost:
            raise BadInput(
                f"thread {view.index.thread_id!r}: checkpoint {key[1]} is rebuilt from {min(lost)[1]} of "
                "a run to be deleted; delete the later runs too, or the thread"
            )
    return keys - gone


def needed_by(view: ThreadView, ns: str, id_: str) -> set[Key]:
    """The ancestors whose writes a checkpoint's delta channels are rebuilt from, back to a value of each."""
    counters = view.metadata(ns, id_).get("counters_since_delta_snapshot") or {}
    missing = {channel for channel in counters if not _has_value(view, (ns, id_), channel)}
    needed = set[Key]()
    for ancestor, _ in view.index.lineage(ns, id_):
        if not missing:
            break
        needed.add((ns, ancestor))
        missing = {channel for channel in missing if not _has_value(view, (ns, ancestor), channel)}
    return needed


def only(shelf: JournalShelf[ThreadIndex], view: ThreadView, kept: Set[Key]) -> Iterator[Fields]:
    """The lines of a thread that has the checkpoints `kept` only, and writes that wait for a checkpoint."""
    wanted = {(ns, *value) for ns, id_ in kept for value in view.versions(ns, id_).items()}
    index = shelf.index
    removed = {(ns, id_) for ns, known in index.checkpoints.items() for id_ in known} - kept
    for fields in shelf.lines():
        key = (fields.get("ns", ""), fields.get("id", ""))
        match fields["type"]:
            case "checkpoint" if key in removed:
                yield from _values_of({**fields, "type": "values"}, wanted.__contains__)
            case "checkpoint":
                values = [value for value in fields["values"] if _key(fields, value) in wanted]
                yield {**fields, "values": values}
            case "values":
                yield from _values_of(fields, wanted.__contains__)
            case "writes" if key in removed:
                continue
            case _:
                yield fields


def _values_of(fields: Fields, is_wanted: Callable[[Any], bool]) -> Iterator[Fields]:
    values = [value for value in fields["values"] if is_wanted(_key(fields, value))]
    if values:
        yield {key: fields[key] for key in ("at", "type", "ns")} | {"values": values}


def _key(fields: Fields, value: Fields) -> tuple[str, str, Version]:
    return fields["ns"], value["channel"], value["version"]


def _has_value(view: ThreadView, key: Key, channel: str) -> bool:
    version = view.versions(*key).get(channel)
    return version is not None and view.index.value(key[0], channel, version) is not None
