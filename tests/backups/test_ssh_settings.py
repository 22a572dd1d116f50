"""An address by SFTP leads where `ssh` would go, by ~/.ssh/config; and no host is believed unseen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from secure_shell import USER, SecureShell, make_key

from maos_sup.backups.sftp import SftpStore
from maos_sup.cli import main
from state_layout.errors import StorageError

NOT_KNOWN = "host key of box is not known"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecureShell]:
    made = SecureShell(tmp_path / "shell")
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr("maos_sup.backups.ssh_settings._SYSTEM_CONFIG", str(tmp_path / "ssh_config"))
    made.start()
    yield made
    made.kill()


def reached(folder: Path) -> bool:
    """Whether anything can be asked in a folder of `box`. Raises what is said of it."""
    store = SftpStore(f"sftp://box{folder}")
    try:
        return store.get("nothing") is None
    finally:
        store.close()


def configured(shell: SecureShell, *lines: str) -> None:
    """Let `box` be the host that is there, and more be said of it."""
    own = [f"HostName 127.0.0.1\n  Port {shell.port}\n  User {USER}", *lines]
    (shell.home / ".ssh" / "config").write_text("\n  ".join(["Host box", *own]) + "\n")


def test_known_hosts_are_where_the_configuration_says(shell: SecureShell, tmp_path: Path) -> None:
    key = (shell.folder / "host_key.pub").read_text()
    own = shell.home / ".ssh" / "hosts"
    own.mkdir()
    shell.known_hosts.rename(own / "127.0.0.1")
    for named in (
        "~/.ssh/hosts/127.0.0.1",
        "~/.ssh/hosts/%h",
        "~/.ssh/nowhere ~/.ssh/hosts/127.0.0.1",
        "${HOME}/.ssh/hosts/127.0.0.1",
    ):
        configured(shell, f"UserKnownHostsFile {named}")
        assert reached(tmp_path), named
    configured(shell, f"GlobalKnownHostsFile {own}/127.0.0.1")
    assert reached(tmp_path)
    (own / "boxy").write_text(f"no entry\nnone either, this\nboxy {key}")
    configured(shell, "HostKeyAlias boxy", "UserKnownHostsFile ~/.ssh/hosts/%k")
    assert reached(tmp_path)


def test_a_host_that_only_other_files_know_is_refused(shell: SecureShell, tmp_path: Path) -> None:
    configured(shell)
    assert reached(tmp_path)
    for named in ("/dev/null", "~/.ssh/new"):
        configured(shell, f"UserKnownHostsFile {named}", "StrictHostKeyChecking no")
        with pytest.raises(StorageError, match=NOT_KNOWN):
            reached(tmp_path)
    configured(shell, "GlobalKnownHostsFile /dev/null")
    assert reached(tmp_path)  # the usual ones of the user are still read


def test_a_key_file_that_is_not_there_is_passed_over(shell: SecureShell, tmp_path: Path) -> None:
    configured(
        shell, "IdentityFile ~/.ssh/gone", "IdentityFile ~/.ssh/id_ed25519.pub", "IdentityFile %d/.ssh/x"
    )
    key = shell.home / ".ssh" / "id_ed25519"
    key.rename(key.with_name("y"))
    with pytest.raises(StorageError, match="no key of the ssh agent"):
        reached(tmp_path)
    key.with_name("y").rename(key.with_name("x"))
    assert reached(tmp_path)


@pytest.mark.parametrize(
    "jump", ["jump", "{user}@127.0.0.1:{port}", "ssh://{user}@127.0.0.1:{port}", "jump,hop"]
)
def test_jumps_lead_there(shell: SecureShell, tmp_path: Path, jump: str) -> None:
    configured(shell, f"ProxyJump {jump.format(user=USER, port=shell.port)}")
    more = f"Host jump hop\n  HostName 127.0.0.1\n  Port {shell.port}\n"
    everybody = "Match host nobody\n  User nobody\n"
    with (shell.home / ".ssh" / "config").open("a") as file:
        file.write(more + everybody)
    assert reached(tmp_path)
    opened = (shell.folder / "log").read_text().count("Accepted publickey")
    assert opened == 2 + jump.count(",")


def test_everybody_behind_one_host_does_not_put_that_behind_itself(
    shell: SecureShell, tmp_path: Path
) -> None:
    configured(shell)
    with (shell.home / ".ssh" / "config").open("a") as file:
        file.write(f"Host jump\n  HostName 127.0.0.1\n  Port {shell.port}\nHost *\n  ProxyJump jump\n")
    assert reached(tmp_path)


def test_a_host_on_the_way_is_not_believed_unseen(shell: SecureShell, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    key = (shell.folder / "host_key.pub").read_text()
    shell.known_hosts.write_text(f"boxy {key}")
    configured(shell, "HostKeyAlias boxy", "ProxyJump jump")
    with (shell.home / ".ssh" / "config").open("a") as file:
        where = f"HostName 127.0.0.1\n  Port {shell.port}\n"
        file.write(f"Host jump\n  {where}  UserKnownHostsFile none\n  StrictHostKeyChecking no\n")
    with pytest.raises(StorageError, match=r"jump, on the way there: the host key of jump .*ssh jump$"):
        reached(tmp_path)


def test_jumps_in_a_circle_are_one_error(
    shell: SecureShell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configured(shell, "ProxyJump one")
    with (shell.home / ".ssh" / "config").open("a") as file:
        file.write("Host one\n  ProxyJump two\nHost two\n  ProxyJump one\n")
    assert main(["backups", "list", "--to", f"sftp://box{tmp_path}"]) == 2
    assert "leads round in a circle" in capsys.readouterr().err


def test_the_settings_of_the_system_count_after_those_of_the_user(shell: SecureShell, tmp_path: Path) -> None:
    (tmp_path / "ssh_config").write_text(
        f"Host box\n  HostName 127.0.0.1\n  Port {shell.port}\n  User nobody\nHost *\n  SendEnv LANG LC_*\n"
    )
    (shell.home / ".ssh" / "config").write_text(f"Host box\n  User {USER}\n")
    assert reached(tmp_path)
    (tmp_path / "ssh_config").write_text("Host box # what asyncssh cannot read\n  Port many\n")
    configured(shell)
    assert reached(tmp_path)


@pytest.mark.parametrize("place", ["locks", "", ".."])
def test_a_file_in_the_way_of_a_folder_is_named_with_its_host(
    shell: SecureShell, tmp_path: Path, place: str
) -> None:
    repo = tmp_path / "above" / "repo"
    in_the_way = Path(os.path.normpath(repo / place))
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.touch()
    configured(shell)
    store = SftpStore(f"sftp://box{repo}")
    try:
        with pytest.raises(StorageError) as told, store.held(alone=True):
            pass
    finally:
        store.close()
    assert f"sftp://box{repo}: {str(in_the_way)!r} on that host is no folder" in str(told.value)
    assert str(told.value).endswith("move it away there, or name another place")
