"""Waits that all agents share: what a provider told one of them holds for every one that uses it.

Each agent writes its own file under `run/holds/` and reads those of all. Times are the machine's monotonic
clock and count only in the boot they were written in, so no two clocks are compared.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from maos_sup.agents.kinds.shared.troubles import LONGEST_DELAY_S
from state_layout.errors import StorageError
from state_layout.files import atomic, codec
from state_layout.files.chain import utc_now
from state_layout.files.reading import read_record
from state_layout.host.stats import boot_id
from state_layout.paths import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold allows no request to `provider` before `until_s`, monotonic."""

    provider: str
    until_s: float
    reason: str
    tries: int = 1  # refusals in a row that the agent had met by then


def write_hold(tree: Tree, agent: str, hold: Hold) -> None:
    """Tell everybody. A hint: what cannot be written is left out."""
    value = {
        "boot_id": boot_id(),
        "provider": hold.provider,
        "until_s": round(hold.until_s, 3),
        "at": utc_now(),
        "reason": hold.reason,
        "tries": hold.tries,
    }
    with suppress(StorageError):
        atomic.make_folder(tree.run_holds)
        atomic.refresh(tree.hold(agent), codec.encode(value) + b"\n")


def hold_on(tree: Tree, provider: str) -> Hold | None:
    """Find the hold on `provider` that lasts longest, or None if nothing holds it now."""
    now_s = time.monotonic()
    return max(_holds_on(tree, provider, now_s), key=lambda hold: hold.until_s, default=None)


def recent_tries(tree: Tree, provider: str) -> int:
    """Count the most refusals in a row that an agent met lately: who is refused next does not begin anew."""
    lately_s = time.monotonic() - LONGEST_DELAY_S
    return max((hold.tries for hold in _holds_on(tree, provider, lately_s)), default=0)


def _holds_on(tree: Tree, provider: str, since_s: float) -> list[Hold]:
    return [hold for hold in _holds(tree) if hold.provider == provider and hold.until_s > since_s]


def _holds(tree: Tree) -> list[Hold]:
    holds = []
    for path in tree.run_holds.glob("*.json"):
        with suppress(OSError, codec.NotJson, KeyError, TypeError, ValueError):
            value = codec.decode_object(read_record(path))
            if value["boot_id"] == boot_id():
                until_s, reason = float(value["until_s"]), str(value["reason"])
                tries, provider = int(value.get("tries", 1)), str(value["provider"])
                holds.append(Hold(provider=provider, until_s=until_s, reason=reason, tries=tries))
    return holds
