"""A hard limit of open files, or no pidfds at all, keeps no orchestration from its end."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from orchestra import Orchestra
from processes import kill


@pytest.mark.parametrize("limit", [32, 48])
def test_more_agents_than_descriptors_all_end_and_so_does_the_supervisor(
    orchestra: Orchestra, limit: int
) -> None:
    agents = {f"a{number}": "sleep 0.5; echo hi" for number in range(40)}
    plan = orchestra.plan(agents, limits={"max_agents": 60})
    command = [sys.executable, "-m", "maos_sup", "run", str(plan), "--dir", str(orchestra.root), "--plain"]
    limited = ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", *command]
    done = subprocess.run(
        limited, env=orchestra.environment, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stderr
    orchestra.wait_rest("done")
    assert set(orchestra.attempts().values()) == {1}


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_without_pidfds_agents_start_die_start_again_and_stop(orchestra: Orchestra, error: str) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    plan = orchestra.plan({"ann": "(setsid sleep 1000 &); sleep 1000"})
    refused = [f"inject={call}:error={error}" for call in ("pidfd_open", "pidfd_send_signal")]
    traced = ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=pidfd_open,pidfd_send_signal"]
    traced += [word for each in refused for word in ("-e", each)]
    command = [sys.executable, "-m", "maos_sup", "run", str(plan), "--dir", str(orchestra.root), "--detach"]
    words = orchestra.folder / "words"
    with words.open("wb") as said:  # no pipe: the tracer keeps it open
        subprocess.run(
            [*traced, *command], env=orchestra.environment, stdout=said, stderr=said, check=False, timeout=90
        )
    if "ptrace" in words.read_text():
        pytest.skip(words.read_text())
    first = orchestra.wait_alive("ann")["ann"]
    kill(first)
    orchestra.wait(lambda: orchestra.attempts()["ann"] == 2, "it is started again", deadline_s=60)
    orchestra.wait_alive("ann")
    orchestra.do("stop")
    orchestra.wait_rest("stopped", deadline_s=60)
    assert orchestra.attempts() == {"ann": 2}
