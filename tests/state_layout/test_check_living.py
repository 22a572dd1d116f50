"""`check` on trees that live, that are copied while they live, or that are broken at random: never a false
alarm, a traceback or a wait."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import check_hands as hands
import pytest
from check_cases import TORN
from check_trees import Author, clock, copy_in_place, make_specs, make_tree, supervise, write
from test_check import said

from state_layout.check import Severity, check
from state_layout.check.repair import repair
from state_layout.files import codec
from state_layout.files.chain import chained
from state_layout.files.locks import take_life_lock
from state_layout.host.identity import own_handle
from state_layout.paths import Tree

WRITER = Path(__file__).with_name("check_writer.py")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return make_tree(tmp_path_factory.mktemp("template") / "tree")


@pytest.fixture
def tree(template: Tree, tmp_path: Path) -> Tree:
    return copy_in_place(template, tmp_path / "tree")


@contextmanager
def alive(tree: Tree, holder: str) -> Iterator[None]:
    lock = take_life_lock(tree.root / holder / "lock")
    try:
        yield
    finally:
        lock.release()


LIVING: tuple[tuple[str, Callable[[Tree], object]], ...] = (
    ("no exit.json yet", lambda tree: tree.agent("alice").attempt(2).exit.unlink()),
    ("a line being written", lambda tree: hands.append(tree.agent("alice").attempt(2).journal, TORN)),
    ("mail being written", lambda tree: hands.append(tree.mail_file("bob", "alice"), TORN)),
    ("a budget being written", lambda tree: hands.append(tree.budget / "alice.jsonl", TORN)),
    (
        "a checkpoint being written",
        lambda tree: write(tree.agent("alice").attempt(2).checkpoint(0), b'{"seq"'),
    ),
    ("a replace under way", lambda tree: write(tree.agent("alice").root / ".status.json.tmp-1", b"{")),
    ("mail to be delivered", lambda tree: hands.drop_last(tree.mail_file("all", "alice"))),
)


@pytest.mark.parametrize(("what", "happens"), LIVING)
def test_what_a_living_agent_does_is_no_finding(
    what: str, happens: Callable[[Tree], object], tree: Tree
) -> None:
    happens(tree)
    with alive(tree, "agents/alice"):
        assert [found for found in said(check(tree)) if "mark_ahead" not in found] == []
    assert said(check(tree)) != [], "and once it is dead it is one"


def test_line_being_written_by_a_living_supervisor_is_no_finding(tree: Tree) -> None:
    hands.append(tree.life_journal(2), TORN)
    with alive(tree, "supervisor"):
        assert check(tree) == []


def test_lives_taken_from_a_living_supervisor_are_said_with_what_follows(tree: Tree) -> None:
    shutil.rmtree(tree.lives)
    with alive(tree, "supervisor"):
        found = [problem for problem in check(tree) if problem.finding == "lives_missing"]
        assert [problem.severity for problem in found] == [Severity.PROBLEM]
        assert "one lives and still knows them" in found[0].remedy
    found = [problem for problem in check(tree) if problem.finding == "lives_missing"]
    assert "otherwise resume begins anew" in found[0].remedy


def test_temporary_of_long_ago_is_found_although_somebody_lives(tree: Tree) -> None:
    path = tree.agents / ".x.tmp-1"
    write(path, b"")
    os.utime(path, (0, 0))
    with alive(tree, "supervisor"):
        assert said(check(tree)) == ["note temporary agents/.x.tmp-1"]


def test_handle_of_a_living_process_in_a_copy_means_nothing(tree: Tree, tmp_path: Path) -> None:
    tree.agent("alice").attempt(2).exit.unlink()
    write(tree.handle("alice"), codec.encode(own_handle(2).to_json()))
    assert check(tree) == []
    shutil.copytree(tree.root, tmp_path / "copy", symlinks=True)
    assert said(check(Tree(tmp_path / "copy"))) == ["note exit_missing agents/alice/attempts/0002/exit.json"]


def start_writer(tree: Tree) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, str(WRITER), str(tree.root)], env=environment)


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Tree]:
    """A tree in which a process lives one life of alice after the other, sending without a pause."""
    tree = make_specs(tmp_path / "tree")
    supervise(tree, clock())
    process = start_writer(tree)
    try:
        deadline = time.monotonic() + 20
        while not tree.mail_file("bob", "alice").exists() and time.monotonic() < deadline:
            os.sched_yield()
        yield tree
    finally:
        process.kill()
        process.wait()


def test_no_false_alarm_while_an_agent_writes(writing: Tree) -> None:
    deadline, rounds = time.monotonic() + 2, 0
    while time.monotonic() < deadline or rounds < 5:
        found = check(writing)
        assert [str(each) for each in found if each.severity is Severity.PROBLEM] == []
        rounds += 1


def test_copies_of_a_living_tree_have_notes_only(writing: Tree, tmp_path: Path) -> None:
    for index in range(20):
        root = tmp_path / f"copy-{index}"
        with suppress(shutil.Error):  # a temporary vanished meanwhile, as cp and rsync say too
            shutil.copytree(writing.root, root, symlinks=True)
        found = check(Tree(root))
        assert [str(each) for each in found if each.severity is Severity.PROBLEM] == []


def test_killed_writer_leaves_notes_only_and_repair_mends_them(tmp_path: Path) -> None:
    tree = make_specs(tmp_path / "tree")
    supervise(tree, clock())
    for _ in range(5):
        process = start_writer(tree)
        deadline = time.monotonic() + 0.3 + random.random() / 2
        while time.monotonic() < deadline:
            os.sched_yield()
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = check(tree)
        assert [str(each) for each in found if each.severity is Severity.PROBLEM] == []
        repair(tree, found)
        assert [str(each) for each in check(tree) if each.is_repairable] == []


def break_at_random(root: Path, chance: random.Random) -> None:
    """Do something bad to one file or folder."""
    path = chance.choice([each for each in sorted(root.rglob("*")) if each.is_file() or each.is_dir()])
    if path.is_dir():
        ways: list[Callable[[], object]] = [lambda: shutil.rmtree(path), lambda: swap_for_pipe(path)]
    else:
        data = path.read_bytes()
        at = chance.randrange(len(data) + 1)
        junk = chance.randbytes(chance.randrange(1, 40))
        ways = [
            path.unlink,
            lambda: os.truncate(path, at),
            lambda: path.write_bytes(data[:at] + junk + data[at:]),
            lambda: path.write_bytes(data[:at] + junk + data[at + len(junk) :]),
            lambda: path.write_bytes(data[:at] + bytes(64) + data[at + 64 :]),
            lambda: path.write_bytes(b"\n".join(chance.sample(data.split(b"\n"), k=data.count(b"\n") + 1))),
            lambda: path.write_bytes(b'{"a":' * 100_000),
            lambda: path.write_bytes(b'{"seq":1,"at":[],"type":{},"sent":7,"received":[],"pin":{}}\n'),
            lambda: swap_for_pipe(path),
        ]
    chance.choice(ways)()


def swap_for_pipe(path: Path) -> None:
    hands.remove(path)
    os.mkfifo(path)


@pytest.mark.parametrize("seed", range(30))
def test_tree_broken_at_random_is_checked_and_repaired_without_a_surprise(seed: int, tree: Tree) -> None:
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 8)):
        break_at_random(tree.root, chance)
    found = check(tree)
    assert all(each.what and each.remedy and str(each).isprintable() for each in found)
    if not any(each.finding == "bad_format" for each in found):
        repair(tree, found)
        check(tree)


@pytest.mark.parametrize("seed", range(15))
def test_records_of_any_shape_are_findings_and_no_surprise(seed: int, tree: Tree) -> None:
    """Whole lines with the chain right, but with values no writer of ours would use."""
    chance = random.Random(seed)
    values = [None, True, 0, -1, 2**63 - 1, 1.5, "", "x", [], [[]], [1, 2], {}, {"to": []}, {"a": {"b": []}}]

    def change(lines: hands.Fields) -> hands.Fields:
        for fields in lines:
            for key in [key for key in fields if key != "seq" and chance.random() < 0.4]:
                fields[key] = chance.choice(values)
        return lines

    journals = tree.root.glob("agents/*/attempts/*/journal.jsonl")
    for path in [tree.life_journal(2), *journals, *tree.mail.glob("*/a*.jsonl")]:
        hands.rewrite(path, change)
    assert check(tree)


def test_half_a_copy_is_checked(template: Tree, tmp_path: Path) -> None:
    """Each top folder missing, alone and with all others."""
    for name in ("spec", "supervisor", "agents", "mail", "budget", "run"):
        root = tmp_path / name
        shutil.copytree(template.root, root, symlinks=True)
        shutil.rmtree(root / name)
        check(Tree(root))
        for other in root.iterdir():
            if other.name not in (name, "FORMAT"):
                hands.remove(other)
        check(Tree(root))


def test_check_of_100_000_lines_keeps_little_of_them(tmp_path: Path) -> None:
    """What it costs in time is measured by `bench.large`."""
    tree = make_specs(tmp_path / "tree")
    supervise(tree, clock())
    alice = Author(tree, "alice", clock())
    position, lines = alice.history.position, []
    for seq in range(2, 100_001):
        fields = {"seq": seq, "at": "2026-11-21T01:42:00.123456Z", "synced": seq - 1, "type": "progress"}
        line = chained(position, fields | {"value": 0.5, "note": "x" * 60})
        position = line.end
        lines.append(line.raw + b"\n")
    hands.append(alice.attempt.paths.journal, b"".join(lines))
    alice.end(synced_seq=position.seq)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert check(tree) == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_hole_of_a_gigabyte_is_read_without_keeping_it(tree: Tree) -> None:
    os.truncate(tree.agent("alice").attempt(2).journal, 1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert said(check(tree)) == ["note zeros agents/alice/attempts/0002/journal.jsonl:5"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10
