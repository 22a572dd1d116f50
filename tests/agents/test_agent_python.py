"""Kind `python`: steps once, effects all or nothing, questions, endings."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from stage import Stage, python, wait_for

from state_layout.operator_mail import append_operator_message
from state_layout.records import TaskPhase

Make = Callable[..., Stage]
HEAD = """
import os, time
def word(name, text):
    with open(os.environ["OUT"] + "/" + name, "a") as file:
        file.write(str(text) + "\\n")
def has(name):
    return os.path.exists(os.environ["OUT"] + "/" + name)
def once(name):
    if has(name):
        return False
    word(name, "")
    return True
"""


def staged(stage: Make, body: str, agents: dict[str, Any] | None = None, **more: Any) -> Stage:
    """A stage whose agent `ann` runs `main` of `body`."""
    import textwrap

    text = HEAD + textwrap.dedent(body)
    return stage({"ann": python(**more), **(agents or {})}, {"t": {"agent": "ann"}}, files={"work.py": text})


def result(one: Stage) -> Any:
    outcome = one.history("ann").tasks["t"]
    assert outcome.phase is TaskPhase.DONE, (outcome, one.log(), one.stderr("ann"))
    return outcome.result


def test_step_is_not_called_again_by_the_next_attempt(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            values = [ctx.step("draw", draw, n) for n in range(3)]
            if once("failed"):
                raise RuntimeError("no luck")
            return values
        def draw(n):
            word("calls", n)
            return {"n": n, "pair": (1, 2)}
        """,
    )
    assert one.run("ann") == 1
    assert one.exit("ann")["detail"] == "RuntimeError: no luck"
    assert "in main" in one.stderr("ann")
    assert one.run("ann") == 0
    assert one.words("calls") == ["0", "1", "2"]
    assert result(one) == [{"n": n, "pair": [1, 2]} for n in range(3)]


def test_result_of_a_step_is_the_same_at_first_and_later(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            word("types", type(ctx.step("pair", lambda: (1, 2))).__name__)
            if once("failed"):
                raise RuntimeError
        """,
    )
    one.run("ann"), one.run("ann")
    assert one.words("types") == ["list", "list"]


def test_step_that_raised_is_called_again_with_the_same_token(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            return ctx.step("pay", pay, ctx)
        def pay(ctx):
            word("tokens", ctx.token)
            ctx.send("all", "paid")
            ctx.state["paid"] = ctx.state.get("paid", 0) + 1
            if once("failed"):
                raise OSError("unreachable")
            return ctx.state["paid"]
        """,
    )
    assert one.run("ann") == 1
    assert one.mail("all", "ann") == []
    assert one.run("ann") == 0
    tokens = one.words("tokens")
    assert len(tokens) == 2 and len(set(tokens)) == 1 and len(tokens[0]) == 32
    assert result(one) == 1
    assert [mail["text"] for mail in one.mail("all", "ann")] == ["paid"]


