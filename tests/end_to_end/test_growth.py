"""What a further task costs a running orchestration, counted: bytes read by all processes together.

Not timed, so that a busy machine changes nothing: the kernel adds what each process read to its parent's
account when that waits for it. An agent that looked at all files, or at all of another's snapshot, before
each task would read several times as much.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FEW, MANY = 60, 180
MOST_KB = 70.0  # read for each task beyond the few; it was 180, and more with each
PROBE = """
import json, os, subprocess, sys
from pathlib import Path
from maos_sup.system.linux import become_subreaper
from state_layout.tree.making import create_tree

root, count, agents = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
tree = create_tree(
    root,
    orchestration={"id": "20261121-0142-test-0000", "request": "x"},
    agents={f"a{n}": {"kind": "command", "command": ["true"]} for n in range(agents)},
    tasks={
        f"t{n}": {
            "agent": f"a{n % agents}",
            "needs": sorted({f"t{n // by}" for by in (2, 3, 5)}) if agents > 1 and n > 4 else [],
        }
        for n in range(count)
    },
    files={},
)

def read_bytes():
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])

become_subreaper()
before = read_bytes()
with (root.parent / f"{count}.log").open("wb") as log:
    code = subprocess.run(
        [sys.executable, "-m", "maos_sup", "supervise", str(root)], stdout=log, stderr=log, check=False
    ).returncode
try:
    while True:
        os.waitpid(-1, 0)
except ChildProcessError:
    pass
print(json.dumps({"code": code, "bytes": read_bytes() - before}))
"""


def bytes_read(folder: Path, count: int, *, agents: int) -> int:
    command = [sys.executable, "-c", PROBE, str(folder / f"tree{count}"), str(count), str(agents)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["code"] == 0, (folder / f"{count}.log").read_text()
    status = json.loads((folder / f"tree{count}" / "supervisor" / "status.json").read_text())
    assert {task["phase"] for task in status["tasks"].values()} == {"done"}
    read: int = told["bytes"]
    return read


@pytest.mark.linux("the measure is of its mechanisms")
@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="nothing counts here what processes read")
@pytest.mark.parametrize("agents", [4, 1])
def test_a_further_task_is_read_for_by_its_own_measure(tmp_path: Path, agents: int) -> None:
    few, many = (bytes_read(tmp_path, count, agents=agents) for count in (FEW, MANY))
    assert (many - few) / (MANY - FEW) < MOST_KB * 1000
