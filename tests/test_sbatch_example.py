"""The example of a supervisor as a job, called with programs that answer as Slurm does for named clusters."""

from __future__ import annotations

import subprocess
import sys

from orchestra import REPOSITORY, Orchestra

SCRIPT = REPOSITORY / "examples/slurm/supervisor.sbatch"
PROGRAMS = {
    "sbatch": 'echo "812;north"',
    "scancel": 'echo "$@" >> "$OUT/cancelled"',
    "maos-sup": f'exec {sys.executable} -m maos_sup "$@"',
}


def test_successor_on_a_named_cluster_is_taken_back_by_its_number(orchestra: Orchestra) -> None:
    orchestra.run({"ann": "echo hi"})
    orchestra.wait_rest("done")
    programs = orchestra.folder / "bin"
    programs.mkdir()
    for name, line in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    environment = {**orchestra.environment, "SLURM_JOB_ID": "811", "SLURM_CLUSTERS": "north"}
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    done = subprocess.run(
        ["sh", str(SCRIPT), str(orchestra.root)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert orchestra.word("cancelled") == "812\n", done