ELSEWHERE = """import threading
    box = []
    def go():
        try: ctx.state.get('x')
        except RuntimeError as error: box.append(error)
    thread = threading.Thread(target=go); thread.start(); thread.join()
    raise box[0]"""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return ctx.step('bad', lambda: {1, 2})", "step 'bad': "),
        ("return ctx.step('bad', lambda: float('nan'))", "no form for nan"),
        ("return object()", "the callable returned what JSON has no form for"),
        ("ctx.step('a', lambda: ctx.step('b', int))", "steps do not nest"),
        ("ctx.step('a', lambda: ctx.ask('May I?'))", "ctx.ask within a step"),
        ("ctx.step('a#1', int)", "without '#'"),
        ("ctx.step('~a', int)", "does not begin with '~'"),
        ("ctx.send('bob', 'hi')", "cannot send to 'bob': no such agent; use all or one of: ann"),
        ("ctx.send('all')", "needs a 'text' or a 'body'"),
        ("ctx.send('all', 'x', type='shout')", "'type' is 'shout'; use one of info"),
        ("ctx.state['x'] = {1}", "use what JSON has a form for"),
        ("ctx.state[1] = 1", "state key 1 is no text"),
        ("ctx.artifact('nowhere.md')", "is not there"),
        ("ctx.token", "within a step only"),
        (
            ELSEWHERE,
            "in the thread that got it",
        ),
        ("raise SystemExit(3)", "exit code 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_misuse_is_a_failed_attempt_that_says_why(stage: Make, body: str, words: str) -> None:
    one = staged(stage, f"def main(ctx):\n    {body}\n")
    assert one.run("ann") == 1
    assert words in one.exit("ann")["detail"]


@pytest.mark.parametrize(
    ("callable_", "words"),
    [
        ("lost:main", "no module 'lost' in spec/files"),
        ("work:lost", "has no function 'lost'"),
        ("work:later", "is async"),
        ("broken:main", "SyntaxError"),
        ("missing:main", "No module named 'not_installed'"),
    ],
)
def test_callable_that_cannot_be_had_says_why(stage: Make, callable_: str, words: str) -> None:
    files = {
        "work.py": "async def later(ctx): pass",
        "broken.py": "def main(:",
        "missing.py": "import not_installed",
    }
    one = stage({"ann": python(callable_)}, files=files)
    assert one.run("ann") == 1
    assert words in one.exit("ann")["detail"]
    assert not [*one.tree.files.glob("**/*.pyc")]


def test_output_goes_to_the_log_and_keywords_count(stage: Make) -> None:
    one = staged(stage, "def main(ctx):\n    print('found: gold')\n    print('plain', flush=True)")
    assert one.run("ann") == 0
    assert one.stdout("ann") == "found: gold\nplain\n"
    assert [mail["text"] for mail in one.mail("all", "ann")] == ["gold"]


def test_mail_is_received_in_order_and_acknowledged_by_the_step(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            seen = ctx.step("read", lambda: [m.text for m in ctx.inbox()])
            seen += [m.text for m in ctx.inbox()]
            if once("failed"):
                raise RuntimeError
            seen += [m.text for m in ctx.inbox()]
            return seen
        """,
    )
    for number in range(3):
        append_operator_message(one.tree, "ann", text=f"{number}")
    assert one.run("ann") == 1
    assert one.status("ann")["marks"] == {"ann/operator": 3}
    append_operator_message(one.tree, "ann", text="late")
    assert one.run("ann") == 0
    assert result(one) == ["0", "1", "2", "late"]


def test_messages_of_a_failed_step_are_received_again(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            try:
                ctx.step("read", lambda: [m.text for m in ctx.inbox()] + 1)
            except TypeError:
                pass
            return [m.text for m in ctx.inbox()]
        """,
    )
    append_operator_message(one.tree, "ann", text="x")
    assert one.run("ann") == 0
    assert result(one) == ["x"]


def test_receive_waits_for_a_message_and_is_woken(stage: Make) -> None:
    echo = """
        def main(ctx):
            message = ctx.receive(timeout_s=10)
            assert ctx.receive(timeout_s=0.05) is None
            return [message.sender, message.text, message.id]
        """
    ping = HEAD + "def main(ctx):\n    ctx.send('ann', 'ping')\n    word('sent', time.time())\n"
    one = staged(stage, echo, {"bob": python("ping:main")})
    (one.tree.files / "ping.py").write_text(ping)
    one.edit("tasks/t.json")
    life = one.live("ann")
    wait_for(lambda: one.status("ann").get("phase") == "running", "ann runs")
    (one.tree.spec / "tasks" / "p.json").write_text('{"agent": "bob"}')
    assert one.run("bob") == 0
    assert life.wait() == 0
    assert result(one) == ["bob", "ping", "bob/ann/1"]


def test_state_is_kept_over_attempts_and_changed_once(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            ctx.state["n"] = ctx.state.get("n", 0) + 1
            del ctx.state["gone"]
            if once("failed"):
                raise RuntimeError
            return [ctx.state["n"], sorted(ctx.state), len(ctx.state), "gone" in ctx.state]
        """,
    )
    work = one.tree.files / "work.py"
    work.write_text(work.read_text().replace("del ctx", "ctx.state['gone'] = 1; del ctx"))
    assert one.run("ann") == 1
    assert one.run("ann") == 0
    assert result(one) == [1, ["n"], 1, False]


def test_question_parks_the_task_until_it_is_answered(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            ctx.step("before", word, "calls", "before")
            answer = ctx.ask("Delete it?")
            return [answer.is_yes, answer.text, ctx.ask("Delete it?").is_yes]
        """,
    )
    assert one.run("ann") == 0
    assert one.exit("ann")["reason"] == "asking"
    [question] = one.status("ann")["questions"]
    assert (question["task"], question["text"]) == ("t", "Delete it?")
    assert one.status("ann")["tasks"]["t"]["phase"] == "asking"
    assert one.run("ann") == 0
    assert one.exit("ann", 2)["reason"] == "asking"
    assert one.lines("ann", "task", 2) == []
    (one.tree.approvals / f"{question['id']}.no").write_text("not today\n")
    assert one.run("ann") == 0
    assert result(one) == [False, "not today", False]
    assert one.words("calls") == ["before"]
    assert one.status("ann")["questions"] == []


def test_pause_waits_for_the_end_of_a_step(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            for n in range(50):
                ctx.step("slow", slow, n)
            return "all"
        def slow(n):
            word("began", n)
            time.sleep(0.05)
            word("ended", n)
        """,
    )
    life = one.live("ann")
    one.wait_word("began")
    one.edit("agents/ann.json", want="pause")
    assert life.wait() == 0
    assert one.exit("ann")["reason"] == "paused"
    assert one.words("began") == one.words("ended")
    assert len(one.words("began")) < 30
    one.edit("agents/ann.json", want="run")
    assert one.run("ann") == 0
    assert one.words("ended") == [str(n) for n in range(50)]


def test_stop_unwinds_a_step_at_once(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            try:
                ctx.step("long", long)
            except Exception:
                word("caught", "no")
            finally:
                word("finally", "yes")
        def long():
            word("began", "")
            time.sleep(60)
        """,
    )
    life = one.live("ann")
    one.wait_word("began")
    began_s = time.monotonic()
    life.signal(signal.SIGTERM)
    assert life.wait() == 0
    assert time.monotonic() - began_s < 2
    assert one.exit("ann")["reason"] == "stopped"
    assert (one.words("caught"), one.words("finally")) == ([], ["yes"])


def test_timeout_of_a_callable_is_a_failed_attempt(stage: Make) -> None:
    one = staged(stage, "def main(ctx):\n    time.sleep(60)", limits={"timeout_s": 0.3})
    assert one.run("ann", deadline_s=5) == 1
    assert one.exit("ann")["detail"] == "timed out after 0.3 s"


def test_deaf_callable_is_ended_by_force_and_its_records_are_kept(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            ctx.step("first", word, "calls", "first")
            word("began", "")
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    word("deaf", "")
        """,
        limits={"timeout_s": 0.3, "stop_grace_s": 0.2},
    )
    assert one.run("ann", deadline_s=20) == 1
    assert one.words("deaf") == [""]
    assert one.exit("ann")["reason"] == "failed"
    assert one.history("ann").tasks["t"].phase is TaskPhase.INTERRUPTED
    assert one.history("ann").steps == {"t#1": {"first": None}}
    assert one.status("ann")["phase"] == "failed"


def test_swallowed_end_is_not_done(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            word("began", "")
            try:
                while True:
                    ctx.step("x", time.sleep, 0.01)
            except BaseException:
                return "done, really"
        """,
    )
    life = one.live("ann")
    one.wait_word("began")
    one.edit("orchestration.json", want="pause")
    assert life.wait() == 0
    assert one.exit("ann")["reason"] == "paused"
    assert one.history("ann").tasks["t"].phase is TaskPhase.INTERRUPTED


KILLED_IN_STEP = """
    def main(ctx):
        return ctx.step("pay", pay, ctx)
    def pay(ctx):
        word("calls", ctx.token)
        if once("killed"):
            os.kill(os.getpid(), 9)
        return "paid"
    """


def test_uncertain_step_is_retried_by_default_and_reported(stage: Make) -> None:
    one = staged(stage, KILLED_IN_STEP)
    assert one.run("ann") == -9
    assert one.run("ann") == 0
    assert result(one) == "paid"
    assert len(set(one.words("calls"))) == 1 and len(one.words("calls")) == 2
    [warning] = one.lines("ann", "warning", 2)
    assert warning["text"].startswith(
        "Attempt 1 of this agent died while step 'pay' of task 't' was under way"
    )


def test_uncertain_step_raises_where_that_is_wanted(stage: Make) -> None:
    one = staged(stage, KILLED_IN_STEP, on_uncertain="raise")
    assert one.run("ann") == -9
    assert one.run("ann") == 1
    assert one.exit("ann", 2)["detail"].startswith("Uncertain: Attempt 1 of this agent died")
    assert len(one.words("calls")) == 1


@pytest.mark.parametrize(("answer", "calls"), [("yes", 2), ("no", 1)])
def test_uncertain_step_asks_where_that_is_wanted(stage: Make, answer: str, calls: int) -> None:
    one = staged(stage, KILLED_IN_STEP, on_uncertain="ask")
    assert one.run("ann") == -9
    assert one.run("ann") == 0
    assert one.exit("ann", 2)["reason"] == "asking"
    [question] = one.status("ann")["questions"]
    (one.tree.approvals / f"{question['id']}.{answer}").touch()
    assert one.run("ann") == (0 if answer == "yes" else 1)
    assert len(one.words("calls")) == calls


def test_children_of_a_callable_are_ended_with_it(stage: Make) -> None:
    one = staged(
        stage,
        """
        import subprocess
        def main(ctx):
            return subprocess.Popen(["sleep", "1021"], start_new_session=True).pid
        """,
    )
    assert one.run("ann") == 0
    pid = result(one)
    import os

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_artifact_is_copied_and_listed(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            (ctx.workspace / "report.md").write_text("# all fine")
            ctx.progress(0.5, "writing")
            return ctx.artifact("report.md").name
        """,
    )
    assert one.run("ann") == 0
    assert (one.tree.agent("ann").artifacts / "report.md").read_text() == "# all fine"
    assert one.status("ann")["artifacts"] == ["report.md"]


def test_needed_results_are_given(stage: Make) -> None:
    body = """
        def main(ctx):
            if ctx.task.id == "t":
                return {"big": "x" * 20000}
            return len(ctx.results["t"]["big"])
        """
    one = staged(stage, body, {"bob": python()})
    (one.tree.spec / "tasks" / "later.json").write_text('{"agent": "bob", "needs": ["t"]}')
    assert one.run("ann") == 0
    assert one.status("ann")["tasks"]["t"]["result"] is None
    assert one.run("bob") == 0
    assert one.history("bob").tasks["later"].result == 20000
    one.tree.agent("ann").status.unlink()
    one.edit("tasks/later.json", run=2)
    assert one.run("bob") == 0
    assert one.history("bob").tasks["later"].result == 20000
