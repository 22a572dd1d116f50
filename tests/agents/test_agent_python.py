"""Kind `python`: steps once, effects all or nothing, mail, state."""

from __future__ import annotations

import pytest
from callables import HEAD, Make, result, staged
from stage import python, wait_for

from state_layout.mail.operator_mail import append_operator_message


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
