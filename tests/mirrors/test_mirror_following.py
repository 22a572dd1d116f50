"""Followers of a running orchestration: real processes, killed, starved of their database, left alone."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from orchestra import Orchestra
from processes import is_running

from state_layout.host.mirrored import FollowerTold, status_of_mirror

TALKATIVE = (
    "i=0; while [ ! -e $OUT/enough ]; do i=$((i+1)); echo line $i; "
    'echo "{\\"progress\\": 0.1, \\"note\\": \\"$i\\"}" >&$MAOS_CONTROL_FD; sleep 0.02; done'
)
LONG = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "0"))


@pytest.fixture
def mirror_url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'mirror.db'}"


def follower(orchestra: Orchestra, name: str = "sqlite") -> int | None:
    """The process that follows, while it lives."""
    pid: int | None = status_of_mirror(orchestra.tree, name)["pid"]
    return pid


def verdict(orchestra: Orchestra, *arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        orchestra.cli("mirror", "verify", str(orchestra.root), *arguments, "--json", expect=0).stdout
    )
    return told


def ask(orchestra: Orchestra, query: str) -> int:
    with closing(sqlite3.connect(orchestra.folder / "mirror.db")) as database:
        count: int = database.execute(query).fetchone()[0]
    return count


def lines_in(orchestra: Orchestra) -> int:
    return ask(orchestra, "SELECT count(*) FROM lines")


def wait_followed(orchestra: Orchestra) -> int:
    return orchestra.wait(lambda: follower(orchestra), "a follower") or 0


def test_a_follower_keeps_up_ends_with_the_team_and_what_it_holds_makes_a_tree_that_resumes(
    orchestra: Orchestra, mirror_url: str
) -> None:
    orchestra.start({"bob": TALKATIVE, "eve": TALKATIVE})
    orchestra.cli("mirror", "add", str(orchestra.root), mirror_url, expect=0)
    pid = wait_followed(orchestra)
    orchestra.wait(lambda: lines_in(orchestra) > 20, "lines in the mirror")
    assert "mirror sqlite" in orchestra.cli("status", str(orchestra.root), expect=0).stdout
    orchestra.say("enough")
    orchestra.wait_rest("done")
    orchestra.wait(lambda: not is_running(pid), "the end of the follower")
    told = verdict(orchestra)
    assert told["equal"], told
    again = Orchestra(orchestra.folder, root=orchestra.folder / "restored", id=orchestra.id)
    again.cli("mirror", "restore", mirror_url, str(again.root), expect=0)
    again.assert_sound()
    assert [task["phase"] for task in again.status()["tasks"]] == ["done", "done"]
    assert again.output("bob") == orchestra.output("bob")
    again.cli("add", "task", str(again.root), "once more", "--agent", "bob", "--id", "more", expect=0)
    again.resume()
    again.wait_rest("done")
    again.assert_sound()


def test_a_killed_follower_is_followed_by_another_and_nothing_is_missing_or_doubled(
    orchestra: Orchestra, mirror_url: str
) -> None:
    orchestra.start({"bob": TALKATIVE, "eve": TALKATIVE})
    orchestra.cli("mirror", "add", str(orchestra.root), mirror_url, expect=0)
    for number in range(max(3, LONG)):
        pid = wait_followed(orchestra)
        seen = lines_in(orchestra) if number else 0
        os.kill(pid, signal.SIGKILL)
        orchestra.wait(lambda pid=pid: follower(orchestra) not in (None, pid), "another follower")
        orchestra.wait(lambda seen=seen: lines_in(orchestra) > seen, "more lines")
    supervisor = orchestra.supervisor() or 0
    os.kill(supervisor, signal.SIGKILL)  # the follower lives on, and the next supervisor finds it
    pid = wait_followed(orchestra)
    orchestra.resume()
    orchestra.say("enough")
    orchestra.wait_rest("done")
    orchestra.wait(lambda: follower(orchestra) is None, "the end of the follower")
    assert verdict(orchestra)["equal"]


def test_a_mirror_that_is_down_costs_agents_nothing_and_catches_up(
    orchestra: Orchestra, tmp_path: Path
) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    orchestra.start({"bob": TALKATIVE})
    orchestra.cli("mirror", "add", str(orchestra.root), f"sqlite:{place / 'mirror.db'}", expect=0)
    wait_followed(orchestra)
    place.rename(tmp_path / "unplugged")
    os.kill(wait_followed(orchestra), signal.SIGKILL)

    def told() -> FollowerTold:
        return status_of_mirror(orchestra.tree, "sqlite")

    orchestra.wait(lambda: told().get("state") == "waiting", "trouble in the status")
    before = orchestra.agent("bob")["last_output_at"]
    orchestra.wait(lambda: orchestra.agent("bob")["last_output_at"] != before, "work that goes on")
    assert "cannot be opened" in (told()["trouble"] or "")
    shown = orchestra.cli("status", str(orchestra.root), expect=0).stdout
    assert "mirror sqlite" in shown and "behind" in shown
    (tmp_path / "unplugged").rename(place)
    orchestra.wait(lambda: told().get("state") == "following", "following again")
    orchestra.say("enough")
    orchestra.wait_rest("done")
    orchestra.wait(lambda: follower(orchestra) is None, "the end of the follower")
    assert verdict(orchestra)["equal"]


def test_a_rollback_of_the_team_is_followed(orchestra: Orchestra, mirror_url: str) -> None:
    say = """say() {
        echo "{\\"send\\":{\\"to\\":\\"eve\\",\\"text\\":\\"hello $1\\"}}" >&$MAOS_CONTROL_FD
    }; """
    wait = "while [ ! -e $OUT/go ]; do sleep 0.05; done; "
    orchestra.start({"bob": say + "say 1; say 2; " + wait + "say 3; say 4", "eve": wait})
    orchestra.cli("mirror", "add", str(orchestra.root), mirror_url, expect=0)
    orchestra.wait(lambda: orchestra.agent("bob")["sent"] == 2, "two messages")
    orchestra.cli("checkpoint", str(orchestra.root), "--name", "half", expect=0)
    orchestra.say("go")
    orchestra.wait_rest("done")
    orchestra.wait(lambda: follower(orchestra) is None and verdict(orchestra)["equal"], "a full mirror")
    assert ask(orchestra, "SELECT count(*) FROM live_mail") == 4
    orchestra.cli("rollback", str(orchestra.root), "half", "--yes", expect=0)
    orchestra.wait(lambda: follower(orchestra) is None and verdict(orchestra)["equal"], "a full mirror")
    assert ask(orchestra, "SELECT count(*) FROM live_mail") == 2
    assert ask(orchestra, "SELECT count(*) FROM lines WHERE is_void") > 0
    assert ask(orchestra, "SELECT count(*) FROM live_tasks WHERE phase = 'done'") == 0
    orchestra.resume()
    orchestra.wait_rest("done")
    orchestra.wait(lambda: follower(orchestra) is None and verdict(orchestra)["equal"], "a full mirror")
    assert ask(orchestra, "SELECT count(*) FROM live_tasks WHERE phase = 'done'") == 2


def test_a_copy_has_no_mirrors_and_without_run_they_are_forgotten(
    orchestra: Orchestra, mirror_url: str
) -> None:
    orchestra.run({"bob": "echo hi"})
    orchestra.cli("mirror", "add", str(orchestra.root), mirror_url, expect=0)
    orchestra.wait(lambda: follower(orchestra) is None and verdict(orchestra)["equal"], "a full mirror")
    assert "sqlite" in orchestra.cli("mirror", "list", str(orchestra.root), expect=0).stdout
    orchestra.delete_run()
    assert "no mirrors" in orchestra.cli("mirror", "list", str(orchestra.root), expect=0).stdout
    orchestra.cli("mirror", "add", str(orchestra.root), mirror_url, expect=0)  # it goes on where it was
    orchestra.wait(lambda: follower(orchestra) is None and verdict(orchestra)["equal"], "a full mirror")
