"""A supervisor that has nothing to do holds no module that it does not need."""

from __future__ import annotations

import subprocess
import sys

HOLDS = """
import sys
import maos_sup.launchers.link
import maos_sup.supervisor.loop, maos_sup.launchers.local
needless = {"random", "secrets", "shutil", "statistics", "tempfile", "typing_extensions"}
print(*sorted(needless & set(sys.modules)))
"""


def test_what_a_supervisor_imports_to_watch_is_none_of_these() -> None:
    done = subprocess.run([sys.executable, "-c", HOLDS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
