"""Sessions of the ready-made profiles in trees that were moved or copied."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import lines
import pytest
from looks import Actor, Make, journal, told, warnings, whole
from stage import Stage, wait_for

from state_layout.paths import Tree
from state_layout.records import TaskPhase


def _moved(one: Stage, *, keep: bool) -> Path:
    """Move (or copy) the tree, and have the stage look at it there; where it was."""
    old, new = one.root, one.folder / "elsewhere" / "tree"
    new.parent.mkdir()
    if keep:
        shutil.copytree(old, new, symlinks=True)
    else:
        old.rename(new)
    one.tree, one.root = Tree(new), new
    one.pretend_supervised()
    return old


def _begun(one: Stage, profile: str) -> None:
    life = one.live("ann")
    wait_for((one.outside / "at").exists, "an answer")
    wait_for(lambda: journal(one, "session"), "a session")
    home = one.tree.agent("ann").session / "home"
    (home / "state_5.sqlite").write_text("an index")
    (home / "state_5.sqlite-wal").write_text("its log")
    (home / "kept.jsonl").write_text("the conversation")
    life.kill()


@pytest.mark.parametrize("keep", [True, False])
def test_codex_goes_on_elsewhere_without_its_index_which_has_the_old_paths(
    stage: Make, actor: Actor, keep: bool
) -> None:
    begun = [*lines.begin("codex"), *lines.text("codex", "I think"), {"touch": "at"}, {"sleep": 600}]
    one = stage({"ann": actor("codex", begun, whole("codex"))})
    _begun(one, "codex")
    old = _moved(one, keep=keep)
    assert one.run("ann") == 0, one.log()
    home = one.tree.agent("ann").session / "home"
    assert sorted(path.name for path in home.iterdir()) == ["kept.jsonl"]
    assert json.loads(one.words("argv")[-1])[1:3] == ["resume", "s-1"]
    if keep:
        assert (old / "agents/ann/session/home/state_5.sqlite").exists()


def test_codex_keeps_its_index_where_nothing_moved(stage: Make, actor: Actor) -> None:
    begun = [*lines.begin("codex"), *lines.text("codex", "I think"), {"touch": "at"}, {"sleep": 600}]
    one = stage({"ann": actor("codex", begun, whole("codex"))})
    _begun(one, "codex")
    assert one.run("ann") == 0, one.log()
    assert (one.tree.agent("ann").session / "home/state_5.sqlite").exists()


@pytest.mark.parametrize("profile", ["gemini", "opencode"])
def test_session_that_hangs_on_its_folder_begins_anew_with_what_is_on_record(
    stage: Make, actor: Actor, profile: str
) -> None:
    begun = [
        *lines.begin(profile),
        *lines.text(profile, "I made a plan."),
        *lines.call_begins(profile, "i", "make it"),
        *lines.call_ends(profile, "i", "make it", "it is made"),
        {"touch": "at"},
        {"sleep": 600},
    ]
    one = stage({"ann": actor(profile, begun, whole(profile))})  # its folder is its workspace, in the tree
    _begun(one, profile)
    _moved(one, keep=True)
    assert one.run("ann") == 0, one.log()
    argv = [json.loads(line) for line in one.words("argv")]
    assert argv[1][1] == "start" and (argv[0][2] != argv[1][2] or profile == "opencode")
    for words in ("Do ann", "I made a plan.", "make it", "it is made", "could not go on"):
        assert words in told(one)[1]
    assert ("may be missing" in told(one)[1]) == (profile == "opencode")  # it tells calls when they end
    assert "a new session begins" in warnings(one)


def test_session_that_the_program_does_not_find_is_followed_by_a_new_one(stage: Make, actor: Actor) -> None:
    begun = [*lines.begin("codex"), *lines.text("codex", "I think"), {"touch": "at"}, {"sleep": 600}]
    lost = [{"stderr": "Error: no rollout found for thread id s-1"}, {"exit": 1}]
    one = stage({"ann": actor("codex", begun, lost, whole("codex"))})
    _begun(one, "codex")
    assert one.run("ann") == 0, one.log()
    assert [json.loads(line)[1] for line in one.words("argv")] == ["start", "resume", "start"]
    assert "I think" in told(one)[2]


def test_program_that_finds_no_session_ever_fails_the_task(stage: Make, actor: Actor) -> None:
    one = stage({"ann": actor("gemini", [{"stderr": "no such session"}, {"exit": 42}])})
    one.run("ann")
    assert one.history("ann").tasks["ann"].phase is TaskPhase.FAILED
    sessions = [json.loads(line)[2] for line in one.words("argv")]
    assert len(sessions) == len(set(sessions)) == 3


def test_session_kept_outside_the_tree_is_not_shared_by_a_copy(stage: Make, actor: Actor) -> None:
    begun = [*lines.begin("codex"), *lines.text("codex", "I think"), {"touch": "at"}, {"sleep": 600}]
    one = stage({"ann": actor("codex", begun, whole("codex"), home_env="")})
    life = one.live("ann")
    wait_for(lambda: (one.outside / "at").exists() and journal(one, "session"), "a session")
    life.kill()
    _moved(one, keep=True)
    assert one.run("ann") == 0, one.log()
    assert [json.loads(line)[1] for line in one.words("argv")] == ["start", "start"]
