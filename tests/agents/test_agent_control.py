"""What programs write is understood once: keyword lines, control lines, the shell's verbs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stage import Stage, python, shell, wait_for

from maos_sup.agents import program
from maos_sup.agents.control.control_lines import BadLine, parse
from state_layout.errors import BadInput
from state_layout.mail.operator_mail import append_operator_message

Make = Callable[..., Stage]


def told(*lines: Any) -> str:
    """Shell that writes control lines."""
    return "".join(
        f"printf '%s\\n' '{line if isinstance(line, str) else json.dumps(line)}' >&3; " for line in lines
    )


def until(name: str) -> str:
    """Shell that waits for a word from outside."""
    return f"while [ ! -e $OUT/{name} ]; do sleep 0.02; done"


BAD_LINES = [
    ("nonsense", "not a JSON object"),
    ("[1, 2]", "not a JSON object"),
    ("{}", "has none of the keys"),
    ('{"send": {"to": "bob", "text": "x"}, "result": 1}', "has 2 of the keys"),
    ('{"send": "hello"}', "'send' needs an object with 'to'"),
    ('{"send": {"to": "bob"}}', "needs a 'text' or a 'body'"),
    ('{"send": {"to": "bob", "text": 5}}', "'text' is no text"),
    ('{"send": {"to": "bob", "text": "x", "type": "shout"}}', "'type' is 'shout'"),
    ('{"send": {"to": "nobody", "text": "x"}}', "cannot send to 'nobody': no such agent"),
    ('{"send": {"to": "../../etc", "text": "x"}}', "no such agent"),
    ('{"discovery": 5}', "'discovery' needs a text"),
    ('{"discovery": "  "}', "'discovery' needs a text"),
    ('{"progress": "half"}', "'progress' needs a number"),
    ('{"progress": true}', "'progress' needs a number"),
    ('{"progress": 0.5, "note": 5}', "'note' is no text"),
    ('{"artifact": "../../../../../../etc/hostname-not-there"}', "is not there"),
    ('{"artifact": 5}', "'artifact' needs a text"),
    ('{"ack": {"bob/ann": "3"}}', "'ack' needs an object"),
    ('{"ask": ""}', "'ask' needs a text"),
    ('{"save": {"key": "k"}}', "'save' needs an object with key and value"),
    ('{"save": {"key": 5, "value": 1}}', "'key' is no text"),
    ('{"save": {"key": "a\\u0000b", "value": 1}}', "has a NUL in it"),
    ('{"save": {"scope": "custom:../x", "key": "k", "value": 1}}', "use orchestration, custom:NAME"),
    ('{"save": {"scope": "custom:plan", "key": "k", "value": 1}}', "may not write custom:plan"),
    ('{"save": {"scope": "agent:bob", "key": "k", "value": 1}}', "who alone writes it"),
    ('{"forget": "k"}', "'forget' needs an object with key"),
]


@pytest.mark.parametrize(("line", "words"), BAD_LINES)
def test_bad_control_line_is_reported_and_skipped(stage: Make, line: str, words: str) -> None:
    one = stage(
        {
            "ann": shell(f'cat > "$OUT/x"; cat "$OUT/line" >&3; {told({"discovery": "after"})}'),
            "bob": shell("true"),
        }
    )
    (one.outside / "line").write_text(line + "\n")
    assert one.run("ann") == 0
    [warning] = one.lines("ann", "warning")
    assert words in warning["text"] and warning["source"]["offset"] == len(line) + 1
    assert words in one.stderr("ann")
    assert [mail["text"] for mail in one.mail("all", "ann")] == ["after"]


@pytest.mark.parametrize("line", [b"\xff\xfe{", b'{"send":' * 5000, b"\x00", b"null", b"1e999"])
def test_hostile_bytes_are_no_control_line(line: bytes) -> None:
    with pytest.raises(BadLine):
        parse(line)


def test_messages_of_a_program_arrive_in_order(stage: Make) -> None:
    sends = [
        {"send": {"to": "bob", "text": f"{n}", "body": {"n": n}, "type": "request", "reply_to": "a/b/1"}}
        for n in range(20)
    ]
    one = stage({"ann": shell(told(*sends)), "bob": shell("true")})
    assert one.run("ann") == 0
    mail = one.mail("bob", "ann")
    assert [line["text"] for line in mail] == [str(n) for n in range(20)]
    assert (mail[3]["type"], mail[3]["reply_to"], mail[3]["body"], mail[3]["seq"]) == (
        "request",
        "a/b/1",
        {"n": 3},
        4,
    )
    assert one.status("ann")["sent"] == 20


def test_keyword_lines_are_told_while_the_program_runs(stage: Make) -> None:
    line = f"echo 'found: gold'; {until('go')}; echo 'error: none'; printf 'result: last'"
    one = stage({"ann": shell(line)})
    life = one.live("ann")
    wait_for(lambda: one.mail("all", "ann"), "the discovery")
    assert life.is_running()
    time.sleep(0.3)  # over several saves: what was looked at must still be read
    (one.outside / "go").touch()
    assert life.wait() == 0
    mail = one.mail("all", "ann")
    assert [line["text"] for line in mail] == ["gold", "none", "last"]
    assert [line["body"]["keyword"] for line in mail] == ["found", "error", "result"]
    assert {line["type"] for line in mail} == {"discovery"}
    assert one.status("ann")["last_discovery"] == "last"


def test_lines_that_come_between_saves_are_all_understood(stage: Make) -> None:
    line = 'for i in $(seq 1 40); do echo "found: $i"; echo \'{"discovery": "c"}\' >&3; sleep 0.02; done'
    one = stage({"ann": shell(line)})
    assert one.run("ann") == 0
    texts = [line["text"] for line in one.mail("all", "ann")]
    assert [text for text in texts if text != "c"] == [str(n) for n in range(1, 41)]
    assert texts.count("c") == 40


def test_keywords_are_those_of_the_agent(stage: Make) -> None:
    one = stage(
        {
            "ann": shell("echo 'todo: x'; echo 'found: y'; echo ' todo: z'", keywords=["todo"]),
            "bob": shell("echo 'found: y'", keywords=[]),
        }
    )
    assert one.run("ann") == 0
    assert one.run("bob") == 0
    assert [mail["text"] for mail in one.mail("all", "ann")] == ["x"]
    assert one.mail("all", "bob") == []


def test_torn_last_line_of_a_program_counts(stage: Make) -> None:
    one = stage({"ann": shell("printf 'found: x'; printf '{\"discovery\": \"y\"}' >&3")})
    assert one.run("ann") == 0
    assert sorted(mail["text"] for mail in one.mail("all", "ann")) == ["x", "y"]


def test_output_written_after_the_agent_died_is_understood_once(stage: Make) -> None:
    one = stage(
        {
            "ann": shell(
                f"[ -e $OUT/began ] && exit 0; echo on > $OUT/began; {until('go')}; "
                "echo 'found: late'; "
                + told({"send": {"to": "bob", "text": "late"}}, {"checkpoint": 7})
                + "printf 'error: torn'; sleep 1031"
            ),
            "bob": shell("true"),
        }
    )
    life = one.live("ann")
    one.wait_word("began")
    life.kill()
    (one.outside / "go").touch()
    wait_for(lambda: "torn" in one.stdout("ann"), "the program wrote")
    assert one.mail("bob", "ann") == []
    for attempt in (2, 3):
        assert one.run("ann") == 0
        assert [mail["text"] for mail in one.mail("bob", "ann")] == ["late"]
        assert [mail["text"] for mail in one.mail("all", "ann")] == ["late", "torn"]
        one.edit("tasks/ann.json", run=attempt)
    [line] = one.lines("ann", "saved", 2)
    assert line["value"] == 7


def test_program_that_empties_its_log_is_warned_and_still_heard(stage: Make) -> None:
    wait = "while [ ! -e $OUT/{0} ]; do sleep 0.02; done; "
    one = stage(
        {
            "ann": shell(
                "echo 'found: one'; "
                + wait.format("go")
                + "echo 'found: 2' > /dev/stdout; "
                + wait.format("on")
                + "true"
            )
        }
    )
    life = one.live("ann")
    wait_for(lambda: one.mail("all", "ann"), "the first")
    (one.outside / "go").touch()
    wait_for(lambda: len(one.mail("all", "ann")) == 2, "the second")
    (one.outside / "on").touch()
    assert life.wait() == 0
    assert "was emptied by the program" in one.lines("ann", "warning")[0]["text"]


def test_ten_thousand_lines_are_understood(stage: Make) -> None:
    one = stage({"ann": shell('for i in $(seq 1 10000); do echo "found: $i"; done; seq 1 100000')})
    assert one.run("ann") == 0
    assert [int(mail["text"]) for mail in one.mail("all", "ann")] == list(range(1, 10001))
    assert len(one.stdout("ann").splitlines()) == 110_000


def test_artifact_is_kept_and_never_leaves_its_folder(stage: Make) -> None:
    line = "echo hi > report.md; " + told(
        {"artifact": "report.md"}, {"artifact": "../workspace"}, {"artifact": "/etc/hostname"}
    )
    one = stage({"ann": shell(line)})
    assert one.run("ann") == 0
    assert (one.tree.agent("ann").artifacts / "report.md").read_text() == "hi\n"
    assert one.status("ann")["artifacts"] == ["report.md", "hostname"]
    assert "is a folder" in one.lines("ann", "warning")[0]["text"]


# -- the shell's verbs


VERBS = """
import json, os
from maos_sup.agents import program
def main():
    env = os.environ
    program.send(env, "bob", text="hi", body={"n": 1})
    program.discover(env, "gold")
    program.progress(env, 0.25, note="quarter")
    program.checkpoint(env, {"line": 5})
    open("out.txt", "w").write("x")
    program.artifact(env, "out.txt")
    first = [m.text for m in program.inbox(env, is_ack=True)]
    again = [m.text for m in program.inbox(env)]
    answer = program.ask(env, "May I?", timeout_s=10)
    program.result(env, {"first": first, "again": again, "yes": answer.is_yes, "text": answer.text})
