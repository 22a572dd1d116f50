"""restic and borg on the tree of a living team: `resume` brings what they kept to one moment and goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from orchestra import Orchestra

TALK = "i=0; while [ ! -e $OUT/enough ]; do i=$((i+1)); echo line $i; sleep 0.02; done"
ENVIRONMENT = {"RESTIC_PASSWORD": "x", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
BORG_BACK = 'mkdir "$1"; cd "$1"; borg extract "$0::$(borg list --short --last 1 "$0")"'
COMMANDS = {
    "restic": {
        "init": ["restic", "--no-cache", "-r", "{repo}", "init"],
        "keep": ["restic", "--no-cache", "-r", "{repo}", "backup", "."],
        "back": ["restic", "--no-cache", "-r", "{repo}", "restore", "latest", "--target", "{back}"],
    },
    "borg": {
        "init": ["borg", "init", "-e", "none", "{repo}"],
        "keep": ["borg", "create", "{repo}::{{now:%Y-%m-%dT%H:%M:%S.%f}}", "."],
        "back": ["sh", "-c", BORG_BACK, "{repo}", "{back}"],
    },
}


@pytest.mark.parametrize("tool", sorted(COMMANDS))
def test_living_team_comes_back_and_goes_on(tool: str, orchestra: Orchestra, tmp_path: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed (apt-get install restic borgbackup)")
    places = {"repo": tmp_path / "repo", "back": tmp_path / "back"}

    def run(step: str, *, codes: tuple[int, ...] = (0,)) -> None:
        done = subprocess.run(
            [word.format(**places) for word in COMMANDS[tool][step]],
            cwd=orchestra.root if step == "keep" else tmp_path,
            env=os.environ | ENVIRONMENT | {"BORG_BASE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in codes, done.stderr

    run("init")
    orchestra.start({"bob": TALK, "eve": TALK})
    orchestra.wait_alive("bob", "eve")
    for _ in range(3):
        run("keep", codes=(0, 1, 3))  # 1 and 3: a file vanished or changed while it was read
    orchestra.say("enough")
    orchestra.wait_rest("done")
    run("back")
    root = next(places["back"].rglob("FORMAT")).parent
    new = Orchestra(tmp_path, root=root, id=orchestra.id)
    assert new.phase() == "interrupted"
    new.resume()
    new.wait_rest("done")
    new.assert_sound()
