"""What stands in lines is decoded many at once: no part of an entry may lie in another line."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_trees import make_specs

from state_layout.check.scan import FileScan
from state_layout.check.scene import Scene
from state_layout.files.chain import link

WHOLE = b'{"seq":1,"text":"a"'
# Two lines that are no objects; side by side they are two objects.
SPLIT_IN_FORM = (b'{"seq":1,"z":1},{"y":[{"a":1', b'{"seq":2,"z":1}]')


def written(path: Path, *bodies: bytes) -> Path:
    lines, h = [], ""
    for body in bodies:
        h = link(h, body)
        lines.append(b'%b,"h":"%b"}\n' % (body, h.encode()))
    path.write_bytes(b"".join(lines))
    return path


def scanned(tmp_path: Path, *bodies: bytes) -> list[object]:
    tree = make_specs(tmp_path / "tree")
    scan = FileScan(Scene(tree), written(tree.acceptances, *bodies))
    entries = []
    for passage in scan.passages():
        assert passage.first_line == passage.run.first_seq == len(entries) + 1
        entries += [entry if entry is None else entry["seq"] for entry in passage.entries]
        assert scan.line == passage.run.end.seq == len(entries)
    return entries


def test_every_line_comes_with_what_stands_in_it(tmp_path: Path) -> None:
    many = [b'{"seq":%d,"text":"%b"' % (number, b"x" * number) for number in range(1, 201)]
    assert scanned(tmp_path, *many) == [*range(1, 201)]


@pytest.mark.parametrize(
    "bodies", [(WHOLE, b'{"seq":2,"text":'), (WHOLE, b'{"seq":2,"text":NaN'), SPLIT_IN_FORM]
)
def test_what_is_no_object_by_itself_is_none(tmp_path: Path, bodies: tuple[bytes, ...]) -> None:
    first = None if bodies is SPLIT_IN_FORM else 1
    assert scanned(tmp_path, *bodies) == [first, None]
