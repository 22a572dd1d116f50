"""Where a sync is shared, records are acknowledged at once, durable in a moment, and leave when they are."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stage import wait_for

from maos_sup.agents.attempt.recorder import Recorder
from state_layout.errors import StorageError
from state_layout.files import disk
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.paths import Tree
from state_layout.records import Intervals

MANY = 200
KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_latecomers import beginning
recorder = beginning(Path(sys.argv[1]))
recorder.latecomers.expect = lambda: None  # the moment is not over yet
recorder.commit("step", {"key": "a", "result": 1}, messages=[{"to": "bob", "text": "hello"}])
os.kill(os.getpid(), signal.SIGKILL)
"""


def beginning(root: Path) -> Recorder:
    """A life of ann, who may write to bob and syncs in groups."""
    tree = Tree(root)
    tree.agent_spec("bob").parent.mkdir(parents=True, exist_ok=True)
    tree.agent_spec("bob").write_text('{"kind": "command", "command": ["true"]}')
    known = recall(tree, "ann")
    attempt = begin_attempt(tree, "ann", recall=known, settings={})
    known.history.take(attempt.start)
    recorder = Recorder(tree, "ann", attempt=attempt, history=known.history)
    recorder.catch_up()
    recorder.intervals = lambda: Intervals(sync="group")
    return recorder


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = beginning(tmp_path / "tree")
    yield recorder
    disk.tap(None)
    recorder.close()


def mail(root: Path) -> list[bytes]:
    path = Tree(root).mail_file("bob", "ann")
    return path.read_bytes().splitlines() if path.exists() else []


def say(recorder: Recorder, text: str) -> int:
    return recorder.commit("sent", {}, messages=[{"to": "bob", "text": text}])


def test_a_message_leaves_in_a_moment_without_a_further_word(recorder: Recorder, tmp_path: Path) -> None:
    seq = say(recorder, "hello")
    wait_for(lambda: recorder.synced_seq >= seq, "the sync")
    wait_for(lambda: len(mail(tmp_path / "tree")) == 1, "the message")


def test_many_records_share_a_sync_and_none_leaves_before_it(recorder: Recorder, tmp_path: Path) -> None:
    say(recorder, "first")
    wait_for(lambda: len(mail(tmp_path / "tree")) == 1, "the first message")
    syncs, early, covered = list[int](), list[int](), [recorder.synced_seq]
    inode = Tree(tmp_path / "tree").mail_file("bob", "ann").stat().st_ino

    def watch(operation: str, arguments: tuple[Any, ...]) -> None:
        if operation == "fdatasync":
            syncs.append(1)
            covered[0] = recorder._journal.position.seq  # what this sync covers
        elif operation == "write" and os.fstat(arguments[0]).st_ino == inode:
            early.extend([1] * (recorder._held_seq > covered[0]))

    disk.tap(watch)
    for number in range(MANY):
        say(recorder, f"number {number}")
    wait_for(lambda: len(mail(tmp_path / "tree")) == MANY + 1, "all messages")
    assert early == []
    assert 0 < len(syncs) <= MANY // 2
    texts = mail(tmp_path / "tree")[1:]
    assert all(b'"text":"number %d"' % number in text for number, text in enumerate(texts))


def test_how_a_task_stands_is_durable_when_it_is_said_and_all_before_it(recorder: Recorder) -> None:
    recorder.latecomers.expect = lambda: None  # type: ignore[method-assign]  # the moment is not over yet
    step = recorder.commit("step", {"key": "a", "result": 1})
    assert recorder.synced_seq < step
    task = recorder.commit("task", {"task": "t", "run": 1, "phase": "running"})
    assert recorder.synced_seq == task > step


@pytest.mark.parametrize("sync", ["line", "group"])
def test_only_a_group_is_late(recorder: Recorder, sync: str) -> None:
    recorder.latecomers.expect = lambda: None  # type: ignore[method-assign]  # the moment is not over yet
    recorder.intervals = lambda: Intervals(sync=sync)
    assert (say(recorder, "hello") > recorder.synced_seq) == (sync == "group")


def test_who_is_killed_before_the_moment_is_over_loses_nothing(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(root), str(Path(__file__).parent)], check=False, timeout=60
    )
    assert (done.returncode, mail(root)) == (-signal.SIGKILL, [])
    recorder = beginning(root)
    assert recorder.look(lambda history: history.steps[""]) == {"a": 1}
    assert len(mail(root)) == 1
    recorder.close()


def test_closing_at_any_instant_ends_the_thread(tmp_path: Path) -> None:
    for number in range(20):
        recorder = beginning(tmp_path / "tree")
        say(recorder, "hello")
        end_s = time.perf_counter() + number * 0.0004
        while time.perf_counter() < end_s:
            pass
        closing = threading.Thread(target=recorder.close, daemon=True)
        closing.start()
        closing.join(20)
        assert not closing.is_alive()


def test_a_sync_that_fails_in_a_moment_is_told_to_who_records_next(
    recorder: Recorder, tmp_path: Path
) -> None:
    def fail(operation: str, arguments: tuple[Any, ...]) -> None:
        if operation == "fdatasync":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk.tap(fail)
    say(recorder, "lost")
    wait_for(lambda: not recorder.is_sound, "the failure")
    disk.tap(None)
    with pytest.raises(StorageError):
        say(recorder, "next")
    with pytest.raises(StorageError):
        recorder.sync()
    assert mail(tmp_path / "tree") == []
