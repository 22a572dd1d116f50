"""Which orchestrations a server shows, and what it says of one that goes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from recorded import lived, made_tree, task
from served import serving


def test_tree_that_is_removed_while_it_is_shown_is_said_to_be_gone(tmp_path: Path) -> None:
    tree = made_tree(tmp_path / "home")
    lived(tree, "alice", [task("count", "done", result=1)])
    with serving(environment={**os.environ, "MAOS_SUP_HOME": str(tmp_path / "home")}) as server:
        server.come_in()
        path = f"/api/t/{server.key()}/board"
        assert server.ask("GET", path).status == 200
        shutil.rmtree(tree.root)
        assert server.ask("GET", path).status in (404, 409)
        assert server.ask("GET", "/api/trees").told["trees"] == []


def test_given_tree_that_is_removed_stays_in_the_list_as_unreadable(tmp_path: Path) -> None:
    tree = made_tree(tmp_path)
    with serving(str(tree.root)) as server:
        server.come_in()
        key = server.key()
        shutil.rmtree(tree.root)
        answer = server.ask("GET", f"/api/t/{key}/board")
        assert (answer.status, "not there any more" in answer.told["error"]) == (409, True)
        assert server.ask("GET", "/api/trees").told["trees"][0]["phase"] == "unreadable"


def test_nothing_is_said_of_the_checkpoints_of_a_tree_that_is_gone(tmp_path: Path) -> None:
    tree = made_tree(tmp_path)
    with serving(str(tree.root), "--steer") as server:
        server.come_in()
        key = server.key()
        tree.root.rename(tmp_path / "away")
        paths = ("cuts", "cuts/1", "cuts/1/back", "messages", "costs", "head")
        told = [server.ask("GET", f"/api/t/{key}/{path}") for path in paths]
        told.append(server.act(key, "rollback", checkpoint="1"))
    assert [(answer.status, "not there any more" in answer.told["error"]) for answer in told] == [
        (409, True)
    ] * len(told)


def test_tree_in_a_folder_whose_name_is_no_text_is_shown(tmp_path: Path) -> None:
    tree = made_tree(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")))
    with serving(str(tree.root)) as server:
        server.come_in()
        key = server.key()
        assert server.ask("GET", f"/api/t/{key}/board").told["head"]["directory"].count("?") == 1
        assert server.ask("GET", "/metrics").status == 200
        tree.orchestration_spec.unlink()
        shutil.rmtree(tree.root)
        answer = server.ask("GET", f"/api/t/{key}/board")
        assert (answer.status, "caf?" in answer.told["error"]) == (409, True)
