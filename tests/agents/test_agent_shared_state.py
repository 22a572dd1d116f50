"""What agents keep in scopes: their own with the step that makes it, shared ones once, whoever is killed."""

from __future__ import annotations

import json
import os
from itertools import islice
from typing import Any

from callables import Make, result, staged
from stage import Stage, operations, python, shell

from maos_sup.agents.secrets.redaction import STAND_IN
from maos_sup.views.kept import history_of, value_of, values_of
from state_layout.scopes.names import scope_of
from state_layout.scopes.store import ScopeStore

PLAN = {"write": ["custom:plan"]}
IS_LONG = "MAOS_SUP_TORTURE_ROUNDS" in os.environ
SECRET = "s3cret-value-0123456789"


def kept(one: Stage, scope: str) -> dict[str, Any]:
    return {told["key"]: told["value"] for told in values_of(one.tree, scope_of(scope))}


def test_update_within_a_step_is_done_once_at_whatever_operation_the_agent_dies(
    stage: Make,
) -> None:
    body = """
        def main(ctx):
            plan = ctx.state("custom:plan")
            plan.update("n", lambda n: (n or 0) + 1)
            def inner():
                for _ in range(2):
                    plan.update("n", lambda n: (n or 0) + 1)
                ctx.state("task").put("inner", True)
                return plan.get("n")
            first = ctx.step("inner", inner)
            plan.update("n", lambda n: (n or 0) + 1)
            return [first, plan.get("n"), ctx.state("task").get("inner")]
        """
    deaths = 0
    for operation in islice(operations(), 0, None, 1 if IS_LONG else 3):
        one = staged(stage, body, state=PLAN)
        died = one.die_at("ann", operation)
        deaths += died
        if died:
            assert one.run("ann") == 0, one.log()
        assert result(one) == [3, 4, True]
        assert [told["value"] for told in history_of(one.tree, scope_of("custom:plan"), "n")] == [1, 2, 3, 4]
        assert one.problems() == []
        if not died:
            break
    assert deaths > 5


def test_each_scope_holds_its_own_and_says_why(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            ctx.state("agent").put("k", 1)
            ctx.state("task").put("k", 2)
            ctx.state("session").put("k", 3)
            ctx.state("custom:plan").put("k", 4)
            return [sorted(ctx.state), ctx.state["k"], *(ctx.state(s).get("k") for s in
                    ("agent", "task", "session", "custom:plan", "orchestration"))]
        """,
        state=PLAN,
    )
    assert one.run("ann") == 0
    assert result(one) == [["k"], 1, 1, 2, 3, 4, None]
    for scope, value in (("agent:ann", 1), ("task:t", 2), ("session:t", 3), ("custom:plan", 4)):
        told = value_of(one.tree, scope_of(scope), "k")
        assert told is not None
        assert (told["value"], told["by"], told["why"]["task"]) == (value, "ann", "t")


def test_what_the_spec_does_not_grant_is_refused_recorded_and_told(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            said = []
            for scope, key in (("custom:other", "k"), ("agent:bob", "k"), ("global", "k")):
                try:
                    ctx.state(scope).put(key, 1)
                except PermissionError as refusal:
                    said.append(str(refusal))
            try:
                ctx.state("agent:bob").get("k")
            except PermissionError as refusal:
                said.append(str(refusal))
            return said
        """,
        {"bob": python()},
        state=PLAN,
    )
    assert one.run("ann") == 0
    said = result(one)
    assert "may not write custom:other: 'state.write' of its settings does not name it" in said[0]
    assert "who alone writes it" in said[1]
    assert "may not write global" in said[2]
    assert "may not read agent:bob" in said[3]
    assert len(one.lines("ann", "warning")) == 4
    assert not (one.tree.state / "custom" / "other").exists()


def test_secret_is_replaced_before_the_hash_and_its_writer_is_told(stage: Make) -> None:
    call = {
        "call": {
            "id": "c1",
            "name": "save_state",
            "input": {"scope": "custom:plan", "key": "k", "value": SECRET},
        }
    }
    one = stage(
        {
            "ann": shell(
                f"printf '%s\\n' '{json.dumps(call)}' >&3; sleep 0.2", state=PLAN, env={"API_TOKEN": SECRET}
            )
        }
    )
    assert one.run("ann") == 0
    assert kept(one, "custom:plan") == {"k": STAND_IN}
    (called,) = one.lines("ann", "called")
    assert "secrets in it were replaced" in called["content"]
    assert not [path for path in (one.tree.state).rglob("*.jsonl") if SECRET in path.read_text()]


def test_number_that_json_readers_make_another_is_refused(stage: Make) -> None:
    lines = [
        '{"save": {"scope": "custom:plan", "key": "a", "value": [123456789012345678901234567890]}}',
        '{"save": {"scope": "custom:plan", "key": "b", "value": 9007199254740993}}',
    ]
    one = stage({"ann": shell(f"printf '%s\\n' {' '.join(map(repr, lines))} >&3; sleep 0.2", state=PLAN)})
    assert one.run("ann") == 0
    assert kept(one, "custom:plan") == {"b": 9007199254740993}
    (warning,) = one.lines("ann", "warning")
    assert "value.save.value[0]: is a whole number beyond 64 bits; keep it as text" in str(warning)


def test_control_line_is_carried_out_once_and_can_come_too_late(stage: Make) -> None:
    lines: list[dict[str, Any]] = [
        {"save": {"scope": "custom:plan", "key": "a", "value": [1], "if_version": None}},
        {"save": {"scope": "custom:plan", "key": "a", "value": [2], "if_version": None}},
        {"save": {"key": "own", "value": 1}},
        {"save": {"scope": "custom:plan", "key": "b", "value": 1}},
        {"forget": {"scope": "custom:plan", "key": "b"}},
    ]
    written = "".join(f"printf '%s\\n' '{json.dumps(line)}' >&3; " for line in lines)
    one = stage({"ann": shell(f"{written} sleep 0.2", state=PLAN)})
    assert one.run("ann") == 0
    assert kept(one, "custom:plan") == {"a": [1]}
    assert kept(one, "agent:ann") == {"own": 1}
    (warning,) = one.lines("ann", "warning")
    assert "was changed meanwhile: ann (task ann, run 1" in warning["text"]
    assert one.problems() == []


def test_person_who_changes_the_value_meanwhile_is_not_written_over(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            plan = ctx.state("custom:plan")
            found = plan.read("k")
            word("read", "")
            while not has("changed"):
                time.sleep(0.01)
            try:
                plan.put("k", "mine", over=found.version)
            except RuntimeError as changed:
                return str(changed)
        """,
        state=PLAN,
    )
    people = ScopeStore(one.tree.state_scope("custom", "plan"), "operator")
    people.put("k", "first")
    life = one.live("ann")
    one.wait_word("read")
    people.put("k", "theirs")
    (one.outside / "changed").touch()
    assert life.wait() == 0
    assert "operator won with version operator/2/" in result(one)
    assert kept(one, "custom:plan") == {"k": "theirs"}
