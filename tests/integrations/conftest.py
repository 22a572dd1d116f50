"""The crash harness of tests/state_layout serves here too."""

from __future__ import annotations

import sys
from pathlib import Path

_HARNESS = str(Path(__file__).parents[1] / "state_layout")
if _HARNESS not in sys.path:
    sys.path.append(_HARNESS)
