"""Says where what belongs to a user, and to no one orchestration, lies."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Name the folder that holds the trees: `MAOS_SUP_HOME`, or `~/.maos-sup`."""
    given = os.environ.get("MAOS_SUP_HOME")
    return Path(given).expanduser().absolute() if given else Path.home() / ".maos-sup"
