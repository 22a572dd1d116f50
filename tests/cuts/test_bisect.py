"""`bisect` names the step that broke a check; killed, it goes on; the original stays as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
from lives import Life

from maos_sup.cli import main
from maos_sup.cuts.take import take_cut
from state_layout.paths import Tree
from state_layout.tree.making import create_tree

AGENTS = tuple(f"agent{number}" for number in range(1, 9))
ROUNDS, CULPRIT, BROKEN_AT = 12, "agent7", 7
if os.environ.get("MAOS_SUP_UNDO_ROUNDS"):  # the long form
    ROUNDS, BROKEN_AT = 48, 43
CHECK = """
import json, os, sys
from pathlib import Path
folder = Path(sys.argv[1])
with open("looks", "a") as file:
    file.write("x")
if Path("kill").exists() and os.path.getsize("looks") % 3 == 0:
    os.kill(os.getppid(), 9)
told = json.loads((folder / "agents" / "agent7.json").read_text())
lines = (folder / "agents" / "agent7.jsonl").read_text().splitlines()
if len(lines) in map(int, os.environ.get("CANNOT_TELL", "").split()):
    sys.exit(125)
sys.exit(1 if told["state"].get("total", 0) != len([x for x in lines if '"total"' in x]) else 0)
"""


class Answer(NamedTuple):
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A team that talked; in agent7's step s7 its sum went wrong. A checkpoint each third round."""
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "check.py").write_text(CHECK)
    tree = create_tree(
        tmp_path / "home" / "team",
        orchestration={"id": "team", "request": "r"},
        agents={name: {"kind": "command", "command": ["true"]} for name in AGENTS},
        tasks={"t": {"agent": "agent1", "description": "d"}},
    )
    team = {name: Life(tree, name) for name in AGENTS}
    take_cut(tree, by="operator", why="w", name="start")
    for number in range(ROUNDS):
        for name, life in team.items():
            to = AGENTS[(AGENTS.index(name) + 1) % len(AGENTS)]
            wrong = name == CULPRIT and number >= BROKEN_AT
            state = {"set": {"total": number + 1 + wrong}}
            life.step(f"s{number}", (to, f"{number} of {name}"), state=state)
            life.receive()
        if number % 3 == 2:
            take_cut(tree, by="operator", why="w", name=f"round {number}")
    for life in team.values():
        life.die()
    return tree


@pytest.fixture
def bisect(capfd: pytest.CaptureFixture[str], tree: Tree) -> Callable[..., Answer]:
    def called(*words: str) -> Answer:
        capfd.readouterr()
        code = main(["bisect", str(tree.root), *words])
        return Answer(code, *capfd.readouterr())

    return called


SEARCH = ("--good", "start", "--", sys.executable, "check.py", "{}")


def signs(tree: Tree) -> dict[str, str]:
    """Hash every file of the tree."""
    paths = sorted(path for path in tree.root.rglob("*") if path.is_file())
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in paths}


def test_step_that_broke_it_is_named_and_the_original_is_only_read(
    tree: Tree, bisect: Callable[..., Answer], tmp_path: Path
) -> None:
    before = signs(tree)
    code, told, _ = bisect(*SEARCH)
    assert code == 0
    assert told.startswith("agent7: seq ") and f"step task=t key=s{BROKEN_AT}" in told
    number = BROKEN_AT // 3 + 1
    assert f"checkpoint {number} round {3 * number - 4} is good, {number + 1} round" in told
    assert len(Path("looks").read_text()) <= 2 + ROUNDS.bit_length() + 7
    assert signs(tree) == before
    assert list((tmp_path / "home" / ".bisect").iterdir()) == []
    assert main(["list"]) == 0


def test_killed_again_and_again_it_looks_at_no_moment_twice_but_the_last(
    tree: Tree, bisect: Callable[..., Answer]
) -> None:
    Path("kill").touch()
    words = [sys.executable, "-m", "maos_sup", "bisect", str(tree.root), *SEARCH]
    codes = [-9]
    while codes[-1] == -9:
        codes.append(subprocess.run(words, capture_output=True, check=False).returncode)
        assert len(codes) < 20
    assert codes[-1] == 0 and codes.count(-9) >= 3
    assert len(Path("looks").read_text()) <= 12 + codes.count(-9)


def test_what_cannot_be_told_is_said_with_all_who_may_be_it(
    bisect: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    sure = json.loads(bisect("--json", *SEARCH).stdout)["suspects"][0]
    monkeypatch.setenv("CANNOT_TELL", str(sure["seq"]))
    code, told, _ = bisect("--json", *SEARCH)
    found = json.loads(told)
    assert (code, found["sure"]) == (3, False)
    assert sure in found["suspects"] and len(found["suspects"]) > 1


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("--good", "start", "--", "true"), "does not call checkpoint 5 round 11 bad"),
        (("--good", "start", "--", "false"), "does not call checkpoint 1 start good"),
        (("--good", "start", "--", "/nowhere/check"), "cannot start '/nowhere/check'"),
        (("--good", "start", "--", "sh", "-c", "exit 200"), "exit code 200 at checkpoint 1"),
        (("--good", "latest", "--", "true"), "is not older"),
        (("--good", "nowhere", "--", "true"), "no checkpoint 'nowhere'"),
    ],
)
def test_search_that_makes_no_sense_is_one_clear_error(
    bisect: Callable[..., Answer], words: tuple[str, ...], remedy: str
) -> None:
    code, _, said = bisect(*words)
    assert code == 2
    assert remedy in said and "Traceback" not in said


@pytest.mark.parametrize("theirs", ["notes.txt", "tree/mine", "agents/mine", "looks.json"])
def test_a_folder_that_is_somebodys_is_refused_and_stays(
    bisect: Callable[..., Answer], tmp_path: Path, theirs: str
) -> None:
    mine = tmp_path / "mine" / theirs
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    code, _, said = bisect("-o", str(tmp_path / "mine"), *SEARCH)
    assert (code, mine.read_text()) == (2, "years of work")
    assert "name" in said and "Traceback" not in said


def test_only_what_the_search_made_is_removed(bisect: Callable[..., Answer], tmp_path: Path) -> None:
    out, check = tmp_path / "out", Path("check.py")
    assert bisect("-o", str(out), *SEARCH).code == 0
    assert not out.exists()
    check.write_text(f"open({str(out / 'kept')!r}, 'w').close()\n{check.read_text()}")
    assert bisect("-o", str(out), *SEARCH).code == 0
    assert [path.name for path in out.iterdir()] == ["kept"]
