"""Runs git on a repository's objects, an index and a work tree, in a git folder of our own.

So nothing that the repository's configuration, hooks or attributes name is run: the folder's configuration is
ours, with what says how contents are written (line ends, modes) taken over. Objects are written into the
repository, where they do no harm; refs and the user's index, HEAD and stash cannot even be reached.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from maos_sup.workspaces.git_look import SAFE, nobodys_environment, quoted
from maos_sup.workspaces.repository import Repository
from state_layout.errors import BadInput
from state_layout.files.looking import is_link, is_regular
from state_layout.files.reading import read_foreign

_PATIENCE_S = 600
_COPIED = ("shallow", "info/exclude", "info/attributes")
_MOST_COPIED_BYTES = 1 << 22
WHO = "maos-sup"


class GitFailed(BadInput):
    """Git gave up; the text has its words."""


class Git:
    """The object runs git with a folder of its own; a context manager. Raises GitFailed where git fails."""

    def __init__(
        self,
        repository: Repository,
        *,
        index: Path | None = None,
        work_tree: Path | None = None,
        head: str | None = None,
        writes: bool = True,
        borrows: Sequence[Path] = (),
    ) -> None:
        """With `writes` off, new objects are kept beside the repository and gone with this.

        `borrows`: folders of objects that are read as well.
        """
        self._borrows = borrows
        self._writes = writes
        self._repository, self._index, self._work_tree, self._head = repository, index, work_tree, head
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Git:
        self._scratch = tempfile.TemporaryDirectory(prefix="maos-sup-git-")
        own, common = self.folder, self._repository.common
        for inner in ("objects/info", "refs/heads", "info"):
            (own / inner).mkdir(parents=True)
        (own / "config").write_text(self._config())
        (own / "HEAD").write_text(f"{self._head}\n" if self._head else "ref: refs/heads/none\n")
        if not self._writes:
            places = [common / "objects", *self._borrows]
            (own / "objects/info/alternates").write_text("".join(f"{quoted(place)}\n" for place in places))
        for rel in _COPIED:
            path = common / rel
            if is_regular(path) and not is_link(path) and path.stat().st_size < _MOST_COPIED_BYTES:
                (own / rel).write_bytes(read_foreign(path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scratch is not None:
            self._scratch.cleanup()

    @property
    def folder(self) -> Path:
        """The git folder is our own."""
        if self._scratch is None:
            raise RuntimeError("git is used as a context manager")
        return Path(self._scratch.name)

    def run(
        self, *words: str, data: bytes | None = None, who: str = WHO, fine: Sequence[int] = (0,)
    ) -> bytes:
        """Give git's answer to `words`, given `data` on its standard input. Raises GitFailed."""
        return self.outcome(*words, data=data, who=who, fine=fine)[1]

    def text(self, *words: str, data: bytes | None = None, who: str = WHO, at: str | None = None) -> str:
        """Run git as `run` does, and give its one line, without the line feed. `at`: the time of a commit,
        as git reads it."""
        said = self.outcome(*words, data=data, who=who, fine=(0,), at=at)[1]
        return said.decode("utf-8", "surrogateescape").strip()

    def outcome(
        self,
        *words: str,
        data: bytes | None = None,
        who: str = WHO,
        fine: Sequence[int] = (0, 1),
        at: str | None = None,
    ) -> tuple[int, bytes]:
        """Exit code and output, where several codes are fine. Raises GitFailed for others."""
        place = self._work_tree
        shown = [f"--work-tree={place}"] if place else []
        argv = ["git", *SAFE, f"--git-dir={self.folder}", *shown, *words]
        try:
            done = subprocess.run(
                argv,
                env=self._environment(who, at),
                input=data if data is not None else b"",
                capture_output=True,
                timeout=_PATIENCE_S,
                check=False,
                cwd=place or self.folder,
            )
        except (OSError, subprocess.TimeoutExpired) as cause:
            raise GitFailed(f"git {words[0]} did not answer: {cause}") from cause
        if done.returncode not in fine:
            said = done.stderr.decode("utf-8", "replace").strip().replace(str(self.folder), ".git")
            raise GitFailed(f"git {words[0]}: {said or f'exit code {done.returncode}'}")
        return done.returncode, done.stdout

    def _config(self) -> str:
        lines = ["[core]", "\trepositoryformatversion = 1", "\tbare = false", "\tlogAllRefUpdates = false"]
        lines += [f"\t{key.removeprefix('core.')} = {quoted(value)}" for key, value in self._kept().items()]
        lines += ["[gc]", "\tauto = 0", "[diff]", "\tignoreSubmodules = all", "\trenames = true"]
        if self._repository.object_format != "sha1":
            lines += ["[extensions]", f"\tobjectFormat = {self._repository.object_format}"]
        return "\n".join(lines) + "\n"

    def _kept(self) -> Mapping[str, str]:
        return self._repository.settings

    def _environment(self, who: str, at: str | None) -> dict[str, str]:
        objects = self._repository.common if self._writes else self.folder
        own = {"GIT_OBJECT_DIRECTORY": str(objects / "objects"), "GIT_LITERAL_PATHSPECS": "1"}
        for role in ("AUTHOR", "COMMITTER"):
            name = who if role == "AUTHOR" else WHO
            own |= {f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": f"{name}@maos-sup.invalid"}
            own |= {} if at is None else {f"GIT_{role}_DATE": at}
        if self._writes and self._borrows:
            own["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = os.pathsep.join(
                quoted(place) for place in self._borrows
            )
        if self._index is not None:
            own["GIT_INDEX_FILE"] = str(self._index)
        return nobodys_environment() | own


def split_null(told: bytes) -> list[str]:
    """The names in what git says with `-z`."""
    return [os.fsdecode(name) for name in told.split(b"\0") if name]
