"""A team is begun under one Python, adopted by another, killed whole and resumed under the first, both ways.

All Pythons that pyproject.toml names and this machine has are tried beside the one that runs the tests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from interpreters import OWN, PROMISED, find, with_dependencies
from orchestra import REPOSITORY
from processes import kill
from troupe import TALKERS, Troupe
from verdict import problems

WARNING = re.compile(r"^.*(?:maos_sup|state_layout)/\S+:\d+: \w*Warning: .*$", re.MULTILINE)
Prepared = Callable[[str], str]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """An interpreter of a version, with what a user needs; a version that is not here is skipped."""
    known = dict[str, Path | str]()

    def prepare(version: str) -> str:
        if version == OWN:
            pytest.skip(f"{version} runs these tests")
        if version not in known:
            python = find(version)
            made = tmp_path_factory.mktemp("python") / "venv"
            known[version] = with_dependencies(python, made) if python else f"no Python {version} is here"
        if isinstance(known[version], str):
            pytest.skip(str(known[version]))
        return str(known[version])

    return prepare


IMPORT_ALL = """
import importlib, pathlib, sys, warnings

root = pathlib.Path(sys.argv[1])
paths = [path for package in ("maos_sup", "state_layout") for path in (root / package).rglob("*.py")]
names = [".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in paths]
names = [name for name in names if not name.endswith("__main__")]


def load(name):
    try:
        importlib.import_module(name)
    except ImportError as missing:  # a package of an extra
        if (missing.name or "").partition(".")[0] in ("maos_sup", "state_layout"):
            raise
        return False
    return True


names = [name for name in names if load(name)]  # others' packages may warn, once
for name in [name for name in sys.modules if name.partition(".")[0] in ("maos_sup", "state_layout")]:
    del sys.modules[name]
warnings.simplefilter("error")
for path in paths:
    compile(path.read_text(), str(path), "exec")
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@pytest.mark.parametrize("version", PROMISED)
def test_no_module_warns_when_it_is_imported(prepared: Prepared, version: str) -> None:
    words = [prepared(version), "-W", "ignore", "-c", IMPORT_ALL, str(REPOSITORY)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


@pytest.mark.linux("which Python a process is, is read in /proc")
@pytest.mark.parametrize("is_begun_there", [True, False], ids=["begun there", "begun here"])
@pytest.mark.parametrize("version", PROMISED)
def test_a_team_goes_from_one_python_to_another_and_back(
    troupe: Troupe, prepared: Prepared, version: str, is_begun_there: bool
) -> None:
    first, second = prepared(version), sys.executable
    if not is_begun_there:
        first, second = second, first
    troupe.environment["PYTHONWARNINGS"] = "default"
    troupe.python = first
    troupe.begin(sprints=2)
    troupe.wait_progress()
    pids, attempts = troupe.wait_alive(*TALKERS), troupe.attempts()
    assert {runs_under(pids[name]) for name in TALKERS} == {os.path.realpath(first)}

    kill(troupe.supervisor() or 0)
    troupe.python = second
    troupe.resume()
    troupe.wait_progress()
    assert troupe.pids().items() >= {name: pids[name] for name in TALKERS}.items(), "none was restarted"
    assert troupe.attempts() == attempts
    kill(pids["will"], pids["theo"])  # from now on agents under both talk with each other
    troupe.wait(lambda: troupe.attempts()["theo"] == attempts["theo"] + 1, "theo lives again")
    troupe.wait_progress()
    assert runs_under(troupe.wait_alive("theo")["theo"]) == os.path.realpath(second)
    troupe.settle("sprint-000")

    troupe.end_all()
    troupe.python = first
    troupe.resume()
    troupe.wait_progress()
    troupe.settle("sprint-001")
    troupe.finish()
    troupe.wait_rest("done", deadline_s=60)
    assert problems(troupe) == []
    troupe.assert_nothing_left()
    troupe.assert_sound()
    assert WARNING.findall(said(troupe)) == []


def runs_under(pid: int) -> str:
    """The interpreter that a process is."""
    return os.path.realpath(f"/proc/{pid}/exe")


def said(troupe: Troupe) -> str:
    """Read all that the supervisors and agents wrote on their standard error."""
    logs = [troupe.tree.supervisor_log, *troupe.root.glob("agents/*/attempts/*/stderr.log")]
    words = [log.read_text(errors="replace") for log in logs if log.exists()]
    return "\n".join([*words, troupe.cli("status", str(troupe.root)).stderr])
