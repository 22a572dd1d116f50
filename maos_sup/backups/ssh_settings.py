"""The settings of one connection: what ~/.ssh/config and /etc/ssh/ssh_config say that asyncssh knows.

Where asyncssh reads them in another way than `ssh` does, `ssh` is followed: a key file that is not there is
passed over, so is a line of known_hosts that is none, tokens are replaced in names of known_hosts, and a host
that is jumped through is looked up like any other. The key of a host is always looked at, whatever they say.
"""

from __future__ import annotations

import getpass
import os
import re
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import asyncssh

from state_layout.errors import BadInput
from state_layout.files.reading import is_file, read_foreign

_SYSTEM_CONFIG = "/etc/ssh/ssh_config"
_SYSTEM_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_USUAL_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_USUAL_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_CONNECT_S, _ALIVE_S = 60, 15  # with the login
_FORM = "an address by SFTP is sftp://USER@HOST:PORT/PATH (of USER's home: /~/PATH), without a password"
_TOKEN = re.compile(r"%(.)|\$\{(\w+)\}")
_PUBLIC = (b"ssh-", b"ecdsa-", b"sk-")  # how a public key begins
Options = asyncssh.SSHClientConnectionOptions


class SftpAddress(NamedTuple):
    """It says where a folder lies: `user` and `port` are None where ~/.ssh/config or the usual is meant."""

    user: str | None
    host: str
    port: int | None
    path: str  # from the root, or from the home of the user

    @classmethod
    def of(cls, url: str) -> SftpAddress:
        """Give the parts of sftp://USER@HOST:PORT/PATH. Raises BadInput, without telling a password."""
        try:
            found = urlsplit(url)
            host, port, path = found.hostname, found.port, unquote(found.path, errors="surrogateescape")
        except ValueError:
            raise BadInput(_FORM) from None
        path = path[3:] if path.startswith("/~/") else path
        if found.scheme != "sftp" or not host or found.password is not None or port == 0:
            raise BadInput(_FORM)
        if found.query or found.fragment or not path.strip("/") or "\0" in path or host.startswith("-"):
            raise BadInput(_FORM)
        return cls(unquote(found.username) if found.username else None, host, port, path.rstrip("/"))

    @property
    def command(self) -> str:
        """Say what a person types to log in there."""
        port = "" if self.port is None else f"-p {self.port} "
        return f"ssh {port}{shlex.quote(f'{self.user}@{self.host}' if self.user else self.host)}"


def options_of(address: SftpAddress) -> Options:
    """Read all that a connection to `address` needs, but through what it goes.

    Raises asyncssh.Error, ValueError, OSError for settings that cannot be used.
    """
    told: dict[str, object] = {
        **_named(address),
        "preferred_auth": "gssapi-keyex,gssapi-with-mic,hostbased,publickey",
        "login_timeout": _CONNECT_S,
        "agent_forwarding": False,
    }
    said = settings_of(address)
    told |= {
        "config": _files(address),
        "connect_timeout": said.config.get("ConnectTimeout") or _CONNECT_S,
        "keepalive_interval": said.config.get("ServerAliveInterval") or _ALIVE_S,
        "known_hosts": _known_hosts(said, address),
        **_keys(said),
    }
    return Options(**told)


def settings_of(address: SftpAddress) -> Options:
    """Read what is said of `address`, but no key."""
    return _said(address, _files(address))


def jumps_of(address: SftpAddress) -> list[SftpAddress]:
    """List the hosts that are jumped through on the way to `address`, the first one first.

    Raises BadInput for what is no host.
    """
    said: Any = settings_of(address).config.get("ProxyJump")
    hops = [_hop(word) for word in said.split(",")] if said else []
    is_itself = (
        hops and hops[-1].host.lower() == address.host.lower() and hops[-1].port in (None, address.port)
    )
    return [] if is_itself else hops  # as `ssh`: "Host *" may name the host that all are reached through


