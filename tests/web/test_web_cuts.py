"""Checkpoints on the page: what differs, what going back would do as the command says it, going back."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, keep_looks, watched
from orchestra import Orchestra
from recorded import lived, made_tree, task
from served import serving

from maos_sup.cli import main
from maos_sup.cuts.take import take_cut
from state_layout.lives.attempts import recall
from state_layout.paths import Tree

SECRET = "sk-ant-" + "s3cr3t" * 6


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Alice did one task before checkpoint 1 and spoke of a secret after it; checkpoint 2 is named."""
    made = made_tree(tmp_path, want="pause")
    lived(made, "alice", [task("count", "done", result=1)])
    take_cut(made, by="test", why="first", pinned=False)
    sent = {"to": "bob", "n": 1, "type": "info", "text": "hi"}
    lived(made, "alice", [("step", {"key": SECRET, "result": 1, "sent": [sent]})])
    take_cut(made, by="test", why="second", name="half-way", pinned=False)
    return made


def bytes_of(tree: Tree) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in tree.root.rglob("*") if path.is_file()}


def test_preview_is_that_of_a_dry_run_and_changes_nothing(
    tree: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    with serving(str(tree.root)) as server:
        server.come_in()
        base, before = f"/api/t/{server.key()}/cuts", bytes_of(tree)
        back = server.ask("GET", f"{base}/1/back").told["lines"]
        now = server.ask("GET", f"{base}/1").told["lines"]
        other = server.ask("GET", f"{base}/1?with=2").told["lines"]
        wrong = [server.ask("GET", f"{base}/{path}") for path in ("9/back", "9", "1?with=9", "x")]
        refused = server.act(server.key(), "rollback", checkpoint="1")
        assert bytes_of(tree) == before
    assert main(["rollback", str(tree.root), "1", "--dry-run"]) == 0
    assert "\n".join(back).strip() == capsys.readouterr().out.strip().replace(SECRET, "[redacted]")
    assert any(line.startswith("  alice: ") for line in back)
    assert now[0].startswith("checkpoint 1 (") and now[0].split("  ->  ")[1].startswith("now (")
    assert other[0].split("  ->  ")[1].startswith("checkpoint 2 half-way") and now[1:] == other[1:]
    assert not any(SECRET in line for line in (*now, *back, *other))
    assert [answer.status for answer in wrong] == [400] * 4
    assert refused.status == 403


def test_who_steers_goes_back_and_forward_again(tree: Tree) -> None:
    def sent() -> int:
        return recall(tree, "alice").history.sent_count

    environment = {**os.environ, "MAOS_SUP_HOME": str(tree.root.parent / "home")}
    with serving(str(tree.root), "--steer", environment=environment) as server:
        server.come_in()
        assert sent() == 1
        told = server.act(server.key(), "rollback", checkpoint="1")
        assert told.status == 200 and "what was before is checkpoint 3" in told.told["done"], told
        assert sent() == 0
        cuts = server.ask("GET", f"/api/t/{server.key()}/cuts").told["cuts"]
        assert (cuts[0]["number"], cuts[0]["by"]) == (3, "ui")
        assert server.ask("GET", f"/api/t/{server.key()}/cuts/1/back").told["lines"] == [
            "the team stands at checkpoint 1 already; there is nothing to do"
        ]
    assert main(["redo", str(tree.root), "--yes"]) == 0
    assert sent() == 1


def test_checkpoints_are_compared_and_gone_back_to_on_the_page(orchestra: Orchestra) -> None:
    orchestra.run({"alice": "echo one; echo 'discovery: it counts'"})
    orchestra.do("checkpoint", "--name", "first")
    orchestra.do("retry", "--task", "alice")
    orchestra.resume()
    orchestra.wait_rest("done", deadline_s=40)

    def looked_at(page: Any, troubles: list[str], name: str) -> None:
        page.set_default_timeout(60_000)
        page.goto(f"{page.url.partition('#')[0]}{page.evaluate('location.hash')}/cuts")
        row = page.get_by_role("row").filter(has_text=re.compile(r"^\d+ first"))
        row.get_by_role("button", name="Compare").click()
        page.get_by_text("lines in common").wait_for()
        row.get_by_role("button", name="Go back").click()
        page.get_by_text("as they were then: spec/tasks/alice.json").wait_for()
        keep_looks(page, name, looks=((1600, "light"), (360, "dark")))
        assert troubles == []

    for words in ((), ("--steer",)):
        with (
            serving(str(orchestra.root), *words, environment=orchestra.environment) as server,
            chromium() as browser,
        ):
            page = browser.new_page(viewport={"width": 1600, "height": 900})
            troubles = watched(page)
            page.goto(server.address)
            page.wait_for_selector("svg.timeline")
            looked_at(page, troubles, f"cuts-{'steered' if words else 'read'}")
            go = page.get_by_role("button", name=re.compile(r"Go back to \d+ first"))
            if words:
                go.click()
                page.get_by_text(re.compile(r"went to checkpoint \d+ first")).wait_for()
                page.get_by_role(
                    "cell", name=re.compile(r"before rollback to checkpoint \d+ first")
                ).wait_for()
            else:
                page.get_by_text("maos-sup rollback").wait_for()
                assert go.count() == 0
            assert troubles == []
    assert orchestra.task("alice")["run"] == 1


def test_fork_is_made_on_the_page_and_what_it_was_made_of_is_as_it_was(tree: Tree) -> None:
    home = tree.root.parent / "home"
    environment = {**os.environ, "MAOS_SUP_HOME": str(home)}
    with (
        serving(str(tree.root), "--steer", environment=environment) as server,
        chromium() as browser,
    ):
        page = browser.new_page()
        page.set_default_timeout(60_000)
        troubles = watched(page)
        page.goto(server.address)
        page.get_by_role("link", name="Checkpoints").click()
        page.get_by_role("button", name="Fork").last.wait_for()
        page.set_viewport_size({"width": 360, "height": 800})
        boxes = [button.bounding_box() for button in page.locator("tbody button").all()]
        assert len(boxes) == 6 and all(box and box["x"] + box["width"] <= 360 for box in boxes), boxes
        page.get_by_role("button", name="Fork").last.click()  # the oldest checkpoint is the last row
        page.get_by_text(re.compile(r"begins at checkpoint 1")).wait_for()
        assert troubles == []
    (made,) = [path for path in home.iterdir() if (path / "FORMAT").exists()]
    assert recall(Tree(made), "alice").history.sent_count == 0  # the message came after checkpoint 1
    assert recall(tree, "alice").history.sent_count == 1


def test_half_a_secret_is_not_shown_where_a_value_is_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_PASSWORD", password := "Hunter" + "2xyzzy" * 5)
    tree = made_tree(tmp_path, want="pause")
    lived(tree, "alice", [task("count", "running")])
    take_cut(tree, by="test", why="first", pinned=False)
    call = {"id": "1", "name": "bash", "input": {"command": "x" * 34 + password}}
    done = task("count", "done", result="a" * 45 + password)
    lived(tree, "alice", [("step", {"key": "k" * 50 + password, "result": 1}), ("tool_call", call), done])
    with serving(str(tree.root)) as server:
        server.come_in()
        base = f"/api/t/{server.key()}/cuts/1"
        differs = server.ask("GET", base).body.decode()
        back = server.ask("GET", f"{base}/back").body.decode()
    assert "aaaa" in differs and "kkkk" in differs and "xxxx" in back
    assert "Hunt" not in differs + back
