"""Databases of MAOS become orchestrations: what comes across, what is said of the rest, what is refused."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from importing_maos import helper, imported, refused, state, trees
from maos_databases import ANALYST, CONVERSATION, CRASHED, ONE, TESTER, WRITER, ask, empty, full
from orchestra import Orchestra

from maos_sup.cli import main
from state_layout.check import check
from state_layout.lives.attempts import recall
from state_layout.paths import Tree
from state_layout.records import TaskPhase
from state_layout.specs import read_specs

VERSIONS = ("0.8.8", "0.8.8-migrated", "0.8.9", "0.9.4")
OUR_WRITER = "technical-writer-11aa22bb"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_came_to_an_end_and_what_crashed_become_whole_trees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    found = trees(imported(capsys, full(tmp_path / "maos.db", version)))
    assert set(found) == {ONE, CRASHED}
    for tree in found.values():
        assert check(tree) == []
        assert read_specs(tree).errors == []
    done, cut_off = found[ONE], found[CRASHED]
    analyst, writer = recall(done, ANALYST).history, recall(done, OUR_WRITER).history
    assert analyst.tasks[ANALYST].phase is TaskPhase.DONE
    assert (analyst.tasks[ANALYST].result, analyst.cost_usd) == ("There are 12.", 0.25)
    assert writer.tasks[OUR_WRITER].phase is TaskPhase.FAILED and writer.tasks[OUR_WRITER].progress == 0.5
    assert read_specs(done).specs.tasks[OUR_WRITER].needs == (ANALYST,)
    assert recall(cut_off, TESTER).history.tasks[TESTER].phase is TaskPhase.INTERRUPTED


def test_messages_transcript_and_status_show_what_maos_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = trees(imported(capsys, full(tmp_path / "maos.db")))[ONE]
    where = str(tree.root)
    main(["messages", where, "--json"])
    mail = json.loads(capsys.readouterr().out)["messages"]
    told = [(each["from"], each["to"], each["type"], each["text"]) for each in mail]
    assert (ANALYST, OUR_WRITER, "info", "There are 12 files.") in told
    assert (OUR_WRITER, ANALYST, "request", "Which 12?") in told
    assert (ANALYST, OUR_WRITER, "reply", "The text files.") in told
    assert len(told) == 4
    main(["status", where, "--json"])
    status = json.loads(capsys.readouterr().out)
    assert (status["phase"], status["counts"]["messages"]) == ("failed", 4)
    assert {agent["name"]: agent["received"] for agent in status["agents"]} == {ANALYST: 1, OUR_WRITER: 3}
    main(["show", where, ANALYST])
    text = capsys.readouterr().out
    at = [text.index(words) for words in ("count the files", "I count them.", "There are 12.")]
    assert at == sorted(at)
    assert "00:06:00Z" in text  # nine in the morning of Tokyo is midnight


def test_every_row_is_in_the_table_and_kept_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = full(tmp_path / "maos.db")
    told = imported(capsys, database)
    tables = [each["table"] for each in told["orchestrations"]] + [told["beside"]]
    with closing(sqlite3.connect(database)) as connection:
        for table in ("orchestrations", "agents", "sessions", "messages", "checkpoints", "tasks"):
            rows = sum(row["count"] for rows in tables for row in rows if row["what"] == table)
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            if table == "orchestrations":
                count += 1  # the one that crashed, which has no row
            assert rows == count, table
    for rows in tables:
        assert all(row["why"] for row in rows if row["fate"] != "taken"), rows
    kept = trees(told)[ONE].files / "maos"
    agents = [json.loads(line) for line in (kept / "agents.jsonl").read_text().splitlines()]
    assert {agent["session_id"] for agent in agents} == {CONVERSATION, None}
    assert len((kept / "messages.jsonl").read_text().splitlines()) == 5


def test_a_conversation_that_is_on_this_machine_comes_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "claude" / "projects" / "-p" / f"{CONVERSATION}.jsonl"
    file.parent.mkdir(parents=True)
    whole = json.dumps({"type": "user", "uuid": "u", "sessionId": CONVERSATION}) + "\n"
    file.write_text(f"{whole}torn")
    database = full(tmp_path / "maos.db")
    told = imported(capsys, database, "--orchestration", ONE)
    tree = trees(told)[ONE]
    assert read_specs(tree).specs.agents[ANALYST].settings["begins_with"] == CONVERSATION
    (copy,) = tree.agent(ANALYST).session.glob("projects/*/*.jsonl")
    assert (copy.name, copy.read_text(), file.read_text()) == (file.name, whole, f"{whole}torn")
    assert "begins_with" not in read_specs(tree).specs.agents[OUR_WRITER].settings
    assert check(tree) == []
    file.write_text(whole.replace(CONVERSATION, ONE))  # of another session
    told = imported(capsys, database, "--orchestration", ONE, "-o", str(tmp_path / "again"))
    (row,) = [row for row in told["orchestrations"][0]["table"] if row["what"] == "conversations"]
    assert (row["fate"], row["count"]) == ("left out", 1)


def test_who_has_nothing_left_to_do_has_read_its_mail_and_others_have_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = full(tmp_path / "maos.db")
    ask(database, ("UPDATE orchestrations SET status = 'running'", ()))
    tree = trees(imported(capsys, database))[ONE]
    assert recall(tree, ANALYST).history.received == 1
    writer = recall(tree, OUR_WRITER).history
    assert (writer.received, writer.tasks[OUR_WRITER].phase) == (0, TaskPhase.INTERRUPTED)


def test_crashed_orchestrations_are_told_apart_by_their_saves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = full(tmp_path / "maos.db")
    agent = 'INSERT INTO agents (id, name, created_at, metadata) VALUES (?, ?, ?, \'{"task": "later"}\')'
    save = "INSERT INTO checkpoints (id, name, created_at) VALUES ('l', 'auto-0badcafe-120030', ?)"
    ask(
        database,
        (agent, ("late-1", "late", "2026-10-01 12:00:00")),
        (save, ("2026-10-01 12:00:30",)),
    )
    found = trees(imported(capsys, database))
    assert set(found) == {ONE, CRASHED, "0badcafe"}
    assert set(read_specs(found["0badcafe"]).specs.agents) == {"late-1"}
    assert set(read_specs(found[CRASHED]).specs.agents) == {TESTER}


def test_names_that_are_none_of_ours_and_names_that_are_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = empty(tmp_path / "maos.db")
    names = ["Bob", "bob", "all", "../../etc", "\u00fc" * 90, "x" * 200, ""]
    agent = "INSERT INTO agents (id, name, metadata) VALUES (?, 'n', '{\"task\": \"work\"}')"
    ask(database, *[(agent, (name,)) for name in names])
    mail = "INSERT INTO messages (from_agent, to_agent, message) VALUES ('Bob', 'bob', 'hello')"
    ask(database, (mail, ()))
    (tree,) = trees(imported(capsys, database)).values()
    specs = read_specs(tree)
    assert specs.errors == [] and len(specs.specs.agents) == len(specs.specs.tasks) == len(names)
    assert recall(tree, "bob").history.sent == {"bob-2": 1}


def test_one_is_chosen_and_what_is_there_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = full(tmp_path / "maos.db")
    out = tmp_path / "out"
    told = imported(capsys, database, "--orchestration", ONE[:6], "-o", str(out))
    assert list(trees(told)) == [ONE] and (out / "FORMAT").exists()
    assert "there already" in refused(capsys, 2, str(database), "--orchestration", ONE, "-o", str(out))
    assert ONE in refused(capsys, 2, str(database), "--orchestration", "nothing")
    assert "--orchestration" in refused(capsys, 2, str(database), "-o", str(tmp_path / "other"))
    imported(capsys, database)
    again = imported(capsys, database)
    assert [each["was_there"] for each in again["orchestrations"]] == [True, True]


def test_two_imports_at_once_make_one(orchestra: Orchestra) -> None:
    database = full(orchestra.folder / "maos.db")
    argv = [sys.executable, "-m", "maos_sup", "import", "maos", str(database)]
    both = [
        subprocess.Popen(argv, env=orchestra.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in both:
        error = process.communicate()[1].decode()
        assert process.returncode in (0, 2, 11) and "Traceback" not in error, error
    orchestra.cli("import", "maos", str(database), expect=0)
    made = [*(orchestra.folder / "home").iterdir()]
    assert len(made) == 2 and all(check(Tree(path)) == [] for path in made), made


def test_a_dry_run_places_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], home: Path) -> None:
    told = imported(capsys, full(tmp_path / "maos.db"), "--dry-run")
    assert len(told["orchestrations"]) == 2
    assert not home.exists() or not any(home.iterdir())


# -- the database is only read


def test_what_lies_in_a_write_ahead_log_is_read_and_nothing_beside_it_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    database = full(source / "maos.db")
    with helper(
        f"d = sqlite3.connect({str(database)!r})",
        "d.execute('PRAGMA journal_mode = WAL')",
        "d.execute('PRAGMA wal_autocheckpoint = 0')",
        f"d.execute(\"INSERT INTO messages (from_agent, message) VALUES ('{ANALYST}', 'in the log')\")",
        "d.commit()",
    ) as process:
        process.kill()  # its log stays
        process.wait()
        assert (source / "maos.db-wal").stat().st_size
        before = state(source)
        tree = trees(imported(capsys, database))[ONE]
        assert state(source) == before
    main(["messages", str(tree.root)])
    assert "in the log" in capsys.readouterr().out


def test_what_a_crash_left_half_written_is_not_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    database = full(source / "maos.db")
    mail = "INSERT INTO messages (from_agent, message) VALUES (?, ?)"
    ask(database, *[(mail, (ANALYST, "There are 12 files." + "." * 400)) for _ in range(2000)])
    with helper(
        f"d = sqlite3.connect({str(database)!r})",
        "d.execute('PRAGMA cache_size = 1')",  # so that most of what is not committed lies in the file
        "d.execute('BEGIN')",
        "d.execute(\"UPDATE messages SET message = replace(message, 'There are 12', 'half written')\")",
    ) as process:
        process.kill()
        process.wait()
        assert (source / "maos.db-journal").stat().st_size
        before = state(source)
        tree = trees(imported(capsys, database))[ONE]
        assert state(source) == before
    main(["messages", str(tree.root)])
    text = capsys.readouterr().out
    assert "half written" not in text and "There are 12 files." in text


def test_a_database_at_rest_is_read_in_a_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    database = full(source / "maos.db")
    database.chmod(0o400)
    source.chmod(0o500)
    before = state(source)
    try:
        assert len(trees(imported(capsys, database))) == 2
        assert state(source) == before
    finally:
        source.chmod(0o700)


@pytest.mark.timeout(300)
def test_killed_at_any_moment_an_import_has_placed_whole_trees_or_none(orchestra: Orchestra) -> None:
    database = full(orchestra.folder / "maos.db")
    mail = "INSERT INTO messages (from_agent, to_agent, message) VALUES (?, ?, ?)"
    ask(database, *[(mail, (ANALYST, WRITER, f"message {number}")) for number in range(300)])
    home = orchestra.folder / "home"
    chance = random.Random(5)
    for _ in range(8):
        argv = [sys.executable, "-m", "maos_sup", "import", "maos", str(database)]
        process = subprocess.Popen(argv, env=orchestra.environment, stdout=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.2, 1.2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        shown = [path for path in home.glob("*") if not path.name.startswith(".")] if home.exists() else []
        for path in shown:
            assert check(Tree(path)) == []
    orchestra.cli("import", "maos", str(database), expect=0)
    whole = {path.name[14:19]: Tree(path) for path in home.glob("2026*") if (path / "FORMAT").exists()}
    assert set(whole) == {"count", "go-wh"}
    assert recall(whole["count"], ANALYST).history.sent_count == 303
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == []
