"""Two supervisors whose locks do not reach each other, as on two login nodes: who came last goes on."""

from __future__ import annotations

from orchestra import Orchestra
from processes import is_running

GATED = 'while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'


def test_the_first_of_two_supervisors_ends_and_nothing_is_done_twice(orchestra: Orchestra) -> None:
    team = orchestra
    team.start({"ann": GATED, "bob": GATED})
    team.wait_alive()
    first = team.supervisor()
    assert first
    team.tree.supervisor_lock.unlink()  # so the next one holds another lock
    second = team.begin_cli("supervise", str(team.root))
    team.wait(lambda: not is_running(first), "the first one ends", deadline_s=30)
    team.wait(lambda: team.supervisor() == second.pid, "the second one is seen")
    log = team.tree.supervisor_log.read_text()
    assert "another supervisor, life 2, has begun" in log
    assert "Traceback" not in log
    team.say("go")
    team.wait_rest("done")
    assert team.attempts() == {"ann": 1, "bob": 1}
    second.communicate(timeout=60)
    assert second.returncode == 0
    team.assert_sound()
