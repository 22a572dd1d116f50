"""What the zygote does for every agent: it imports little, for each module costs pages, and reads specs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from stage import Stage

from maos_sup.agents.preload import preload_for
from state_layout.files import codec
from state_layout.records import TaskPhase
from state_layout.specs import of_agent

HEAVY = (
    "anthropic",
    "asyncio",
    "click",
    "email",
    "filelock",
    "http.client",
    "random",
    "rich",
    "ssl",
)
PROGRAM = """
import sys
from maos_sup.launchers import zygote
zygote.load("maos_sup.agents.runner:main")
zygote.preload("maos_sup.agents.runner:main")
print(*[name for name in sys.argv[1:] if name in sys.modules])
"""


def test_the_zygote_imports_nothing_heavy() -> None:
    command = [sys.executable, "-P", "-c", PROGRAM, *HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_task_that_was_given_after_the_zygote_looked_is_done(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_agent, "_FRESH_NS", 0)
    monkeypatch.setattr(of_agent, "_NEWS_S", 60.0)
    shell = {"kind": "command", "shell": "true"}
    one = stage({"ann": shell, "bob": shell})
    assert preload_for(str(one.tree.root), "ann") == ()
    one.tree.task_spec("bob").write_bytes(codec.encode({"agent": "ann"}))
    assert one.run("ann") == 0
    assert one.exit("ann")["reason"] == "parked"
    assert {name: task.phase for name, task in one.history("ann").tasks.items()} == {
        "ann": TaskPhase.DONE,
        "bob": TaskPhase.DONE,
    }
