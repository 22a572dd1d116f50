"""Repositories that were damaged, cut off, or made up by a stranger: an error each, nothing placed."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard
from kept_trees import contents, filled, grow, manifests, objects, segments

from maos_sup.backups.folder import FolderStore
from maos_sup.backups.repository import BackupRepository
from maos_sup.cli import main
from state_layout.files import codec
from state_layout.paths import FORMAT_LINE, Tree

ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "25"))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = filled(tmp_path / "tree")
    (made.agent("alice").workspace / "large").unlink()
    return made


@pytest.fixture
def repo(tree: Tree, tmp_path: Path) -> Path:
    made = tmp_path / "repo"
    assert main(["backup", str(tree.root), "--to", str(made)]) == 0
    return made


def call(repo: Path, *words: str) -> int:
    return main(["backups", *words, "--to", str(repo)])


def test_missing_segment_is_named_and_the_next_backup_heals_it(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [segment] = segments(repo)
    segment.unlink()
    assert call(repo, "verify") == 12
    assert f"segments/{segment.parent.name}/{segment.name}: is missing; needed by" in capsys.readouterr().out
    assert call(repo, "restore", "latest", "-o", str(tmp_path / "new")) == 12
    said = capsys.readouterr().err
    assert "is missing" in said and "cannot be restored" in said and "--damaged" in said
    assert not (tmp_path / "new").exists()
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    assert call(repo, "restore", "latest", "-o", str(tmp_path / "new")) == 0
    assert contents(tmp_path / "new") == contents(tree.root)


def test_a_pipe_in_the_place_of_a_file_is_left_out_and_said(
    tree: Tree, repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tree.agent_spec("bob"), tree.agent("alice").workspace / "pipe"):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    capsys.readouterr()
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    said = capsys.readouterr().err
    for rel in ("spec/agents/bob.json", "agents/alice/workspace/pipe"):
        assert f"note: left out: {rel}: no file, but a pipe, a socket or a device\n" in said, said


def test_what_came_back_without_what_makes_it_an_orchestration_is_not_gone_on_with(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [segment] = segments(repo)
    segment.unlink()
    assert call(repo, "restore", "latest", "-o", str(tmp_path / "new"), "--damaged") == 0
    said = capsys.readouterr()
    assert "resume" not in said.out + said.err
    assert "it cannot go on: FORMAT is lost; bring back an older backup" in said.out, said.out
    (tmp_path / "new" / "FORMAT").write_bytes(FORMAT_LINE)
    assert main(["resume", str(tmp_path / "new")]) == 10


def test_orchestration_without_its_own_spec_is_not_gone_on_with(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [first] = segments(repo)
    tree.orchestration_spec.write_bytes(tree.orchestration_spec.read_bytes() + b"\n")
    shutil.rmtree(tree.accepted, ignore_errors=True)
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    [second] = {*segments(repo)} - {first}
    second.unlink()
    assert call(repo, "restore", "latest", "-o", str(tmp_path / "new"), "--damaged") == 0
    said = capsys.readouterr().out
    assert "it cannot go on: spec/orchestration.json: is missing" in said and "resume" not in said, said


def test_damaged_segment_is_named_and_what_is_whole_can_be_had(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(tree.root)
    (tree.agent("bob").workspace).mkdir(parents=True, exist_ok=True)
    (tree.agent("bob").workspace / "new").write_text("new")
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    newest = max(segments(repo), key=lambda path: path.stat().st_mtime_ns)
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    assert call(repo, "verify") == 0  # its size is right
    assert call(repo, "verify", "--read") == 12
    assert "does not have the SHA-256 of its name" in capsys.readouterr().out
    assert call(repo, "restore", "latest", "-o", str(tmp_path / "new")) == 12
    capsys.readouterr()
    assert call(repo, "restore", "latest", "-o", str(tmp_path / "new"), "--damaged") == 0
    assert "agents/bob/workspace/new: lost" in capsys.readouterr().err
    whole = {path: value for path, value in before.items() if path in contents(tmp_path / "new")}
    assert contents(tmp_path / "new") | whole == contents(tmp_path / "new")


def test_manifest_that_was_cut_off_is_named_and_the_others_are_whole(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grow(tree)
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    old, new = manifests(repo)
    new.write_bytes(new.read_bytes()[:-9])
    assert call(repo, "restore", new.name, "-o", str(tmp_path / "new")) == 12
    assert "is not in form: cut off" in capsys.readouterr().err
    assert call(repo, "verify") == 12
    assert call(repo, "prune") == 12  # nobody knows what it needs
    assert "nothing was pruned" in capsys.readouterr().err
    assert call(repo, "restore", old.name, "-o", str(tmp_path / "new")) == 0
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    assert call(repo, "forget", new.name) == 0
    assert call(repo, "prune") == 0
    assert call(repo, "verify", "--read") == 0


def test_whatever_byte_is_altered_wherever_it_is_cut_off_nothing_wrong_is_placed(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, state = random.Random(7), contents(tree.root)
    for _ in range(ROUNDS):
        for name in objects(repo):
            path = repo / name
            whole = path.read_bytes()
            if not whole:
                continue
            at = chance.randrange(len(whole))
            flipped = bytes([whole[at] ^ 1 << chance.randrange(8)])
            for bad in (whole[:at], whole[:at] + flipped + whole[at + 1 :]):
                path.write_bytes(bad)
                code = call(repo, "restore", "latest", "-o", str(tmp_path / "new"))
                assert code in (0, 2, 12), capsys.readouterr().err
                assert (tmp_path / "new").exists() is (code == 0)
                if code == 0:  # words of the marker that restore does not need
                    assert contents(tmp_path / "new") == state
                    (tmp_path / "new").rename(tmp_path / f"was{chance.random()}")
                assert "this is a bug" not in capsys.readouterr().err
            path.write_bytes(whole)


# -- what a stranger could make up


def manifest(**more: object) -> bytes:
    """A manifest with one file `a` of one byte, and what `more` puts in its place."""
    head: dict[str, object] = {"backup": 1, "tree": "t", "request": "r", "at": "2026-11-30T00:00:00Z"}
    head |= {"files": 1, "size_bytes": 1, "added_bytes": 1, "stored_bytes": 1}
    body: dict[str, object] = {"segments": [[SEGMENT, len(STORED), 1]], "folders": [], "links": []}
    body |= {"left_out": [], "files": [file("a")]}
    head |= {key: value for key, value in more.items() if key in ("backup", "at", "tree")}
    return framed(codec.encode(head), codec.encode(body | more))


def framed(head: bytes, body: bytes) -> bytes:
    pack = zstandard.ZstdCompressor().compress
    packed = pack(head)
    return len(packed).to_bytes(4, "big") + packed + pack(body)


def file(path: object, **more: object) -> list[object]:
    values: dict[str, object] = {"path": path, "mode": 0o600, "mtime": 0, "ctime": 0, "inode": 0, "size": 1}
    values |= {"pieces": [[0, 0, 1, sha256(b"x").hexdigest()]]}
    return list((values | more).values())


def link(path: str, target: str) -> bytes:
    return manifest(links=[[path, target]])


STORED = zstandard.ZstdCompressor().compress(b"x")
SEGMENT = sha256(STORED).hexdigest()
BOMB = zstandard.ZstdCompressor().compress(bytes(1 << 28))
DIGEST = sha256(b"x").hexdigest()

HOSTILE: dict[str, Callable[[], bytes]] = {
    "dots": lambda: manifest(files=[file("../outside")]),
    "dots inside": lambda: manifest(files=[file("agents/../../outside")]),
    "absolute": lambda: manifest(files=[file("/tmp/outside")]),
    "empty part": lambda: manifest(files=[file("agents//x")]),
    "no name": lambda: manifest(files=[file("")]),
    "host bound": lambda: manifest(files=[file("run/host.json")]),
    "zero": lambda: manifest(files=[file("a\0b")]),
    "bytes that are dots": lambda: manifest(files=[file([b"../outside".hex()])]),
    "bytes that are none": lambda: manifest(files=[file(["zz"])]),
    "twice": lambda: manifest(files=[file("a"), file("a")]),
    "below a file": lambda: manifest(files=[file("a"), file("a/b")]),
    "folder outside": lambda: manifest(folders=["../x"]),
    "folder below a file": lambda: manifest(folders=["a/x"]),
    "link among records": lambda: link("spec/agents", "/etc"),
    "link as an agent": lambda: link("agents/alice", "/etc"),
    "link as a workspace": lambda: link("agents/alice/workspace", "/etc"),
    "link to nothing": lambda: link("agents/alice/workspace/x", ""),
    "below a link": lambda: manifest(
        files=[file("agents/a/workspace/l/x")], links=[["agents/a/workspace/l", "/tmp"]]
    ),
    "no such segment": lambda: manifest(files=[file("a", pieces=[[1, 0, 1, DIGEST]])]),
    "segment before the first": lambda: manifest(files=[file("a", pieces=[[-1, 0, 1, DIGEST]])]),
    "behind the segment": lambda: manifest(files=[file("a", pieces=[[0, 1, 1, DIGEST]])]),
    "before the segment": lambda: manifest(files=[file("a", pieces=[[0, -1, 1, DIGEST]])]),
    "other bytes": lambda: manifest(files=[file("a", pieces=[[0, 0, 1, sha256(b"y").hexdigest()]])]),
    "other size": lambda: manifest(files=[file("a", size=2)]),
    "large segment": lambda: manifest(segments=[[SEGMENT, len(STORED), 1 << 40]]),
    "segment that is longer": lambda: manifest(
        segments=[[SEGMENT, len(STORED), 2]], files=[file("a", size=1, pieces=[[0, 1, 1, DIGEST]])]
    ),
    "segment outside": lambda: manifest(segments=[["../" + SEGMENT, len(STORED), 1]]),
    "bomb": lambda: manifest(segments=[[sha256(BOMB).hexdigest(), len(BOMB), 1]]),
    "time of no year": lambda: manifest(files=[file("a", mtime=(1 << 63) - 1)]),
    "wrong types": lambda: manifest(files=[[1, "x", None, 0, 0, 0, 0]]),
    "no list": lambda: manifest(files={"a": 1}),
    "newer": lambda: manifest(backup=2),
    "time that is none": lambda: manifest(at=""),
    "orchestration of two lines": lambda: manifest(tree="t\n20261130-000000-000000-abce  t"),
    "time of no zone": lambda: manifest(at="2026-11-30T00:00:00"),
    "deep": lambda: framed(b'{"backup":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"{}"),
    "no head": lambda: framed(b"[]", b"{}"),
    "no body": lambda: manifest()[:60],
    "large head": lambda: framed(bytes(1 << 29), b"{}"),
    "text": lambda: b"this is no manifest",
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_manifest_is_an_error_and_nothing_is_placed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo, place = tmp_path / "repo", tmp_path / "place"
    place.mkdir()
    repository = BackupRepository.begun(FolderStore(repo))
    with repository.held():
        pass
    for data in (STORED, BOMB):
        digest = sha256(data).hexdigest()
        repository.store.put(f"segments/{digest[:2]}/{digest}", data)
    repository.store.put(f"backups/{repository.key_of('t')}/20261130-000000-000000-abcd", HOSTILE[name]())
    before = sorted(tmp_path.rglob("*"))
    code = call(repo, "restore", "latest", "-o", str(place / "new"))
    said = capsys.readouterr().err.splitlines()[-1]
    assert code in (2, 12), said
    assert said.startswith("maos-sup: ") and "bug" not in said
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/outside").exists()


def test_manifest_of_the_form_above_is_no_error(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repository = BackupRepository.begun(FolderStore(repo))
    repository.store.put(f"segments/{SEGMENT[:2]}/{SEGMENT}", STORED)
    repository.store.put(f"backups/{repository.key_of('t')}/20261130-000000-000000-abcd", manifest())
    assert call(repo, "restore", "latest", "-o", str(tmp_path / "new"), "--include", "a") == 0
    assert (tmp_path / "new" / "a").read_bytes() == b"x"


def test_names_that_a_stranger_made_up_stay_on_their_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo, name = tmp_path / "repo", "a\nmaos-sup: all is well\x1b[2J"
    repository = BackupRepository.begun(FolderStore(repo))
    hostile = manifest(files=[file(name)], left_out=[name], links=[[f"agents/a/workspace/{name}", name]])
    repository.store.put(f"backups/{repository.key_of('t')}/20261130-000000-000000-abcd", hostile)
    assert call(repo, "show", "latest") == 0
    assert call(repo, "restore", "latest", "-o", str(tmp_path / "new"), "--include", "a*") == 12
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 5 and len(told.err.splitlines()) == 2
    for line in (told.out + told.err).splitlines():
        assert not line.startswith("maos-sup: all") and "\x1b" not in line
    assert told.out.count(r"a\nmaos-sup: all is well\x1b[2J") == 4


def test_object_that_is_larger_than_any_of_ours_is_not_read(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (*segments(repo), *manifests(repo)):
        whole = path.read_bytes()
        with path.open("wb") as file:
            file.truncate(1 << 37)
        assert call(repo, "restore", "latest", "-o", str(tmp_path / "new")) == 12
        assert "is so large" in capsys.readouterr().err
        assert call(repo, "verify", "--read") == 12
        path.write_bytes(whole)
    assert call(repo, "verify", "--read") == 0


def test_backup_under_another_name_is_named_and_the_next_one_is_the_newest(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [made] = manifests(repo)
    made.rename(made.with_name("zebra"))
    assert call(repo, "list") == 12
    assert "zebra: is no name of a backup" in capsys.readouterr().err
    grow(tree)
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    [new] = [path.name for path in manifests(repo) if path.name != "zebra"]
    assert call(repo, "restore", new, "-o", str(tmp_path / "new")) == 0
    assert contents(tmp_path / "new") == contents(tree.root)
    assert call(repo, "prune") == 12
    made.with_name("zebra").rename(made)
    assert call(repo, "verify", "--read") == 0


@pytest.mark.parametrize(
    ("marker", "code"), [(b"{}", 12), (b"", 12), (b'{"backups": 2, "id": "x", "recipients": []}', 2)]
)
def test_marker_that_is_none_is_an_error(
    tree: Tree, repo: Path, marker: bytes, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo / "maos-sup-backups.json").write_bytes(marker)
    assert call(repo, "list") == code
    assert main(["backup", str(tree.root), "--to", str(repo)]) == code
    assert capsys.readouterr().err.splitlines()[-1].startswith("maos-sup: ")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "say where the backups are"),
        ("sftp:user@host:/x", "an address by SFTP is sftp://USER@HOST:PORT/PATH"),
        ("https://user:secret@host/x", "https is not supported; backups go to a folder"),
        ("/nowhere", "holds no backups"),
    ],
)
def test_address_that_cannot_be_is_one_error(
    address: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAOS_SUP_BACKUPS", raising=False)
    assert main(["backups", "list", "--to", address]) == 2
    said = capsys.readouterr().err
    assert words in said and "secret" not in said


def test_more_files_than_a_manifest_may_have_are_no_backup_that_nobody_can_restore(
    tree: Tree,
    repo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, archive = objects(repo), tmp_path / "x.maos.tar.zst"
    grow(tree)
    (tree.agent("alice").workspace / os.fsdecode(b"no utf-8 \xff")).unlink()
    monkeypatch.setattr("maos_sup.backups.manifest.LARGEST_MANIFEST_BYTES", 1000)
    monkeypatch.setattr("maos_sup.moving.exporting.LARGEST_MANIFEST_BYTES", 1000)
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 2
    assert main(["export", str(tree.root), "-o", str(archive)]) == 2
    said = capsys.readouterr().err
    assert "too many for a backup" in said and "too many for an archive" in said
    assert objects(repo) == before and not archive.exists()
