"""`approve` and `deny`: `answer` with the decision in the name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_trees import settle

from state_layout.paths import Tree

Call = Callable[..., Any]
QUESTION = {"id": "alice-0123456789ab", "task": "count", "text": "may I?", "at": "2026-11-21T01:42:00Z"}


@pytest.mark.parametrize(("name", "decision"), [("approve", "yes"), ("deny", "no")])
def test_approve_and_deny_answer_a_question(call: Call, tree: Tree, name: str, decision: str) -> None:
    settle(tree, "alice", "count", "asking")
    status = json.loads(tree.agent("alice").status.read_text()) | {"questions": [QUESTION]}
    tree.agent("alice").status.write_text(json.dumps(status))
    answer = call(name, tree.root.name, "alice-01", "because")
    assert answer.out == f"answered alice-0123456789ab: {decision}\n"
    assert (tree.approvals / f"alice-0123456789ab.{decision}").read_text() == "because"
    assert "fits 0 of the open questions" in call(name, tree.root.name, "bob-01").err
