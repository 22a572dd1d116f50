"""Lists what may lie in place of a file or folder: bytes that are no record, things that are no file.

The corpus lies beside this module; what is too large to keep is made here. A torment is applied to one path
of a tree; `elsewhere` is a folder outside, which nobody may write to and whose secret nobody may print.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
SECRET = "the-secret-that-lies-outside"
Torment = Callable[[Path, Path], None]  # of a path of the tree, with `elsewhere`


def corpus() -> dict[str, bytes]:
    """The small files, by name."""
    return {path.stem: path.read_bytes() for path in sorted((CORPUS / "json").glob("*.json"))}


def large() -> dict[str, bytes]:
    """Make what is too large to keep."""
    return {
        "nested_too_deeply": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "many_keys": b"{" + b",".join(b'"k%d":1' % number for number in range(20_000)) + b"}",
        "long_line": b'{"text":"' + b"x" * 3_000_000 + b'"}\n',
        "long_number": b'{"attempt":' + b"9" * 100_000 + b"}",
        "many_lines": b'{"text":1}\n' * 50_000,
    }


def naughty() -> list[str]:
    """Names and texts that break programs."""
    return [json.loads(line) for line in (CORPUS / "naughty.jsonl").read_text("ascii").splitlines()]


# -- bytes


def filled(data: bytes) -> Torment:
    """These bytes in its place; without effect on a folder."""

    def apply(path: Path, elsewhere: Path) -> None:
        if not path.is_dir():
            path.write_bytes(data)

    return apply


def cut(path: Path, elsewhere: Path) -> None:
    """Ends in its middle."""
    if path.is_file():
        os.truncate(path, path.stat().st_size // 2)


def doubled(path: Path, elsewhere: Path) -> None:
    """There twice, one after the other."""
    if path.is_file():
        path.write_bytes(path.read_bytes() * 2)


def zeroed(path: Path, elsewhere: Path) -> None:
    """As long as before, all zeros."""
    if path.is_file():
        path.write_bytes(bytes(path.stat().st_size))


def sparse(path: Path, elsewhere: Path) -> None:
    """Made very long: a hole follows what is there."""
    if path.is_file():
        os.truncate(path, path.stat().st_size + (1 << 23))


# -- what is no file, or no folder


def gone(path: Path, elsewhere: Path) -> None:
    """Not there."""
    _remove(path)


def as_the_other(path: Path, elsewhere: Path) -> None:
    """A folder where a file was, a file where a folder was."""
    was_folder = path.is_dir()
    _remove(path)
    path.write_bytes(b"{}") if was_folder else path.mkdir()


def link_out(path: Path, elsewhere: Path) -> None:
    """A link to a file or folder outside of the tree."""
    target = elsewhere / ("folder" if path.is_dir() else "secret.txt")
    _remove(path)
    path.symlink_to(target)


def link_to_new(path: Path, elsewhere: Path) -> None:
    """A link to a place outside where nothing is yet: whoever writes through it makes it."""
    _remove(path)
    path.symlink_to(elsewhere / "new")


def link_loop(path: Path, elsewhere: Path) -> None:
    """A link to itself."""
    _remove(path)
    path.symlink_to(path.name)


def link_up(path: Path, elsewhere: Path) -> None:
    """A link to the folder it is in: whoever follows it goes round."""
    _remove(path)
    path.symlink_to(".")


def pipe(path: Path, elsewhere: Path) -> None:
    """A FIFO that nobody writes to: whoever opens it waits."""
    _remove(path)
    os.mkfifo(path, 0o600)


def listening(path: Path, elsewhere: Path) -> None:
    """A socket."""
    _remove(path)
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(path.parent, os.O_RDONLY)
        try:
            made.bind(f"/proc/self/fd/{here}/{path.name}"[:107])
        finally:
            os.close(here)


def endless(path: Path, elsewhere: Path) -> None:
    """A link to a device that never ends."""
    _remove(path)
    path.symlink_to("/dev/zero")


def terminal(path: Path, elsewhere: Path) -> None:
    """A link to the terminal of whoever reads it."""
    _remove(path)
    path.symlink_to("/dev/tty")


def closed(path: Path, elsewhere: Path) -> None:
    """Not to be read (but for root, who may all)."""
    if not path.is_symlink() and path.exists():
        path.chmod(0)


def wide_open(path: Path, elsewhere: Path) -> None:
    """For everybody."""
    if not path.is_symlink() and path.exists():
        path.chmod(0o777)


def from_the_past(path: Path, elsewhere: Path) -> None:
    """Last written before there were computers."""
    if path.exists():
        os.utime(path, ns=(-(9 * 10**18), -(9 * 10**18)), follow_symlinks=False)


def from_the_future(path: Path, elsewhere: Path) -> None:
    """Last written in a year that no calendar here can hold."""
    if path.exists():
        os.utime(path, (10**13, 10**13), follow_symlinks=False)


SHAPES: tuple[Torment, ...] = (
    *(cut, doubled, zeroed, sparse, gone, as_the_other, link_out, link_to_new, link_loop, link_up, pipe),
    *(listening, endless, terminal, closed, wide_open, from_the_past, from_the_future),
)


def torments() -> dict[str, Torment]:
    """All of them by name."""
    made = {name: filled(data) for name, data in {**corpus(), **large()}.items()}
    return made | {shape.__name__: shape for shape in SHAPES}


def places(root: Path) -> Iterator[str]:
    """Every path of a tree that may be put to it, relative to `root`; the free folders of agents aside."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in ("workspace", "artifacts", "session", "files")]
        for name in [*folders, *names]:
            yield str((Path(folder) / name).relative_to(root))


def make_elsewhere(folder: Path) -> Path:
    """The folder outside."""
    (folder / "folder").mkdir(parents=True)
    (folder / "secret.txt").write_text(SECRET)
    (folder / "folder" / "secret.json").write_text(f'{{"text": "{SECRET}"}}')
    return folder


def footprint(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything in `folder`: mode and content, for comparison."""
    found = {}
    for path in sorted(folder.rglob("*")):
        seen = path.lstat()
        found[str(path)] = (seen.st_mode, path.read_bytes() if path.is_file() else b"")
    return found


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
