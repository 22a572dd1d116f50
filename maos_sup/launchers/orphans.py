"""Says what an agent left in its session when it died, as the zygote tells it and the launcher hears it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from maos_sup.system.targets import Target


def told_orphans(orphans: Sequence[Target]) -> tuple[dict[str, Any], list[int]]:
    """Make the fields of a message that tells of `orphans`, and the descriptors that go with it."""
    fields = {"orphans": [each.pid for each in orphans], "starts": [each.start_time for each in orphans]}
    pidfds = [each.pidfd for each in orphans]
    return fields, pidfds if all(pidfd >= 0 for pidfd in pidfds) else []


def heard_orphans(message: Mapping[str, Any], pidfds: Sequence[int]) -> list[Target]:
    """Take the orphans in `message`. Where not all descriptors arrived the start times have to do."""
    pids, starts = message["orphans"], message["starts"]
    if len(pidfds) != len(pids):
        for pidfd in pidfds:
            os.close(pidfd)
        pidfds = [-1] * len(pids)
    told = zip(pids, starts, pidfds, strict=True)
    return [Target(pid=pid, start_time=start, pidfd=pidfd) for pid, start, pidfd in told]
