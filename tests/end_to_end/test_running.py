"""Whole runs: order, slots, failures, time limits. Real processes, the real command line."""

from __future__ import annotations

import json

from orchestra import Orchestra

QUICK_RESTART = {"max": 2, "window_s": 60, "backoff_s": 0.1, "backoff_max_s": 0.2}
ONE_TRY = {"max": 0, "window_s": 60, "backoff_s": 0.1, "backoff_max_s": 0.2}
APPEND = 'echo "$MAOS_TASK_ID" >> "$OUT/order"'


def shell(line: str, **more: object) -> dict[str, object]:
    return {"kind": "command", "shell": line, **more}


def test_a_chain_of_tasks_runs_in_the_order_of_its_needs(orchestra: Orchestra) -> None:
    done = orchestra.run(
        {"ann": APPEND, "bob": APPEND, "cid": APPEND},
        [
            {"id": "third", "agent": "cid", "needs": ["second"]},
            {"id": "second", "agent": "bob", "needs": ["first"]},
            {"id": "first", "agent": "ann"},
        ],
    )
    assert done.returncode == 0, done.stderr
    assert orchestra.word("order") == "first\nsecond\nthird\n"
    status = orchestra.status()
    assert status["phase"] == "done"
    assert [task["phase"] for task in status["tasks"]] == ["done"] * 3
    assert set(orchestra.attempts().values()) == {1}
    orchestra.assert_nothing_left()
    orchestra.assert_sound()


def test_one_slot_carries_a_chain_back_and_forth_between_agents(orchestra: Orchestra) -> None:
    alone = f'exec 9>>"$OUT/slot"; flock -n 9 || echo "$MAOS_AGENT" >> "$OUT/crowd"; {APPEND}; sleep 0.1'
    done = orchestra.run(
        {"ann": alone, "bob": alone, "cid": alone},
        [
            {"id": "one", "agent": "ann"},
            {"id": "two", "agent": "bob", "needs": ["one"]},
            {"id": "three", "agent": "ann", "needs": ["two"]},
            {"id": "four", "agent": "cid", "needs": ["three"]},
            {"id": "five", "agent": "bob", "needs": ["four"]},
        ],
        limits={"max_agents": 1},
    )
    assert done.returncode == 0, done.stderr
    assert (orchestra.word("order") or "").split() == ["one", "two", "three", "four", "five"]
    assert orchestra.word("crowd") is None
    assert all(agent["restarts"] == 0 for agent in orchestra.status()["agents"])


def test_a_program_that_fails_is_tried_again_with_delays_then_its_task_fails(orchestra: Orchestra) -> None:
    done = orchestra.run(
        {
            "bad": shell('echo "try $MAOS_ATTEMPT"; exit 7', restart=QUICK_RESTART),
            "good": "echo fine",
            "after": "echo never",
        },
        [
            {"id": "breaks", "agent": "bad"},
            {"id": "works", "agent": "good"},
            {"id": "waits", "agent": "after", "needs": ["breaks"]},
        ],
    )
    assert done.returncode == 3, done.stderr
    tasks = {task["id"]: task for task in orchestra.status()["tasks"]}
    assert {id_: task["phase"] for id_, task in tasks.items()} == {
        "breaks": "failed",
        "works": "done",
        "waits": "blocked",
    }
    assert orchestra.output("bad") == "try 1\ntry 2\ntry 3\n"
    assert orchestra.attempts() == {"bad": 3, "good": 1, "after": 0}
    delays = [event["delay_s"] for event in orchestra.events("restart")]
    assert delays[0] == 0 and delays[1] > 0, delays
    assert [event["tasks"] for event in orchestra.events("gave_up")] == [{"breaks": 1}]
    assert "7" in tasks["breaks"]["error"]
    orchestra.assert_nothing_left()
    orchestra.assert_sound()


def test_a_failed_task_ends_all_where_that_is_wanted(orchestra: Orchestra) -> None:
    done = orchestra.run(
        {"bad": shell("exit 1", restart=ONE_TRY), "busy": "sleep 600 & wait", "later": "echo never"},
        [
            {"id": "breaks", "agent": "bad"},
            {"id": "long", "agent": "busy"},
            {"id": "waits", "agent": "later", "needs": ["long"]},
        ],
        limits={"on_failure": "stop", "stop_grace_s": 1},
    )
    assert done.returncode == 3, done.stderr
    assert orchestra.phase() == "failed"
    assert orchestra.task("long")["phase"] in ("interrupted", "ready")
    assert orchestra.attempts()["later"] == 0
    orchestra.assert_nothing_left()


def test_a_task_over_its_time_ends_with_all_it_started(orchestra: Orchestra) -> None:
    line = 'echo before; setsid sleep 600 & (setsid sh -c "sleep 600" &) ; sleep 600'
    done = orchestra.run(
        {"slow": shell(line, restart=ONE_TRY)},
        [{"id": "long", "agent": "slow", "timeout_s": 0.7}],
        limits={"stop_grace_s": 0.5},
    )
    assert done.returncode == 3, done.stderr
    task = orchestra.task("long")
    assert task["phase"] == "failed"
    assert "time" in task["error"]
    assert orchestra.output("slow") == "before\n"
    orchestra.assert_nothing_left()


def test_what_tasks_result_in_reaches_those_that_need_them(orchestra: Orchestra) -> None:
    orchestra.file(
        "join.py",
        """
        def main(ctx):
            return {"sum": sum(result["value"] for result in ctx.results.values())}
        """,
    )
    tell = 'printf \'{"result": {"value": %s}}\\n\' "$VALUE" >&"$MAOS_CONTROL_FD"'
    done = orchestra.run(
        {
            "ann": shell(tell, env={"VALUE": "3"}),
            "bob": shell(tell, env={"VALUE": "4"}),
            "cid": {"kind": "python", "callable": "join:main"},
        },
        [
            {"id": "left", "agent": "ann"},
            {"id": "right", "agent": "bob"},
            {"id": "join", "agent": "cid", "needs": ["left", "right"]},
        ],
    )
    assert done.returncode == 0, done.stderr
    assert orchestra.task("join")["result"] == {"sum": 7}


def test_discoveries_and_messages_are_shown(orchestra: Orchestra) -> None:
    send = 'printf \'{"send": {"to": "bob", "text": "hello"}}\\n\' >&"$MAOS_CONTROL_FD"'
    line = f'echo "found: a needle"; {send}'
    done = orchestra.run({"ann": line, "bob": "true"})
    assert done.returncode == 0, done.stderr
    assert "a needle" in done.stdout
    shown = json.loads(orchestra.do("messages", "--json"))
    entries = shown["messages"] if isinstance(shown, dict) else shown
    assert {(entry["from"], entry["to"], entry["text"]) for entry in entries} == {
        ("ann", "all", "a needle"),
        ("ann", "bob", "hello"),
    }


def test_json_while_it_runs_is_one_object(orchestra: Orchestra) -> None:
    plan = orchestra.plan({"ann": "echo hi"})
    done = orchestra.cli("run", str(plan), "--dir", str(orchestra.root), "--json", expect=0)
    assert json.loads(done.stdout)["phase"] == "done"
