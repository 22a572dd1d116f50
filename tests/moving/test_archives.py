"""Archives there and back, and every archive that a stranger could make up: an error each, nothing placed."""

from __future__ import annotations

import io
import json
import os
import random
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyrage
import pytest
import zstandard
from mirrored_trees import ID, team, work
from orchestra import Orchestra

from maos_sup.cli import main
from maos_sup.moving.archive import leads_inside
from maos_sup.supervisor.life import begin_life
from state_layout.paths import Tree

ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "40"))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = team(tmp_path / "tree")
    begin_life(made)
    alice = work(made)
    alice.journal.close()
    workspace = made.agent("alice").workspace
    (workspace / "deep" / ("n" * 120) / ("m" * 120)).mkdir(parents=True)
    (workspace / "deep" / ("n" * 120) / ("m" * 120) / "umlaut \u00fc.txt").write_text("here")
    (workspace / "empty").mkdir()
    (workspace / "tool.sh").write_text("#!/bin/sh\n")
    (workspace / "tool.sh").chmod(0o700)
    (workspace / "inside").symlink_to("deep/../tool.sh")
    (workspace / "outside").symlink_to("/etc/passwd")
    return made


def exported(tree: Tree, *more: str) -> Path:
    out = tree.root.parent / "x.maos.tar.zst"
    assert main(["export", str(tree.root), "-o", str(out), *more]) == 0
    return out


def contents(root: Path) -> dict[str, object]:
    """Read what lies in a tree: bytes of files, targets of links, folders."""
    found: dict[str, object] = {}
    for path in root.rglob("*"):
        rel = str(path.relative_to(root))
        if rel.split("/")[0] == "run" or path.name in ("lock", ".lock"):
            continue
        is_executable = bool(path.lstat().st_mode & 0o100)
        found[rel] = (
            str(path.readlink())
            if path.is_symlink()
            else None
            if path.is_dir()
            else (
                path.read_bytes(),
                is_executable,
                path.stat().st_mtime_ns,
            )
        )
    return found


def test_a_dash_is_no_file_that_an_archive_lies_in(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(tree.root), "-o", "-"]) == 2
    assert "-o -: an archive is a file" in capsys.readouterr().err
    assert not (tmp_path / "-").exists()


def test_a_pipe_in_the_place_of_a_file_is_left_out_and_said(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tree.agent("alice").workspace / "pipe")
    exported(tree)
    said = capsys.readouterr().err
    assert "left out: agents/alice/workspace/pipe: no file, but a pipe, a socket or a device\n" in said


