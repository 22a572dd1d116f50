"""Mirrors in trouble: locked by others, added twice by other words, asked for a rebuild that cannot be."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from databases import postgres_database, redis_database
from mirrored_trees import ID, bring_up_to_date, team
from orchestra import Orchestra
from processes import is_running

from maos_sup.cli import main
from maos_sup.mirrors.registry import open_mirror
from maos_sup.mirrors.standing import standing_of
from maos_sup.system.followers import end_follower
from maos_sup.views.mirrored import mirror_line, mirrors_told
from state_layout.host.mirrored import Mirrored, add_mirror, mirrors_of, status_of_mirror
from state_layout.paths import Tree
from state_layout.witness import id_of

LONG = "while [ ! -e $OUT/enough ]; do echo more; sleep 0.05; done"
AT = "2026-11-30T08:00:00.000000Z"


def test_a_lock_of_another_session_is_said_and_waited_out(orchestra: Orchestra) -> None:
    import psycopg

    with postgres_database(orchestra.folder) as database:
        orchestra.start({"bob": LONG})
        orchestra.cli("mirror", "add", str(orchestra.root), database.url, "--name", "far", expect=0)

        def told() -> Any:
            return status_of_mirror(orchestra.tree, "far")

        orchestra.wait(lambda: told()["state"] == "following", "a follower")
        with psycopg.connect(database.url) as other:
            other.execute("LOCK TABLE maos.mirrored_file, maos.mirrored_tree IN ACCESS EXCLUSIVE MODE")
            status = orchestra.cli("mirror", "status", str(orchestra.root), "--json", expect=0)
            (row,) = json.loads(status.stdout)["mirrors"]
            assert "another session has held a lock" in row["trouble"] and row["lag_bytes"] is None
            trouble = orchestra.wait(lambda: told()["state"] == "waiting" and told()["trouble"], "trouble")
            assert "another session has held a lock" in trouble
        orchestra.wait(lambda: told()["state"] == "following" and not told()["trouble"], "following again")
        orchestra.say("enough")
        orchestra.wait_rest("done")
        orchestra.wait(lambda: told()["pid"] is None, "the end of the follower")
        verdict = json.loads(
            orchestra.cli("mirror", "verify", str(orchestra.root), "--json", expect=0).stdout
        )
        assert verdict["equal"], verdict


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """A tree at rest; the followers of its mirrors are ended after the test."""
    made = team(tmp_path / "tree")
    yield made
    for each in mirrors_of(made):
        end_follower(made, each.name)


def refused_twice(capsys: pytest.CaptureFixture[str], root: Path, *urls: str) -> None:
    """The first URL is taken; each of the others is refused, and the first one's name is told."""
    assert main(["mirror", "add", str(root), urls[0], "--name", "first"]) == 0
    for number, url in enumerate(urls[1:]):
        assert main(["mirror", "add", str(root), url, "--name", f"again-{number}"]) == 2
        error = capsys.readouterr().err
        assert "mirror first" in error and "this very database" in error, error


def test_a_file_is_one_mirror_whatever_leads_to_it(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "runs.db"
    (tmp_path / "folder").symlink_to(tmp_path)
    (tmp_path / "link.db").symlink_to(file)
    open_mirror(f"sqlite:{file}", "other", may_make=True).close()
    os.link(file, tmp_path / "hard.db")
    others = [f"sqlite:{tmp_path}/{name}" for name in ("folder/runs.db", "link.db", "hard.db")]
    refused_twice(capsys, tree.root, f"sqlite:{file}", f"sqlite://{file}", *others)
    assert main(["mirror", "add", str(tree.root), f"sqlite:{tmp_path}/another.db", "--name", "more"]) == 0
    assert [each.name for each in mirrors_of(tree)] == ["first", "more"]


def test_a_part_of_an_id_is_enough_to_look_at_mirrors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path))
    made, newest = team(tmp_path / "20261130-0730-audit-b5gk"), team(tmp_path / "20261130-0801-sort-7f3k")
    add_mirror(made, Mirrored(name="runs", url=f"sqlite:{tmp_path / 'runs.db'}"))
    add_mirror(newest, Mirrored(name="sort", url=f"sqlite:{tmp_path / 'sort.db'}"))
    for word, name in (("0730", "runs"), ("sort", "sort"), (made.root.name, "runs")):
        assert main(["mirror", "status", word, "--json"]) == 0
        assert [each["name"] for each in json.loads(capsys.readouterr().out)["mirrors"]] == [name]
    assert main(["mirror", "status", "gone"]) == 2
    assert "no mirror 'gone' of this orchestration; there are: sort" in capsys.readouterr().err
    assert main(["mirror", "rm", "0730"]) == 2  # what is removed is named in full
    assert [each.name for each in mirrors_of(made)] == ["runs"]


