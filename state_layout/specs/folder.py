"""The spec files below one folder, each opened again only when it changed.

For `spec/` and for `supervisor/accepted/`, which look alike. `rel` is a path relative to that folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from state_layout.errors import BadInput
from state_layout.files.reading import FileVersion
from state_layout.paths import checked_name
from state_layout.specs.files import ORCHESTRATION_REL, Kinds, SpecError, SpecFile, read_spec_file, whole_file

_FRESH_NS = 100_000_000  # a file written to so short a time ago may change again within its time stamp
_Stamp = tuple[str, int, int, int, int]


class SpecFolder:
    """Reads a folder of spec files again and again. `shown` is the folder as errors name it.

    `errors` are those of the last `read` that belong to no spec file: folders that cannot be listed, names
    that will not do.
    """

    def __init__(self, root: Path, *, shown: str, kinds: Kinds, clock_ns: Callable[[], int]) -> None:
        self._root, self._shown, self._kinds, self._clock_ns = root, shown, kinds, clock_ns
        self._files: dict[str, SpecFile] = {}
        self._unsettled: set[str] = set()
        self._was_read = False
        self._stamps: list[_Stamp] = []
        self._judged: Mapping[str, str] = {}
        self._folders: tuple[FileVersion | None, ...] | None = None
        self.errors: list[SpecError] = []

    def read(
        self, *, like: Mapping[str, SpecFile] | None = None, judged: Mapping[str, str] | None = None
    ) -> dict[str, SpecFile]:
        """Read the files that are there, by rel. One with the bytes of that in `like`, or with the digest
        that `judged` has for it, a good one, is not checked again."""
        self.errors, self._stamps = [], self._stamps_in("")
        self._folders, self._judged = self._folder_stamps(), judged or {}
        found = dict[str, SpecFile]()
        for rel, version in self._listing():
            file = self._file(rel, version, (like or {}).get(rel))
            if file is not None:
                found[rel] = file
        self._files, self._was_read = found, True
        self._unsettled &= found.keys()
        return dict(found)

    def rels(self) -> set[str]:
        """List the names of what may be spec files here."""
        found = {ORCHESTRATION_REL} if os.path.lexists(f"{self._root}/{ORCHESTRATION_REL}") else set[str]()
        for folder in ("agents", "tasks"):
            with suppress(OSError):
                names = os.listdir(f"{self._root}/{folder}")  # noqa: PTH208 - names only
                found |= {f"{folder}/{name}" for name in names if _may_be_spec(name)}
        return found

    def has_changed(self) -> bool:
        """A file that `read` would look at came, went or changed since; quick, for every tick."""
        return bool(self._unsettled) or self._stamped() != self._stamps

    def has_moved(self) -> bool:
        """A file may have come or gone since the last `read`, or the orchestration changed."""
        return bool(self._unsettled) or self._folders is None or self._folders != self._folder_stamps()

    def _folder_stamps(self) -> tuple[FileVersion | None, ...] | None:
        """Read the versions of folders and orchestration; None while one may change within its time stamp."""
        found = tuple(self._version(rel) for rel in ("agents", "tasks", ORCHESTRATION_REL))
        newest_ns = max((max(each.mtime_ns, each.ctime_ns) for each in found if each is not None), default=0)
        return None if self._clock_ns() - newest_ns < _FRESH_NS else found

    def _stamped(self) -> list[_Stamp]:
        """List the stamps of folders and files: others when a file came, went or changed."""
        return [stamp for folder in ("", "/agents", "/tasks") for stamp in self._stamps_in(folder)]

    def _stamps_in(self, folder: str) -> list[_Stamp]:
        stamps = list[_Stamp]()
        with suppress(OSError), os.scandir(f"{self._root}{folder}") as entries:
            for entry in entries:
                name = entry.name
                if name.endswith(".json"):  # as `FileVersion` has them: for all files, at each look
                    found = entry.stat(follow_symlinks=False)
                    stamps.append((name, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
        return stamps

    def is_current(self, rel: str) -> bool:
        """The file `rel` is as it was at the last `read`."""
        if not self._was_read:
            return False
        version, known = self._version(rel), self._files.get(rel)
        if version is None or known is None:
            return version is None and known is None
        return rel not in self._unsettled and known.version == version

    def _version(self, rel: str) -> FileVersion | None:
        try:
            return FileVersion.of((self._root / rel).stat(follow_symlinks=False))
        except OSError:
            return None

    def _listing(self) -> Iterator[tuple[str, FileVersion]]:
        version = self._version(ORCHESTRATION_REL)
        if version is not None:
            yield ORCHESTRATION_REL, version
        for folder in ("agents", "tasks"):
            for name, found in sorted(self._entries(folder).items()):
                rel = f"{folder}/{name}"
                if rel in self._files or self._is_good_name(rel, name):
                    yield rel, found

    def _entries(self, folder: str) -> dict[str, FileVersion]:
        """Read the versions of what may be spec files in `folder`, by name; editors' leftovers are none."""
        versions, stamps = dict[str, FileVersion](), list[_Stamp]()
        try:
            with os.scandir(self._root / folder) as entries:
                for entry in entries:
                    if entry.name.endswith(".json"):
                        version = FileVersion.of(entry.stat(follow_symlinks=False))
                        stamps.append((entry.name, *version))
                        if _may_be_spec(entry.name):
                            versions[entry.name] = version
        except FileNotFoundError as cause:
            if Path(cause.filename or "").name != folder:  # an entry went between listing and look
                return self._entries(folder)
            self._refuse_folder(folder, cause)
        except OSError as cause:
            self._refuse_folder(folder, cause)
        self._stamps += stamps
        return versions

    def _refuse_folder(self, folder: str, cause: OSError) -> None:
        text = f"cannot be listed: {cause.strerror}; make it a folder that this user may read"
        self.errors.append(whole_file(f"{self._shown}/{folder}", text))

    def _is_good_name(self, rel: str, name: str) -> bool:
        try:
            checked_name(name.removesuffix(".json"), "file name")
        except BadInput as cause:
            shown = rel.encode("utf-8", "backslashreplace").decode()  # in a file the error has to be text
            self.errors.append(whole_file(f"{self._shown}/{shown}", f"is ignored: {cause}"))
            return False
        return True

    def _file(self, rel: str, version: FileVersion, like: SpecFile | None) -> SpecFile | None:
        known = self._files.get(rel)
        if known is not None and known.version == version and rel not in self._unsettled:
            return known
        file = read_spec_file(
            f"{self._root}/{rel}",
            rel=rel,
            shown=f"{self._shown}/{rel}",
            kinds=self._kinds,
            like=like,
            judged=self._judged.get(rel),
        )
        if file is None:
            return None
        if file.version is None or self._clock_ns() - max(version.mtime_ns, version.ctime_ns) < _FRESH_NS:
            self._unsettled.add(rel)
        else:
            self._unsettled.discard(rel)
        return known if known == file else file


def _may_be_spec(name: str) -> bool:
    """A file of this name may be a spec file; editors' leftovers are none."""
    return name.endswith(".json") and not name.startswith((".", "#"))
