"""Does what goes wrong with files: the hands, for the tests of `check` and `repair`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from state_layout.files import codec
from state_layout.files.chain import ORIGIN, chained, link

Fields = list[dict[str, Any]]


def lines_of(path: Path) -> list[bytes]:
    """The lines of a file, without their line feeds."""
    return path.read_bytes().split(b"\n")[:-1]


def put_lines(path: Path, lines: list[bytes]) -> None:
    """Write lines back in place: inode and mode stay."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def edit(path: Path, number: int, old: bytes, new: bytes) -> None:
    """Edit line `number` by hand."""
    lines = lines_of(path)
    assert old in lines[number - 1], lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new)
    put_lines(path, lines)


def rearrange(path: Path, order: Callable[[list[bytes]], list[bytes]]) -> None:
    """Move, repeat, drop or add lines as they are."""
    put_lines(path, order(lines_of(path)))


def rewrite(path: Path, change: Callable[[Fields], Fields]) -> None:
    """Write a file anew as a writer with other ideas would have: whole, its chain right."""
    fields = [codec.decode_object(line) for line in lines_of(path)]
    for each in fields:
        del each["h"]
    position, lines = ORIGIN, []
    for each in change(fields):
        line = chained(position, each)
        position = line.end
        lines.append(line.raw)
    put_lines(path, lines)


def changed(number: int, **fields: Any) -> Callable[[Fields], Fields]:
    """For `rewrite`: set keys of line `number`, or remove them (None)."""

    def change(lines: Fields) -> Fields:
        lines[number - 1] = {
            key: item for key, item in {**lines[number - 1], **fields}.items() if item is not None
        }
        return lines

    return change


def append_chained(path: Path, body: bytes) -> None:
    """Append a line whose chain is right, whatever its body."""
    last = lines_of(path)[-1][-14:-2].decode()
    append(path, body + b',"h":"' + link(last, body).encode() + b'"}\n')


def append(path: Path, data: bytes) -> None:
    """Append bytes, as a torn write or a person does."""
    with path.open("ab") as file:
        file.write(data)


def cut(path: Path, count: int) -> None:
    """Take `count` bytes from the end."""
    os.truncate(path, path.stat().st_size - count)


def zero(path: Path, number: int) -> None:
    """Fill line `number` with zeros, its line feed included, as a lost page does."""
    lines = lines_of(path)
    offset = sum(len(line) + 1 for line in lines[: number - 1])
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(len(lines[number - 1]) + 1))


def drop_last(path: Path, count: int = 1) -> None:
    """Remove whole lines from the end."""
    rearrange(path, lambda lines: lines[:-count])


def replace_by_link(path: Path, outside: Path) -> None:
    """Move a file or folder to `outside` and leave a symbolic link."""
    path.rename(outside)
    path.symlink_to(outside)


def replace_by_pipe(path: Path) -> None:
    """Put a pipe in the place of a file."""
    path.unlink()
    os.mkfifo(path, 0o600)


def replace_by_folder(path: Path) -> None:
    """Put a folder in the place of a file."""
    path.unlink()
    path.mkdir(0o700)


def remove(path: Path) -> None:
    """Delete a file or a folder with all in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
