"""What the zygote imports for every agent is small: each module costs its start, and each agent pages."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("anthropic", "asyncio", "click", "email", "filelock", "http.client", "rich", "ssl", "xml.sax")
PROGRAM = """
import sys
from maos_sup.launchers import zygote
zygote.load("maos_sup.agents.runner:main")
zygote.preload("maos_sup.agents.runner:main")
print(*[name for name in sys.argv[1:] if name in sys.modules])
"""


def test_the_zygote_imports_nothing_heavy() -> None:
    command = [sys.executable, "-P", "-c", PROGRAM, *HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
