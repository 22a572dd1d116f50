"""Says where backups are kept, as commands are told: the options they share, and the repository that is
meant.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from maos_sup.cli.options import Decorator
from maos_sup.cli.says import say_aside
from state_layout.errors import BadInput, Damaged
from state_layout.files.looking import exists
from state_layout.paths import Tree

if TYPE_CHECKING:
    from maos_sup.backups.bucket import BucketStore
    from maos_sup.backups.repository import BackupRepository
    from maos_sup.backups.store import BackupStore

VARIABLE = "MAOS_SUP_BACKUPS"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SUPPORTED = "backups go to a folder, to sftp://USER@HOST/PATH or to s3://BUCKET/PREFIX"

repository_option: Decorator = click.option(
    "--to",
    "--repo",
    "repo",
    metavar="REPO",
    envvar=VARIABLE,
    help=f"Where backups are: a folder, sftp://USER@HOST/PATH, s3://BUCKET/PREFIX; or set {VARIABLE}.",
)
identity_option: Decorator = click.option(
    "--identity", metavar="FILE", type=click.Path(path_type=Path), help="Your age or ssh private key."
)


def opened(repo: str | None, identity: Path | None) -> BackupRepository:
    """The repository that is meant. Raises BadInput if there is none."""
    store = _store(repo)
    from maos_sup.backups.repository import BackupRepository

    found = BackupRepository.opened(store, identity=identity)
    found.note = lambda text: say_aside(f"note: {text}")
    return found


def begun(
    repo: str | None, identity: Path | None, recipients: tuple[str, ...], trees: list[Tree]
) -> BackupRepository:
    """The repository that is meant, made if there is none."""
    store = _store(repo, may_make=True, trees=trees)
    from maos_sup.backups.repository import BackupRepository

    try:
        return BackupRepository.begun(store, recipients=recipients, identity=identity)
    except ImportError as cause:
        raise _not_installed(cause) from cause


def _store(repo: str | None, *, may_make: bool = False, trees: list[Tree] | None = None) -> BackupStore:
    if not repo:
        raise BadInput(f"say where the backups are: --to REPO, or set {VARIABLE}")
    if repo.startswith("s3:"):
        return bucket_of(repo)
    if repo.startswith("sftp:"):
        return _elsewhere(repo, may_make=may_make)
    scheme = _SCHEME.match(repo)
    if scheme is not None and not exists(Path(repo)):
        raise BadInput(f"{_shown(repo)}: {scheme[1]} is not supported; {_SUPPORTED}")
    try:
        from maos_sup.backups.folder import FolderStore, refuse_strange
        from maos_sup.backups.repository import MARKER
    except ImportError as cause:
        raise _not_installed(cause) from cause
    root = Path(repo).expanduser().absolute()
    for tree in trees or ():
        if root.resolve().is_relative_to(tree.root.resolve()):
            raise BadInput(f"{root}: lies inside of what is to be backed up; name a folder outside of it")
    if may_make and not exists(root / MARKER):
        try:
            refuse_strange(root)
        except Damaged as cause:
            raise BadInput(str(cause)) from cause
    return FolderStore(root)


def _elsewhere(repo: str, *, may_make: bool) -> BackupStore:
    """The folder of another host that sftp://USER@HOST/PATH names. Raises BadInput, StorageError."""
    try:
        from maos_sup.backups.repository import MARKER
        from maos_sup.backups.sftp import SftpStore
    except ImportError as cause:
        raise _not_installed(cause, extra="sftp") from cause
    store = SftpStore(repo.rstrip("/"))
    click.get_current_context().call_on_close(store.close)
    if may_make and store.get(MARKER) is None:
        store.refuse_strange()
    return store


def bucket_of(repo: str) -> BucketStore:
    """The bucket that s3://BUCKET/PREFIX names. Raises BadInput."""
    if not repo.startswith("s3:"):
        raise BadInput(f"{_shown(repo)}: is no bucket; use s3://BUCKET/PREFIX")
    try:
        from maos_sup.backups.bucket import BucketStore
    except ImportError as cause:
        raise _not_installed(cause, extra="s3") from cause
    return BucketStore(repo.rstrip("/"), os.environ)


def _not_installed(cause: ImportError, *, extra: str = "archive") -> BadInput:
    return BadInput(f"{cause.name} is not installed; in a checkout: pip install '.[{extra}]'")


def _shown(repo: str) -> str:
    """Show `repo` without a password."""
    try:
        host = urlsplit(repo).netloc
    except ValueError:
        return repo.partition(":")[0]
    return repo.replace(host, host.rpartition("@")[2], 1) if "@" in host else repo


def sweep_of(repository: BackupRepository) -> Callable[[], int]:
    """Find the function that removes leftovers of killed processes, where the store has such."""
    sweep: Callable[[], int] = getattr(repository.store, "remove_leftovers", lambda: 0)
    return sweep
