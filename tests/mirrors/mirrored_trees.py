"""Whole trees for tests of mirrors, written by lives of agents without processes."""

from __future__ import annotations

from pathlib import Path

from lives import Life

from maos_sup.mirrors.looking import Looker
from maos_sup.mirrors.mirror import Cursor, Mirror, MirrorBatch
from maos_sup.mirrors.verifying import Comparison, verify
from state_layout.files.journal import Reader
from state_layout.lives.attempts import Recall, begin_attempt, recall
from state_layout.lives.history import History
from state_layout.paths import Tree
from state_layout.tree.making import create_tree

ID = "20261130-0100-count-ab12"


def team(root: Path, *, id_: str = ID) -> Tree:
    """A tree of `alice` and `bob`, who each have a task, before anything ran."""
    spec = {"kind": "command", "shell": "true", "role": "counts"}
    return create_tree(
        root,
        orchestration={"id": id_, "request": "count", "want": "run"},
        agents={"alice": spec, "bob": spec},
        tasks={name: {"agent": name, "description": "count"} for name in ("alice", "bob")},
    )


def work(tree: Tree, *, steps: int = 4) -> Life:
    """A life of `alice` that mails `bob`, with some output; it goes on living."""
    alice = Life(tree, "alice")
    for number in range(steps):
        alice.step(f"s{number}", ("bob", f"count {number}"), cost_usd=0.5, tokens=10)
    alice.attempt.paths.stdout.write_bytes(b"one\ntwo\n")
    return alice


def go_back(tree: Tree, agent: str, seq: int, *, attempt: int = 1) -> int:
    """Begin a life of `agent` that continues from the line `seq` of `attempt`; its number."""
    paths = tree.agent(agent)
    journal = paths.attempt(attempt).journal
    line = next(line for line in Reader(journal) if line.seq == seq)
    pin = {"attempt": attempt, "seq": seq, "h": line.end.h}
    last = recall(tree, agent).attempt
    back = Recall(history=History(), pin=pin, attempt=last, notes=[])
    back.history.position = line.end
    begun = begin_attempt(tree, agent, recall=back, settings={})
    begun.journal.sync()
    begun.journal.close()
    return begun.number


def batches(tree: Tree, cursor: Cursor | None = None) -> list[MirrorBatch]:
    """List what a mirror that is at `cursor` lacks of `tree`."""
    return list(Looker(tree, cursor or Cursor()).batches())


def bring_up_to_date(mirror: Mirror, tree: Tree) -> Cursor:
    """Apply what `mirror` lacks; its cursor then."""
    looker = Looker(tree, mirror.cursor())
    for batch in looker.batches():
        mirror.apply(batch)
    return looker.cursor


def difference(mirror: Mirror, tree: Tree) -> list[str]:
    """List what is not equal in tree and mirror."""
    verdict: Comparison = verify(tree, mirror)
    return [*verdict.differences, *verdict.behind]


def broken_team(root: Path) -> Tree:
    """A tree whose specs people broke, and with numbers that fit no column of most databases."""
    tree = team(root)
    work(tree).commit("turn", role="assistant", text="much", tokens=(1 << 64) - 1, cost_usd=1e308)
    specs = tree.root / "spec" / "agents"
    (specs / "alice.json").write_text('{"kind": "command", "shell": ')
    (specs / "bob.json").write_text('{"role": "\\u0000", "tokens": 1e999}')
    (specs / "carl.json").write_text('{"kind": "command"}')
    return tree
