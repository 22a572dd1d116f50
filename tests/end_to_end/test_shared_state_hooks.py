"""Hooks of shared state: asked before a change, told after it, once; what fails refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from orchestra import Orchestra

from maos_sup.agents.attempt.shared import Asker, Shared
from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.steering.keeping import delete, put
from maos_sup.views.kept import values_of
from state_layout.errors import BadInput, Damaged, Lost
from state_layout.paths import Tree
from state_layout.records import AgentSpec
from state_layout.scopes.names import Scope
from state_layout.scopes.store import ScopeStore
from state_layout.specs.edit import edit_spec
from state_layout.tree.making import create_tree

PLAN = Scope("custom", "plan")
CHECKS = """
def positive(told):
    if told["value"] < 0:
        return {"refuse": f"{told['key']} is below zero, it was {told['before']}"}
def doubled(told):
    return {"value": told["value"] * 2}
def grows(told):
    if told["before"] is not None and told["value"] < told["before"]:
        return {"refuse": "it falls"}
def broken(told):
    raise RuntimeError("no luck")
def nonsense(told):
    return [1]
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    checks = tmp_path / "state_checks.py"
    checks.write_text(CHECKS)
    return create_tree(
        tmp_path / "tree",
        orchestration={"id": "o", "request": "r"},
        agents={"ann": {"kind": "command", "command": ["true"]}},
        tasks={"t": {"agent": "ann", "description": "d"}},
        files={"state_checks.py": checks},
    )


def hooked(tree: Tree, *hooks: dict[str, Any]) -> None:
    edit_spec(tree, tree.orchestration_spec, lambda spec: {**spec, "hooks": list(hooks)})


def before(name: str, **more: Any) -> dict[str, Any]:
    return {"on": "before_save", "callable": f"state_checks:{name}", **more}


def kept(tree: Tree) -> dict[str, Any]:
    return {told["key"]: told["value"] for told in values_of(tree, PLAN)}


def test_hook_refuses_and_replaces_in_order(tree: Tree) -> None:
    hooked(tree, before("positive"), before("doubled", key="d*"))
    put(tree, PLAN, "n", 1)
    put(tree, PLAN, "d1", 2)
    with pytest.raises(BadInput, match=r"'n': refused by state_checks:positive: n is below zero, it was 1"):
        put(tree, PLAN, "n", -1)
    assert kept(tree) == {"d1": 4, "n": 1}


def test_change_that_comes_too_late_is_lost_and_not_refused(tree: Tree) -> None:
    hooked(tree, before("grows"))
    old = put(tree, PLAN, "n", 1).after["version"]
    put(tree, PLAN, "n", 5)
    with pytest.raises(Lost, match="won with version operator/2/"):
        put(tree, PLAN, "n", 2, over=old)
    with pytest.raises(BadInput, match="refused by state_checks:grows"):
        put(tree, PLAN, "n", 2)


def test_agents_change_that_comes_too_late_is_lost_and_one_that_was_done_is_found_done(tree: Tree) -> None:
    hooked(tree, before("grows"))
    (hook,) = json.loads(tree.orchestration_spec.read_text())["hooks"]
    granted = AgentSpec(name="ann", kind="command", state={"write": ("custom:*",)})
    shared = Shared(
        tree, "ann", redactor=Redactor({}), spec=lambda: granted, own=dict, settle=int, hooks=lambda: [hook]
    )  # fmt: skip

    def asker(token: str) -> Asker:
        return Asker(task="t", run=1, step=token, token=token)

    first = shared.save(PLAN, "n", 1, asker("a"))
    shared.save(PLAN, "n", 5, asker("b"))
    late = shared.save(PLAN, "n", 2, asker("c"), over=first.version)
    assert late.lost and "ann (task t, run 1, step b) won" in late.lost
    again = shared.save(PLAN, "n", 1, asker("a"))
    assert (again.version, again.lost) == (first.version, None)
    assert kept(tree) == {"n": 5}
    shared.close()


def test_program_is_asked_with_json_on_its_standard_input(tree: Tree) -> None:
    script = (
        'read line; case "$line" in *secret*) echo \'{"refuse": "no"}\';; *) echo \'{"value": 7}\';; esac'
    )
    hooked(tree, {"on": "before_save", "scope": "custom:*", "run": ["sh", "-c", script]})
    put(tree, PLAN, "n", "x")
    with pytest.raises(BadInput, match="refused by sh: no"):
        put(tree, PLAN, "n", "secret")
    assert kept(tree) == {"n": 7}


FAILURES = (
    (before("broken"), "RuntimeError: no luck"),
    (before("nonsense"), "gave neither nothing"),
    (before("missing"), "AttributeError"),
    ({"on": "before_save", "run": ["/no/such/program"]}, "cannot be started"),
    ({"on": "before_save", "run": ["sh", "-c", "echo dear >&2; exit 3"]}, "exit code 3: dear"),
    ({"on": "before_save", "run": ["sh", "-c", "echo {"]}, "said what is no JSON"),
    ({"on": "before_save", "run": ["sleep", "60"], "timeout_s": 0.1}, "did not end within 0.1 s"),
)


@pytest.mark.parametrize(("hook", "text"), FAILURES, ids=[text for _, text in FAILURES])
def test_hook_that_fails_refuses_the_change(tree: Tree, hook: dict[str, Any], text: str) -> None:
    put(tree, PLAN, "n", 1)
    hooked(tree, hook)
    with pytest.raises(BadInput, match=f"refused: hook .* {text}"):
        put(tree, PLAN, "n", 2)
    assert kept(tree) == {"n": 1}


