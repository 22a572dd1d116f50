"""`maos-sup ui` at a terminal: in its background as in front, and a browser that it opens."""

from __future__ import annotations

import os
import pty
import re
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from served import serving

from state_layout.paths import Tree


def test_server_in_the_background_of_a_terminal_answers(tree: Tree) -> None:
    """`maos-sup ui &`: its first look for Enter stopped the whole process, and the page never came."""
    pid, terminal = pty.fork()
    if pid == 0:
        line = f"{sys.executable} -m maos_sup ui {tree.root} & read -r word; kill %1; wait"
        os.execvp("bash", ["bash", "-mc", line])
    try:
        said = b""
        while b"Ctrl+C" not in said:
            said += os.read(terminal, 4096)
        found = re.search(rb"http://[\d.]+:\d+/", said)
        assert found is not None, said
        for _ in range(3):  # the thread that reads the terminal began before the server did
            try:
                urllib.request.urlopen(found[0].decode(), timeout=30).close()
            except urllib.error.HTTPError as refusal:
                refusal.close()
                assert refusal.code == 401
    finally:
        os.write(terminal, b"\n")
        with suppress(
            OSError
        ):  # at its end; who closes it earlier hangs up on the shell, and the server stays
            while os.read(terminal, 4096):
                pass
        os.waitpid(pid, 0)
        os.close(terminal)


def test_key_is_in_no_command_line_of_a_browser(tree: Tree, tmp_path: Path) -> None:
    """Command lines are read by everybody: whoever was first had the page."""
    told = tmp_path / "told"
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\necho "$1" > {told}.new\ncp "${{1#file://}}" {told}.page\nmv {told}.new {told}\n'
    )
    browser.chmod(0o755)
    environment = {**os.environ, "BROWSER": f"{browser} %s", "TMPDIR": str(tmp_path)}
    with serving(str(tree.root), "--open", environment=environment) as server:
        server.come_in()  # the key that was printed is the one of the file
        door = Path(told.read_text().strip().removeprefix("file://"))
        assert "key=" not in told.read_text()
        assert server.enter in Path(f"{told}.page").read_text()
        assert door.parent.stat().st_mode & 0o077 == 0
    assert not door.parent.exists()
