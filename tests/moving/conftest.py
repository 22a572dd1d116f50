"""Lives without processes come from tests of `state_layout`, trees from mirrors, disks from crashes."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / name) for name in ("state_layout", "mirrors", "crash")]
