"""A model works on its task: tools, messages, results, limits; over real HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from processes import can_bubblewrap
from talking import Talk, finish, steps, use

from maos_sup.agents.sandbox import landlock
from maos_sup.loopback.request import LoopbackRequest
from state_layout.mail.operator_mail import append_operator_message
from state_layout.records import TaskPhase

Make = Callable[..., Talk]
SANDBOXES = [
    pytest.param("landlock", marks=pytest.mark.skipif(not landlock.abi(), reason="no Landlock here")),
    pytest.param("bubblewrap", marks=pytest.mark.skipif(not can_bubblewrap(), reason="no bwrap works here")),
]


def test_end_of_turn_is_the_end_of_the_task_and_its_text_the_result(talk: Make) -> None:
    one = talk(steps({"text": "It is 42."}))
    assert one.stage.run("ann") == 0, one.stage.log()
    outcome = one.stage.history("ann").tasks["ann"]
    assert (outcome.phase, outcome.result) == (TaskPhase.DONE, "It is 42.")
    assert "It is 42." in one.stage.stdout("ann")
    assert one.stage.history("ann").cost_usd > 0


def test_command_runs_in_the_workspace_and_its_output_is_told(talk: Make) -> None:
    one = talk(steps(use("bash", command="echo made > f; cat f; pwd; exit 3"), finish({"n": 1})))
    assert one.stage.run("ann") == 0, one.stage.log()
    told = one.messages()[-1]["content"][0]
    workspace = one.stage.tree.agent("ann").workspace
    assert told["content"] == f"made\n{workspace}\n[exit code 3]"
    assert (workspace / "f").read_text() == "made\n"
    assert one.stage.history("ann").tasks["ann"].result == {"n": 1}


def test_folder_and_variables_last_from_one_command_to_the_next(talk: Make) -> None:
    one = talk(
        steps(
            use("bash", command="mkdir -p in/side && cd in/side && export COLOUR='dark\nblue'"),
            use("bash", command='basename $PWD; echo "$COLOUR"'),
            use("bash", restart=True),
            use("bash", command='basename $PWD; echo "[$COLOUR]"'),
            finish(),
        )
    )
    one.stage.run("ann")
    results = [line["content"] for line in one.stage.lines("ann", "tool_result")]
    assert results[1] == "side\ndark\nblue"
    assert results[3] == "workspace\n[]"


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_commands_cannot_leave_the_workspace(talk: Make, sandbox: str) -> None:
    one = talk(
        steps(
            use("bash", command="echo x > $MAOS_DIR/spec/tasks/evil.json; ls $MAOS_DIR/agents/ann/attempts"),
            use("str_replace_based_edit_tool", command="create", path="../../evil", file_text="x"),
            use("bash", command="ln -s /etc link; mkdir d; ln -s .. d/up"),
            use("str_replace_based_edit_tool", command="view", path="link/passwd"),
            finish(),
        ),
        {"ann": {"sandbox": sandbox}},
    )
    assert one.stage.run("ann") == 0, one.stage.log()
    results = [line["content"] for line in one.stage.lines("ann", "tool_result")]
    assert len(re.findall("Permission denied|Read-only|No such file", results[0])) == 2
    assert "outside" in results[1]
    assert "root:" not in results[3]
    assert not (one.stage.tree.task_specs / "evil.json").exists()


def test_files_are_made_changed_and_viewed(talk: Make) -> None:
    name = "str_replace_based_edit_tool"
    one = talk(
        steps(
            use(name, command="create", path="a/b.txt", file_text="one\ntwo\nthree\n"),
            use(name, command="str_replace", path="a/b.txt", old_str="two", new_str="2"),
            use(name, command="insert", path="a/b.txt", insert_line=0, insert_text="zero"),
            use(name, command="str_replace", path="a/b.txt", old_str="missing", new_str="x"),
            use(name, command="view", path="a/b.txt", view_range=[2, 3]),
            use(name, command="view", path="."),
            finish(),
        )
    )
    assert one.stage.run("ann") == 0, one.stage.log()
    path = one.stage.tree.agent("ann").workspace / "a" / "b.txt"
    assert path.read_text() == "zero\none\n2\nthree\n"
    lines = one.stage.lines("ann", "tool_result")
    assert lines[3]["is_error"] is True
    assert lines[4]["content"] == "     2\tone\n     3\t2"
    assert lines[5]["content"] == "a/\na/b.txt"


def test_command_that_takes_too_long_is_ended_and_so_are_its_children(talk: Make) -> None:
    script = steps(use("bash", command="echo begun; sleep 60 & sleep 60"), finish())
    one = talk(script, {"ann": {"tool_timeout_s": 0.5}})
    assert one.stage.run("ann") == 0, one.stage.log()
    result = one.stage.lines("ann", "tool_result")[0]
    assert result["content"].startswith("begun\n")
    assert result["content"].endswith("\n[timed out after 0.5 s and was ended]")
    assert result["is_error"] is True


def test_long_output_is_told_by_its_ends(talk: Make) -> None:
    one = talk(steps(use("bash", command="seq 100000"), finish()), {"ann": {"tool_output_chars": 1000}})
    one.stage.run("ann")
    text = one.stage.lines("ann", "tool_result")[0]["content"]
    assert text.startswith("1\n2\n") and text.endswith("\n100000")
    assert "bytes left out" in text
    assert len(text) < 1200


def test_messages_reach_the_model_between_turns_once(talk: Make) -> None:
    one: Talk

    def script(request: LoopbackRequest) -> Any:
        if request.turn < 3:
            append_operator_message(one.stage.tree, "ann", text=f"note {request.turn}")
        return plan(request)

    plan = steps(*[use("bash", command="true")] * 3, finish())
    one = talk(script)
    append_operator_message(one.stage.tree, "ann", text="before <all>")
    assert one.stage.run("ann") == 0, one.stage.log()
    text = str(one.messages())
    assert [text.count(word) for word in ("before &lt;all&gt;", "note 0", "note 1", "note 2")] == [1, 1, 1, 1]


def test_message_that_came_during_the_last_answer_is_answered_first(talk: Make) -> None:
    one: Talk

    def script(request: LoopbackRequest) -> Any:
        if request.turn == 0:
            append_operator_message(one.stage.tree, "ann", text="wait, one more thing")
        return plan(request)

    plan = steps({"text": "done"}, {"text": "that as well"})
    one = talk(script)
    assert one.stage.run("ann") == 0, one.stage.log()
    assert one.stage.history("ann").tasks["ann"].result == "that as well"


def test_agents_talk_discover_and_keep_state(talk: Make) -> None:
    one = talk(
        steps(
            {
                "tools": [
                    {"name": "send_message", "input": {"to": "bob", "text": "hello"}},
                    {"name": "send_message", "input": {"to": "nobody", "text": "hello"}},
                    {"name": "report_discovery", "input": {"text": "a bug"}},
                    {"name": "save_state", "input": {"key": "k", "value": [1]}},
                    {"name": "report_progress", "input": {"value": 0.5, "note": "half"}},
                    {"name": "load_state", "input": {"key": "k"}},
                    {"name": "no_such_tool", "input": {}},
                ]
            },
            finish(),
        ),
        {"ann": {}, "bob": {}},
    )
    assert one.stage.run("ann") == 0, one.stage.log()
    assert [mail["text"] for mail in one.stage.mail("bob", "ann")] == ["hello"]
    assert one.stage.history("ann").last_discovery == "a bug"
    results = [line["content"] for line in one.stage.lines("ann", "tool_result")]
    assert "no such agent" in results[1]
    assert results[5] == "[1]"
    assert "there is no tool" in results[6]
    assert one.stage.history("ann").state == {"k": [1]}


def test_result_must_keep_to_its_schema(talk: Make) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    script = steps({"text": "I am done."}, finish({"n": "1"}), finish({"n": 1}))
    one = talk(script, {"ann": {"result_schema": schema}})
    assert one.stage.run("ann") == 0, one.stage.log()
    assert one.stage.history("ann").tasks["ann"].result == {"n": 1}
    assert "result.n must be integer" in str(one.messages())


def test_task_that_takes_too_many_turns_fails(talk: Make) -> None:
    one = talk(steps(use("bash", command="true")), {"ann": {"max_turns": 3}})
    one.stage.run("ann")
    outcome = one.stage.history("ann").tasks["ann"]
    assert (outcome.phase, len(one.bought())) == (TaskPhase.FAILED, 3)
    assert "max_turns" in str(outcome.error)


def test_call_cut_off_by_max_tokens_is_not_run_and_a_whole_one_is(talk: Make) -> None:
    whole = {**use("bash", command="echo ran > f"), "stop_reason": "max_tokens"}
    one = talk(steps(whole, {"text": "so", "stop_reason": "max_tokens"}, finish()))
    assert one.stage.run("ann") == 0, one.stage.log()
    assert (one.stage.tree.agent("ann").workspace / "f").exists()
    assert "cut off" in str(one.messages()[-1])


def test_question_to_a_person_waits_without_a_process(talk: Make) -> None:
    one = talk(steps(use("ask_human", question="Which colour?"), finish()))
    assert one.stage.run("ann") == 0
    assert one.stage.exit("ann")["reason"] == "asking"
    [question] = one.stage.status("ann")["questions"]
    (one.stage.tree.approvals / f"{question['id']}.yes").write_text("green")
    assert one.stage.run("ann") == 0, one.stage.log()
    assert "yes: green" in str(one.messages())
    assert len(set(one.bought())) == len(one.bought()) == 2


def test_tool_that_needs_approval_is_not_run_without_it(talk: Make) -> None:
    one = talk(steps(use("bash", command="touch f"), finish()), {"ann": {"approve": ["bash"]}})
    one.stage.run("ann")
    [question] = one.stage.status("ann")["questions"]
    assert 'bash with {"command":"touch f"}' in question["text"]
    (one.stage.tree.approvals / f"{question['id']}.no").write_text("not now")
    assert one.stage.run("ann") == 0, one.stage.log()
    assert "the user said no: not now" in str(one.messages())
    assert not (one.stage.tree.agent("ann").workspace / "f").exists()


def test_second_question_of_a_task_waits_as_the_first_did(talk: Make) -> None:
    one = talk(
        steps(use("bash", command="touch f"), use("bash", command="touch g"), finish()),
        {"ann": {"approve": ["bash"]}},
    )
    for attempt, name in enumerate(("f", "g"), start=1):
        assert one.stage.run("ann") == 0, one.stage.log()
        assert one.stage.exit("ann", attempt)["reason"] == "asking"
        [question] = one.stage.status("ann")["questions"]
        assert f"touch {name}" in question["text"]
        (one.stage.tree.approvals / f"{question['id']}.yes").touch()
    assert one.stage.run("ann") == 0, one.stage.log()
    outcome = one.stage.history("ann").tasks["ann"]
    assert (outcome.phase, outcome.attempts) == (TaskPhase.DONE, 3)


def test_spawned_task_is_added_once_and_not_more_than_allowed(talk: Make) -> None:
    spawn = [
        {"name": "spawn_task", "input": {"description": "count", "agent": "bob"}},
        {"name": "spawn_task", "input": {"description": "write", "role": "a writer"}},
        {"name": "spawn_task", "input": {"description": "too many", "agent": "bob"}},
    ]
    one = talk(steps({"tools": spawn}, finish()), {"ann": {"max_spawned": 2}, "bob": {}})
    assert one.stage.run("ann") == 0, one.stage.log()
    results = [line["content"] for line in one.stage.lines("ann", "tool_result")]
    assert "max_spawned" in results[2]
    assert len(list(one.stage.tree.task_specs.glob("ann-*.json"))) == 2
    [made] = one.stage.tree.agent_specs.glob("ann-*.json")
    assert '"role": "a writer"' in made.read_text()


def test_prompts_are_read_from_the_cache_turn_after_turn(talk: Make) -> None:
    one = talk(steps(*[use("bash", command="true")] * 4, finish()))
    one.stage.run("ann")
    turns = [line for line in one.stage.lines("ann", "turn") if line["role"] == "assistant"]
    reads = [turn["usage"]["cache_read_input_tokens"] for turn in turns]
    assert reads[0] == 0
    assert all(later > earlier for earlier, later in pairwise(reads))


def test_conversation_that_fills_the_window_is_summed_up_and_goes_on(talk: Make) -> None:
    def script(request: LoopbackRequest) -> Any:
        if "about to be shortened" in request.last_user:
            return steps({"text": "My notes: two files."})(request)
        if "My notes" in request.all_text:
            return steps(use("bash", command="true"), finish("after notes"))(request)
        return steps(use("bash", command="seq 3000"))(request)

    one = talk(script, {"ann": {"context_tokens": 9000, "compact_at": 0.9}})
    assert one.stage.run("ann") == 0, one.stage.log()
    assert one.stage.history("ann").tasks["ann"].result == "after notes"
    assert len(one.stage.lines("ann", "compacted")) == 1
    first = one.messages()[0]["content"]
    assert "<task" in first[0]["text"] and "My notes" in first[-1]["text"]


def test_each_task_and_each_run_of_it_is_a_conversation_of_its_own(talk: Make) -> None:
    one = talk(
        steps(use("bash", command="true"), finish()),
        {"ann": {}},
        tasks={"t": {"agent": "ann", "description": "first"}, "u": {"agent": "ann", "needs": ["t"]}},
    )
    assert one.stage.run("ann") == 0, one.stage.log()
    one.stage.edit("tasks/t.json", run=2)
    assert one.stage.run("ann") == 0, one.stage.log()
    assert [entry["turn"] for entry in one.server.log.requests()] == [0, 1] * 3
    assert '<result task="t"' in str(one.server.log.requests()[2]["body"]["messages"])


def test_ids_of_calls_may_repeat_from_turn_to_turn(talk: Make) -> None:
    def called(command: str) -> dict[str, Any]:
        return {"tools": [{"id": "call_0", "name": "bash", "input": {"command": command}}]}

    one = talk(steps(called("echo 1 >> f"), called("echo 2 >> f"), finish()))
    assert one.stage.run("ann") == 0, one.stage.log()
    assert (one.stage.tree.agent("ann").workspace / "f").read_text() == "1\n2\n"


def test_empty_answer_ends_the_task(talk: Make) -> None:
    one = talk(steps(use("bash", command="true"), {"content": []}))
    assert one.stage.run("ann") == 0, one.stage.log()
    assert one.stage.history("ann").tasks["ann"].phase is TaskPhase.DONE
    assert len(one.bought()) == 2


def test_thinking_is_kept_as_it_came(talk: Make) -> None:
    thought = {"type": "thinking", "thinking": "hm, so", "signature": "signed"}
    call = {"type": "tool_use", "name": "bash", "input": {"command": "true"}}
    one = talk(steps({"content": [thought, call]}, finish()))
    assert one.stage.run("ann") == 0, one.stage.log()
    assert one.messages()[1]["content"][0] == thought
