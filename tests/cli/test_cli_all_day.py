"""What somebody meets at this terminal all day: which tree is meant, what is said, and what is said once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from cli_trees import finish, new_tree, settle
from living import MAOS_SUP, end_all, task_phase, the_tree, wait_for
from pane import Pane

from state_layout.paths import Tree
from state_layout.tree.elsewhere import remember

Call = Callable[..., Any]
QUESTION = {"id": "alice-0123456789ab", "task": "count", "text": "Red?", "at": "2026-11-21T01:42:00Z"}
REQUEST = "Refactor the payment module: add currencies, tests and documentation, and see that nothing breaks"


@pytest.fixture(autouse=True)
def ended(home: Path) -> Iterator[None]:
    yield
    end_all(home)


def ask(tree: Tree) -> None:
    settle(tree, "alice", "count", "asking")
    status = json.loads(tree.agent("alice").status.read_text()) | {"questions": [QUESTION]}
    tree.agent("alice").status.write_text(json.dumps(status))


def test_of_two_trees_of_one_minute_the_younger_is_the_newest(call: Call, home: Path) -> None:
    elder = new_tree(home, "20261121-0142-zebra-7f3k")
    younger = new_tree(home, "20261121-0142-aardvark-7f3k")
    minute_s = 1795225320.0  # 2026-11-21T01:42Z
    for tree, second in ((elder, 5), (younger, 40)):
        os.utime(tree.format, (minute_s + second, minute_s + second))
    assert call("status").out.startswith(younger.root.name)
    assert [row["id"] for row in json.loads(call("list", "--json").out)["orchestrations"]] == [
        younger.root.name,
        elder.root.name,
    ]


def test_a_question_in_a_tree_elsewhere_is_in_the_inbox(call: Call, home: Path, tmp_path: Path) -> None:
    made = new_tree(tmp_path, "elsewhere")
    remember(home, made.root)
    ask(made)
    assert f"maos-sup answer {made.root} alice-0123456789ab ANSWER" in call("answer").out
    assert call("answer", "alice-01", "blue").code == 0
    assert (made.approvals / "alice-0123456789ab.yes").read_text() == "blue"


def test_a_name_that_is_used_again_says_which_one_it_means(call: Call, tree: Tree) -> None:
    assert call("checkpoint", "--name", "before").err == ""
    call("checkpoint", "--name", "other")
    again = call("checkpoint", "--name", "before")
    assert "note: 1 had the name 'before' too; it means 3 now" in again.err
    assert again.code == 0


def test_a_checkpoint_that_is_not_there_names_some_and_counts_the_rest(call: Call, tree: Tree) -> None:
    for number in range(8):
        call("checkpoint", "--name", f"c{number}")
    refused = call("rollback", "nosuch", "--yes").err
    assert "'4 c3', '5 c4', '6 c5', '7 c6', '8 c7' and 3 older (all of them: maos-sup checkpoints)" in refused


def test_what_several_agents_lack_is_said_once(call: Call, tmp_path: Path) -> None:
    text = 'request = "x"\n'
    for name in "abc":
        text += f'[agents.{name}]\nkind = "command"\ncommand = ["nosuchprog"]\ntask = "t"\n'
    (tmp_path / "plan.toml").write_text(text)
    refused = call("plan", "plan.toml")
    assert refused.code == 2
    assert refused.err == (
        "maos-sup: plan.toml:4: agents 'a', 'b' and 'c': 'nosuchprog' is no program in PATH; "
        "install it, or give its path\n"
    )


def test_tasks_that_cannot_be_read_are_the_only_mistake_that_is_told(call: Call, tmp_path: Path) -> None:
    text = 'request = "x"\n[agents.a]\nkind = "command"\ncommand = ["true"]\n[tasks.t]\nagent = "a"\n'
    (tmp_path / "plan.toml").write_text(text)
    refused = call("plan", "plan.toml").err
    assert "'tasks' is a table" in refused and "has no task" not in refused


def test_status_says_why_the_attempt_before_failed(tmp_path: Path, home: Path, call: Call) -> None:
    shell = f"test -e {tmp_path}/once && {{ echo on; exec sleep 60; }}; touch {tmp_path}/once; exit 7"
    restart = "restart = { max = 3, backoff_s = 0.05 }"
    (tmp_path / "plan.toml").write_text(
        f'request = "x"\n[agents.a]\nkind = "command"\ntask = "t"\nshell = {json.dumps(shell)}\n{restart}\n'
    )
    subprocess.run([*MAOS_SUP, "run", "plan.toml", "--detach"], check=True, capture_output=True)
    shown = "on (attempt 1: the program ended with exit code 7)"
    wait_for(lambda: shown in call("status").out)
    (agent,) = json.loads(call("status", "--json").out)["agents"]
    assert (agent["failed_before"], agent["last_line"]) == ("the program ended with exit code 7", "on")


def test_a_line_of_mail_that_is_no_message_is_in_status(call: Call, tree: Tree) -> None:
    box = tree.mail_box("alice") / "operator.jsonl"
    box.parent.mkdir(parents=True, exist_ok=True)
    box.write_text('{"text": "fine"}\n{"texxt": "a"}\n')
    assert "note: mail/alice/operator.jsonl:2: no message: it has no 'text' and no 'body'; skipped" in (
        call("status").out
    )
    box.write_text('{"text": "fine"}\n{"text": "mended"}\n')
    assert "operator.jsonl" not in call("status").out


def test_lines_as_maos_users_type_them(call: Call, tree: Tree) -> None:
    finish(tree)
    assert "alice done, bob done" in call("orchestration", "list", "--agents").out
    answer = call("resume", tree.root.name, "--task", "more", "--agent", "alice", "--auto", "--detach")
    assert (answer.code, "(in our words: --yes)" in answer.err) == (0, True)
    assert "--auto" not in call("resume", "--help").out


def test_a_list_cuts_what_was_asked_for_and_never_a_reason(home: Path, tmp_path: Path) -> None:
    new_tree(home, "20261121-0142-refactor-payment-module-b573", request=REQUEST)
    (home / "20261121-0143-broken-aaaa").mkdir()
    (home / "20261121-0143-broken-aaaa" / "FORMAT").write_text("maos-sup 1\n")
    with Pane("list", cwd=tmp_path) as pane:
        assert pane.end() == 0
        lines = pane.text.splitlines()
    at = next(number for number, line in enumerate(lines) if "b573" in line)
    rest = [*takewhile(lambda line: line.startswith(" "), lines[at + 1 :])]
    assert len(rest) <= 3 and rest[-1].endswith("…")
    why = "".join(line[50:].strip() for line in lines[1:at])
    assert "orchestration.json" in why and "…" not in why


def test_what_is_watched_is_what_was_asked_for(tmp_path: Path, home: Path) -> None:
    text = 'request = "x"\n[agents.a]\nkind = "command"\nshell = "sleep 60"\ntask = "The work of a"\n'
    (tmp_path / "plan.toml").write_text(text)
    subprocess.run([*MAOS_SUP, "run", "plan.toml", "--detach"], check=True, capture_output=True)
    wait_for(lambda: task_phase(the_tree(home), "a") == "running")
    with Pane("status", "--watch", "--tasks", cwd=tmp_path) as pane:
        assert "AGENT  PHASE    FOR" not in pane.wait_for("TASK", "The work of a", "q leaves")
        pane.type("q")
        assert pane.end() == 0
    with Pane("status", "--watch", "--messages", cwd=tmp_path) as pane:
        pane.wait_for("no messages yet", "q leaves")
        pane.type("q")
        assert pane.end() == 0


def test_a_first_frame_says_that_it_starts_and_needs_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(
        'request = "x"\n[agents.a]\nkind = "command"\nshell = "true"\ntask = "t"\n'
    )
    code = (
        "import sys; from maos_sup.views.screen import opening; from maos_sup.cli import main\n"
        "def painted(look, choice):\n"
        "    heavy = {'textual', 'rich', 'psutil', 'anthropic'} & set(sys.modules)\n"
        "    print('is_starting', look.is_starting, 'heavy', heavy); raise SystemExit(0)\n"
        "opening.paint_first, opening.can_be_opened = painted, lambda: True\n"
        "main(['run', 'plan.toml'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert "is_starting True heavy set()" in done.stdout, done.stdout + done.stderr


def test_cleanup_tells_the_size_of_what_it_deleted(call: Call, tree: Tree) -> None:
    finish(tree)
    (tree.agent("alice").workspace).mkdir(parents=True, exist_ok=True)
    (tree.agent("alice").workspace / "big").write_bytes(b"x" * 3_000_000)
    for path in [*tree.root.rglob("*"), tree.root]:
        os.utime(path, (1e9, 1e9))
    told = json.loads(call("cleanup", "--older-than", "0", "--json").out)["orchestrations"]
    assert [row["bytes"] > 3_000_000 for row in told] == [True]
    assert not tree.root.exists()


def test_one_word_is_a_plan_or_too_short_a_request(call: Call) -> None:
    refused = call("run", "refactor").err
    assert "refactor: is not there; name the file of a plan, or put a request of several words" in refused


def test_a_change_of_a_running_agent_says_when_it_counts(call: Call, tmp_path: Path, home: Path) -> None:
    text = 'request = "x"\n[agents.a]\nkind = "command"\nshell = "sleep 60"\ntask = "t"\n'
    text += 'env = { STEPS = "30" }\n'
    (tmp_path / "plan.toml").write_text(text)
    subprocess.run([*MAOS_SUP, "run", "plan.toml", "--detach"], check=True, capture_output=True)
    wait_for(lambda: task_phase(the_tree(home), "a") == "running")
    assert "takes effect with its next attempt or task" in call("set", "agents/a.env.STEPS", "12").out


def test_a_used_up_budget_names_what_allows_more(call: Call, tree: Tree) -> None:
    reason = "budget max_cost_usd of all agents used up: 0 of 0.001 USD spent, the next call may need 0.016"
    settle(tree, "alice", "count", "running")
    tree.supervisor_status.parent.mkdir(parents=True, exist_ok=True)
    known = {"phase": "paused", "attempt": 1, "reason": reason}
    tree.supervisor_status.write_text(json.dumps({"life": 0, "agents": {"alice": known}}))
    call("set", "budget.max_cost_usd", "0.001")
    out = call("status").out
    assert "budget: 0.00 of 0.0010 USD" in out
    assert "allow more: maos-sup set" in out and "budget.max_cost_usd AMOUNT" in out


def test_a_command_to_type_is_one_line_and_a_reason_is_not_broken_in_a_word(
    tmp_path: Path, home: Path, tree: Tree
) -> None:
    settle(tree, "bob", "report", "failed")
    status = json.loads(tree.agent("bob").status.read_text())
    error = "the database server refused the connection because it is restarting for maintenance tonight"
    status["tasks"]["report"]["error"] = error
    tree.agent("bob").status.write_text(json.dumps(status))
    ask(tree)
    with Pane("status", cwd=tmp_path, columns=60) as pane:
        assert pane.end() == 0
        line = f"  answer: maos-sup answer {tree.root.name} alice-0123456789ab ANSWER"
        assert line in pane.raw.decode().splitlines()
    assert call_of_cancel(tree) == 0
    with Pane("attach", cwd=tmp_path) as pane:
        pane.end()
        shown = pane.raw.decode().rpartition("\x1b[?1049l")[2]
    assert all(word in shown.split() for word in error.split()), shown
    assert max(map(len, [line for line in shown.splitlines() if "server" in line])) <= 80


def call_of_cancel(tree: Tree) -> int:
    done = subprocess.run([*MAOS_SUP, "cancel", str(tree.root)], capture_output=True, check=False)
    return done.returncode
