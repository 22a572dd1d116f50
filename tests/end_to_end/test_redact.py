"""`redact = true`: no secret reaches a file of the tree, and no line is lost, whoever is killed."""

from __future__ import annotations

from pathlib import Path

from orchestra import Orchestra
from processes import kill

SECRET = "very-secret-value-1"
SHAPED = "sk-ant-" + "a1B2" * 8
KEY = "-----BEGIN PRIVATE KEY-----\nMIIabcabcabc\nMIIdefdefdef\n-----END PRIVATE KEY-----"
CHATTY = """
    import os, sys
    out = os.environ["OUT"]
    number = 0
    while not os.path.exists(out + "/go"):
        number += 1
        os.write(1, b"line %d very-secret-" b"value-1\\n" % number)
        with open(out + "/written." + os.environ["MAOS_ATTEMPT"], "w") as file:
            file.write(str(number))
"""


def files_with(orchestra: Orchestra, secret: str) -> list[Path]:
    files = [path for path in orchestra.root.rglob("*") if path.is_file()]
    return [path for path in files if secret.encode() in path.read_bytes()]


def test_a_programs_secrets_reach_no_file(orchestra: Orchestra) -> None:
    orchestra.environment["SOME_API_KEY"] = SECRET
    orchestra.file("key.pem", f"{KEY}\n")
    program = "; ".join(
        [
            'echo "discovery: the key is $SOME_API_KEY"',
            'echo "on stderr $SOME_API_KEY" >&2',
            f"echo {SHAPED[:10]}''{SHAPED[10:]}",
            f"cat {orchestra.folder}/key.pem",
            'printf \'{"result":{"key":"%s"}}\\n\' "$SOME_API_KEY" >&$MAOS_CONTROL_FD',
            'printf \'{"progress":0.5,"note":"%s"}\\n\' "$SOME_API_KEY" >> $MAOS_CONTROL',
            'maos-sup agent send ann "for you: $SOME_API_KEY"',
            "printf 'no end of line'",
        ]
    )
    orchestra.run({"ann": {"kind": "command", "shell": program, "redact": True}})
    orchestra.wait_rest("done")
    shaped = f"{SHAPED[:10]}''{SHAPED[10:]}"
    assert shaped not in orchestra.output("ann")
    assert orchestra.output("ann") == (
        "discovery: the key is [redacted]\n[redacted]\n[redacted]\nno end of line"
    )
    assert orchestra.task("ann")["result"] == {"key": "[redacted]"}
    assert orchestra.agent("ann")["last_discovery"] == "the key is [redacted]"
    for secret in (SECRET, SHAPED, "MIIabcabcabc"):
        assert files_with(orchestra, secret) == []
    orchestra.assert_nothing_left()
    orchestra.assert_sound()


def test_a_callables_prints_are_redacted(orchestra: Orchestra) -> None:
    orchestra.environment["SOME_API_KEY"] = SECRET
    orchestra.file(
        "work.py",
        """
        import os, subprocess
        def main(ctx):
            print("printed", os.environ["SOME_API_KEY"])
            subprocess.run(["sh", "-c", 'echo "started $SOME_API_KEY"'], check=True)
        """,
    )
    orchestra.run({"ann": {"kind": "python", "callable": "work:main", "redact": True}})
    orchestra.wait_rest("done")
    assert orchestra.output("ann") == "printed [redacted]\nstarted [redacted]\n"
    assert files_with(orchestra, SECRET) == []
    orchestra.assert_nothing_left()


def test_what_was_written_is_kept_when_the_agent_dies(orchestra: Orchestra) -> None:
    orchestra.environment["SOME_API_KEY"] = SECRET
    orchestra.file("chatty.py", CHATTY)
    orchestra.start({"ann": {"kind": "command", "command": ["python3", "chatty.py"], "redact": True}})
    orchestra.wait_word("written.1")
    kill(orchestra.wait_alive()["ann"])
    orchestra.wait_word("written.2")
    kill(orchestra.program("ann") or 0)
    orchestra.wait_word("written.3")
    orchestra.say("go")
    orchestra.wait_rest("done")
    for attempt in (1, 2, 3):
        log = orchestra.tree.agent("ann").attempt(attempt).stdout.read_text().splitlines()
        written = int((orchestra.outside / f"written.{attempt}").read_text() or 0)
        assert len(log) >= written
        assert log == [f"line {number} [redacted]" for number in range(1, len(log) + 1)]
    orchestra.assert_nothing_left()
    orchestra.assert_sound()


def test_variables_are_passed_on_under_other_names(orchestra: Orchestra) -> None:
    orchestra.environment["BOBS_TOKEN"] = SECRET
    program = {"kind": "command", "shell": 'test "$TOKEN" = very-secret-value-"1" && echo same; echo $TOKEN'}
    orchestra.run({"ann": {**program, "env_from": {"TOKEN": "BOBS_TOKEN"}, "redact": True}})
    orchestra.wait_rest("done")
    assert orchestra.output("ann") == "same\n[redacted]\n"
    assert files_with(orchestra, SECRET) == []


def test_a_variable_that_is_not_set_is_named_before_a_tree_is_made(orchestra: Orchestra) -> None:
    bob = {"kind": "command", "shell": "echo $TOKEN", "env_from": {"TOKEN": "NOT_SET"}}
    done = orchestra.run({"bob": bob})
    assert done.returncode == 2
    assert "agent 'bob': 'env_from' asks for the variable NOT_SET, which is not set" in done.stderr
    assert "plan.json:" in done.stderr
    assert not orchestra.root.exists()


def test_a_variable_that_is_gone_at_a_resume_fails_its_task_and_says_so(orchestra: Orchestra) -> None:
    gated = 'while [ ! -e "$OUT/go" ]; do sleep 0.05; done; echo $TOKEN'
    bob = {"kind": "command", "shell": gated, "env_from": {"TOKEN": "BOBS_TOKEN"}, "restart": {"max": 0}}
    orchestra.environment["BOBS_TOKEN"] = SECRET
    orchestra.start({"bob": bob})
    orchestra.wait_alive()
    orchestra.do("stop")
    orchestra.wait_rest("stopped")
    del orchestra.environment["BOBS_TOKEN"]
    orchestra.resume()
    orchestra.wait_rest("failed")
    assert "asks for the variable BOBS_TOKEN, which is not set" in orchestra.task("bob")["error"]
