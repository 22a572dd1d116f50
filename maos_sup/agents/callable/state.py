"""The durable key-value state of an agent as a callable sees it: a mapping whose every change is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, NamedTuple, Protocol

from maos_sup.agents.callable.steps import StepEffects
from state_layout.errors import BadInput
from state_layout.scopes.names import scope_of


class _Read(Protocol):
    def __call__(self, read: Callable[[dict[str, Any]], Any], /) -> Any: ...


class State(MutableMapping[str, Any]):
    """Values must have a JSON form. It belongs to the agent, over all its tasks and lives."""

    def __init__(
        self,
        change: Callable[[str, Callable[[StepEffects], None]], None],
        read: _Read,
        do: Callable[..., dict[str, Any] | None],
    ) -> None:
        self._change, self._read, self._do = change, read, do

    def __call__(self, scope: str) -> ScopedState:
        """Give the values of another scope: `ctx.state("orchestration").update("n", lambda n: (n or 0) +
        1)`.

        Raises ValueError for what is no scope.
        """
        try:
            scope_of(scope)
        except BadInput as cause:
            raise ValueError(str(cause)) from cause
        return ScopedState(scope, self._do)

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


class Changed(RuntimeError):
    """Somebody else changed the value meanwhile; the text says who, and what it is now."""


class NotGranted(PermissionError):
    """The agent's spec does not grant the scope (`state.read`, `state.write`)."""


class Value(NamedTuple):
    """A value of a shared scope and its version, to be given back with what takes its place."""

    value: Any
    version: tuple[str, int, str] | None


class ScopedState:
    """The object holds values under keys in one scope. Each call is durable, and done once for all
    attempts.

    Raises NotGranted, ValueError for keys and values that cannot be kept.
    """

    def __init__(self, scope: str, do: Callable[..., dict[str, Any] | None]) -> None:
        self._scope, self._do = scope, do

    def get(self, key: str, default: Any = None) -> Any:
        """Get the value of `key`, or `default` without one."""
        found = self.read(key)
        return default if found is None else found.value

    def read(self, key: str) -> Value | None:
        """Read the value of `key` and its version, None without one."""
        told = self._do("load", self._scope, key)
        if told is None:
            return None
        version = told.get("version")
        return Value(told.get("value"), None if version is None else (*version,))

    def keys(self, prefix: str = "") -> list[str]:
        """List the keys that begin with `prefix`, sorted."""
        told = self._do("keys", self._scope, prefix) or {}
        return list(told.get("value") or ())

    def put(self, key: str, value: Any, **over: Any) -> tuple[str, int, str] | None:
        """Keep `value`; its version. `over`: the version (None: no value) that it must take the place of.

        Raises Changed if that is not the version any more.
        """
        return self._version(self._do("save", self._scope, key, value=value, **over))

    def delete(self, key: str, **over: Any) -> None:
        """Leave `key` without a value. Raises as `put` does."""
        self._version(self._do("forget", self._scope, key, **over))

    def update(self, key: str, change: Callable[[Any], Any], default: Any = None) -> Any:
        """Put `change(value)` in place of the value, however many do so at once; what was put.

        `change` may be called several times: it only makes a value of a value.
        """
        while True:
            found = self.read(key)
            value = change(default if found is None else found.value)
            try:
                self.put(key, value, **self._over(found))
            except Changed:
                continue
            return value

    def _over(self, found: Value | None) -> dict[str, Any]:
        if found is not None and found.version is None:
            return {}  # nobody else writes it
        return {"over": None if found is None else found.version} if self._is_shared else {}

    @property
    def _is_shared(self) -> bool:
        return scope_of(self._scope).is_shared

    def _version(self, told: dict[str, Any] | None) -> tuple[str, int, str] | None:
        version = (told or {}).get("version")
        return None if version is None else (*version,)
