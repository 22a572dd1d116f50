"""`TreeStore`: LangGraph's long-term memory on a shared scope; every change durable, none lost.

An item is a value of the scope, under a key made of namespace and key; so `maos-sup state` shows who wrote
it, what it was before, and checkpoints of the team have it. What the interface lacks, a change that
compares, is `update`. The asynchronous methods are the same calls in a worker thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeGuard

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)

from state_layout.errors import BadInput, Lost
from state_layout.files.looking import is_regular
from state_layout.migrations import check_version
from state_layout.paths import Tree
from state_layout.scopes.names import GLOBAL, scope_of
from state_layout.scopes.store import ScopeStore

OPERATOR = "operator"
_REFRESH_SHARE = 0.1  # of its time must have gone before a read writes that it was used
Namespace = tuple[str, ...]
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: bool(value == wanted),
    "$ne": lambda value, wanted: bool(value != wanted),
    "$gt": lambda value, wanted: float(value) > float(wanted),
    "$gte": lambda value, wanted: float(value) >= float(wanted),
    "$lt": lambda value, wanted: float(value) < float(wanted),
    "$lte": lambda value, wanted: float(value) <= float(wanted),
}


class MemoryRecord(TypedDict):
    """Keeps an item: its value, when it was put, and how long it lives if it does not for good."""

    value: Any  # the caller's
    created_at: str
    updated_at: str
    ttl_min: NotRequired[float]
    used_at: NotRequired[str]


class TreeStore(BaseStore):
    """Keeps items in `folder`: the `scope` of an orchestration's tree, or a folder of its own.

    `writer` names the file that this store writes: an agent's name within its programs. Searches filter;
    there is no index of meanings, a `query` ranks nothing. Methods raise BadInput, Damaged, StorageError.
    """

    supports_ttl = True

    def __init__(
        self,
        folder: Path | str,
        *,
        scope: str = "custom:memory",
        writer: str = OPERATOR,
        ttl: TTLConfig | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.ttl_config, self._now = ttl, now
        self._store = ScopeStore(_folder(Path(folder), scope), writer)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do each in turn: reads see what was put before them in the same batch."""
        return [self._done(op) for op in ops]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do as `batch` does, in a worker thread."""
        return await asyncio.to_thread(self.batch, [*ops])

    def update(
        self, namespace: Namespace, key: str, change: Callable[[dict[str, Any] | None], dict[str, Any]]
    ) -> dict[str, Any]:
        """Put `change(value)` in place of the value (None: none), however many do so at once; what was put.

        `change` may be called several times.
        """
        name = _key(namespace, key)
        while True:
            entry = self._store.get(name)
            record = self._living(entry.value if entry else None)
            value = change(None if record is None else record["value"])
            try:
                self._store.put(name, self._record(value, record, None), over=entry and entry.version)
            except Lost:
                continue
            return value

    def close(self) -> None:
        """Close the files."""
        self._store.close()

    # -- operations

    def _done(self, op: Op) -> Result:
        if isinstance(op, GetOp):
            return self._item(op)
        if isinstance(op, PutOp):
            self._put(op)
            return None
        if isinstance(op, SearchOp):
            return self._search(op)
        if isinstance(op, ListNamespacesOp):
            return self._namespaces(op)
        raise BadInput(f"operation {type(op).__name__}: is none that this store knows")

    def _item(self, op: GetOp) -> Item | None:
        name = _key(op.namespace, op.key)
        entry = self._store.get(name)
        record = self._living(entry.value if entry else None)
        if record is None:
            return None
        if op.refresh_ttl:
            self._use(name, record)
        return Item(value=record["value"], key=op.key, namespace=op.namespace, **_times(record))

    def _put(self, op: PutOp) -> None:
        name = _key(op.namespace, op.key)
        if op.value is None:
            self._store.delete(name)
            return
        entry = self._store.get(name)
        self._store.put(name, self._record(op.value, self._living(entry.value if entry else None), op.ttl))

    def _search(self, op: SearchOp) -> list[SearchItem]:
        found = []
        for name, record in self._records(_prefix(op.namespace_prefix)):
            if all(_holds(record["value"].get(key), wanted) for key, wanted in (op.filter or {}).items()):
                found.append((name, record))
        found = found[op.offset : op.offset + op.limit]
        items = []
        for name, record in found:
            if op.refresh_ttl:
                self._use(name, record)
            namespace, key = _parts(name)
            items.append(
                SearchItem(namespace=namespace, key=key, value=record["value"], score=None, **_times(record))
            )
        return items

    def _namespaces(self, op: ListNamespacesOp) -> list[Namespace]:
        found = {_parts(name)[0] for name, _ in self._records("")}
        found = {
            each for each in found if all(_matches(wanted, each) for wanted in op.match_conditions or ())
        }
        if op.max_depth is not None:
            found = {each[: op.max_depth] for each in found}
        return sorted(found)[op.offset : op.offset + op.limit]

    # -- records

    def _records(self, prefix: str) -> Iterator[tuple[str, MemoryRecord]]:
        for name, entry in self._store.entries(prefix):
            record = self._living(entry.value)
            if record is not None:
                yield name, record

    def _record(self, value: Mapping[str, Any], before: MemoryRecord | None, ttl: float | None) -> Any:
        now = self._now().isoformat()
        record: MemoryRecord = {"value": dict(value), "created_at": now, "updated_at": now}
        if before is not None:
            record["created_at"] = before["created_at"]
        if ttl is not None:
            record["ttl_min"], record["used_at"] = ttl, now
        return record

    def _living(self, record: Any) -> MemoryRecord | None:
        """`record`, unless its time is over."""
        if not _is_record(record):
            return None
        if "ttl_min" in record:
            ends = datetime.fromisoformat(record["used_at"]) + timedelta(minutes=record["ttl_min"])
            if self._now() >= ends:
                return None
        return record

    def _use(self, name: str, record: MemoryRecord) -> None:
        """Write that a record with a time of its own was used; seldom enough that reads stay reads."""
        if "ttl_min" not in record:
            return
        gone = self._now() - datetime.fromisoformat(record["used_at"])
        if gone >= timedelta(minutes=record["ttl_min"] * _REFRESH_SHARE):
            entry = self._store.get(name)
            if entry is not None and entry.value == record:
                try:
                    used = {**record, "used_at": self._now().isoformat()}
                    self._store.put(name, used, over=entry.version)
                except Lost:
                    return  # it was changed, and so used


def _is_record(value: object) -> TypeGuard[MemoryRecord]:
    return isinstance(value, dict) and "value" in value


def _folder(folder: Path, scope: str) -> Path:
    """Find where the items lie. Raises BadInput for a scope that is not in a tree."""
    if not is_regular(folder / "FORMAT"):
        return folder
    found = scope_of(scope)
    if not found.is_shared or found.sort == GLOBAL:
        raise BadInput(f"scope {scope!r}: use orchestration or custom:NAME")
    check_version(Tree(folder))
    return Tree(folder).state_scope(found.sort, found.owner)


def _escaped(label: str) -> str:
    return label.replace("%", "%25").replace("/", "%2F").replace("=", "%3D")


def _prefix(namespace: Namespace) -> str:
    return "".join(f"{_escaped(label)}/" for label in namespace)


def _key(namespace: Namespace, key: str) -> str:
    """Join a namespace and a key as `users/42/=name`: no label has a slash or an equals sign of its own."""
    return f"{_prefix(namespace)}={key}"


def _parts(name: str) -> tuple[Namespace, str]:
    labels, _, key = name.partition("=")
    plain = (label.replace("%3D", "=").replace("%2F", "/") for label in labels.split("/")[:-1])
    return tuple(label.replace("%25", "%") for label in plain), key


def _times(record: MemoryRecord) -> dict[str, datetime]:
    told = {"created_at": record["created_at"], "updated_at": record["updated_at"]}
    return {name: datetime.fromisoformat(at) for name, at in told.items()}


def _matches(wanted: MatchCondition, namespace: Namespace) -> bool:
    path, labels = tuple(wanted.path), namespace
    if wanted.match_type == "suffix":
        path, labels = path[::-1], labels[::-1]
    pairs = zip(path, labels, strict=False)
    return len(labels) >= len(path) and all(mine in ("*", theirs) for mine, theirs in pairs)


def _holds(value: Any, wanted: Any) -> bool:
    """The `value` is as a filter wants it."""
    if isinstance(wanted, dict) and any(name.startswith("$") for name in wanted):
        unknown = [name for name in wanted if name not in _COMPARE]
        if unknown:
            raise ValueError(f"filter {unknown[0]!r}: use one of {', '.join(_COMPARE)}")
        return all(_COMPARE[name](value, other) for name, other in wanted.items())
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(_holds(value.get(key), each) for key, each in wanted.items())
    if isinstance(wanted, list | tuple):
        is_alike = isinstance(value, list | tuple) and len(value) == len(wanted)
        return is_alike and all(_holds(*pair) for pair in zip(value, wanted, strict=True))
    return bool(value == wanted)
