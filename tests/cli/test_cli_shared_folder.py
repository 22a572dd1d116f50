"""`check --shared`: two real processes try a folder; what they found becomes a verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maos_sup.cli.shared_folder import _verdicts
from maos_sup.system.shared_probe import FOLDERS

GOOD: Any = [
    {
        "host": "a",
        "number": 0,
        "claimed": [*range(100)],
        "torn": 0,
        "absent": 0,
        "lags_s": [0.1],
        "syncs_s": [0.01],
    },
    {"host": "b", "number": 1, "claimed": [*range(100, FOLDERS)], "torn": 0, "absent": 0, "lags_s": []},
]
GOOD[0]["lock"], GOOD[1]["lock"], GOOD[1]["syncs_s"] = "taken", "refused", [0.02]


def test_a_local_folder_is_tried_by_two_processes_and_left_clean(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    argv = [sys.executable, "-m", "maos_sup", "check", "--shared", str(shared), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {each["name"]: each["level"] for each in told["found"]} == {
        "mkdir": "ok",
        "rename": "ok",
        "append": "ok",
        "fsync": "ok",
        "flock": "ok",
        "hosts": "note",
    }
    assert [*shared.iterdir()] == []


@pytest.mark.parametrize(
    ("number", "key", "value", "name", "level"),
    [
        (1, "claimed", [*range(99, FOLDERS)], "mkdir", "no"),
        (1, "claimed", [*range(101, FOLDERS)], "mkdir", "no"),
        (1, "torn", 1, "rename", "no"),
        (1, "absent", 1, "rename", "no"),
        (0, "lags_s", [0.1, 45.0], "append", "no"),
        (1, "lock", "taken", "flock", "note"),
        (1, "lock", "impossible: not supported", "flock", "note"),
        (1, "trouble", "not seen", "sight", "no"),
    ],
)
def test_what_does_not_hold_is_said(number: int, key: str, value: object, name: str, level: str) -> None:
    found: Any = [dict(one) for one in GOOD]
    assert {each.level for each in _verdicts(found)} == {"ok"}
    found[number][key] = value
    levels = {each.name: each.level for each in _verdicts(found)}
    assert levels.pop(name) == level
    assert {*levels.values()} <= {"ok"}


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "maos_sup", "check", "--shared", str(tmp_path / "none")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 2
    assert "--shared is" in done.stderr
    assert "Traceback" not in done.stderr
