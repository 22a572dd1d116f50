"""Says what the failure of a process means, by the rules of its profile. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maos_sup.agents.kinds.shared.troubles import Cause, Trouble

_RETRY_AFTER = re.compile(
    r"(?:retry|try again|retrying|reset)[-_ a-z]{0,12}[:=\"' ]{0,4}(\d+(?:\.\d+)?) ?s", re.IGNORECASE
)
_CAUSES = {"limit": Cause.LIMIT, "wait": Cause.OVERLOAD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A process failed like this: what it said, its exit code, and its provider's status if it told one."""

    text: str
    exit_code: int | None = None
    status: int | None = None
    is_refused: bool = False  # it said itself that to ask again is of no use

    def means(self, rules: Sequence[Mapping[str, Any]]) -> str | None:
        """Find which of profile.FAILURES it is: that of the first rule that fits; None if none does."""
        if self.is_refused:
            return "final"
        return next((rule["is"] for rule in rules if self._fits(rule)), None)

    def trouble(self, what: str) -> Trouble:
        """As something to be waited out: `what` is limit or wait."""
        found = _RETRY_AFTER.search(self.text) if what == "limit" else None
        after_s = float(found[1]) if found else None
        return Trouble(cause=_CAUSES[what], text=self.text[:500], status=self.status, retry_after_s=after_s)

    def _fits(self, rule: Mapping[str, Any]) -> bool:
        if "exit_code" in rule and self.exit_code not in rule["exit_code"]:
            return False
        if "status" in rule and self.status not in rule["status"]:
            return False
        return "text" not in rule or re.search(rule["text"], self.text) is not None
