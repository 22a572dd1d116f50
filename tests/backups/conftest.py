"""Lives without processes come from the tests of `state_layout`, whole trees from those of mirrors."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / name) for name in ("state_layout", "mirrors", "crash")]