def test_folder_that_leads_out_of_the_tree_is_refused(tree: Tree, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tree.state / "custom").mkdir(parents=True)
    (tree.state / "custom" / "plan").symlink_to(elsewhere)
    with pytest.raises(Damaged, match="plan"):
        put(tree, PLAN, "n", 1)
    assert not list(elsewhere.iterdir())


def test_delete_may_be_refused(tree: Tree) -> None:
    put(tree, PLAN, "n", 1)
    hooked(tree, {"on": "before_delete", "key": "n", "run": ["echo", '{"refuse": "it is needed"}']})
    with pytest.raises(BadInput, match="it is needed"):
        delete(tree, PLAN, "n")
    assert kept(tree) == {"n": 1}


def test_programs_are_told_after_changes_of_agents_people_and_hands_once(orchestra: Orchestra) -> None:
    tell = 'read line; printf "%s\\n" "$line" >> "$OUT/told"'
    hooks = [
        {"on": "after_save", "scope": "custom:plan", "run": ["sh", "-c", tell]},
        {"on": "before_save", "scope": "custom:plan", "key": "bad*", "run": ["echo", '{"refuse": "bad"}']},
    ]
    call = {"id": "c", "name": "save_state", "input": {"scope": "custom:plan", "key": "a", "value": 1}}
    refused = {"id": "d", "name": "save_state", "input": {"scope": "custom:plan", "key": "bad", "value": 1}}
    said = "".join(f"printf '%s\\n' '{json.dumps({'call': each})}' >&3; " for each in (call, refused))
    ann = {"kind": "command", "shell": f"{said} while [ ! -e $OUT/go ]; do sleep 0.05; done"}
    orchestra.start({"ann": ann | {"state": {"write": ["custom:plan"]}}}, hooks=hooks)

    def told() -> list[tuple[Any, ...]]:
        path = orchestra.outside / "told"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(each["key"], each["value"], each["by"]) for each in map(json.loads, lines)]

    orchestra.wait(lambda: told() == [("a", 1, "ann")], "the first is told")
    ScopeStore(orchestra.tree.state_scope("custom", "plan"), "operator").put("b", 2)
    folder = orchestra.tree.state_spec_folder("custom", "plan")
    folder.mkdir(parents=True)
    (folder / "c.json").write_text("3")
    (folder / "bad2.json").write_text("3")
    orchestra.wait(lambda: len(told()) == 3, "all are told")
    orchestra.wait(lambda: "refused by echo: bad" in orchestra.do("status"), "the refusal is shown")
    orchestra.do("stop")
    orchestra.wait_rest("stopped")
    orchestra.say("go")
    orchestra.resume()
    orchestra.do("start")
    orchestra.wait_rest("done")
    assert sorted(told()) == [("a", 1, "ann"), ("b", 2, "operator"), ("c", 3, "supervisor")]
    (called,) = [
        json.loads(line)
        for line in (orchestra.tree.agent("ann").attempt(1).journal).read_text().splitlines()
        if '"id":"d"' in line
    ]
    assert called["is_error"] and "refused by echo: bad" in called["content"]
    orchestra.assert_sound()


def test_a_program_that_hangs_at_the_end_is_ended_and_told(orchestra: Orchestra) -> None:
    call = {"id": "c", "name": "save_state", "input": {"scope": "custom:plan", "key": "a", "value": 1}}
    until = 'while [ ! -e "$OUT/pid" ]; do sleep 0.05; done'  # a call whose program has ended is left out
    ann = {"kind": "command", "shell": f"printf '%s\\n' '{json.dumps({'call': call})}' >&3; {until}"}
    hang = ["sh", "-c", 'echo $$ > "$OUT/pid"; exec sleep 600']
    hooks = [{"on": "after_save", "scope": "custom:plan", "run": hang, "timeout_s": 0.5}]
    orchestra.start({"ann": ann | {"state": {"write": ["custom:plan"]}}}, hooks=hooks)
    told = orchestra.outside / "pid"
    pid = int(orchestra.wait(lambda: told.exists() and told.read_text(), "it is started"))
    orchestra.wait(lambda: not Path(f"/proc/{pid}").exists(), "it is ended")
    orchestra.wait_rest("done")
    said = "hook sh for custom:plan 'a' failed: did not end within 0.5 s"
    orchestra.wait(lambda: said in orchestra.do("status"), "it is told")


def test_change_of_global_is_told_by_the_orchestration_whose_agent_made_it(orchestra: Orchestra) -> None:
    tell = 'read line; printf "%s\\n" "$line" >> "$OUT/told"'
    call = {"id": "c", "name": "save_state", "input": {"scope": "global", "key": "a", "value": 1}}
    later = {**call, "id": "d", "input": {"scope": "global", "key": "a", "value": 2}}
    first, second = (f"printf '%s\\n' '{json.dumps({'call': each})}' >&3" for each in (call, later))
    shell = f"{first}; while [ ! -e $OUT/go ]; do sleep 0.05; done; {second}; sleep 0.1"
    ann = {"kind": "command", "shell": shell, "state": {"write": ["global"]}}
    orchestra.start({"ann": ann}, hooks=[{"on": "after_save", "run": ["sh", "-c", tell]}])

    def told() -> list[tuple[Any, ...]]:
        path = orchestra.outside / "told"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(each["scope"], each["key"], each["value"]) for each in map(json.loads, lines)]

    orchestra.wait(lambda: told() == [("global", "a", 1)], "it is told")
    folder = Path(orchestra.environment["MAOS_SUP_HOME"]) / "state" / "global"
    for writer in ("operator", "another-tree.ann"):
        ScopeStore(folder, writer).put("b", 3)
    orchestra.say("go")
    orchestra.wait_rest("done")
    orchestra.wait(lambda: len(told()) > 1, "what was done last is told")
    assert told() == [("global", "a", 1), ("global", "a", 2)]
