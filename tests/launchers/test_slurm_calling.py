"""A command is waited for as long as somebody has patience, whatever it left behind that holds its output."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from processes import with_variable

from maos_sup.launchers.slurm import calling
from maos_sup.launchers.slurm.calling import Answer, ask


def test_what_it_says_is_told(tmp_path: Path) -> None:
    assert ask(["sh", "-c", "cat; echo no >&2; exit 3"], given="5\n") == Answer(code=3, out="5\n", error="no")
    assert ask(["sh", "-c", "exit 1"]).error == "sh ended with 1, without a word"
    missing = ask([str(tmp_path / "squeue")])
    assert (missing.code, missing.is_missing) == (None, True)
    assert missing.error.endswith("cannot be called here: No such file or directory")


def test_it_is_killed_with_what_it_started_when_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "_LOOK_S", 0.05)
    asked = list[float]()

    def gives_up(passed_s: float) -> bool:
        asked.append(passed_s)
        return len(asked) == 3

    mark = f"{os.getpid()}-{id(asked)}"
    line = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(1000)'])"
    answer = ask([sys.executable, "-c", line], env={**os.environ, "HUNG": mark}, gives_up=gives_up)
    assert (answer.code, len(asked)) == (None, 3)
    assert "said nothing for" in answer.error
    assert not with_variable(f"HUNG={mark}")


def test_much_output_does_not_block() -> None:
    given = "x" * 1_000_000
    assert ask(["cat"], given=given).out == given


@pytest.mark.parametrize(
    ("error", "is_refusal"),
    [
        ("sbatch: error: invalid partition specified: no", True),
        ("sbatch: unrecognized option '--foo'\nTry \"sbatch --help\" for more information", True),
        ("sbatch: error: Batch job submission failed: Invalid job array specification", True),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller", False),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", False),
        ("sbatch: error: Batch job submission failed: Resource temporarily unavailable", False),
        (
            "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
            "(job submit limit, user's size and/or time limits)",
            False,
        ),
        ("Segmentation fault", False),
    ],
)
def test_only_what_slurm_refuses_for_good_is_refused(error: str, *, is_refusal: bool) -> None:
    assert Answer(code=1, error=error).is_refusal is is_refusal
