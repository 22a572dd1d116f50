"""A report: one file, small, readable without script and network, in which nobody's words are markup."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from recorded import answer, asked, lived, made_tree, task
from team_of_eight import HOSTILE

from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.cli import main
from maos_sup.projection.reading import Reading
from maos_sup.report.making import MOST_BYTES, report_of
from state_layout.files import atomic
from state_layout.mail.operator_mail import append_operator_message
from state_layout.paths import Tree

SECRET = "sk-ant-" + "s3cr3t" * 6
_ELEMENTS = frozenset(
    {"html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "article", "p"}
    | {"h1", "h2", "h3", "dl", "div", "dt", "dd", "span", "b", "i", "ul", "li", "details", "summary", "pre"}
    | {"table", "thead", "tbody", "tr", "th", "td", "svg", "g", "rect", "line", "path", "circle", "text"}
)


class Elements(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names, self.attributes = set[str](), list[tuple[str, str | None]]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs


def told(tree: Tree, *, is_markdown: bool = False, redact: Callable[[object], object] | None = None) -> str:
    reading = Reading(tree) if redact is None else Reading(tree, redact=redact)
    return report_of(reading, name="T", now_s=time.time(), is_markdown=is_markdown)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A run in which whoever may say something says something hostile."""
    made = made_tree(
        tmp_path,
        {
            "alice": {"kind": "command", "command": ["true"], "role": HOSTILE},
            "bob": {"kind": "command", "command": ["true"]},
        },
        {
            "count": {"agent": "alice", "description": HOSTILE},
            "report": {"agent": "bob", "description": "Report", "needs": ["count"]},
        },
        request=HOSTILE,
    )
    sent = {"to": "bob", "n": 1, "type": "discovery", "text": HOSTILE}
    lines = [
        task("count", "running"),
        (
            "asked",
            {
                "task": "count",
                "run": 1,
                "question": "alice-1",
                "text": f"May alice run {HOSTILE} with {HOSTILE}?",
            },
        ),
        asked("count", "k"),
        answer("count", "k", model=HOSTILE),
        ("artifact", {"path": "page.html"}),
        task("count", "failed", error=HOSTILE, result=HOSTILE, sent=[sent]),
    ]
    lived(made, "alice", lines)
    atomic.make_folder(made.agent("alice").artifacts)
    (made.agent("alice").artifacts / "page.html").write_text(HOSTILE)
    append_operator_message(made, "bob", text=HOSTILE, body=None, type="info")
    return made


def test_nobodys_words_are_markup(tree: Tree) -> None:
    page = told(tree)
    found = Elements(page)
    assert found.names <= _ELEMENTS, found.names - _ELEMENTS
    assert not [
        name for name, _ in found.attributes if name.startswith("on") or name in ("href", "src", "style")
    ]
    assert "alert(1)" in page  # it was there, as text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", page)
    assert "[31m" not in page


def test_page_needs_no_network_and_no_script(tree: Tree) -> None:
    page = told(tree)
    assert any("default-src 'none'" in str(value) for _, value in Elements(page).attributes)
    assert "@import" not in page and "url(" not in page
    assert not [value for _, value in Elements(page).attributes if value and "//" in value]


def test_markdown_has_no_element_link_or_mention_of_others(tree: Tree) -> None:
    text = told(tree, is_markdown=True)
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", text)
    assert not re.search(r"(?<!\\)<(?!/?(details|summary)>)", outside)
    assert "\x1b" not in text


def test_fence_is_longer_than_any_in_the_text() -> None:
    from maos_sup.report.markdown_page import escaped, fenced

    assert fenced("a\n````\nb").startswith("`````text\n")
    assert escaped("@all [x](http://y) | <b>") == "\\@\u200ball \\[x\\](http:\u200b//y) \\| \\<b\\>"


def test_markdown_has_nothing_that_hosts_of_pull_requests_make_links_of() -> None:
    from maos_sup.report.markdown_page import escaped

    shown = escaped("see https://x.example, WWW.x.example, ann@x.example, @ann")
    assert not re.search(r"://|www\.|@\w", shown, re.IGNORECASE)


