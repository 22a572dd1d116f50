"""An object store that has no room left stops who writes there, with one error; who reads goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from buckets import make_bucket, served
from kept_trees import contents, filled, grow
from orchestra import wait_for
from store_proxy import proxied

from maos_sup.cli import main
from state_layout.paths import Tree

FULL = {
    507: b"<Error><Code>InsufficientStorage</Code><Message>no room for it</Message></Error>",
    503: b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate</Message></Error>",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with served("moto", tmp_path_factory.mktemp("moto")) as environment:
        yield environment


class Room:
    """Whether there is some, and what is answered if there is none."""

    def __init__(self, status: int) -> None:
        self.is_gone, self.status = Event(), status

    def refuses(self, method: str, path: str) -> tuple[int, bytes] | None:
        is_write = method in ("PUT", "POST")
        return (self.status, FULL[self.status]) if is_write and self.is_gone.is_set() else None


@pytest.fixture
def room(
    request: pytest.FixtureRequest, server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Room]:
    made = Room(getattr(request, "param", 507))
    with proxied(server, refuses=made.refuses) as environment:
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        yield made


@pytest.fixture
def url(room: Room, server: dict[str, str]) -> str:
    return make_bucket(server)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = filled(tmp_path / "tree")
    (made.agent("alice").workspace / "large").unlink()
    return made


@pytest.mark.parametrize("room", FULL, indirect=True)
def test_who_reads_goes_on_where_there_is_no_room(
    room: Room, url: str, tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", str(tree.root), "--to", url]) == 0
    room.is_gone.set()
    for number, words in enumerate((["restore", "latest"], ["verify", "--read"], ["list"])):
        capsys.readouterr()
        out = ["-o", str(tmp_path / str(number))] if words[0] == "restore" else []
        assert main(["backups", *words, *out, "--to", url]) == 0
        said = capsys.readouterr().err
        assert said.count("goes on without a lock") == (words[0] != "list"), said
    assert contents(tmp_path / "0") == contents(tree.root)


def test_who_writes_is_told_that_there_is_no_room_and_goes_on_when_there_is(
    room: Room, url: str, tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", str(tree.root), "--to", url]) == 0
    grow(tree)
    room.is_gone.set()
    capsys.readouterr()
    assert main(["backup", str(tree.root), "--to", url]) == 1
    said = capsys.readouterr().err
    assert f"{url}: no space left there: cannot lock it" in said and said.count("\n") == 2, said
    room.is_gone.clear()
    assert main(["backup", str(tree.root), "--to", url]) == 0
    assert main(["backups", "verify", "--read", "--to", url]) == 0


def test_sync_takes_up_by_itself_when_there_is_room_again(
    room: Room, url: str, tree: Tree, tmp_path: Path
) -> None:
    assert main(["sync", "init", url]) == 0
    assert main(["sync", str(tree.root), url, "--once"]) == 0
    room.is_gone.set()
    grow(tree, "while there is none")
    with (tmp_path / "said").open("wb") as said:
        command = [sys.executable, "-m", "maos_sup", "sync", str(tree.root), url, "--every", "0.1"]
        running = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        wait_for(lambda: b"no space left there" in (tmp_path / "said").read_bytes(), "sync tells it")
        assert main(["sync", "restore", url, "-o", str(tmp_path / "before")]) == 0
        room.is_gone.clear()
        wait_for(lambda: b" new\n" in (tmp_path / "said").read_bytes(), "sync goes on")
    finally:
        running.send_signal(signal.SIGINT)
        running.wait()
    assert main(["sync", "restore", url, "-o", str(tmp_path / "after")]) == 0
    assert contents(tmp_path / "after") == contents(tree.root) != contents(tmp_path / "before")
