"""Which files of a tree are mirrored, held against the catalogue of all files."""

from __future__ import annotations

import re

import pytest

from maos_sup.mirrors.mirror import Sort
from maos_sup.mirrors.sources import source_of
from state_layout.catalogue import ROWS, Form

WORDS = {"life": "0001", "attempt": "0003", "number": "0007", "n": "2", "sha256": "ab" * 32, "key": "limits"}
NOT_MIRRORED = ("worktree.json", "snapshots/", "run/")
EXAMPLES = [
    (
        row.form,
        re.sub(r"\{([^},]*)[^}]*\}", r"\1", re.sub(r"<(\w+)>", lambda m: WORDS.get(m[1], "bob"), path)),
    )
    for row in ROWS
    for path in row.paths
    if row.form not in (Form.FREE, Form.PASSING)
]


@pytest.mark.parametrize(("form", "path"), EXAMPLES, ids=[path for _, path in EXAMPLES])
def test_every_record_of_the_catalogue_is_followed_as_what_it_is(form: Form, path: str) -> None:
    source = source_of(path)
    if form is Form.LOCK or any(part in path for part in NOT_MIRRORED):
        assert source is None
        return
    assert source is not None
    is_peoples = path.endswith("operator.jsonl") and path.startswith("mail/")
    is_chained = form is Form.CHAINED or ".void-" in path
    assert (source.sort is Sort.LINES) == (is_chained and not is_peoples)


OTHERS = """
run/host.json agents/bob/session/x agents/bob/workspace/a/b workspaces.git/objects/ab x ../spec/a.json
agents/bob/attempts/0001/journal.jsonl.torn-1 spec/.orchestration.json.tmp-ab12 /spec/a.json spec//a.json
"""


@pytest.mark.parametrize("path", OTHERS.split())
def test_what_is_no_record_is_not_followed(path: str) -> None:
    assert source_of(path) is None
