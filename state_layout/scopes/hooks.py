"""Says which hooks a change of shared state meets. Pure: who runs them is told by
`maos_sup.system.hooking`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

BEFORE_SAVE, AFTER_SAVE, BEFORE_DELETE, AFTER_DELETE = EVENTS = (
    "before_save",
    "after_save",
    "before_delete",
    "after_delete",
)
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A hook is one of `hooks` in `spec/orchestration.json`. `run`: argv of a program, or a callable's
    name."""

    on: str
    run: tuple[str, ...] | str
    scope: str = "*"
    key: str = "*"
    timeout_s: float = TIMEOUT_S

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Hook:
        """Read an item of the spec."""
        return cls(
            on=value["on"],
            run=value["callable"] if "callable" in value else tuple(value["run"]),
            scope=value.get("scope", "*"),
            key=value.get("key", "*"),
            timeout_s=float(value.get("timeout_s", TIMEOUT_S)),
        )

    @property
    def name(self) -> str:
        """The hook is shown by this name."""
        return self.run if isinstance(self.run, str) else self.run[0]

    def meets(self, on: str, scope: str, key: str) -> bool:
        """The hook is for this event; patterns are those of a shell, `*` for all."""
        return self.on == on and fnmatchcase(scope, self.scope) and fnmatchcase(key, self.key)


def meeting(hooks: Iterable[Hook], on: str, scope: str, key: str) -> list[Hook]:
    """Pick those of `hooks` that are for this event, in the order of the spec."""
    return [hook for hook in hooks if hook.meets(on, scope, key)]
