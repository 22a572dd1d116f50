"""The durable key-value state of an agent as a callable sees it: a mapping whose every change is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Protocol

from maos_sup.agents.steps import Effects


class _Read(Protocol):
    def __call__(self, read: Callable[[dict[str, Any]], Any], /) -> Any: ...


class State(MutableMapping[str, Any]):
    """Values must have a JSON form. It belongs to the agent, over all its tasks and lives."""

    def __init__(self, change: Callable[[str, Callable[[Effects], None]], None], read: _Read) -> None:
        self._change, self._read = change, read

    def __getitem__(self, key: str) -> Any:
        found = self._read(lambda state: [state[key]] if key in state else [])
        if not found:
            raise KeyError(key)
        return found[0]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"state key {key!r} is no text")
        self._change("~keep", lambda effects: effects.keep(key, value))

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._change("~forget", lambda effects: effects.forget(key))

    def __contains__(self, key: object) -> bool:
        return bool(self._read(lambda state: key in state))

    def __iter__(self) -> Iterator[str]:
        return iter(self._read(list))

    def __len__(self) -> int:
        return int(self._read(len))