def test_a_server_s_database_is_one_mirror_whatever_url_leads_to_it(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_database(tmp_path) as database, postgres_database(tmp_path) as other:
        monkeypatch.setenv("RUNS", database.url)
        urls = [database.url.replace("postgresql:", "postgres:"), f"{database.url}&connect_timeout=5"]
        urls.append(f"{database.url}&options=-c%20timezone%3DAsia/Tokyo")
        refused_twice(capsys, tree.root, database.url, *urls, "$RUNS")
        assert main(["mirror", "add", str(tree.root), other.url, "--name", "more"]) == 0
    assert [each.name for each in mirrors_of(tree)] == ["first", "more"]


def test_a_number_of_a_redis_server_is_one_mirror(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with redis_database(tmp_path) as database:
        base = database.url.partition("?")[0]
        refused_twice(capsys, tree.root, f"{base}?db=3", f"{base}?db=3&health_check_interval=9")
        assert main(["mirror", "add", str(tree.root), f"{base}?db=4", "--name", "more"]) == 0


def test_a_rebuild_that_cannot_reach_the_database_leaves_its_follower_alone(
    orchestra: Orchestra, tmp_path: Path
) -> None:
    orchestra.environment["RUNS"] = f"sqlite:{tmp_path / 'runs.db'}"
    orchestra.start({"bob": LONG})
    orchestra.cli("mirror", "add", str(orchestra.root), "$RUNS", expect=0)
    pid = orchestra.wait(lambda: status_of_mirror(orchestra.tree, "runs")["pid"], "a follower")
    del orchestra.environment["RUNS"]
    assert orchestra.cli("mirror", "rebuild", str(orchestra.root)).returncode == 2
    assert is_running(pid)
    orchestra.say("enough")
    orchestra.wait_rest("done")


LINES = [
    ("following", True, 0, None, "up to date"),
    ("following", True, 7, None, "7 bytes behind"),
    ("following", False, 7, None, f"nobody follows now; it was 7 bytes behind at {AT}"),
    ("following", False, 0, None, f"nobody follows now; it was up to date at {AT}"),
    ("ended", False, 0, None, f"nobody follows now; it was up to date at {AT}"),
    ("ended", False, 7, "taken over", f"nobody follows now; it was 7 bytes behind at {AT}; taken over"),
    ("waiting", True, 7, "is down", "x.db): 7 bytes and 2 s behind: is down"),
    ("waiting", False, 7, "is down", f"nobody follows now; it was 7 bytes and 2 s behind at {AT}: is down"),
    ("following", None, 7, None, f"cannot be seen from here; it was 7 bytes behind at {AT}"),
]


@pytest.mark.parametrize(("state", "alive", "lag", "trouble", "words"), LINES)
def test_of_a_mirror_nobody_follows_is_said_how_far_it_was(
    state: str, *, alive: bool | None, lag: int, trouble: str | None, words: str
) -> None:
    line = mirror_line(
        {
            "name": "far",
            "url": "sqlite:/x.db",
            "state": state,
            "alive": alive,
            "lag_bytes": lag,
            "lag_s": 2.0,
            "trouble": trouble,
            "at": AT,
        }
    )
    assert line.endswith(words), line


def test_a_mirror_of_which_nobody_told_is_called_neither_up_to_date_nor_behind(tmp_path: Path) -> None:
    tree = team(tmp_path / "tree", id_=ID)
    add_mirror(tree, Mirrored(name="far", url=f"sqlite:{tmp_path}/x.db"))
    (told,) = mirrors_told(tree)
    assert "nobody has told yet how far it is" in mirror_line(told)


def test_what_people_wrote_since_is_behind_though_no_journal_grew(tree: Tree, tmp_path: Path) -> None:
    mirrored = Mirrored(name="far", url=f"sqlite:{tmp_path}/x.db")
    with closing(open_mirror(mirrored.url, id_of(tree), may_make=True)) as mirror:
        bring_up_to_date(mirror, tree)
    assert standing_of(tree, mirrored)["state"] == "up to date"
    assert main(["send", str(tree.root), "bob", "hello"]) == 0
    told = standing_of(tree, mirrored)
    assert told["state"] == "behind" and told["lag_bytes"], told
