"""Backups there and back: only what is new is brought, nothing is replaced, rules say what stays."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from kept_trees import contents, filled, grow, manifests, objects, segments
from orchestra import Orchestra

from maos_sup.agents.secrets.redaction import SHAPES
from maos_sup.agents.secrets.secret_search import SecretSearch, find_secrets
from maos_sup.backups.folder import FolderStore
from maos_sup.backups.keeping import KeepRule, forgettable
from maos_sup.backups.manifest import PIECE_BYTES, BackupHead
from maos_sup.backups.repository import BackupRepository
from maos_sup.backups.saving import back_up
from maos_sup.cli import main
from state_layout.check import Severity, check
from state_layout.paths import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return filled(tmp_path / "tree")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return tmp_path / "repo"


def backup(tree: Tree, repo: Path, *more: str, expect: int = 0) -> None:
    assert main(["backup", str(tree.root), "--to", str(repo), *more]) == expect


def restore(word: str, repo: Path, out: Path, *more: str, expect: int = 0) -> None:
    assert main(["backups", "restore", word, "--repo", str(repo), "-o", str(out), *more]) == expect


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_there_and_back_it_is_the_same(tree: Tree, repo: Path, tmp_path: Path) -> None:
    backup(tree, repo)
    restore("count", repo, tmp_path / "new")
    assert contents(tmp_path / "new") == contents(tree.root)
    assert [each for each in check(Tree(tmp_path / "new")) if each.severity is Severity.PROBLEM] == []
    assert all(path.stat().st_mode & 0o77 == 0 for path in [repo, *repo.rglob("*")])


def test_only_what_is_new_is_brought(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup(tree, repo)
    first, journal = segments(repo), tree.agent("alice").attempt(1).journal
    before = {path: path.stat().st_size for path in tree.root.rglob("*") if path.is_file()}
    with journal.open("ab") as file:
        file.write(b'{"half a line')
    grow(tree)
    after = {path: path.stat().st_size for path in tree.root.rglob("*") if path.is_file()}
    made = told(capsys, "backup", str(tree.root), "--to", str(repo))["backups"][0]
    replaced = {"agents/alice/status.json", "supervisor/status.json"}
    grown = sum(size - before.get(path, 0) for path, size in after.items())
    own = sum(size for path, size in after.items() if str(path.relative_to(tree.root)) in replaced)
    assert 0 < made["added_bytes"] <= grown + own
    assert set(first) < set(segments(repo))
    restore("latest", repo, tmp_path / "new")
    assert contents(tmp_path / "new") == contents(tree.root)


def test_nothing_new_reads_nothing_and_brings_nothing(tree: Tree, repo: Path) -> None:
    repository = BackupRepository.begun(FolderStore(repo))
    later = [os.utime(path) for path in tree.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert later
    back_up(tree, repository)
    first = segments(repo)
    while any(each.ctime_ns == 0 for each in _newest(repository, tree).files):  # written just before it
        again = back_up(tree, repository)
        assert again.manifest.head.added_bytes == 0
    again = back_up(tree, repository)
    assert again.read_files == again.manifest.head.added_bytes == 0
    assert segments(repo) == first


def _newest(repository: BackupRepository, tree: Tree) -> Any:
    found = repository.newest("20261130-0100-count-ab12")
    assert found is not None
    return found


def test_change_in_the_middle_of_a_large_file_brings_a_piece_of_it(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = tree.agent("alice").workspace / "large"
    backup(tree, repo)
    data = bytearray(large.read_bytes())
    data[PIECE_BYTES + 5] ^= 1
    large.write_bytes(data)
    made = told(capsys, "backup", str(tree.root), "--to", str(repo))["backups"][0]
    assert 0 < made["added_bytes"] <= PIECE_BYTES
    restore("latest", repo, tmp_path / "new")
    assert contents(tmp_path / "new") == contents(tree.root)


def test_file_that_changed_under_the_same_size_and_times_is_seen(
    tree: Tree, repo: Path, tmp_path: Path
) -> None:
    script = tree.agent("alice").workspace / "tool.sh"
    backup(tree, repo)
    stat = script.stat()
    with script.open("r+b") as file:
        file.write(b"#!/BIN")
    os.utime(script, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    backup(tree, repo)
    restore("latest", repo, tmp_path / "new")
    assert contents(tmp_path / "new") == contents(tree.root)


def test_a_file_that_grew_often_is_in_few_pieces_and_whole(tree: Tree, repo: Path, tmp_path: Path) -> None:
    repository, log = BackupRepository.begun(FolderStore(repo)), tree.agent("bob").workspace / "log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    for number in range(150):
        with log.open("a") as file:
            file.write(f"line {number}\n")
        made = back_up(tree, repository)
    [kept] = [each for each in made.manifest.files if each.path == "agents/bob/workspace/log"]
    assert len(kept.pieces) <= 66
    restore("latest", repo, tmp_path / "new")
    assert contents(tmp_path / "new") == contents(tree.root)


def test_what_a_fork_shares_is_not_brought_again(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup(tree, repo)
    assert main(["checkpoint", str(tree.root)]) == 0
    assert main(["fork", str(tree.root), "-o", str(tmp_path / "fork"), "--set", "want", "pause"]) == 0
    fork = tmp_path / "fork"
    every = sum(path.stat().st_size for path in fork.rglob("*") if path.is_file())
    made = told(capsys, "backup", str(fork), "--to", str(repo))["backups"][0]
    assert made["added_bytes"] < 20_000 < every
    restore(made["backup"], repo, tmp_path / "new")
    assert contents(tmp_path / "new") == contents(fork)


def test_earlier_ones_stay_as_they_were(tree: Tree, repo: Path, tmp_path: Path) -> None:
    states = []
    for number in range(4):
        grow(tree, f"turn{number}-")
        backup(tree, repo)
        states.append(contents(tree.root))
    names = [path.name for path in manifests(repo)]
    for name, state in zip(names, states, strict=True):
        restore(name, repo, tmp_path / name)
        assert contents(tmp_path / name) == state


def test_a_dry_run_places_nothing(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup(tree, repo)
    before = sorted(tmp_path.rglob("*"))
    restore("latest", repo, tmp_path / "new", "--dry-run")
    assert "whole" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_ever_replaced(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup(tree, repo)
    before = contents(tree.root)
    restore("latest", repo, tree.root, expect=2)
    (tmp_path / "empty").mkdir()
    restore("latest", repo, tmp_path / "empty", expect=2)
    assert "is there already" in capsys.readouterr().err
    assert contents(tree.root) == before
    for place in (tmp_path / "tree", tree.root / "agents" / "x"):
        assert main(["backup", str(tree.root), "--to", str(place)]) == 2
    assert "name a" in capsys.readouterr().err
    assert contents(tree.root) == before


def test_some_files_alone(tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backup(tree, repo)
    restore("latest", repo, tmp_path / "some", "--include", "agent:alice", "--include", "spec/*.json")
    every, some = contents(tree.root), contents(tmp_path / "some")
    files = {path: value for path, value in some.items() if value is not None}
    assert files == {
        path: value
        for path, value in every.items()
        if value is not None
        and (path.startswith("agents/alice/") or path == "spec/orchestration.json")
        and path not in ("agents/alice/lock",)
    }
    restore("latest", repo, tmp_path / "none", "--include", "nobody", expect=2)
    assert "holds nothing like nobody" in capsys.readouterr().err


def test_only_for_whom_it_is_meant(
    tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    for name, key in (("mine", mine), ("other", other)):
        (tmp_path / name).write_text(f"# a comment\n{key}\n")
    backup(tree, repo, "--recipient", str(mine.to_public()))
    for path in repo.rglob("*"):
        assert path.is_dir() or (b"alice" not in path.read_bytes() and "count" not in str(path))
    assert "all of it was brought" not in capsys.readouterr().err
    grow(tree)
    backup(tree, repo)  # all of it again: what is there cannot be read
    assert "all of it was brought" in capsys.readouterr().err
    backup(tree, repo, "--identity", str(tmp_path / "other"))
    assert "all of it was brought" in capsys.readouterr().err
    made = told(capsys, "backup", str(tree.root), "--to", str(repo), "--identity", str(tmp_path / "mine"))
    assert made["backups"][0]["added_bytes"] == 0
    for identity, code in ((None, 2), ("none", 2), ("other", 12), ("mine", 0)):
        more = ["--identity", str(tmp_path / identity)] if identity else []
        restore(manifests(repo)[-1].name, repo, tmp_path / "new", *more, expect=code)
        assert (tmp_path / "new").exists() == (code == 0)
    assert contents(tmp_path / "new") == contents(tree.root)
    assert (
        main(["backups", "verify", "--read", "--repo", str(repo), "--identity", str(tmp_path / "mine")]) == 0
    )
    backup(tree, repo, "--recipient", str(other.to_public()), expect=2)
    backup(tree, tmp_path / "x", "--recipient", "nobody", expect=2)
    assert "is no public key" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_secrets_stay_unless_told(tree: Tree, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backup(tree, repo)
    before = objects(repo)
    notes = tree.agent("bob").workspace / "notes.txt"
    notes.parent.mkdir(parents=True, exist_ok=True)
    key = "sk-ant-" + "api03-" + "A1b2" * 22
    notes.write_text(f"key: {key}\n")
    backup(tree, repo, expect=13)
    said = capsys.readouterr().err
    assert "agents/bob/workspace/notes.txt" in said and key not in said
    assert objects(repo) == before
    backup(tree, repo, "--with-secrets")
    backup(tree, repo)  # it is there already


def test_a_secret_that_is_written_in_two_halves_is_found(tree: Tree, repo: Path) -> None:
    notes = tree.agent("bob").workspace / "notes.txt"
    notes.parent.mkdir(parents=True, exist_ok=True)
    notes.write_text("sk-ant-" + "api")
    backup(tree, repo)
    notes.write_text("sk-ant-" + "api" + "03-" + "A1b2" * 22)
    backup(tree, repo, expect=13)


def test_a_secret_that_is_written_in_small_parts_is_found(tree: Tree, repo: Path) -> None:
    notes = tree.agent("bob").workspace / "notes.txt"
    notes.parent.mkdir(parents=True, exist_ok=True)
    for part in ("sk-", "ant-", "api", "03-"):
        with notes.open("a") as file:
            file.write(part)
        backup(tree, repo)
    with notes.open("a") as file:
        file.write("A1b2" * 22)
    backup(tree, repo, expect=13)


SECRETS = {
    "a model provider's key": "sk-" + "A1b2" * 6,
    "a GitHub token": "ghs_" + "A1b2" * 9,
    "a GitLab token": "glpat-" + "A1b2" * 6,
    "an npm token": "npm_" + "A1b2" * 9,
    "a Slack token": "xoxb-" + "1234567890-a",
    "an AWS key id": "ASIA" + "A1B2" * 4,
    "a Google key": "AIza" + "A1b2-" * 7,
    "a Hugging Face token": "hf_" + "A1b2" * 9,
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("what", sorted(SHAPES))
def test_what_check_finds_no_backup_holds(tree: Tree, what: str) -> None:
    search, notes = SecretSearch(tree, {"MY_TOKEN": "as secret as can be"}), tree.agent("bob").workspace / "n"
    notes.parent.mkdir(parents=True, exist_ok=True)
    for text in (f"task-1 {SECRETS[what]} x", "x as secret as can be"):
        notes.write_text(text)
        assert [each.path for each in find_secrets(tree, {"MY_TOKEN": "as secret as can be"})]
        assert search.in_bytes(text.encode())
    assert search.in_bytes(b"task-1 hf_ ASIA xoxb- ghp_ sk-short") is None


def test_forget_and_prune(tree: Tree, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = tree.agent("alice").workspace / "large"
    for number in range(3):
        large.write_bytes(os.urandom(1000))
        grow(tree, f"t{number}-")
        backup(tree, repo)
    names, before = [path.name for path in manifests(repo)], objects(repo)
    assert main(["backups", "forget", "--repo", str(repo)]) == 2  # it would be all
    assert told(capsys, "backups", "forget", "--repo", str(repo), "--keep-last", "1", "--dry-run") == {
        "dry_run": True,
        "forgotten": names[:2],
        "kept": 1,
    }
    assert main(["backups", "forget", "", "--repo", str(repo)]) == 2  # "$ID" of a shell that has no ID
    assert objects(repo) == before
    assert main(["backups", "forget", "--repo", str(repo), "--keep-last", "1"]) == 0
    (tmp_path / "repo" / "segments" / "ab").mkdir(exist_ok=True)
    leftover = tmp_path / "repo" / "segments" / "ab" / ".abcd.tmp-1234"
    leftover.write_bytes(b"x")
    dry = told(capsys, "backups", "prune", "--repo", str(repo), "--dry-run")
    assert leftover.exists()
    done = told(capsys, "backups", "prune", "--repo", str(repo))
    assert done["leftovers"] == 1 and not leftover.exists()
    assert dry["segments"] == done["segments"] >= 0
    assert main(["backups", "verify", "--read", "--repo", str(repo)]) == 0
    restore("latest", repo, tmp_path / "new")
    assert contents(tmp_path / "new") == contents(tree.root)
    assert main(["backups", "forget", names[2], "--repo", str(repo)]) == 0
    done = told(capsys, "backups", "prune", "--repo", str(repo))
    assert done["kept_segments"] == 0 and segments(repo) == []


def head(tree: str, at: datetime) -> BackupHead:
    name = f"backups/x/{at:%Y%m%d-%H%M%S-%f}-0000"
    numbers = {"files": 1, "size_bytes": 1, "added_bytes": 1, "stored_bytes": 1}
    return BackupHead(name=name, tree=tree, request="", at=f"{at:%Y-%m-%dT%H:%M:%SZ}", **numbers)


NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "staying_h"),
    [
        (KeepRule(last=2), [0, 0.5]),
        (KeepRule(hourly=2), [0, 0.5]),
        (KeepRule(daily=2), [0, 13]),
        (KeepRule(daily=9), [0, 13, 37, 24 * 10]),
        (KeepRule(weekly=2), [0, 13]),
        (KeepRule(within=timedelta(hours=13)), [0, 0.5, 13]),
        (KeepRule(last=1, daily=3), [0, 13, 37]),
    ],
)
def test_which_stay(rule: KeepRule, staying_h: list[float]) -> None:
    ages_h = [0, 0.5, 13, 37, 24 * 10]
    heads = [head(tree, NOON - timedelta(hours=age_h)) for tree in ("a", "b") for age_h in ages_h]
    gone = forgettable(heads, rule)
    stay = [each for each in heads if each not in gone]
    assert [each.at for each in stay] == [
        f"{NOON - timedelta(hours=age_h):%Y-%m-%dT%H:%M:%SZ}" for _ in range(2) for age_h in staying_h
    ]


def test_a_running_team_is_backed_up_and_goes_on_elsewhere(orchestra: Orchestra, tmp_path: Path) -> None:
    talk = "i=0; while [ ! -e $OUT/enough ]; do i=$((i+1)); echo line $i; sleep 0.02; done"
    orchestra.start({"bob": talk, "eve": talk})
    orchestra.wait_alive("bob", "eve")
    repo = tmp_path / "repo"
    for _ in range(3):
        orchestra.cli("backup", str(orchestra.root), "--to", str(repo), expect=0)
    orchestra.say("enough")
    orchestra.wait_rest("done")
    for number, path in enumerate(manifests(repo)):
        new = Orchestra(tmp_path, root=tmp_path / f"elsewhere{number}", id=orchestra.id)
        new.cli("backups", "restore", path.name, "--to", str(repo), "-o", str(new.root), expect=0)
        assert new.phase() == "interrupted"
        new.resume()
        new.wait_rest("done")
        new.assert_sound()


def test_it_comes_back_as_it_was_at_a_checkpoint(orchestra: Orchestra, tmp_path: Path) -> None:
    orchestra.start({"bob": "while [ ! -e $OUT/go ]; do sleep 0.05; done"})
    orchestra.wait_alive("bob")
    orchestra.cli("checkpoint", str(orchestra.root), "--name", "early", expect=0)
    orchestra.say("go")
    orchestra.wait_rest("done")
    repo = str(tmp_path / "repo")
    orchestra.cli("backup", str(orchestra.root), "--to", repo, expect=0)
    new = Orchestra(tmp_path, root=tmp_path / "elsewhere", id=orchestra.id)
    new.cli("backups", "restore", "latest", "--at", "early", "--to", repo, "-o", str(new.root), expect=0)
    assert new.task("bob")["phase"] != "done"
    new.resume()
    new.wait_rest("done")