def test_there_and_back_it_is_the_same(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = exported(tree)
    assert "left out: agents/alice/workspace/outside" in capsys.readouterr().err
    assert archive.stat().st_mode & 0o777 == 0o600
    assert main(["import", str(archive), "-o", str(tmp_path / "new")]) == 0
    before = contents(tree.root)
    del before["agents/alice/workspace/outside"]
    assert contents(tmp_path / "new") == before
    assert "resume" in capsys.readouterr().out


def test_any_tar_can_look_into_it(tree: Tree) -> None:
    with tarfile.open(fileobj=io.BytesIO(plain(exported(tree)))) as tar:
        names = tar.getnames()
    assert names[0] == "manifest.json"
    assert "agents/alice/attempts/0001/journal.jsonl" in names


def test_a_dry_run_places_nothing(tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = exported(tree)
    before = sorted(tmp_path.iterdir())
    assert main(["import", str(archive), "-o", str(tmp_path / "new"), "--dry-run"]) == 0
    assert "whole" in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == before


def test_only_for_whom_it_is_meant(tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    archive = exported(tree, "--to", str(mine.to_public()))
    assert b"alice" not in archive.read_bytes()
    (tmp_path / "mine").write_text(f"# a comment\n{mine}\n")
    (tmp_path / "other").write_text(f"{other}\n")
    (tmp_path / "none").write_text("nothing\n")
    new = str(tmp_path / "new")
    for identity, code in ((None, 2), ("none", 2), ("other", 12), ("mine", 0)):
        more = ["--identity", str(tmp_path / identity)] if identity else []
        assert main(["import", str(archive), "-o", new, *more]) == code, identity
        assert (tmp_path / "new").exists() == (code == 0)
    assert main(["export", str(tree.root), "-o", str(tmp_path / "y"), "--to", "nobody"]) == 2
    assert "is no public key" in capsys.readouterr().err


def test_secrets_stay_unless_told(tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree.agent("bob").workspace).mkdir(parents=True, exist_ok=True)
    key = "sk-ant-" + "api03-" + "A1b2" * 22
    (tree.agent("bob").workspace / "notes.txt").write_text(f"key: {key}\n")
    out = tmp_path / "x.maos.tar.zst"
    assert main(["export", str(tree.root), "-o", str(out)]) == 13
    said = capsys.readouterr().err
    assert "agents/bob/workspace/notes.txt" in said and key not in said
    assert not out.exists()
    assert main(["export", str(tree.root), "-o", str(out), "--with-secrets"]) == 0


def test_nothing_is_ever_replaced(tree: Tree, tmp_path: Path) -> None:
    archive = exported(tree)
    assert main(["export", str(tree.root), "-o", str(archive)]) == 2
    assert main(["import", str(archive), "-o", str(tree.root)]) == 2


def test_a_part_is_no_orchestration(tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = exported(tree, "--only", "mail")
    assert main(["import", str(archive), "-o", str(tmp_path / "new")]) == 2
    assert "holds only mail" in capsys.readouterr().err
    assert main(["export", str(tree.root), "-o", str(tmp_path / "y"), "--only", "run"]) == 2


def test_a_damaged_tree_is_taken_only_if_told(tree: Tree, tmp_path: Path) -> None:
    journal = tree.agent("alice").attempt(1).journal
    journal.write_bytes(journal.read_bytes().replace(b'"s1"', b'"s9"'))
    archive = exported(tree)
    assert main(["import", str(archive), "-o", str(tmp_path / "new")]) == 12
    assert not (tmp_path / "new").exists()
    assert main(["import", str(archive), "-o", str(tmp_path / "new"), "--damaged"]) == 0


# -- what a stranger could make up


def plain(archive: Path) -> bytes:
    with archive.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as source:
        return bytes(source.read())


def packed(
    manifest: dict[str, Any], members: list[tuple[tarfile.TarInfo, bytes]], *, end: bytes = bytes(1024)
) -> bytes:
    """An archive with that manifest and those members, whatever they say."""
    out, data = io.BytesIO(), json.dumps(manifest).encode()
    head = tarfile.TarInfo("manifest.json")
    head.size = len(data)
    for info, content in [(head, data), *members]:
        out.write(info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512))
    return zstandard.ZstdCompressor().compress(out.getvalue() + end)


def member(
    path: str, content: bytes = b"x", *, kind: bytes = tarfile.REGTYPE
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.size, info.type = len(content), kind
    return info, content


def told(*files: tuple[str, bytes], **more: Any) -> dict[str, Any]:
    rows = [[path, len(data), sha256(data).hexdigest(), False, 0] for path, data in files]
    empty: dict[str, Any] = {"only": None, "checkpoint": None, "left_out": [], "folders": [], "links": []}
    return {"archive": 1, "id": ID, "request": "r", "project_name": None, **empty, "files": rows, **more}


def escape(path: str) -> bytes:
    return packed(told((path, b"x")), [member(path)])


HOSTILE: dict[str, Callable[[], bytes]] = {
    "dots": lambda: escape("../outside"),
    "dots inside": lambda: escape("agents/../../outside"),
    "absolute": lambda: escape("/tmp/outside"),
    "empty part": lambda: escape("agents//x"),
    "host bound": lambda: escape("run/host.json"),
    "zero": lambda: packed(told(("a\0b", b"x")), [member("a")]),
    "twice": lambda: packed(told(("a", b"x"), ("a", b"x")), [member("a"), member("a")]),
    "below a file": lambda: packed(told(("a", b"x"), ("a/b", b"x")), [member("a"), member("a/b")]),
    "folder outside": lambda: packed(told(folders=["../x"]), []),
    "link outside": lambda: packed(told(links=[["agents/a/workspace/l", "../../../../../etc"]]), []),
    "link absolute": lambda: packed(told(links=[["agents/a/workspace/l", "/etc"]]), []),
    "link elsewhere": lambda: packed(told(links=[["spec/agents", "x"]]), []),
    "below a link": lambda: packed(
        told(("agents/a/workspace/l/x", b"x"), links=[["agents/a/workspace/l", "."]]), [member("x")]
    ),
    "link as member": lambda: packed(told(("a", b"")), [member("a", b"", kind=tarfile.SYMTYPE)]),
    "device": lambda: packed(told(("a", b"")), [member("a", b"", kind=tarfile.CHRTYPE)]),
    "other name": lambda: packed(told(("a", b"x")), [member("b")]),
    "other bytes": lambda: packed(told(("a", b"x")), [member("a", b"y")]),
    "longer": lambda: packed(told(("a", b"x")), [member("a", b"xx")]),
    "missing": lambda: packed(told(("a", b"x")), []),
    "one more": lambda: packed(told(), [member("a")]),
    "bomb": lambda: packed(told(), [], end=bytes(1 << 28)),
    "claims the moon": lambda: packed(told(files=[["a", 1 << 60, "0" * 64, False, 0]]), []),
    "negative": lambda: packed(told(files=[["a", -1, "0" * 64, False, 0]]), []),
    "wrong types": lambda: packed(told(files=[[1, "x", None, 0, 0]]), []),
    "no end": lambda: packed(told(), [], end=b""),
    "id outside": lambda: packed(told(id="../x"), []),
    "newer": lambda: packed(told(archive=2), []),
    "no manifest": lambda: zstandard.ZstdCompressor().compress(bytes(4096)),
    "large header": lambda: zstandard.ZstdCompressor().compress(large_header()),
    "large manifest": lambda: zstandard.ZstdCompressor().compress(large_manifest()),
    "large window": lambda: zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    ).compress(bytes(1 << 28)),
    "text": lambda: b"this is no archive",
    "nothing": lambda: b"",
}


def large_header() -> bytes:
    info = tarfile.TarInfo("x")
    info.size, info.type = 1 << 40, tarfile.XHDTYPE
    return info.tobuf(tarfile.USTAR_FORMAT if info.size < 1 << 33 else tarfile.GNU_FORMAT) + bytes(1 << 20)


def large_manifest() -> bytes:
    info = tarfile.TarInfo("manifest.json")
    info.size = 1 << 32
    return info.tobuf(tarfile.USTAR_FORMAT) + bytes(1 << 20)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_archive_is_an_error_and_nothing_is_placed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    archive = tmp_path / "x.maos.tar.zst"
    archive.write_bytes(HOSTILE[name]())
    before = sorted(tmp_path.rglob("*"))
    code = main(["import", str(archive), "-o", str(place / "new")])
    said = capsys.readouterr().err
    assert code in ((1,) if name == "claims the moon" else (2, 12)), said
    assert said.startswith("maos-sup: ") and "bug" not in said
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/outside").exists()


def test_wherever_it_is_cut_off_or_a_byte_is_altered_nothing_is_placed(tree: Tree, tmp_path: Path) -> None:
    whole, chance = exported(tree).read_bytes(), random.Random(4)
    state = contents(tree.root)
    del state["agents/alice/workspace/outside"]
    archive, place = tmp_path / "y.maos.tar.zst", tmp_path / "place"
    place.mkdir()
    for _ in range(ROUNDS):
        at = chance.randrange(len(whole))
        for bad in (whole[:at], whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(8)]) + whole[at + 1 :]):
            archive.write_bytes(bad)
            code = main(["import", str(archive), "-o", str(place / "new")])
            if code == 0:  # a bit that means nothing: how much memory unpacking may take
                assert contents(place / "new") == state
                (place / "new").rename(tmp_path / f"was{at}")
            assert code in (0, 2, 12)
            assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "target", "is_inside"),
    [
        ("agents/a/workspace/x", "y", True),
        ("agents/a/workspace/d/x", "../y", True),
        ("agents/a/workspace/x", "../session/y", False),
        ("agents/a/workspace/x", "../workspace/y", False),
        ("agents/a/workspace", "y", False),
        ("spec/files/x", "y", False),
        ("agents/a/workspace/x", "", False),
    ],
)
def test_which_links_stay_inside(path: str, target: str, is_inside: bool) -> None:
    assert leads_inside(path, target) is is_inside


