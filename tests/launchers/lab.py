"""A place for launcher tests: a folder that stands for a tree, agents told what to do by scripts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from ready import is_ready

from maos_sup.launchers.base import Launcher, Observed, Submission
from state_layout.host.marks import mark_of
from state_layout.host.stats import read_stat
from state_layout.paths import Tree

DEADLINE_S = 100.0
IDLE = "import signal\n(root / f'{agent}.up').touch()\nwhile True: signal.pause()\n"
WORN = (
    "from state_layout.host.marks import mark_of, wear\n"
    "from state_layout.paths import Tree\n"
    "wear(mark_of(Tree(root), agent, 1))\n"
)

# A supervisor that only submits: arguments are the tree's root and the agents.
SUPERVISOR = """
import select, sys
from pathlib import Path
from maos_sup.launchers.base import Submission
from maos_sup.launchers.local import LocalLauncher
from state_layout.paths import Tree
root = Path(sys.argv[1])
launcher = LocalLauncher(Tree(root), entry="agent_entry:main")
for agent in sys.argv[2:]:
    launcher.submit(Submission(agent=agent, attempt=1, tree_root=str(root)))
while True:
    launcher.poll()
    (root / "supervisor.up").touch()
    select.select([launcher], [], [], 1)
"""


class Lab:
    """One launcher and its agents. Conditions are waited for as a supervisor waits."""

    def __init__(self, tree: Tree, launcher: Launcher) -> None:
        self.tree, self.launcher, self.is_closed = tree, launcher, False

    def close(self) -> None:
        """Close the launcher; its agents live on."""
        self.launcher.close()
        self.is_closed = True

    def write(self, agent: str, script: str = IDLE) -> None:
        """Write what `agent` does in its lives from now on."""
        (self.tree.root / f"{agent}.py").write_text(script)

    def submit(self, agent: str, script: str | None = None) -> int:
        """Submit `agent`, with a new script if one is given."""
        if script is not None:
            self.write(agent, script)
        return self.launcher.submit(Submission(agent=agent, attempt=1, tree_root=str(self.tree.root)))

    def start(self, agent: str, script: str = IDLE) -> int:
        """Submit `agent` and wait until its script said that it is up; its pid."""
        self.path(f"{agent}.up").unlink(missing_ok=True)
        self.submit(agent, script)
        self.wait(lambda: self.path(f"{agent}.up").exists() and self.observed(agent).pid > 0)
        return self.observed(agent).pid

    def wait(self, condition: Callable[[], object]) -> None:
        """Poll whenever the launcher says so until `condition` holds."""
        deadline_s = time.monotonic() + DEADLINE_S
        self.launcher.poll()
        while not condition():
            assert time.monotonic() < deadline_s, "the condition did not come true"
            is_ready(self.launcher.fileno(), 0.02)
            self.launcher.poll()

    def wait_quietly(self, condition: Callable[[], object]) -> None:
        """The same without polling on a guess: only when `fileno` is readable."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            ready = is_ready(self.launcher.fileno(), max(0.0, deadline_s - time.monotonic()))
            assert ready, "fileno did not become readable"
            self.launcher.poll()

    def observed(self, agent: str) -> Observed:
        """Ask what the launcher knows of `agent` now."""
        found = self.launcher.poll()
        assert found is not None
        return found[agent]

    def ended(self, agent: str) -> Observed:
        """Wait until `agent` ended and it is known how."""

        def is_known() -> bool:
            seen = self.observed(agent)
            return not seen.alive and (seen.exit_code is not None or seen.signal is not None)

        self.wait(is_known)
        return self.observed(agent)

    def path(self, name: str) -> Path:
        """A file that a script writes."""
        return self.tree.root / name

    def number(self, name: str) -> int:
        """Wait for a file with a number in it; the number."""
        self.wait(lambda: self.path(name).exists() and self.path(name).read_text().endswith("\n"))
        return int(self.path(name).read_text())

    def mark(self, agent: str, attempt: int = 1) -> str:
        """The mark of an attempt of `agent`."""
        return mark_of(self.tree, agent, attempt)


def runs(pid: int) -> bool:
    """A process has `pid` and did not end."""
    stat = read_stat(pid)
    return stat is not None and not stat.is_gone


def started(command: str, name: str, *, env: str = "None") -> str:
    """Lines of a script that start `command` (argv as Python text) in a session; its pid goes to `name`."""
    return (
        "import os, subprocess\n"
        f"child = subprocess.Popen({command}, env={env}, start_new_session=True)\n"
        "kept = [*globals().get('kept', ()), child]\n"
        f"(root / '{name}').write_text(f'{{child.pid}}\\n')\n"
    )


def open_descriptors() -> int:
    """Count the descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