main()
"""


def test_verbs_of_the_shell_do_what_they_say(stage: Make) -> None:
    import sys

    one = stage(
        {
            "ann": {
                "kind": "command",
                "command": [sys.executable, "verbs.py"],
                "env": {"PYTHONPATH": str(Path.cwd())},
            },
            "bob": shell("true"),
        },
        files={"verbs.py": VERBS},
    )
    append_operator_message(one.tree, "ann", text="please")
    append_operator_message(one.tree, "all", text="everybody")
    life = one.live("ann")
    [question] = wait_for(lambda: one.status("ann").get("questions"), f"the question {one.log()}")
    (one.tree.approvals / f"{question['id']}.yes").write_text("go on")
    assert life.wait() == 0, one.stderr("ann")
    outcome = one.status("ann")["tasks"]["ann"]
    outcome["result"]["first"].sort()
    assert outcome["result"] == {"first": ["everybody", "please"], "again": [], "yes": True, "text": "go on"}
    assert outcome["progress"] == 0.25
    assert one.status("ann")["marks"] == {"ann/operator": 1, "all/operator": 1}
    assert one.status("ann")["artifacts"] == ["out.txt"]
    assert one.mail("bob", "ann")[0]["text"] == "hi"
    assert [mail["text"] for mail in one.mail("all", "ann")] == ["gold"]


def test_verbs_refuse_what_the_agent_would_refuse(stage: Make) -> None:
    one = stage({"ann": shell("echo 5 > $OUT/began; sleep 1041")})
    with pytest.raises(BadInput, match="MAOS_DIR is not set"):
        program.discover({}, "x")
    environment = {"MAOS_DIR": str(one.root), "MAOS_AGENT": "ann", "MAOS_ATTEMPT": "1"}
    with pytest.raises(BadInput, match="is not there"):
        program.discover(environment, "x")
    one.live("ann")
    one.wait_word("began")
    for refused in (
        lambda: program.send(environment, "bob", text="x"),
        lambda: program.send(environment, "all"),
        lambda: program.discover(environment, ""),
        lambda: program.progress(environment, float("nan")),
        lambda: program.result(environment, {1, 2}),
        lambda: program.artifact(environment, "nowhere"),
        lambda: program.ack(environment, ["nonsense"]),
        lambda: program.discover({**environment, "MAOS_AGENT": "../bob"}, "x"),
        lambda: program.discover({**environment, "MAOS_ATTEMPT": "x"}, "x"),
    ):
        with pytest.raises(BadInput):
            refused()
    assert one.tree.agent("ann").attempt(1).control.read_bytes() == b""


def test_ack_covers_what_came_before_and_is_recorded_once(stage: Make) -> None:
    one = stage(
        {"ann": shell("echo 5 > $OUT/began; while [ ! -e $OUT/go ]; do sleep 0.02; done"), "bob": python()}
    )
    for number in range(5):
        append_operator_message(one.tree, "ann", text=f"{number}")
    life = one.live("ann")
    one.wait_word("began")
    environment = {"MAOS_DIR": str(one.root), "MAOS_AGENT": "ann", "MAOS_ATTEMPT": "1"}
    assert len(program.inbox(environment)) == 5
    program.ack(environment, ["operator/ann/3", "operator/ann/2"])
    assert [message.text for message in program.inbox(environment)] == ["3", "4"]
    wait_for(lambda: one.status("ann")["marks"], "the agent recorded it")
    assert [message.text for message in program.inbox(environment)] == ["3", "4"]
    assert [message.text for message in program.inbox(environment, limit=1)] == ["3"]
    (one.outside / "go").touch()
    assert life.wait() == 0
    assert one.history("ann").marks["ann/operator"][0] == 3
