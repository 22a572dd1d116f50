"""What an agent of kind `cli` adds to the orchestration is called as it is itself."""

from __future__ import annotations

import json
from pathlib import Path

import lines
from bus_client import Bus
from looks import Actor, whole
from orchestra import Orchestra


def test_new_agent_is_called_as_the_one_that_added_it_and_may_no_more(
    orchestra: Orchestra, actor: Actor
) -> None:
    first = [*lines.begin("codex"), {"wait": "go"}, *lines.text("codex", "first"), *lines.end("codex")]
    own = {"env": {"LOGIN": "of ann"}, "args": ["--own"], "linger_s": 3, "limits": {"stop_grace_s": 3}}
    agent = actor("codex", first, whole("codex", "second"), **own)
    agent |= {"sandbox": "landlock", "sandbox_write": [str(orchestra.outside)]}
    agent["sandbox_read"] = [str(Path(lines.__file__).parent)]
    orchestra.start({"ann": agent})
    orchestra.wait_alive()
    with Bus(orchestra.root, "ann", environment=orchestra.environment) as ann:
        added = ann.call("spawn_task", {"description": "count the words", "role": "You count."})
    name = added.split()[1]
    orchestra.say("go")
    orchestra.wait(lambda: orchestra.phase() in ("done", "failed"), "the end")
    assert orchestra.task(name)["result"] == "second", orchestra.told()
    prompt, environment = ((orchestra.word(what) or "").splitlines()[-1] for what in ("told", "environment"))
    assert "You count." in prompt and "count the words" in prompt
    assert json.loads(environment)["LOGIN"] == "of ann"
    spec = json.loads(orchestra.tree.agent_spec(name).read_text())
    wanted = {key: value for key, value in agent.items() if key != "task"}
    assert spec == {**wanted, "role": "You count.", "max_spawned": 0, "spawned_by": "ann"}
