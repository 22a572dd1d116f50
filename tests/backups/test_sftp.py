"""Backups on another host: who is let in, who is believed, and what a kill in the middle leaves."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from disks import small_disk
from kept_trees import contents, filled, grow, manifests, objects, segments
from orchestra import wait_for
from secure_shell import USER, SecureShell, make_key

from maos_sup.backups.sftp import SftpStore
from maos_sup.backups.ssh_settings import SftpAddress
from maos_sup.cli import main
from state_layout.errors import BadInput, StorageError
from state_layout.paths import Tree

ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "3"))


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecureShell]:
    made = SecureShell(tmp_path / "shell")
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = filled(tmp_path / "tree")
    (made.agent("alice").workspace / "large").unlink()
    return made


def reached(shell: SecureShell, folder: Path) -> bool:
    """Anything can be asked there. Raises what is said of it."""
    store = SftpStore(shell.address(folder))
    try:
        return store.get("nothing") is None
    finally:
        store.close()


def test_host_that_is_not_known_or_has_another_key_is_refused(shell: SecureShell, tmp_path: Path) -> None:
    assert reached(shell, tmp_path)
    make_key(tmp_path / "other")
    shell.know_host(tmp_path / "other.pub")
    with pytest.raises(StorageError, match=r"host key of .* is not known, or not the one.*see what ssh says"):
        reached(shell, tmp_path)
    shell.known_hosts.unlink()
    with pytest.raises(StorageError, match=r"host key of .* is not known"):
        reached(shell, tmp_path)
    config = shell.home / ".ssh" / "config"
    for word in ("UserKnownHostsFile none", "StrictHostKeyChecking no", "UserKnownHostsFile /dev/null"):
        config.write_text(f"Host *\n  {word}\n")
        with pytest.raises(StorageError, match=r"host key of .* is not known"):
            reached(shell, tmp_path)
    assert not shell.known_hosts.exists()


def test_key_that_is_not_accepted_there_is_one_error(
    shell: SecureShell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shell.folder / "authorized_keys").write_text("")
    assert main(["backups", "list", "--to", shell.address(tmp_path / "repo")]) == 1
    said = capsys.readouterr().err
    assert f"try: ssh -p {shell.port} {USER}@127.0.0.1\n" in said, said
    assert "no key of the ssh agent or of ~/.ssh is accepted there" in said and said.count("\n") == 1


def test_key_with_a_passphrase_is_named_with_what_opens_it(
    shell: SecureShell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = shell.home / ".ssh" / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "hunter2", "-f", str(key)], check=True)
    to = ["--to", shell.address(tmp_path / "repo")]
    for remedy in (key, tmp_path / "the other"):
        assert main(["backups", "list", *to]) == 1
        said = capsys.readouterr().err
        assert f'has a passphrase: eval "$(ssh-agent)" && ssh-add {shlex.quote(str(remedy))}\n' in said, said
        assert said.count("\n") == 1 and "hunter2" not in said
        if remedy == key:
            key.rename(tmp_path / "the other")
            config = shell.home / ".ssh" / "config"
            config.write_text(f'Host *\n  IdentityFile "{tmp_path / "the other"}"\n')


def test_keys_come_from_the_agent_and_from_where_the_configuration_says(
    shell: SecureShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = shell.home / ".ssh" / "id_ed25519"
    key.rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="no key"):
        reached(shell, tmp_path)
    config = shell.home / ".ssh" / "config"
    config.write_text(
        f"Host there\n  HostName 127.0.0.1\n  Port {shell.port}\n  IdentityFile {tmp_path / 'elsewhere'}\n"
    )
    store = SftpStore(f"sftp://there{tmp_path}")
    assert store.get("nothing") is None
    store.close()
    config.unlink()
    told = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    try:
        agent = dict(re.findall(r"(SSH_\w+)=([^;]+);", told))
        monkeypatch.setenv("SSH_AUTH_SOCK", agent["SSH_AUTH_SOCK"])
        subprocess.run(["ssh-add", "-q", str(tmp_path / "elsewhere")], check=True, stderr=subprocess.DEVNULL)
        (tmp_path / "elsewhere").unlink()
        assert reached(shell, tmp_path)
    finally:
        os.kill(int(agent["SSH_AGENT_PID"]), signal.SIGKILL)


@pytest.mark.parametrize(
    "url",
    [
        "sftp://bob:hunter2@host/path",
        "sftp://host",
        "sftp:///path",
        "sftp://host:0/path",
        "sftp://host:many/path",
        "sftp://host/a%00b",
        "sftp://host/path?x=hunter2",
        "sftp://-oProxyCommand=hunter2/path",
        "sftp://[::1/path",
    ],
)
def test_address_that_is_none_is_one_error_without_what_is_secret(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backups", "list", "--to", url]) == 2
    said = capsys.readouterr().err
    assert "sftp://USER@HOST:PORT/PATH" in said and "hunter2" not in said and said.count("\n") == 1


def test_host_that_is_silent_is_left_at_once(shell: SecureShell, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"sftp://127.0.0.1:{server.getsockname()[1]}{tmp_path}"
        command = [sys.executable, "-m", "maos_sup", "backups", "list", "--to", url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        connection, _ = server.accept()
        with connection:
            assert connection.recv(4) == b"SSH-"
            process.send_signal(signal.SIGINT)
            out, said = process.communicate(timeout=60)
            assert (out, said.strip(), process.returncode) == (b"", b"", 130), said


def test_address_tells_how_a_person_logs_in() -> None:
    assert SftpAddress.of("sftp://host/a").command == "ssh host"
    assert SftpAddress.of("sftp://b%3Bob@host:22/a").command == "ssh -p 22 'b;ob@host'"


def test_address_has_the_parts_that_people_write() -> None:
    assert SftpAddress.of("sftp://bob@host:2222/a%20b/") == ("bob", "host", 2222, "/a b")
    assert SftpAddress.of("sftp://host/~/kept/here") == (None, "host", None, "kept/here")


def test_folder_of_somebody_else_is_not_taken(
    shell: SecureShell, tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter").touch()
    assert main(["backup", str(tree.root), "--to", shell.address(tmp_path / "other")]) == 2
    assert "holds 'letter' and no backups" in capsys.readouterr().err
    with pytest.raises(BadInput):
        SftpStore("s3://bucket/x")


def test_killed_in_the_middle_it_is_there_whole_or_not(
    shell: SecureShell, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "repo"
    to = ["--to", shell.address(repo)]
    command = [sys.executable, "-m", "maos_sup", "backup", str(tree.root), "--with-secrets", *to]
    assert main(["backup", str(tree.root), *to]) == 0
    kills = 0
    for number in range(ROUNDS):
        (tree.agent("alice").workspace / "noise").write_bytes(os.urandom(20 << 20))
        grow(tree, f"r{number}-")
        known, before = len(manifests(repo)), {*repo.rglob("*")}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _wait_until_it_brings(process, repo, before)
        time.sleep(0.03 * (number % 8))
        process.send_signal(signal.SIGKILL)
        said = process.communicate()[1]
        assert process.returncode in (0, -signal.SIGKILL), said
        kills += process.returncode == -signal.SIGKILL
        assert len(manifests(repo)) <= known + 1
        assert main(["backups", "verify", "--read", *to]) == 0
    assert kills > ROUNDS // 2
    assert main(["backup", str(tree.root), "--with-secrets", *to]) == 0
    assert main(["backups", "restore", "latest", "-o", str(tmp_path / "new"), *to]) == 0
    assert contents(tmp_path / "new") == contents(tree.root)
    monkeypatch.setattr("maos_sup.backups.leases._PATIENCE_S", 0.2)
    assert main(["backups", "prune", *to]) == 11
    for lock in (repo / "locks").iterdir():
        os.utime(lock, (time.time() - 3600,) * 2)
    assert main(["backups", "prune", *to]) == 0
    assert not [name for name in objects(repo) if ".tmp-" in name]
    assert main(["backups", "verify", "--read", *to]) == 0


def _wait_until_it_brings(process: subprocess.Popen[Any], repo: Path, before: set[Path]) -> None:
    """Its lock and something else are there, or it has ended."""
    wait_for(lambda: len({*repo.rglob("*")} - before) > 1 or process.poll() is not None, "it brings")


def test_server_that_is_killed_is_one_error_and_the_next_backup_is_whole(
    shell: SecureShell, tree: Tree, tmp_path: Path
) -> None:
    repo = tmp_path / "repo"
    to = ["--to", shell.address(repo)]
    assert main(["backup", str(tree.root), *to]) == 0
    (tree.agent("alice").workspace / "noise").write_bytes(os.urandom(36 << 20))
    before = {*repo.rglob("*")}
    process = subprocess.Popen(
        [sys.executable, "-m", "maos_sup", "backup", str(tree.root), "--with-secrets", *to],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_until_it_brings(process, repo, before)
    shell.kill()
    said = process.communicate(timeout=120)[1].splitlines()
    assert process.returncode == 1 and len(said) == 2, said
    assert "repeat when it is reachable" in said[1]
    assert len(manifests(repo)) == 1
    shell.start()
    assert main(["backup", str(tree.root), "--with-secrets", *to]) == 0
    assert main(["backups", "verify", "--read", *to]) == 0
    assert main(["backups", "restore", "latest", "-o", str(tmp_path / "new"), *to]) == 0
    assert contents(tmp_path / "new") == contents(tree.root)


def test_full_disk_there_is_told_as_such(
    shell: SecureShell, tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk") as small:
        repo = small.folder / "repo"
        to = ["--to", shell.address(repo)]
        assert main(["backup", str(tree.root), *to]) == 0
        before = segments(repo)
        (tree.agent("alice").workspace / "noise").write_bytes(os.urandom(40 << 20))
        assert main(["backup", str(tree.root), "--with-secrets", *to]) == 1
        assert "no space left" in capsys.readouterr().err
        assert segments(repo) == before
        assert main(["backups", "verify", "--read", *to]) == 0


def test_who_may_only_read_there_reads_without_a_lock_and_is_told(
    shell: SecureShell,
    tree: Tree,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repo, own = tmp_path / "repo", shell.address(tmp_path / "repo")
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    monkeypatch.setattr("maos_sup.backups.leases._PATIENCE_S", 0.2)
    shell.kill()
    config = shell.folder / "sshd_config"
    config.write_text(config.read_text().replace("internal-sftp", "internal-sftp -R"))
    shell.start()
    before = objects(repo)
    for number, words in enumerate((["restore", "latest"], ["verify", "--read"], ["prune", "--dry-run"])):
        capsys.readouterr()
        out = ["-o", str(tmp_path / str(number))] if words[0] == "restore" else []
        assert main(["backups", *words, *out, "--to", own]) == 0
        said = capsys.readouterr().err
        assert said.count("goes on without a lock; a prune there meanwhile could end it") == 1, said
    assert contents(tmp_path / "0") == contents(tree.root) and objects(repo) == before
    for words in (["backup", str(tree.root)], ["backups", "prune"], ["backups", "forget", "latest"]):
        assert main([*words, "--to", own]) == 1
        assert "cannot lock it" in capsys.readouterr().err
    (repo / "locks").mkdir()
    (repo / "locks" / "alone-1").touch()
    assert main(["backups", "restore", "latest", "-o", str(tmp_path / "new"), "--to", own]) == 11
    assert "a prune is at work there" in capsys.readouterr().err and not (tmp_path / "new").exists()
    os.utime(repo / "locks" / "alone-1", (time.time() - 3600,) * 2)
    assert main(["backups", "restore", "latest", "-o", str(tmp_path / "new"), "--to", own]) == 0
    assert contents(tmp_path / "new") == contents(tree.root)


def test_full_disk_there_is_read_and_pruned(
    shell: SecureShell, tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk") as small:
        to = ["--to", shell.address(small.folder / "repo")]
        assert main(["backup", str(tree.root), *to]) == 0
        (tree.agent("alice").workspace / "noise").write_bytes(os.urandom(4 << 20))
        assert main(["backup", str(tree.root), "--with-secrets", *to]) == 0
        small.fill_with_files()
        capsys.readouterr()
        assert main(["backups", "verify", "--read", *to]) == 0
        assert "goes on without a lock" in capsys.readouterr().err
        small.remove_files()
        small.fill()
        assert main(["backups", "forget", "latest", *to]) == 0
        assert main(["backups", "prune", *to]) == 0
        assert "lock" not in capsys.readouterr().err
        assert small.free_bytes() > 4 << 20
