"""What people type by habit: no DIR, part of an id, names of MAOS, help in each spelling, rm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLAN = 'request = "say hi"\n[agents.a]\nkind = "command"\nshell = "echo hi"\ntask = "t"\n'


class Shell:
    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        (folder / "plan.toml").write_text(PLAN)

    def __call__(self, *arguments: str, expect: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "maos_sup", *arguments],
            env={**os.environ, "MAOS_SUP_HOME": str(self.home)},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_commands_without_dir_mean_the_newest(shell: Shell) -> None:
    shell("run", "plan.toml", "--plain", "--name", "first thing")
    shell("run", "plan.toml", "--plain", "--name", "second thing")
    assert "limits.max_agents is 3" in shell("set", "limits.max_agents", "3")
    assert "sent to a" in shell("send", "a", "hello")
    assert "save_s is 2" in shell("save-interval", "2")
    assert "pause is wanted" in shell("pause")
    rows = json.loads(shell("list", "--json"))["orchestrations"]
    assert ["second-thing" in rows[0]["id"], rows[0]["want"]] == [True, "pause"]
    assert rows[1]["want"] == "run"


def test_any_part_of_an_id_names_it_and_one_of_several_does_not(shell: Shell) -> None:
    shell("run", "plan.toml", "--plain", "--name", "alpha")
    shell("run", "plan.toml", "--plain", "--name", "beta")
    assert "alpha" in shell("status", "alpha")
    assert "is part of 2 ids" in shell("status", "a", expect=2)


def test_tree_made_elsewhere_is_listed_and_found_by_its_id(shell: Shell, tmp_path: Path) -> None:
    shell("run", "plan.toml", "--plain", "--dir", str(tmp_path / "other"), "--name", "far away")
    shell("run", "plan.toml", "--plain", "--name", "near")
    rows = json.loads(shell("list", "--json"))["orchestrations"]
    assert {Path(row["directory"]).name == "other" for row in rows} == {True, False}
    assert "done" in shell("status", "far-away")
    assert "deleted" in shell("rm", "far-away")
    assert not (tmp_path / "other").exists()
    assert len(json.loads(shell("list", "--json"))["orchestrations"]) == 1


def test_rm_keeps_what_may_still_be_wanted(shell: Shell) -> None:
    (shell.folder / "art.toml").write_text(PLAN.replace("echo hi", "echo x > $MAOS_ARTIFACTS/a"))
    shell("run", "art.toml", "--plain", "--name", "one")
    assert "kept: holds 1 artifact; --force deletes it" in shell("rm", "one", expect=11)
    assert "deleted" in shell("rm", "one", "--force")


def test_help_is_given_in_each_spelling(shell: Shell) -> None:
    for words in (("-h",), ("help",), ("--help",)):
        assert "Usage: maos-sup" in shell(*words)
    assert "CHECKPOINT" in shell("help", "rollback")
    assert "maos-sup" in shell("-V")


def test_lines_of_maos_users_work_and_are_said_in_our_words(shell: Shell) -> None:
    shell("run", "plan.toml", "--plain", "--name", "old habits")
    assert "checkpoint" in shell("orchestration", "checkpoint", "habits", "--name", "before")
    told = shell("recover", "list", "habits")
    assert "before" in told
    assert "in our words: maos-sup checkpoints habits" in told
    assert "in our words: maos-sup rollback" in shell("recover", "restore", "habits", "before", "--dry-run")
    assert "recover" in shell("recover", "nonsense", expect=2)


def test_unknown_option_is_refused_also_where_numbers_may_be_negative(shell: Shell) -> None:
    shell("run", "plan.toml", "--plain")
    assert "no such option: --limit" in shell("set", "--limit", "5", expect=2)
    assert "no such option: --every" in shell("save-interval", "--every", "5", expect=2)


@pytest.mark.parametrize("words", ["import", "status", "list", "backup --to repo", "run plan.toml"])
def test_folder_that_was_removed_is_one_error(shell: Shell, tmp_path: Path, words: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", f'rmdir "$PWD" && exec {sys.executable} -m maos_sup {words}'],
        cwd=gone,
        env={**os.environ, "MAOS_SUP_HOME": str(shell.home), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "bug" not in done.stderr and "Traceback" not in done.stderr
    if done.returncode:
        assert done.stderr.count("\n") == 1 and done.stderr.startswith("maos-sup: ")
