"""Agents without processes, and crashes at each disk operation, come from the tests of `state_layout`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "state_layout"))
