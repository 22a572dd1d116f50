"""Every store does the same: a folder, one by a real sshd, and real servers that speak S3."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest
from buckets import KEYS, SERVERS, forbid_writes, make_bucket, served
from kept_trees import contents, filled, grow
from secure_shell import SecureShell

from maos_sup.backups import bucket, leases
from maos_sup.backups.bucket import BucketStore
from maos_sup.backups.folder import FolderStore
from maos_sup.backups.sftp import SftpStore
from maos_sup.backups.store import BackupStore
from maos_sup.cli import main
from state_layout.errors import BadInput, Locked, Lost, StorageError


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str]]]:
    """Those that were asked for, running."""
    with ExitStack() as stack:
        yield _Servers(tmp_path_factory.mktemp("servers"), stack)


class _Servers(dict[str, dict[str, str]]):
    def __init__(self, folder: Path, stack: ExitStack) -> None:
        super().__init__()
        self._folder, self._stack = folder, stack

    def __missing__(self, name: str) -> dict[str, str]:
        self[name] = self._stack.enter_context(served(name, self._folder / name))
        return self[name]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureShell]:
    made = SecureShell(tmp_path_factory.mktemp("shell"))
    made.start()
    yield made
    made.kill()


@pytest.fixture(params=["folder", "sftp", *SERVERS])
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    servers: dict[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """An empty store; the environment leads to it."""
    if request.param == "folder":
        return str(tmp_path / "repo")
    if request.param == "sftp":
        shell: SecureShell = request.getfixturevalue("shell")
        monkeypatch.setenv("HOME", str(shell.home))
        return shell.address(tmp_path / "repo")
    for key, value in servers[request.param].items():
        monkeypatch.setenv(key, value)
    return make_bucket(servers[request.param])


@pytest.fixture(params=SERVERS)
def address(
    request: pytest.FixtureRequest, servers: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> str:
    for key, value in servers[request.param].items():
        monkeypatch.setenv(key, value)
    return make_bucket(servers[request.param])


@pytest.fixture(autouse=True)
def open_connections() -> Iterator[list[SftpStore]]:
    """Those that `opened` made; they are closed."""
    yield OPENED
    while OPENED:
        OPENED.pop().close()


OPENED: list[SftpStore] = []


def opened(place: str) -> BackupStore:
    if place.startswith("sftp:"):
        OPENED.append(SftpStore(place))
        return OPENED[-1]
    return BucketStore(place, os.environ) if place.startswith("s3:") else FolderStore(Path(place))


def test_objects_are_kept_listed_and_let_go(place: str) -> None:
    store = opened(place)
    assert store.get("a/b") is None and list(store.sizes("a/")) == []
    assert store.put("a/b", b"one") is True
    assert store.put("a/c/d", b"") is True
    assert store.put("ab", b"x") is True
    assert store.get("a/b") == b"one" and store.get("a/c/d") == b""
    assert sorted(store.sizes("a/")) == [("a/b", 3), ("a/c/d", 0)]
    store.remove("a/b")
    store.remove("a/b")
    assert store.get("a/b") is None and sorted(store.sizes("a/")) == [("a/c/d", 0)]


def test_what_is_there_is_not_replaced(place: str) -> None:
    store = opened(place)
    assert store.put("a", b"one") is True
    assert store.put("a", b"two") is False
    assert store.get("a") == b"one"


def test_of_many_who_put_at_once_one_is_first(place: str) -> None:
    store, firsts = opened(place), list[int]()

    def put(number: int) -> None:
        if store.put("marker", str(number).encode()):
            firsts.append(number)

    threads = [Thread(target=put, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(firsts) == 1 and store.get("marker") == str(firsts[0]).encode()


def test_more_than_one_page_is_listed(place: str) -> None:
    store = opened(place)
    for number in range(1010 if place.startswith("s3") else 30):
        store.put(f"many/{number:04}", b"x")
    assert len(list(store.sizes("many/"))) in (30, 1010)


def test_what_goes_while_it_is_listed_is_left_out(place: str) -> None:
    store = opened(place)
    for name in ("a", "b", "c"):
        store.put(f"segments/{name}", b"data")
    found = store.sizes("segments/")
    assert next(found) == ("segments/a", 4)
    store.remove("segments/b")
    store.remove("segments/c")
    assert {*found} <= {("segments/b", 4), ("segments/c", 4)}  # as of the listing, or gone: no error


def test_who_takes_away_is_alone(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("leases", "folder"):
        monkeypatch.setattr(f"maos_sup.backups.{module}._PATIENCE_S", 0.2)
    opened(place).put("marker", b"x")
    with opened(place).held(alone=False), opened(place).held(alone=False):
        _assert_refused(place, alone=True)
    with opened(place).held(alone=True):
        for alone in (False, True):
            _assert_refused(place, alone=alone)
    with opened(place).held(alone=True):
        pass


def _assert_refused(place: str, *, alone: bool) -> None:
    with pytest.raises(Locked, match="is at work there"), opened(place).held(alone=alone):
        raise AssertionError


def test_there_and_back_with_all_that_belongs_to_it(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = filled(tmp_path / "tree")
    key = ["--to", place]
    assert main(["backup", str(tree.root), *key]) == 0
    before = contents(tree.root)
    grow(tree)
    assert main(["backup", str(tree.root), *key]) == 0
    assert main(["backups", "list", *key]) == 0
    assert main(["backups", "verify", "--read", *key]) == 0
    assert main(["backups", "restore", "latest", "-o", str(tmp_path / "new"), *key]) == 0
    assert contents(tmp_path / "new") == contents(tree.root) != before
    assert main(["backups", "forget", "--keep-last", "1", *key]) == 0
    assert main(["backups", "prune", *key]) == 0
    assert main(["backups", "verify", "--read", *key]) == 0
    store = opened(place)
    segment = next(name for name, _ in store.sizes("segments/"))
    store.remove(segment)
    capsys.readouterr()
    assert main(["backups", "verify", *key]) == 12
    assert f"{segment}: is missing" in capsys.readouterr().out


def test_who_was_killed_is_in_nobodys_way_for_ever(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = filled(tmp_path / "tree")
    (tree.agent("alice").workspace / "noise").write_bytes(os.urandom(60 << 20))
    assert main(["backup", str(tree.root), "--to", address, "--with-secrets"]) == 0
    (tree.agent("alice").workspace / "noise").write_bytes(os.urandom(60 << 20))
    command = [sys.executable, "-m", "maos_sup", "backup", str(tree.root), "--to", address, "--with-secrets"]
    before = len(list(opened(address).sizes("segments/")))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(opened(address).sizes("segments/"))) == before and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(opened(address).sizes("locks/"))) == 1
    monkeypatch.setattr(leases, "_PATIENCE_S", 0.2)
    assert main(["backups", "prune", "--to", address]) == 11
    monkeypatch.setattr(leases, "STALE_S", -1.0)
    monkeypatch.setattr(leases, "RENEWED_S", 1e9)
    monkeypatch.setattr(leases.Leases, "renew", lambda self: None)
    assert main(["backups", "prune", "--to", address]) == 0
    monkeypatch.undo()


def test_process_that_stood_still_for_long_takes_and_brings_nothing_any_more(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BucketStore(address, os.environ)
    with store.held(alone=True):
        store.put("a", b"x")
        head = store.swap("head", b"x", None)
        monkeypatch.setattr(leases, "STALE_S", -1.0)
        acts: list[Callable[[], object]] = [lambda: store.put("b", b"x"), lambda: store.remove("a")]
        for act in (*acts, lambda: store.swap("head", b"y", head)):
            with pytest.raises(Locked, match="stood still"):
                act()
        monkeypatch.undo()


def test_changed_by_somebody_else_it_is_not_swapped(address: str) -> None:
    store = BucketStore(address, os.environ)
    first = store.swap("head", b"one", None)
    with pytest.raises(Lost):
        store.swap("head", b"two", None)
    second = store.swap("head", b"two", first)
    with pytest.raises(Lost):
        store.swap("head", b"three", first)
    assert store.version("head") == (b"two", second)


def test_errors_say_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for key in bucket._KEYS:
        monkeypatch.delenv(key, raising=False)
    assert main(["backups", "list", "--to", "s3://bucket/x"]) == 2
    assert "set AWS_ACCESS_KEY_ID" in capsys.readouterr().err
    for url in ("s3://key:secret@bucket/x", "s3://", "s3://bucket/x?y"):
        with pytest.raises(BadInput) as told:
            BucketStore(url, {"AWS_ACCESS_KEY_ID": "x"})
        assert "secret" not in str(told.value) and "s3://BUCKET/PREFIX" in str(told.value)


def test_bucket_or_server_that_is_not_there_is_one_error(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = filled(tmp_path / "tree")
    assert main(["backup", str(tree.root), "--to", "s3://there-is-no-such-bucket/x"]) in (1, 2)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("maos-sup: s3://there-is-no-such-bucket/x: ") and "bug" not in said
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(bucket, "_RETRIES", {"max_retries": 0})
    with pytest.raises(StorageError, match="cannot read"):
        BucketStore(address, os.environ).get("x")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS_ENDPOINT_URL", "", "is no address of a store"),
        ("AWS_ENDPOINT_URL", "nowhere", "is no address of a store"),
        ("AWS_ENDPOINT_URL", "http://[::1", "is no address of a store"),
        ("AWS_ENDPOINT", "ftp://host", "is no address of a store"),
        ("AWS_ENDPOINT_URL", "http://bob:hunter2@127.0.0.1:1", "holds credentials"),
        ("AWS_SECRET_ACCESS_KEY", "", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_environment_that_leads_nowhere_is_one_error_without_what_is_secret(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, usual in KEYS.items():
        monkeypatch.setenv(key, usual)
    monkeypatch.setenv(name, value)
    assert main(["backups", "list", "--to", "s3://bucket/x"]) == 2
    said = capsys.readouterr().err
    assert words in said and "hunter2" not in said and said.count("\n") == 1


def test_server_that_is_not_there_is_told_in_a_few_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bucket, "_RETRIES", {"max_retries": 0})
    for key, value in {**KEYS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(key, value)
    assert main(["backups", "list", "--to", "s3://bucket/x"]) == 1
    said = capsys.readouterr().err
    assert "s3://bucket/x: cannot read" in said and "Debug" not in said


def test_credentials_that_may_only_read_do_so_without_a_lock_and_are_told(
    servers: dict[str, dict[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for key, value in servers["moto"].items():
        monkeypatch.setenv(key, value)
    address = make_bucket(servers["moto"])
    tree = filled(tmp_path / "tree")
    assert main(["backup", str(tree.root), "--to", address]) == 0
    forbid_writes(servers["moto"], address)
    capsys.readouterr()
    assert main(["backups", "restore", "latest", "-o", str(tmp_path / "new"), "--to", address]) == 0
    said = capsys.readouterr().err
    assert said.count("cannot lock it: these credentials may not. This goes on without a lock") == 1
    assert contents(tmp_path / "new") == contents(tree.root)
    assert main(["backups", "prune", "--to", address]) == 1
    assert "cannot lock it: these credentials may not" in capsys.readouterr().err
