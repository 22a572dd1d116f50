"""Mirrors in servers: killed with or without their followers, asked by others, expired."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import (
    PostgresDatabase,
    RedisDatabase,
    opened,
    postgres_database,
    redis_database,
)
from mirrored_trees import ID, bring_up_to_date, broken_team, difference, team, work
from orchestra import Orchestra

from maos_sup.mirrors.mirror import MirrorTrouble
from maos_sup.mirrors.registry import open_mirror
from state_layout.host.mirrored import status_of_mirror

TALKATIVE = (
    "i=0; while [ ! -e $OUT/enough ]; do i=$((i+1)); echo line $i; "
    'echo "{\\"progress\\": 0.1, \\"note\\": \\"$i\\"}" >&$MAOS_CONTROL_FD; sleep 0.02; done'
)
ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "3"))
SERVERS = {"postgres": postgres_database, "redis": redis_database}


@pytest.fixture(params=sorted(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PostgresDatabase | RedisDatabase]:
    with SERVERS[request.param](tmp_path) as made:
        yield made


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisDatabase]:
    with redis_database(tmp_path) as made:
        yield made


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[PostgresDatabase]:
    with postgres_database(tmp_path) as made:
        yield made


def told_by_verify(orchestra: Orchestra) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        orchestra.cli("mirror", "verify", str(orchestra.root), "--json", expect=0).stdout
    )
    return told


def test_server_and_follower_are_killed_and_nothing_is_missing_or_doubled(
    orchestra: Orchestra, server: PostgresDatabase | RedisDatabase
) -> None:
    orchestra.start({"bob": TALKATIVE, "eve": TALKATIVE})
    orchestra.cli("mirror", "add", str(orchestra.root), server.url, "--name", "far", expect=0)

    def told() -> Any:
        return status_of_mirror(orchestra.tree, "far")

    chance = random.Random(7)
    for number in range(ROUNDS):
        seen = orchestra.wait(lambda: told()["state"] == "following" and told()["pid"], "a follower")
        time.sleep(chance.uniform(0, 0.3))
        if number % 3 != 1:
            server.server.kill()
        if number % 3 != 0:
            os.kill(seen, signal.SIGKILL)
        if number % 3 != 1:
            orchestra.wait(lambda: told()["state"] == "waiting" and told()["pid"], "trouble in the status")
            server.server.start()
        else:
            orchestra.wait(lambda seen=seen: told()["pid"] not in (None, seen), "another follower")
        orchestra.wait(lambda: told()["state"] == "following" and not told()["trouble"], "following again")
    orchestra.say("enough")
    orchestra.wait_rest("done")
    orchestra.wait(lambda: told()["pid"] is None, "the end of the follower")
    verdict = told_by_verify(orchestra)
    assert verdict["equal"] and verdict["lines"] > 20, verdict
    new = orchestra.folder / "restored"
    orchestra.cli("mirror", "restore", server.url, str(new), expect=0)
    assert orchestra.cli("check", str(new)).returncode == 0


def test_a_server_that_is_not_there_is_said_without_a_traceback(orchestra: Orchestra, tmp_path: Path) -> None:
    orchestra.run({"bob": "true"})
    for url in (f"postgresql:///nowhere?host={tmp_path}", f"unix://{tmp_path}/nothing.sock"):
        done = orchestra.cli("mirror", "add", str(orchestra.root), url)
        assert done.returncode == 1
        assert done.stderr.startswith("maos-sup: ") and "Traceback" not in done.stderr
        assert done.stderr.count("\n") == 1
    assert "no mirrors" in orchestra.cli("mirror", "list", str(orchestra.root), expect=0).stdout


def test_news_are_told_to_who_listens(postgres: PostgresDatabase, tmp_path: Path) -> None:
    import psycopg

    tree = team(tmp_path / "tree")
    work(tree)
    with opened(postgres, ID) as mirror, psycopg.connect(postgres.url, autocommit=True) as listener:
        listener.execute("LISTEN maos")
        bring_up_to_date(mirror, tree)
        heard = next(listener.notifies(timeout=30, stop_after=1))
    assert (heard.channel, heard.payload) == ("maos", ID)


def test_two_who_open_a_new_database_at_once_make_one_schema(postgres: PostgresDatabase) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = ["t0", "t1", "t2", "t3"]
    with ThreadPoolExecutor(4) as pool:
        mirrors = list(pool.map(lambda name: open_mirror(postgres.url, name, may_make=True), names))
    for mirror in mirrors:
        mirror.cursor()
    assert mirrors[0].trees() == names
    for mirror in mirrors:
        mirror.close()


def test_who_may_not_make_a_schema_is_told_what_to_do(postgres: PostgresDatabase) -> None:
    postgres.ask("DROP ROLE IF EXISTS weak")
    postgres.ask("CREATE ROLE weak LOGIN")
    with pytest.raises(MirrorTrouble, match="grant CREATE"):
        open_mirror(postgres.url.replace("user=postgres", "user=weak"), ID, may_make=True)


def test_streams_have_ids_of_attempt_and_number_and_take_no_line_twice(
    redis: RedisDatabase, tmp_path: Path
) -> None:
    tree = team(tmp_path / "tree")
    work(tree)
    with opened(redis, ID) as mirror:
        bring_up_to_date(mirror, tree)
    key = f"maos:{{{ID}}}:lines:agents/alice/attempts/0001/journal.jsonl"
    assert [id_ for id_, _ in redis.command("XRANGE", key, "-", "+")][:2] == ["1-1", "1-2"]
    assert redis.command("SISMEMBER", "maos", ID) == 1


def test_how_agents_stand_expires_and_is_kept_alive(redis: RedisDatabase, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    work(tree)
    tree.agent("alice").status.write_bytes(b'{"agent":"alice","phase":"running"}\n')
    keys = [f"maos:{{{ID}}}:alive", f"maos:{{{ID}}}:agent:alice"]
    with opened(redis, ID) as mirror:
        bring_up_to_date(mirror, tree)
        assert [0 < redis.command("TTL", key) <= 60 for key in keys] == [True, True]
        for key in keys:
            redis.command("EXPIRE", key, 5)
        mirror.keep_alive()
        assert [redis.command("TTL", key) > 5 for key in keys] == [True, True]
    assert json.loads(redis.command("GET", keys[1]))["phase"] == "running"


def test_a_rebuild_that_was_cut_off_leaves_nothing_behind(redis: RedisDatabase, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    work(tree)
    redis.command("SET", f"maos:{{{ID}}}:new:data:FORMAT", "half")
    with opened(redis, ID) as mirror:
        bring_up_to_date(mirror, tree)
        assert difference(mirror, tree) == []
        mirror.rebuild(iter([]))
    assert redis.command("KEYS", f"maos:{{{ID}}}:new:*") == []


def test_a_rebuild_beside_a_living_follower_and_a_removal(orchestra: Orchestra, tmp_path: Path) -> None:
    orchestra.start({"bob": TALKATIVE})
    orchestra.cli("mirror", "add", str(orchestra.root), f"sqlite:{tmp_path / 'a.db'}", expect=0)
    orchestra.cli(
        "mirror", "add", str(orchestra.root), f"sqlite:{tmp_path / 'b.db'}", "--name", "b", expect=0
    )

    def pid(name: str) -> int | None:
        return status_of_mirror(orchestra.tree, name)["pid"]

    before = orchestra.wait(lambda: pid("sqlite") and pid("b") and pid("sqlite"), "two followers")
    said = orchestra.cli("mirror", "rebuild", str(orchestra.root), "sqlite", expect=0).stdout
    assert "made anew" in said
    orchestra.wait(lambda: pid("sqlite") not in (None, before), "a new follower")
    orchestra.cli("mirror", "rm", str(orchestra.root), "b", "--forget", expect=0)
    assert pid("b") is None
    assert orchestra.cli("mirror", "list", str(orchestra.root), expect=0).stdout.count("\n") == 1
    orchestra.say("enough")
    orchestra.wait_rest("done")
    orchestra.wait(lambda: pid("sqlite") is None and told_by_verify(orchestra)["equal"], "a full mirror")


def test_views_answer_in_plans_with_several_workers(postgres: PostgresDatabase, tmp_path: Path) -> None:
    tree = broken_team(tmp_path / "tree")
    (tree.root / "spec" / "agents" / "bob.json").write_text('{"kind": "\\ud800"}')
    with opened(postgres, ID) as mirror:
        bring_up_to_date(mirror, tree)
    settings = (
        "parallel_setup_cost parallel_tuple_cost min_parallel_table_scan_size min_parallel_index_scan_size"
    )
    for name in settings.split():
        postgres.ask(f"ALTER DATABASE {postgres.name} SET {name} = 0")
    assert postgres.ask("SELECT count(raw) FROM lines WHERE what = 'journal'") == [(6,)]
    assert postgres.ask("SELECT count(kind) FROM agents") == [(1,)]


def test_a_difference_before_many_lines_is_told_and_what_comes_after_is_compared(
    postgres: PostgresDatabase, tmp_path: Path
) -> None:
    tree = team(tmp_path / "tree")
    work(tree)
    with opened(postgres, ID) as mirror:
        bring_up_to_date(mirror, tree)
        postgres.ask("UPDATE mirrored_line SET raw = 'x' WHERE seq = 1")
        postgres.ask(
            "INSERT INTO mirrored_line SELECT file, 1000 + n, at, type, raw FROM mirrored_line, "
            "generate_series(1, 20000) AS n WHERE seq = 1"
        )
        assert len(difference(mirror, tree)) == 2