def test_clock_that_leapt_by_years_draws_few_lines(tmp_path: Path) -> None:
    """A clock that was wrong by decades for a moment gave a line for each week of them."""
    made = made_tree(tmp_path)
    attempt = lived(made, "alice", [task("count", "running"), task("count", "done")])
    ended = made.agent("alice").attempt(attempt.number).exit
    ended.write_text(re.sub(r'"at":\s*"\d{4}', '"at":"2099', ended.read_text()))
    assert 2 <= told(made).count('class="tick"') <= 9


def test_tree_in_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    made = made_tree(tmp_path)
    question = {"task": "count", "run": 1, "question": "alice-1", "text": "Which licence?"}
    lived(made, "alice", [task("count", "running"), ("asked", question)])
    moved = Tree(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    made.root.rename(moved.root)
    page = report_of(Reading(moved), name=str(moved.root), now_s=time.time())
    assert b"alice-1" in page.encode()


@pytest.mark.parametrize("command", ["report", "metrics"])
def test_output_takes_the_place_of_a_file_alone(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """`-o /dev/null`, asked by root, made a file of that device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert main([command, str(tree.root), "-o", str(pipe)]) == 2
    assert "no file" in capsys.readouterr().err
    assert pipe.is_fifo()


def test_secrets_are_left_out_wherever_they_were_said(tmp_path: Path) -> None:
    tree = made_tree(tmp_path, request=f"Use {SECRET}")
    long = "x" * 11_990 + SECRET  # at the place where texts are shortened
    lived(
        tree,
        "alice",
        [task("count", "running"), ("artifact", {"path": "a"}), task("count", "done", result=long)],
    )
    atomic.make_folder(tree.agent("alice").artifacts)
    (tree.agent("alice").artifacts / "a").write_text(long + " mypassword1")
    append_operator_message(tree, "bob", text=SECRET, body={"key": SECRET}, type="info")
    redact = Redactor({"DB_PASSWORD": "mypassword1"}).value
    for is_markdown in (False, True):
        text = told(tree, is_markdown=is_markdown, redact=redact)
        assert "s3cr3t" not in text and "mypassword1" not in text
        assert "[redacted]" in text.replace("\\", "")


def test_report_of_a_large_run_stays_small(tmp_path: Path) -> None:
    tasks = {f"t{n}": {"agent": "alice", "description": "D" * 3000} for n in range(160)}
    tree = made_tree(tmp_path, {"alice": {"kind": "command", "command": ["true"]}}, tasks)
    lived(tree, "alice", [task(name, "done", result="<" * 15_000) for name in tasks])
    page = told(tree)
    assert 100_000 < len(page.encode()) < MOST_BYTES
    assert "t159" in page
    assert len(told(tree, is_markdown=True).encode()) < 65_000


def test_artifact_that_leads_out_of_its_folder_is_not_shown(tmp_path: Path) -> None:
    tree = made_tree(tmp_path)
    (tmp_path / "secret").write_text("outside")
    lived(
        tree,
        "alice",
        [
            ("artifact", {"path": "link"}),
            ("artifact", {"path": "../status.json"}),
            ("artifact", {"path": "b"}),
        ],
    )
    folder = tree.agent("alice").artifacts
    atomic.make_folder(folder)
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "b").write_bytes(b"\xff\xfe\x00")
    page = told(tree)
    assert "outside" not in page and page.count("no text; it lies in") == 3


def test_command_writes_one_file_of_a_copy_without_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    tree = made_tree(tmp_path)
    lived(tree, "alice", [task("count", "done", result="two")])
    shutil.copytree(tree.root, tmp_path / "copy", ignore=shutil.ignore_patterns("run"))
    before = sorted(os.walk(tmp_path / "copy"))
    assert main(["report", str(tmp_path / "copy")]) == 0
    assert sorted(os.walk(tmp_path / "copy")) == before
    assert "two" in (tmp_path / "copy.html").read_text()
    assert capsys.readouterr().out.startswith("copy.html: ")
    assert main(["report", str(tmp_path / "copy"), "--md", "-o", "-"]) == 0
    assert capsys.readouterr().out.startswith("# Audit this\n")


@pytest.mark.parametrize("output", [".", "nowhere/r.html"])
def test_place_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    tree = made_tree(tmp_path)
    assert main(["report", str(tree.root), "-o", output]) == 2
    assert "--output is" in capsys.readouterr().err
