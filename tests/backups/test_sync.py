"""A bucket in step with a tree: whoever is killed, whoever else writes there, whatever the store honours."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, rmtree
from threading import Thread
from typing import Any

import pytest
from buckets import SERVERS, make_bucket, served
from kept_trees import contents, filled, grow
from orchestra import Orchestra, wait_for
from store_proxy import proxied

from maos_sup.backups import leases
from maos_sup.backups.bucket import BucketStore
from maos_sup.backups.probing import conditions_not_honoured
from maos_sup.backups.repository import BackupRepository
from maos_sup.backups.syncing import Fenced, TreeSync
from maos_sup.cli import main
from state_layout.errors import StorageError
from state_layout.paths import Tree

ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "6"))


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    with served(request.param, tmp_path_factory.mktemp(request.param)) as environment:
        yield environment


@pytest.fixture
def url(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    for key, value in server.items():
        monkeypatch.setenv(key, value)
    return make_bucket(server)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = filled(tmp_path / "tree")
    (made.agent("alice").workspace / "large").unlink()
    return made


def sync(tree: Tree, url: str, *more: str) -> int:
    return main(["sync", str(tree.root), url, "--once", *more])


def restored(url: str, root: Path) -> dict[str, object]:
    assert main(["sync", "restore", url, "-o", str(root)]) == 0
    found = contents(root)
    rmtree(root)
    return found


def syncing(tree: Tree, url: str) -> TreeSync:
    store = BucketStore(url, os.environ)
    return TreeSync(tree, store, BackupRepository.opened(store), is_fenced=True)


def quiet(path: str, data: bytes) -> None:
    """Nothing is looked for."""


def test_it_follows_and_comes_back(
    tree: Tree, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync(tree, url) == 2
    assert "sync init" in capsys.readouterr().err
    assert main(["sync", "init", url]) == 0
    assert "two hosts are kept apart" in capsys.readouterr().out
    for number in range(3):
        grow(tree, f"t{number}-")
        assert sync(tree, url) == 0
        assert restored(url, tmp_path / "new") == contents(tree.root)
    store = BucketStore(url, os.environ)
    head, segments = store.version(syncing(tree, url).name), list(store.sizes("segments/"))
    assert sync(tree, url) == 0
    assert "nothing new" in capsys.readouterr().out
    assert store.version(syncing(tree, url).name) == head
    assert list(store.sizes("segments/")) == segments
    assert main(["backup", str(tree.root), "--to", url]) == 0  # in the same place
    assert main(["backups", "prune", "--to", url]) == 0
    assert main(["backups", "verify", "--read", "--to", url]) == 0
    assert restored(url, tmp_path / "new") == contents(tree.root)
    assert main(["sync", "status", url]) == 0
    assert "20261130-0100-count-ab12: " in capsys.readouterr().out


def test_segment_that_was_lost_there_is_brought_again(tree: Tree, url: str, tmp_path: Path) -> None:
    main(["sync", "init", url])
    assert sync(tree, url) == 0
    store = BucketStore(url, os.environ)
    [lost] = [name for name, _ in store.sizes("segments/")]
    store.remove(lost)
    assert main(["backups", "verify", "--to", url]) == 12
    assert sync(tree, url) == 0
    assert main(["backups", "verify", "--read", "--to", url]) == 0
    assert restored(url, tmp_path / "new") == contents(tree.root)
    before = syncing(tree, url)
    before.begin()
    assert sync(tree, url) == 0
    after = syncing(tree, url)
    after.begin()
    assert after._version == before._version


def test_what_it_brings_once_is_what_is_new(tree: Tree, url: str) -> None:
    main(["sync", "init", url])
    made = syncing(tree, url)
    made.begin()
    assert made.step(look=quiet).has_moved
    wait_for(lambda: not made.step(look=quiet).has_moved, "it is at rest")
    (tree.agent("alice").workspace / "nothing").write_bytes(b"abc")
    done = made.step(look=quiet)
    assert done.has_moved and done.head.added_bytes == 3


def test_two_hosts_one_is_fenced(
    tree: Tree, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["sync", "init", url])
    assert sync(tree, url) == 0
    first = syncing(tree, url)
    first.begin()
    copytree(tree.root, tmp_path / "copy", symlinks=True)  # with `run/` and all
    copy = Tree(tmp_path / "copy")
    assert sync(copy, url) == 11
    assert "is kept in sync from another copy" in capsys.readouterr().err
    grow(copy, "there")
    assert sync(copy, url, "--take") == 0
    grow(tree, "here")
    with pytest.raises(Fenced, match="from another copy"):
        first.step(look=quiet)
    assert sync(tree, url) == 11
    assert restored(url, tmp_path / "new") == contents(copy.root)


def test_of_two_that_move_it_at_once_one_does(tree: Tree, url: str, tmp_path: Path) -> None:
    main(["sync", "init", url])
    assert sync(tree, url) == 0
    copytree(tree.root, tmp_path / "copy", symlinks=True)
    trees = {"tree": tree, "copy": Tree(tmp_path / "copy")}
    for number in range(ROUNDS):
        outcomes, both = dict[str, str](), {name: syncing(each, url) for name, each in trees.items()}
        for name, each in both.items():
            grow(trees[name], f"{name}{number}-")
            each.begin(may_take=True)

        def move(name: str, each: TreeSync, outcomes: dict[str, str]) -> None:
            try:
                each.step(look=quiet)
                outcomes[name] = "moved"
            except Fenced:
                outcomes[name] = "fenced"

        threads = [Thread(target=move, args=(name, each, outcomes)) for name, each in both.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes.values()) == ["fenced", "moved"]
        [winner] = [name for name, outcome in outcomes.items() if outcome == "moved"]
        assert restored(url, tmp_path / "new") == contents(trees[winner].root)


@pytest.mark.timeout(900)
def test_killed_at_random_instants_it_goes_on(tree: Tree, url: str, tmp_path: Path) -> None:
    chance = random.Random(3)
    main(["sync", "init", url])
    command = [sys.executable, "-m", "maos_sup", "sync", str(tree.root), url, "--every", "0.01"]
    for number in range(ROUNDS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end_s = time.monotonic() + chance.uniform(0.3, 2)
        while time.monotonic() < end_s:
            grow(tree, f"r{number}-{chance.random()}")
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        store = BucketStore(url, os.environ)
        if store.version(syncing(tree, url).name) is not None:
            assert main(["backups", "verify", "--read", "--to", url]) == 0
            restored(url, tmp_path / "new")  # whole, and `check` is clean
        assert sync(tree, url) == 0
        assert restored(url, tmp_path / "new") == contents(tree.root)


def test_answer_that_got_lost_is_no_fence(
    tree: Tree, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["sync", "init", url])
    made, swap = syncing(tree, url), BucketStore.swap
    made.begin()
    made.step(look=quiet)

    def lossy(self: BucketStore, name: str, data: bytes, version: str | None) -> str:
        swap(self, name, data, version)
        raise StorageError("the line is cut")

    grow(tree, "one")
    with monkeypatch.context() as patch:
        patch.setattr(BucketStore, "swap", lossy)
        with pytest.raises(StorageError):
            made.step(look=quiet)
    grow(tree, "two")
    assert made.step(look=quiet).has_moved
    assert restored(url, tmp_path / "new") == contents(tree.root)


def test_prune_that_is_at_work_is_waited_for(
    tree: Tree, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["sync", "init", url])
    monkeypatch.setattr(leases, "_PATIENCE_S", 0.2)
    command = [sys.executable, "-m", "maos_sup", "sync", str(tree.root), url, "--every", "0.01"]
    with BucketStore(url, os.environ).held(alone=True):
        assert sync(tree, url) == 11
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert "a prune is at work" in process.stderr.readline()
    try:
        store = BucketStore(url, os.environ)
        wait_for(lambda: store.version(syncing(tree, url).name), "it goes on", deadline_s=60)
    finally:
        process.kill()
        process.communicate()
    assert restored(url, tmp_path / "new") == contents(tree.root)


def test_a_secret_is_not_brought(tree: Tree, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["sync", "init", url])
    assert sync(tree, url) == 0
    before = syncing(tree, url)
    before.begin()
    (tree.agent("alice").workspace / "nothing").write_text("key: sk-ant-" + "api03-" + "A1b2" * 22)
    assert sync(tree, url) == 13
    assert "A1b2A1b2" not in capsys.readouterr().err
    assert sync(tree, url, "--with-secrets") == 0


def test_a_running_team_goes_on_on_another_host(orchestra: Orchestra, url: str, tmp_path: Path) -> None:
    orchestra.environment |= {key: os.environ[key] for key in os.environ if key.startswith("AWS_")}
    orchestra.cli("sync", "init", url, expect=0)
    talk = "i=0; while [ ! -e $OUT/enough ]; do i=$((i+1)); echo line $i; sleep 0.05; done"
    orchestra.start({"bob": talk, "eve": talk})
    orchestra.wait_alive("bob", "eve")
    follower = orchestra.begin_cli("sync", str(orchestra.root), url, "--every", "0.2", "--json")
    try:
        assert follower.stdout is not None
        told = [json.loads(_one_object(follower.stdout)) for _ in range(3)]
        assert all(each["moved"] for each in told)
    finally:
        follower.kill()
        follower.communicate()
    orchestra.say("enough")
    orchestra.wait_rest("done")
    new = Orchestra(tmp_path, root=tmp_path / "elsewhere", id=orchestra.id)
    new.environment |= orchestra.environment
    new.cli("sync", "restore", url, "-o", str(new.root), expect=0)
    new.resume()
    new.wait_rest("done")
    new.assert_sound()


def _one_object(lines: Any) -> str:
    text = ""
    for line in lines:
        text += line
        if line == "}\n":
            return text
    raise AssertionError(text)


# -- stores that do as if conditions were not there


def test_store_that_honours_no_condition_is_not_trusted_to_fence(
    tree: Tree,
    server: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for key, value in server.items():
        monkeypatch.setenv(key, value)
    url = make_bucket(server)
    assert conditions_not_honoured(BucketStore(url, os.environ)) == []
    with proxied(server, passes=lambda header: not header.startswith("if-")) as environment:
        monkeypatch.setenv("AWS_ENDPOINT_URL", environment["AWS_ENDPOINT_URL"])
        assert conditions_not_honoured(BucketStore(url, os.environ))
        assert main(["sync", "init", url]) == 2
        said = capsys.readouterr().err
        assert "cannot keep two hosts apart" in said and "--unfenced" in said
        assert sync(tree, url) == 2
        assert main(["sync", "init", url, "--unfenced"]) == 0
        assert "without a fence" in capsys.readouterr().out
        for _ in range(2):
            grow(tree)
            assert sync(tree, url) == 0
            assert restored(url, tmp_path / "new") == contents(tree.root)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server["AWS_ENDPOINT_URL"])
    assert list(BucketStore(url, os.environ).sizes("probes/")) == []


def test_server_that_is_away_is_waited_for(tree: Tree, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["sync", "init", url])
    assert sync(tree, url) == 0
    monkeypatch.setattr("maos_sup.backups.bucket._RETRIES", {"max_retries": 0})
    made = syncing(tree, url)
    made.begin()
    there = os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    away = TreeSync(tree, BucketStore(url, os.environ), made._repository, is_fenced=True)
    with pytest.raises(StorageError, match="cannot read"):
        away.begin()
    monkeypatch.setenv("AWS_ENDPOINT_URL", there)
    grow(tree)
    assert made.step(look=quiet).has_moved
