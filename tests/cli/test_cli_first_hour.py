"""Faults that a new user met: each test is named after what was seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli_trees import new_tree, settle
from living import end_all

from state_layout.lives.attempts import begin_attempt, recall
from state_layout.paths import Tree
from state_layout.tree import list_trees
from state_layout.tree.elsewhere import remember

Call = Callable[..., Any]
QUESTION = {"id": "alice-0123456789ab", "task": "count", "text": "Red?", "at": "2026-11-21T01:42:00Z"}


def test_status_and_resume_take_a_name_as_maos_did(call: Call, tree: Tree) -> None:
    answer = call("orchestration", "status", "--name", tree.root.name)
    assert (answer.code, tree.root.name in answer.out) == (0, True)
    assert answer.err == f"(in our words: maos-sup status {tree.root.name})\n"
    assert call("orchestration", "status", tree.root.name, "--json").code == 0
    assert call("orchestration", "resume", "--name", "nosuch").code == 10


def test_what_list_shows_of_a_tree_elsewhere_is_taken_back(call: Call, home: Path, tmp_path: Path) -> None:
    made = new_tree(tmp_path, "elsewhere")
    remember(home, made.root)
    assert "elsewhere" in call("list").out
    assert call("status", "elsewhere").code == 0
    assert list_trees(home) == []


def test_an_answered_question_says_so_without_the_tree(call: Call, tree: Tree) -> None:
    settle(tree, "alice", "count", "asking")
    status = json.loads(tree.agent("alice").status.read_text()) | {"questions": [QUESTION]}
    tree.agent("alice").status.write_text(json.dumps(status))
    assert call("answer", "alice-01", "blue").code == 0
    tree.agent("alice").status.write_text(json.dumps(status | {"questions": []}))
    answer = call("answer", "alice-01", "no")
    assert answer.code == 2
    assert answer.err.startswith("maos-sup: question alice-0123456789ab was answered: ")
    assert call("answer", "nobody", "no").code == 10


def test_who_looks_late_tells_agents_with_their_own_times(call: Call, tree: Tree) -> None:
    attempt = begin_attempt(tree, "alice", recall=recall(tree, "alice"), settings={})
    last = attempt.journal.commit("warning", {"text": "late"})
    attempt.journal.close()
    settle_failed(tree, "alice")
    at = json.loads(attempt.paths.journal.read_text().splitlines()[-1])["at"]
    out = call("attach", "--plain").out
    line = next(line for line in out.splitlines() if "agent alice failed" in line)
    assert last is not None
    assert line.startswith(f"{at[11:19]}Z ")


def settle_failed(tree: Tree, agent: str) -> None:
    folder = tree.agent(agent).attempt(1).root
    (folder / "exit.json").write_text('{"attempt": 1, "by": "agent", "reason": "failed"}')
    tasks = {"count": {"phase": "failed", "run": 1, "error": "it broke"}}
    tree.agent(agent).status.write_text(json.dumps({"attempt": 1, "phase": "failed", "tasks": tasks}))


def test_a_line_of_mail_that_is_none_is_told_in_a_sentence(call: Call, tree: Tree) -> None:
    (tree.mail_box("alice") / "operator.jsonl").parent.mkdir(parents=True, exist_ok=True)
    (tree.mail_box("alice") / "operator.jsonl").write_text('{"texxt": "a"}\n')
    out = call("check").out
    assert "is no message: it has no 'text' and no 'body'" in out


def test_a_word_that_is_part_of_an_id_is_taken_for_what_it_is(call: Call, tree: Tree) -> None:
    part = tree.root.name[:2]
    assert "no checkpoint" in call("rollback", part).err
    assert call("save-interval", part).out.startswith(f"spec/orchestration.json: intervals.save_s is {part}")
    assert "no agent '20'" in call("send", part, "hello").err
    assert call("results", part).code == 0


def test_a_misspelt_answer_is_told(call: Call, tree: Tree) -> None:
    tree.approvals.mkdir(exist_ok=True)
    for name in (
        "alice-0123456789ab.yes",
        ".alice-1.yes",
        "notes.txt",
        "alice-zzz.yes",
        "carol-0123456789ab.no",
    ):
        (tree.approvals / name).touch()
    notes = json.loads(call("status", "--json").out)["notes"]
    assert [note.partition(":")[0] for note in notes] == [
        "spec/approvals/alice-zzz.yes",
        "spec/approvals/carol-0123456789ab.no",
    ]
    assert "is the name of no question" in call("status").out


def test_a_resume_with_nothing_left_says_so(call: Call, tree: Tree, home: Path) -> None:
    settle(tree, "alice", "count", "failed")
    settle(tree, "bob", "report", "done")
    try:
        out = call("resume", "--detach").out
        assert "nothing is left to do, 1 task failed; try again: maos-sup retry" in out
        assert "runs without a view" not in out
    finally:
        end_all(home)


def test_a_checkpoint_is_not_called_as_the_newest_one_is_found(call: Call, tree: Tree) -> None:
    answer = call("checkpoint", tree.root.name, "--name", "latest")
    assert (answer.code, "'latest', which always means the newest" in answer.err) == (2, True)
    assert call("checkpoint", tree.root.name, "--name", "late").code == 0


def test_a_scope_without_values_is_no_empty_line(call: Call, tree: Tree) -> None:
    for command in ("list", "history"):
        answer = call("state", command, tree.root.name, "orchestration")
        assert (answer.code, answer.out, "no value in orchestration" in answer.err) == (0, "", True), answer


def test_diff_takes_the_orchestration_before_its_checkpoints(call: Call, home: Path, tree: Tree) -> None:
    other = new_tree(home, "zz-newer")
    for name in (tree.root.name, other.root.name):
        assert call("checkpoint", name, "--name", "same").code == 0
    assert call("checkpoint", tree.root.name, "--name", "later").code == 0
    here = tree.root.name
    for words, sides in ((("same",), f"{here}@same"), (("same", "later"), f"{here}@later")):
        answer = call("diff", here, *words)
        assert (answer.code, sides in answer.out, "zz-newer" in answer.out) == (0, True, False), answer.out
    assert "diff DIR A [B]" in call("diff", here, "same", "nosuch").err
