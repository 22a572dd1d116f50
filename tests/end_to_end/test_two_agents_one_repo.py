"""The shipped example: agents on one repository; what they did is landed, a conflict resolved."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from orchestra import REPOSITORY, Orchestra

SCRIPT = REPOSITORY / "examples" / "two_agents_one_repo" / "run.sh"


@pytest.mark.timeout(240)
@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_what_they_did_is_landed_and_the_conflict_resolved(orchestra: Orchestra, tmp_path: Path) -> None:
    given = {name: value for name, value in orchestra.environment.items() if not name.startswith("ANTHROPIC")}
    done = subprocess.run(
        ["sh", str(SCRIPT), str(tmp_path)],
        env={**given, "PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{orchestra.told()}"
    assert "polite and translator changed the same file, which may not merge: hello.py" in done.stdout
    assert "translator: does not merge: hello.py (with polite)" in done.stdout
    assert "resolver: merged, 3 files, the check passed" in done.stdout
    assert "## main\n?? notes.txt\n" in done.stdout, "the checkout of the user, before he merges"
    names = {path.name for path in (tmp_path / "demo").iterdir() if not path.name.startswith("__")}
    assert names == {".git", "hello.py", "test_hello.py", "HELLO.md", "notes.txt"}
    assert "Good day" in (tmp_path / "demo" / "hello.py").read_text()
    assert orchestra.attempts() == {"polite": 1, "translator": 1, "writer": 1, "resolver": 2}
    orchestra.assert_nothing_left()
    orchestra.assert_sound()
