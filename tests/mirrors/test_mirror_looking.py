"""What a look at a tree misses, the next ones find: files that are overwritten while they are read."""

from __future__ import annotations

import mmap
from hashlib import sha256
from pathlib import Path

from mirrored_trees import team, work
from orchestra import wait_for

from maos_sup.mirrors.looking import Looker
from maos_sup.mirrors.mirror import Cursor


def test_a_file_that_was_read_while_it_was_overwritten_is_read_again(tmp_path: Path) -> None:
    """A write gives a file its new time before its new bytes: whoever looks between has the last time and
    not the last bytes. Writing by way of memory makes that moment as long as one likes."""
    tree = team(tmp_path / "tree")
    file = work(tree).attempt.paths.root / "checkpoint.0.json"
    path = tree.shown(file)
    file.write_bytes(b"a" * 100)
    looker = Looker(tree, Cursor())

    def look() -> str | None:
        for _ in looker.batches():
            pass
        return looker.cursor.contents.get(path)

    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as memory:
        memory[:50] = b"b" * 50
        assert look() == sha256(b"b" * 50 + b"a" * 50).hexdigest()
        before = file.stat()
        memory[50:] = b"b" * 50
        assert (file.stat().st_mtime_ns, file.stat().st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
        wait_for(lambda: look() == sha256(b"b" * 100).hexdigest(), "what it holds", deadline_s=2)
