"""A follower with nothing to do sleeps until the tree itself wakes it; where nobody can, it looks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from databases import SqliteFile
from lives import Life
from mirrored_trees import team, work
from orchestra import Orchestra, wait_for

from maos_sup.system.alarms import FolderAlarm
from state_layout.host.mirrored import Mirrored, add_mirror, status_of_mirror
from state_layout.lives.leases import Lease, write_lease
from state_layout.paths import Tree

BEATS = 4  # some two seconds each
MOST_WAKE_UPS = 3  # while so many beats of an agent pass; a follower that looks each second has eight
NEVER = """
import sys
from pathlib import Path
from maos_sup.mirrors import following
following._LONGEST_S = following._WHOLE_EVERY_S = 1e6
following.follow(Path(sys.argv[1]), "sqlite", stays=True)
"""
FORBID = 'echo "$1" >/proc/sys/user/max_inotify_"$0" && shift && exec "$@"'
LITTLE_INOTIFY = ["unshare", "--user", "--map-root-user", "sh", "-c", FORBID]


def skip_without_inotify(folder: Path) -> None:
    with closing(FolderAlarm()) as alarm:
        alarm.watch(frozenset({str(folder)}))
        if not alarm.covers(frozenset({str(folder)})):
            pytest.skip("no inotify is left here")


@contextmanager
def followed(tree: Tree, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(argv)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wake_ups(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


@pytest.mark.linux("inotify wakes it, and the kernel counts its sleeps")
def test_while_nothing_happens_it_does_not_look(orchestra: Orchestra) -> None:
    skip_without_inotify(orchestra.folder)
    orchestra.start({"bob": "sleep 1000"})
    orchestra.cli("mirror", "add", str(orchestra.root), f"sqlite:{orchestra.folder / 'mirror.db'}", expect=0)
    pid = orchestra.wait(lambda: status_of_mirror(orchestra.tree, "sqlite")["pid"], "a follower")
    beat = orchestra.tree.beat("bob")

    def sleeps() -> bool:
        before = wake_ups(pid)
        for _ in range(BEATS):
            last = beat.stat().st_mtime_ns
            orchestra.wait(lambda last=last: beat.stat().st_mtime_ns != last, "a beat")
        return wake_ups(pid) - before <= MOST_WAKE_UPS

    orchestra.wait(sleeps, "sleep, when what came with its start is taken", deadline_s=15)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = team(tmp_path / "tree")
    work(made).journal.close()
    add_mirror(made, Mirrored(name="sqlite", url=f"sqlite:{tmp_path / 'mirror.db'}"))
    return made


def assert_news_arrive(tree: Tree, database: SqliteFile, number: int) -> None:
    """Of a new attempt and of old files: a step, its mail, output."""
    before = database.ask("SELECT count(*) FROM lines")[0][0]
    life = Life(tree, "alice")
    life.step(f"r{number}", ("bob", "news"), cost_usd=0.5, tokens=10)
    life.attempt.paths.stdout.write_bytes(b"one more\n")
    life.journal.close()
    wait_for(
        lambda: database.ask("SELECT count(*) FROM lines")[0][0] == before + 3, "the lines", deadline_s=60
    )


def wait_idle(process: subprocess.Popen[bytes], tree: Tree, database: SqliteFile) -> None:
    """Until it has nothing to do."""
    path = database.path
    wait_for(lambda: path.exists() and status_of_mirror(tree, "sqlite")["lag_bytes"] == 0, "a full mirror")
    seen = -1

    def is_quiet() -> bool:
        nonlocal seen
        before, seen = seen, wake_ups(process.pid)
        return before == seen

    wait_for(is_quiet, "sleep")


@pytest.mark.linux("inotify wakes it, and the kernel counts its sleeps")
def test_what_comes_while_it_sleeps_wakes_it(tree: Tree, tmp_path: Path) -> None:
    """It would not look by itself for days."""
    skip_without_inotify(tmp_path)
    database = SqliteFile(tmp_path / "mirror.db")
    with followed(tree, sys.executable, "-c", NEVER, str(tree.root)) as process:
        wait_idle(process, tree, database)
        for number in range(2):
            assert_news_arrive(tree, database, number)
            wait_idle(process, tree, database)


@pytest.mark.linux("inotify would wake it, and the kernel counts its sleeps")
def test_beside_an_agent_on_another_machine_it_looks(tree: Tree, tmp_path: Path) -> None:
    """What other machines write into a shared folder wakes nobody here."""
    skip_without_inotify(tmp_path)
    lease = Lease(n=1, ttl_s=10.0, launcher="slurm", job="7", host="node1", boot_id="another", pid=1)
    write_lease(tree.agent("alice").attempt(1).lease, lease)
    database = SqliteFile(tmp_path / "mirror.db")
    with followed(tree, sys.executable, "-c", NEVER, str(tree.root)) as process:
        wait_for(lambda: database.path.exists() and status_of_mirror(tree, "sqlite")["lag_bytes"] == 0, "all")
        before = wake_ups(process.pid)
        wait_for(lambda: wake_ups(process.pid) > before + 5, "looks at what does not change")


@pytest.mark.linux("namespaces")
@pytest.mark.parametrize(("what", "most"), [("instances", 0), ("watches", 2)])
def test_where_too_little_inotify_is_to_be_had_it_looks(
    tree: Tree, tmp_path: Path, what: str, most: int
) -> None:
    little = [*LITTLE_INOTIFY, what, str(most)]
    if subprocess.run([*little, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no user namespaces here")
    database = SqliteFile(tmp_path / "mirror.db")
    follow = [sys.executable, "-m", "maos_sup", "mirror", "follow", str(tree.root), "sqlite"]
    with followed(tree, *little, *follow) as process:
        wait_idle(process, tree, database)
        before = wake_ups(process.pid)
        wait_for(lambda: wake_ups(process.pid) > before + 5, "looks at what does not change", deadline_s=30)
        assert_news_arrive(tree, database, 0)
