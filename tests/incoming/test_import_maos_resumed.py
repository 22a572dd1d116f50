"""What was imported from MAOS goes on with the real Claude Code: new work, and work that a crash cut off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from coding import claude
from maos_databases import ANALYST, CRASHED, ONE, TESTER, full
from orchestra import Orchestra

from maos_sup.loopback.reply import ScriptedReply, say
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.server import LoopbackServer
from state_layout.check import check
from state_layout.lives.attempts import recall
from state_layout.paths import Tree
from state_layout.records import TaskPhase

pytestmark = pytest.mark.timeout(300)


def answer(request: LoopbackRequest) -> ScriptedReply:
    return say("There are 13 now." if "count again" in str(request.body) else "All tests pass.")


@pytest.fixture
def server(orchestra: Orchestra) -> Iterator[LoopbackServer]:
    """A server that Claude Code asks, and an environment in which it does."""
    program = claude()
    if program is None:
        pytest.skip("Claude Code is not installed (npm install @anthropic-ai/claude-code)")
    with LoopbackServer(answer, with_bodies=True) as made:
        home = orchestra.folder / "user"
        home.mkdir()
        orchestra.environment |= {
            "HOME": str(home),
            "MAOS_SUP_CLAUDE": program,
            "ANTHROPIC_API_KEY": "sk-ant-" + "dummy" * 6,
            "ANTHROPIC_BASE_URL": made.url,
        }
        yield made


def imported(orchestra: Orchestra, id_: str) -> Tree:
    database = full(orchestra.folder / "maos.db")
    orchestra.cli(
        "import", "maos", str(database), "--orchestration", id_, "-o", str(orchestra.root), expect=0
    )
    return orchestra.tree


def test_an_imported_team_takes_new_work(orchestra: Orchestra, server: LoopbackServer) -> None:
    tree = imported(orchestra, ONE)
    where = str(orchestra.root)
    done = orchestra.cli("resume", where, "--task", "count again", "--agent", ANALYST, timeout_s=240)
    assert done.returncode == 3, done.stderr  # the task that MAOS never finished has failed
    outcomes = recall(tree, ANALYST).history.tasks
    (new,) = (outcome for name, outcome in outcomes.items() if name != ANALYST)
    assert (new.phase, new.result) == (TaskPhase.DONE, "There are 13 now.")
    assert outcomes[ANALYST].result == "There are 12."
    assert "Which 12?" not in str(server.log.requests()[0]["body"])  # it has nothing unread
    assert check(tree) == []


def test_what_a_crash_cut_off_is_taken_up_again(orchestra: Orchestra, server: LoopbackServer) -> None:
    tree = imported(orchestra, CRASHED)
    done = orchestra.cli("resume", str(orchestra.root), timeout_s=240)
    assert done.returncode == 0, done.stderr
    outcome = recall(tree, TESTER).history.tasks[TESTER]
    assert (outcome.phase, outcome.result, outcome.attempts) == (TaskPhase.DONE, "All tests pass.", 2)
    assert "test everything" in str(server.log.requests()[0]["body"]["messages"])
    assert check(tree) == []
