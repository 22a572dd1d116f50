"""The shipped example: three attempts at one task, scored by a command; others go on from the best."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from orchestra import Orchestra


@pytest.mark.timeout(240)
@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_the_fastest_right_one_is_taken_over(orchestra: Orchestra, tmp_path: Path) -> None:
    told = orchestra.example("best_of_three", tmp_path)
    assert "took over the attempt of coder-2 (coder-1 " in told, told
    assert "coder-3 exit code 1)" in told, "fast and wrong"
    assert "coder: its work is in that of writer" in told, told
    demo = tmp_path / "demo"
    status = subprocess.run(
        ["git", "-C", str(demo), "status", "--short"], capture_output=True, text=True, check=True
    )
    assert [line for line in status.stdout.splitlines() if "__pycache__" not in line] == []
    landed = subprocess.run(
        ["git", "-C", str(demo), "for-each-ref", "--format=%(refname)", "refs/heads/maos/*/LANDED"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    files = subprocess.run(
        ["git", "-C", str(demo), "show", f"{landed}:primes.py"], capture_output=True, text=True, check=True
    )
    assert "bytearray" in files.stdout
    orchestra.assert_nothing_left()
    orchestra.assert_sound()
