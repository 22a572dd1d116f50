"""The verdict of the torture can find something: each promise is broken by hand in a tree that was sound."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from troupe import Troupe
from verdict import problems


@pytest.fixture
def finished(troupe: Troupe) -> Troupe:
    """A troupe that came to its end unharmed."""
    troupe.begin()
    troupe.wait_progress()
    taken = '"took will"'
    troupe.wait(lambda: (troupe.home / "wanda.jsonl").read_text().count(taken) > 2, "messages are taken")
    troupe.finish()
    troupe.wait_rest("done")
    assert problems(troupe) == []
    return troupe


def change(path: Path, edit: Callable[[list[str]], list[str]]) -> Callable[[], None]:
    """Edit the lines of a file; the way back."""
    text = path.read_text()
    path.write_text("".join(edit(text.splitlines(keepends=True))))
    return lambda: path.write_text(text) and None


def test_each_broken_promise_is_found(finished: Troupe) -> None:
    tree, home = finished.tree, finished.home
    stdout = tree.agent("will").attempt(1).stdout
    mail, journal = tree.mail_file("theo", "will"), tree.agent("theo").attempt(1).journal
    cases: list[tuple[Path, Callable[[list[str]], list[str]], str]] = [
        (stdout, lambda lines: lines[:3] + lines[4:], "lines written, not in stdout.log: 4"),
        (stdout, lambda lines: [*lines, lines[2]], "will: lines in stdout.log: doubled or out of order: 3"),
        (stdout, lambda lines: [*lines, "line 987654\n"], "lines nobody wrote: 987654"),
        (mail, lambda lines: lines[1:], "messages sent, not in the mail"),
        (
            mail,
            lambda lines: [lines[1], lines[0], *lines[2:]],
            "will to theo: messages: doubled or out of order",
        ),
        (mail, lambda lines: [*lines, lines[-1]], "will to theo: seq: doubled"),
        (tree.mail_file("will", "thea"), lambda lines: lines[:-1], "sent, in the mail"),
        (home / "wanda.jsonl", lambda lines: without(lines, "took will"), "is not how the mail begins"),
        (home / "theo.jsonl", lambda lines: [*lines, '["done", "turn", 9999]\n'], "not in the journal: 9999"),
        (journal, lambda lines: retold(lines), "turns are not each done once"),
    ]
    for path, edit, expected in cases:
        back = change(path, edit)
        found = problems(finished)
        assert any(expected in problem for problem in found), (path, expected, found)
        back()
    assert problems(finished) == []


def without(lines: list[str], kind: str) -> list[str]:
    """The ledger without the first entry of this kind."""
    first = next(index for index, line in enumerate(lines) if json.loads(line)[1] == kind)
    return lines[:first] + lines[first + 1 :]


def retold(lines: list[str]) -> list[str]:
    """The journal with its last turn told as another one, its chain mended."""
    import hashlib

    last = max(index for index, line in enumerate(lines) if '"turn":' in line)
    mended = lines[:last]
    previous = mended[-1][-15:-3]
    for index, line in enumerate(lines[last:]):
        body = line[:-21]
        if index == 0:
            body = re.sub(r'"result":\{"turn":\d+', '"result":{"turn":1', body)
        previous = hashlib.sha256((previous + body).encode()).hexdigest()[:12]
        mended.append(f'{body},"h":"{previous}"}}\n')
    return mended