def key_files(said: Options) -> list[Path]:
    """List the key files that are looked at, whether they are there or not."""
    named: Any = said.config.get("IdentityFile")
    return [Path(name).expanduser() for name in named or _USUAL_KEYS]


def _hop(word: str) -> SftpAddress:
    try:
        found = urlsplit(word if word.startswith("ssh://") else f"ssh://{word.strip()}")
        host, port = found.hostname, found.port
    except ValueError:
        host, port = None, None
    if not host:
        raise BadInput(f"ProxyJump {word!r} is no host; write USER@HOST:PORT")
    return SftpAddress(unquote(found.username) if found.username else None, host, port, "")


def _files(address: SftpAddress) -> list[str]:
    """Name the files that settings are read from; that of the system only if asyncssh can read it."""
    own = [path for path in [str(Path("~/.ssh/config").expanduser())] if _may_be_read(path)]
    if not _may_be_read(_SYSTEM_CONFIG):
        return own
    try:
        _said(address, [_SYSTEM_CONFIG])
    except (asyncssh.Error, ValueError, OSError):
        return own
    return [*own, _SYSTEM_CONFIG]


def _said(address: SftpAddress, files: list[str]) -> Options:
    return Options(**_named(address), config=files or None, client_keys=None, known_hosts=b"", tunnel=None)


def _named(address: SftpAddress) -> dict[str, object]:
    """Give what the address itself says."""
    named = {"host": address.host, "username": address.user, "port": address.port}
    return {key: value for key, value in named.items() if value is not None}


def _may_be_read(path: str) -> bool:
    return is_file(Path(path)) and os.access(path, os.R_OK)


def _keys(said: Options) -> dict[str, object]:
    """List the private keys to offer. What the agent has is offered as well."""
    if not said.config.get("IdentityFile"):
        return {}
    there = [path for path in key_files(said) if is_file(path)]
    private = [str(path) for path in there if not read_foreign(path).startswith(_PUBLIC)]
    told: dict[str, object] = {"client_keys": private, "ignore_encrypted": True}
    if said.config.get("IdentitiesOnly"):
        named = [each for path in there for each in (path.with_name(f"{path.name}.pub"), path)]
        told["agent_identities"] = [str(path) for path in named if is_file(path)]
    return told


def _known_hosts(said: Options, address: SftpAddress) -> asyncssh.SSHKnownHosts:
    """Read the keys of hosts from where it is said, or else from the usual files."""
    own: Any = said.config.get("UserKnownHostsFile") or _USUAL_KNOWN_HOSTS
    system: Any = said.config.get("GlobalKnownHostsFile") or _SYSTEM_KNOWN_HOSTS
    tokens = _tokens(said, address)
    texts = []
    for name in [*(_expanded(each, tokens) for each in own), *system]:
        path = Path(name).expanduser()
        if is_file(path):
            texts += read_foreign(path).decode("utf-8", "replace").splitlines()
    return asyncssh.import_known_hosts("\n".join(_entries(texts)))


def _entries(lines: list[str]) -> Iterator[str]:
    """Yield those lines that are entries."""
    for line in lines:
        try:
            asyncssh.import_known_hosts(line)
        except (ValueError, asyncssh.Error):
            continue
        yield line


def _tokens(said: Options, address: SftpAddress) -> dict[str, str]:
    local = socket.gethostname()
    return {
        "%": "%",
        "d": str(Path("~").expanduser()),
        "h": str(said.host),
        "i": str(os.getuid()),
        "k": str(said.host_key_alias or address.host),
        "L": local.partition(".")[0],
        "l": local,
        "n": address.host,
        "p": str(said.port),
        "r": str(said.username),
        "u": getpass.getuser(),
    }


def _expanded(name: str, tokens: dict[str, str]) -> str:
    """Give `name` with its tokens and variables; what has no value stays as it is."""

    def value(hit: re.Match[str]) -> str:
        return tokens.get(hit[1], hit[0]) if hit[1] else os.environ.get(hit[2], hit[0])

    return _TOKEN.sub(value, name)