def test_a_running_team_is_exported_and_goes_on_elsewhere(orchestra: Orchestra, tmp_path: Path) -> None:
    talk = "i=0; while [ ! -e $OUT/enough ]; do i=$((i+1)); echo line $i; sleep 0.02; done"
    orchestra.start({"bob": talk, "eve": talk})
    orchestra.wait_alive("bob", "eve")
    archive = tmp_path / "x.maos.tar.zst"
    orchestra.cli("export", str(orchestra.root), "-o", str(archive), expect=0)
    orchestra.say("enough")
    orchestra.wait_rest("done")
    new = Orchestra(tmp_path, root=tmp_path / "elsewhere", id=orchestra.id)
    new.cli("import", str(archive), "-o", str(new.root), expect=0)
    assert new.phase() == "interrupted"
    new.resume()
    new.wait_rest("done")
    new.assert_sound()


def test_it_is_taken_as_it_was_at_a_checkpoint(orchestra: Orchestra, tmp_path: Path) -> None:
    orchestra.start({"bob": "while [ ! -e $OUT/go ]; do sleep 0.05; done"})
    orchestra.wait_alive("bob")
    orchestra.cli("checkpoint", str(orchestra.root), "--name", "early", expect=0)
    orchestra.say("go")
    orchestra.wait_rest("done")
    archive = tmp_path / "x.maos.tar.zst"
    orchestra.cli("export", str(orchestra.root), "--at", "early", "-o", str(archive), expect=0)
    new = Orchestra(tmp_path, root=tmp_path / "elsewhere", id=orchestra.id)
    new.cli("import", str(archive), "-o", str(new.root), expect=0)
    assert new.task("bob")["phase"] != "done"
    new.resume()
    new.wait_rest("done")
