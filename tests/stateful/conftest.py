"""Model-based tests use what `tests/state_layout` has for lives and crashes."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "state_layout"))
