"""Kind `python`: questions, pauses, stops, timeouts, doubts, what is left behind."""

from __future__ import annotations

import signal

import pytest
from callables import Make, result, staged
from processes import is_running
from stage import python

from state_layout.records import TaskPhase


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
    life.signal(signal.SIGTERM)
    assert life.wait() == 0
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
    assert not is_running(result(one))


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


def test_what_was_printed_survives_a_kill(stage: Make) -> None:
    one = staged(
        stage,
        """
        def main(ctx):
            print("last words \u2713")
            os.kill(os.getpid(), 9)
        """,
    )
    assert one.run("ann") == -9
    assert one.stdout("ann") == "last words \u2713\n"
