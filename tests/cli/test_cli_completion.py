"""A shell completes whatever a command takes, by what the tree holds; it gets no word of what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from cli_trees import new_tree, settle

from maos_sup.cli import completing
from maos_sup.cli.entries import ENTRIES
from maos_sup.cli.group import commands
from maos_sup.cuts.take import take_cut
from state_layout.paths import Tree

ID = "20261121-0142-audit-7f3k"
HEAVY = ("rich", "textual", "psutil", "anthropic", "maos_sup.supervisor")
# Words of usages that stand for something new, a number, a file, a text: a shell has nothing to offer.
FREE = {
    *("PATH", "FILE"),  # shells know files by themselves
    *("TEXT", "VALUE", "SECONDS", "ANSWER", "PLAN|REQUEST", "ID", "CMD", "QUERY"),
}


def completed(*words: str) -> list[str]:
    """List what a shell is told for the last of `words`."""
    told = {**os.environ, "_MAOS_SUP_COMPLETE": "zsh_complete"}
    told |= {"COMP_WORDS": " ".join(["maos-sup", *words]), "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        [sys.executable, "-m", "maos_sup"],
        env=told,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    return [word for kind, word in zip(lines[::3], lines[1::3], strict=True) if kind == "plain"]


def items(*words: str) -> list[str]:
    """The same without a process of its own."""
    from click.shell_completion import ShellComplete

    *before, incomplete = words
    found = ShellComplete(commands, {}, "maos-sup", "_X").get_completions(before, incomplete)
    return [item.value for item in found if item.type == "plain"]


@pytest.fixture
def asked(tree: Tree) -> Tree:
    """Alice asks something; a checkpoint was taken."""
    question = {
        "id": "alice-0123456789ab",
        "task": "count",
        "text": "Red or blue?",
        "at": "2026-11-29T03:00:00Z",
    }
    settle(tree, "alice", "count", "asking")
    status = json.loads(tree.agent("alice").status.read_text()) | {"questions": [question]}
    tree.agent("alice").status.write_text(json.dumps(status))
    return tree


CASES = [
    (("logs", ""), {ID, "alice", "bob"}),
    (("logs", ID, ""), {"alice", "bob"}),
    (("logs", ID, "alice", "b"), {"bob"}),
    (("logs", "alice", ""), {"alice", "bob"}),
    (("show", ID, "al"), {"alice"}),
    (("messages", ID, "--from", ""), {"alice", "bob"}),
    (("messages", "--to", "b"), {"bob"}),
    (("send", ""), {ID, "alice", "bob", "all"}),
    (("send", ID, "al"), {"alice", "all"}),
    (("send", "alice", ""), set()),
    (("pause", ID, "--agent", ""), {"alice", "bob"}),
    (("retry", "--task", ""), {"count", "report"}),
    (("skip", ID, "--task", "r"), {"report"}),
    (("results", ID, ""), {"count", "report"}),
    (("results", "re"), {"report"}),
    (("answer", ""), {ID, "alice-0123456789ab"}),
    (("answer", ID, ""), {"alice-0123456789ab"}),
    (("approve", ID, "al"), {"alice-0123456789ab"}),
    (("set", "limits.max_a"), {"limits.max_agents"}),
    (
        ("set", ID, "agents/bob.restart.max"),
        {"agents/bob.restart.max", "agents/bob.restart.max_without_progress"},
    ),
    (("set", "agents/alice.comm"), {"agents/alice.command"}),
    (("set", ID, "tasks/count.n"), {"tasks/count.needs"}),
    (("explain", "agents.NAME.restart.w"), {"agents.NAME.restart.window_s"}),
    (("mcp", ID, "--agent", "b"), {"bob"}),
    (("rm", ID, "2026"), {ID}),
    (("status", "7f3"), {ID}),
    (("init", "re"), {"refactor", "repo-audit", "research", "review"}),
    (("roles", "rev"), {"reviewer"}),
    (("checkpoints", "cl"), {"cleanup"}),
    (("help", "expl"), {"explain"}),
    (("status", "nosuch"), set()),
]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("words", "wanted"), CASES, ids=lambda one: " ".join(one) if isinstance(one, tuple) else ""
)
def test_what_a_command_takes_is_completed(words: tuple[str, ...], wanted: set[str]) -> None:
    assert {*items(*words)} == wanted


def test_checkpoints_are_completed(tree: Tree) -> None:
    take_cut(tree, by="operator", why="asked", name="before-lunch")
    assert items("rollback", tree.root.name, "")
    assert items("diff", "before") == ["before-lunch"]
    assert items("fork", tree.root.name, "bef") == ["before-lunch"]


def test_scopes_and_keys_of_shared_state_are_completed(tree: Tree, call: Callable[..., Any]) -> None:
    for key in ("schema", "style", "tests"):
        assert call("state", "put", tree.root.name, "custom:rules", key, "1").code == 0
    assert items("state", "get", ID, "") == [
        *("orchestration", "global", "custom:rules"),
        *("agent:alice", "agent:bob", "task:count", "task:report"),
    ]
    assert items("state", "put", "custom:r") == ["custom:rules"]
    assert items("state", "get", ID, "custom:rules", "s") == ["schema", "style"]
    assert items("state", "history", "custom:rules", "te") == ["tests"]
    assert items("state", "get", ID, "nonsense", "") == []
    assert items("state", "put", ID, "custom:rules", "tests", "") == []


@pytest.mark.parametrize("name", [*ENTRIES])
def test_every_word_of_a_usage_is_completed_or_known_to_be_free(name: str) -> None:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    slots = [slot for param in arguments for slot in completing._slots(param.metavar or "")]
    unknown = {slot.name for slot in slots if slot.name not in completing._FINDERS and not slot.literals}
    assert unknown <= FREE, unknown
    for param in command.params:
        if (
            isinstance(param, click.Option)
            and {"--agent", "--task"} & {*param.opts}
            and param.metavar != "TEXT"
        ):
            assert completing._of_option(param) in ("AGENT", "TASK"), param.opts


def test_nothing_is_said_whatever_is_wrong(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = new_tree(home, ID)
    tree.agent_spec("alice").write_text("{")
    (tree.root / "agents").mkdir(exist_ok=True)
    for folder in (str(home), "/proc/1/mem", str(home / "none")):
        monkeypatch.setenv("MAOS_SUP_HOME", folder)
        for words in (("logs", ""), ("set", "age"), ("answer", ""), ("rollback", "x", ""), ("diff", "")):
            items(*words)
    monkeypatch.setenv("MAOS_SUP_HOME", str(home))
    assert completed("logs", ID, "") == ["alice", "bob"]


def test_a_shell_is_not_kept_waiting_by_what_it_does_not_need(tree: Tree) -> None:
    code = (
        "import os, sys; from maos_sup.cli import main\n"
        "try: main([])\nexcept SystemExit: pass\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    for words in ("logs x", "answer x", "set x", "retry --task x"):
        told = {**os.environ, "_MAOS_SUP_COMPLETE": "bash_complete", "COMP_WORDS": f"maos-sup {words}"}
        told["COMP_CWORD"] = str(len(words.split()))
        done = subprocess.run(
            [sys.executable, "-c", code], env=told, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, (words, done.stderr)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_this_program(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "maos_sup", "completion", shell],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"_MAOS_SUP_COMPLETE={shell}_complete" in done.stdout
