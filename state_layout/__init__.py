"""The on-disk tree of an orchestration: paths, records and the only code that writes them.

Importable alone: it knows nothing of `maos_sup`. `FORMAT.md` beside this file is the specification.
"""

import sys

# msgspec takes typing_extensions where it is installed, 11 ms of each start, for what typing has from 3.11 on
if (
    "msgspec" not in sys.modules
    and "typing_extensions" not in sys.modules
    and len(sys._current_frames()) == 1
):
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # so the import system says "not here"
    try:
        import msgspec as msgspec
    finally:
        del sys.modules["typing_extensions"]
