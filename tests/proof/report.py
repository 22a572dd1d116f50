"""The report of a proof: what was tried, what held, which planted bugs were noticed, what is not covered."""

from __future__ import annotations

from collections.abc import Sequence

from .after import AFTER_RECOVERY
from .promises import AS_FOUND
from .prove import Catch, Outcome
from .runs.rewinds import PROMISES as REWIND_PROMISES
from .states import Violation

NOT_COVERED = (
    "disks that lie about a flush, and sectors that lose neighbours which were synced before",
    "blocks that rot in the middle of what was durable: check finds them, nothing mends them",
    "files that programs write for themselves (workspace/, artifacts/, session/, a project)",
    "lines of stdout.log, control.jsonl and people's mail that carry no hash: old blocks in place of "
    "unsynced ones can repeat such a line",
    "network file systems, and renames that are not atomic",
    "folders renamed while they are in use; what a person edits by hand while the power fails",
)
MOST_SHOWN = 10


def shown(
    outcomes: dict[str, Outcome], catches: Sequence[Catch], *, seed: int, seconds: tuple[float, float]
) -> list[str]:
    """The lines of the report; `seconds`: how long it took, and how much of processors."""
    states = sum(outcome.states for outcome in outcomes.values())
    violations = [violation for outcome in outcomes.values() for violation in outcome.violations]
    promises = {
        *AS_FOUND,
        *AFTER_RECOVERY,
        *REWIND_PROMISES,
        "everybody can go on",
        "a tree is whole or none",
    }
    caught = [catch for catch in catches if catch.violation is not None]
    lines = [f"seed {seed}"]
    lines += [
        f"{name}: {outcome.states} states of {outcome.cuts} places to cut, {outcome.resumed} resumed for real"
        for name, outcome in _grouped(outcomes).items()
    ]
    lines += [f"states {states}, promises {len(promises)}, violations {len(violations)}"]
    lines += [f"planted bugs caught {len(caught)} of {len(catches)}"] if catches else []
    lines += [_shown_catch(catch) for catch in catches]
    lines += [line for violation in violations[:MOST_SHOWN] for line in _shown_violation(violation)]
    lines += ["not covered:", *[f"  {text}" for text in NOT_COVERED]]
    lines += [f"{seconds[0]:.0f} s, {seconds[1]:.0f} s of processors"]
    return lines


def _grouped(outcomes: dict[str, Outcome]) -> dict[str, Outcome]:
    """By sort of run: `script-7` counts as `script`."""
    found: dict[str, Outcome] = {}
    for name, outcome in outcomes.items():
        sum_ = found.setdefault(name.rpartition("-")[0] or name, Outcome())
        sum_.states, sum_.cuts = sum_.states + outcome.states, sum_.cuts + outcome.cuts
        sum_.resumed += outcome.resumed
    return found


def _shown_catch(catch: Catch) -> str:
    if catch.violation is None:
        return f"  MISSED  {catch.bug}: {catch.states} states"
    return f"  caught  {catch.bug}: {catch.violation.promise} (state {catch.states})"


def _shown_violation(violation: Violation) -> list[str]:
    return [f"VIOLATION {violation}", f"  again: make proof STATE={violation.state}"]
