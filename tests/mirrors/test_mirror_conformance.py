"""What every mirror keeps to, tried on a real database of each sort."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from databases import Database, opened
from mirrored_trees import ID, batches, bring_up_to_date, broken_team, difference, go_back, team, work

from maos_sup.mirrors.looking import Looker
from maos_sup.mirrors.mirror import Cursor, Superseded
from maos_sup.mirrors.restoring import restore
from maos_sup.mirrors.views import NAMES
from state_layout.files.chain import ORIGIN, link
from state_layout.files.journal import Reader
from state_layout.paths import Tree
from state_layout.tree.making import create_tree


def test_nothing_is_known_of_a_tree_that_was_never_mirrored(database: Database) -> None:
    with opened(database, ID) as mirror:
        assert mirror.cursor() == Cursor()
        assert list(mirror.lines("agents/bob/attempts/0001/journal.jsonl")) == []


def test_what_is_applied_is_there_line_for_line(database: Database, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    alice = work(tree)
    with opened(database, ID) as mirror:
        cursor = bring_up_to_date(mirror, tree)
        path = tree.shown(alice.attempt.paths.journal)
        assert list(mirror.lines(path)) == [(line.seq, line.raw) for line in Reader(tree.root / path)]
        assert b"".join(mirror.data(tree.shown(alice.attempt.paths.stdout))) == b"one\ntwo\n"
        assert difference(mirror, tree) == []
        assert mirror.look() == cursor


def test_the_cursor_outlives_whoever_wrote_it(database: Database, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    alice = work(tree)
    with opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
    alice.step("later")
    with opened(database, ID) as mirror:
        missing = batches(tree, mirror.cursor())
        assert sum(len(run.raws) for batch in missing for lines in batch.lines for run in lines.runs) == 1
        bring_up_to_date(mirror, tree)
        assert difference(mirror, tree) == []


def test_twice_is_once(database: Database, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    work(tree)
    with opened(database, ID) as mirror:
        mirror.cursor()
        for batch in [*batches(tree), *batches(tree)]:
            mirror.apply(batch)
        assert difference(mirror, tree) == []


def test_who_is_late_does_not_take_the_cursor_back(database: Database, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    alice = work(tree)
    early = batches(tree)
    alice.step("later")
    with opened(database, ID) as mirror:
        cursor = bring_up_to_date(mirror, tree)
        for batch in early:
            if not batch.contents:
                mirror.apply(batch)
        assert mirror.look().lines == cursor.lines
        assert difference(mirror, tree) == []


def test_a_second_follower_ends_the_first(database: Database, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    work(tree)
    with opened(database, ID) as first, opened(database, ID) as second:
        first.cursor()
        second.cursor()
        with pytest.raises(Superseded):
            first.apply(batches(tree)[0])
        bring_up_to_date(second, tree)
        assert difference(second, tree) == []


def test_a_file_that_was_replaced_takes_the_place_of_what_was_known(
    database: Database, tmp_path: Path
) -> None:
    tree = team(tmp_path / "tree")
    work(tree)
    mail = tree.mail_file("bob", "alice")
    with opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        whole = mail.read_bytes()
        aside = mail.with_name("alice.jsonl.void-1")
        mail.rename(aside)
        mail.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))  # as a rollback does
        bring_up_to_date(mirror, tree)
        assert difference(mirror, tree) == []
        assert len(list(mirror.lines(tree.shown(mail)))) == 2
        assert len(list(mirror.lines(tree.shown(aside)))) == 4
        assert mirror.look().counted[tree.shown(aside)] == -1


def test_an_output_that_was_emptied_and_filled_again_is_taken_anew(
    database: Database, tmp_path: Path
) -> None:
    tree = team(tmp_path / "tree")
    alice = work(tree)
    with opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        alice.attempt.paths.stdout.write_bytes(b"quite another text than before\n")
        bring_up_to_date(mirror, tree)
        assert difference(mirror, tree) == []
        alice.attempt.paths.stdout.write_bytes(b"")
        bring_up_to_date(mirror, tree)
        assert difference(mirror, tree) == []


def test_it_is_known_up_to_which_line_a_journal_counts(database: Database, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    end = work(tree, steps=4).history.seq
    one, two, three = (tree.shown(tree.agent("alice").attempt(number).journal) for number in (1, 2, 3))
    with opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        assert mirror.look().counted.get(one) is None
        go_back(tree, "alice", 3)
        bring_up_to_date(mirror, tree)
        assert mirror.look().counted[one] == 3
        go_back(tree, "alice", end)  # what `redo` does
        cursor = bring_up_to_date(mirror, tree)
        assert mirror.look().counted[one] == end
        assert mirror.look().counted[two] == -1
        assert mirror.look().counted.get(three) is None
        assert {
            key: value for key, value in cursor.counted.items() if value is not None
        } == mirror.look().counted


def test_lines_that_a_later_life_took_back_are_marked_and_come_back_with_a_redo(
    sql_database: Database, tmp_path: Path
) -> None:
    tree, ask = team(tmp_path / "tree"), sql_database.ask
    end = work(tree, steps=4).history.seq
    live = "SELECT count(*) FROM live_lines WHERE what = 'journal'"
    with opened(sql_database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        assert ask(live) == [(end,)]
        go_back(tree, "alice", 3)
        bring_up_to_date(mirror, tree)
        assert ask(live) == [(3 + 1,)]
        assert ask("SELECT count(*) FROM lines WHERE what = 'journal'") == [(end + 1,)]
        assert ask("SELECT count(*), sum(cost_usd) FROM live_costs") == [(2, 1.0)]
        go_back(tree, "alice", end)
        bring_up_to_date(mirror, tree)
        assert ask(live) == [(end + 1,)]
        attempts = "SELECT DISTINCT attempt FROM live_lines WHERE what = 'journal' ORDER BY 1"
        assert ask(attempts) == [(1,), (3,)]
        assert difference(mirror, tree) == []


def test_small_files_follow_and_go_while_records_are_kept(database: Database, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    work(tree)
    answer, mail = tree.approvals / "bob-0123456789ab.yes", tree.mail_file("bob", "alice")
    answer.write_text("go on")
    with opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        assert b"".join(mirror.data(tree.shown(answer))) == b"go on"
        answer.write_text("go on, but slowly")
        bring_up_to_date(mirror, tree)
        assert b"".join(mirror.data(tree.shown(answer))) == b"go on, but slowly"
        answer.unlink()
        mail.unlink()
        cursor = bring_up_to_date(mirror, tree)
        assert tree.shown(answer) not in cursor.contents
        assert cursor.gone == {tree.shown(mail)} == mirror.look().gone
        assert len(list(mirror.lines(tree.shown(mail)))) == 4


def test_a_tree_that_is_being_deleted_takes_nothing_out_of_its_mirror(
    database: Database, tmp_path: Path
) -> None:
    tree = team(tmp_path / "tree")
    work(tree)
    answer = tree.approvals / "bob-0123456789ab.yes"
    answer.write_text("go on")
    with opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        answer.unlink()
        waiting = Looker(tree, mirror.cursor(), hold_s=3600)
        assert not list(waiting.batches()) and not list(waiting.batches())
        assert [*waiting.missing] == [tree.shown(answer)], "it may be the first of all"
        shutil.rmtree(tree.spec)  # in the middle of `rm -r`: what tells a tree is still there
        assert not list(Looker(tree, mirror.cursor()).batches())
        assert b"".join(mirror.data(tree.shown(answer))) == b"go on"
        restore(mirror, tmp_path / "restored")
        restored = Tree(tmp_path / "restored")
        assert (restored.approvals / answer.name).read_text() == "go on"
        assert restored.orchestration_spec.exists()


def test_a_rebuild_replaces_what_was_there(database: Database, tmp_path: Path) -> None:
    before, after = team(tmp_path / "before"), team(tmp_path / "after")
    work(before, steps=9)
    work(after, steps=2)
    with opened(database, ID) as mirror:
        bring_up_to_date(mirror, before)
        mirror.rebuild(iter(batches(after)))
        assert difference(mirror, after) == []


def test_a_rebuild_that_fails_leaves_what_was_there(database: Database, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    work(tree)

    class Interruption(Exception):
        pass

    def cut_off() -> object:
        yield batches(tree)[0]
        raise Interruption

    with opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        with pytest.raises(Interruption):
            mirror.rebuild(cut_off())  # type: ignore[arg-type]
        assert difference(mirror, tree) == []


def test_trees_share_a_database_and_are_forgotten_one_by_one(database: Database, tmp_path: Path) -> None:
    one, two = team(tmp_path / "one"), team(tmp_path / "two", id_="20261130-0200-other-cd34")
    work(one, steps=2)
    work(two, steps=5)
    with opened(database, ID) as first, opened(database, "20261130-0200-other-cd34") as second:
        bring_up_to_date(first, one)
        bring_up_to_date(second, two)
        assert difference(first, one) == difference(second, two) == []
        assert first.trees() == [ID, "20261130-0200-other-cd34"]
        first.forget()
    with opened(database, "20261130-0200-other-cd34") as second:
        assert second.trees() == ["20261130-0200-other-cd34"]
        assert difference(second, two) == []


def test_bytes_that_are_no_text_are_kept_as_they_are(database: Database, tmp_path: Path) -> None:
    tree = create_tree(
        tmp_path / "tree", orchestration={"id": ID, "request": "r", "want": "run"}, agents={}, tasks={}
    )
    previous, lines = ORIGIN.h, b""
    for seq, inside in enumerate((b"\xff\xfe", b"\\u0000", b"\xc3\xa4' ; DROP TABLE x --", b"a\x00b"), 1):
        body = b'{"seq":%d,"at":"2026-11-30T01:00:00.000000Z","type":"step","x":"%s"' % (seq, inside)
        previous = link(previous, body)
        lines += body + b',"h":"%s"}\n' % previous.encode()
    path = "budget/bob.jsonl"
    (tree.root / path).write_bytes(lines)
    with opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        assert b"".join(raw + b"\n" for _, raw in mirror.lines(path)) == lines
        assert difference(mirror, tree) == []


def test_views_answer_what_people_ask(sql_database: Database, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    alice = work(tree, steps=2)
    alice.commit("task", task="alice", run=1, phase="done", result={"files": 3})
    alice.commit("tool_call", task="alice", run=1, id="t1", name="bash", input={"command": "ls"})
    alice.commit("turn", task="alice", run=1, role="assistant", text="It is done.")
    with opened(sql_database, ID) as mirror:
        bring_up_to_date(mirror, tree)
    assert sql_database.ask("SELECT sender, recipient, text FROM live_mail ORDER BY seq") == [
        ("alice", "bob", "count 0"),
        ("alice", "bob", "count 1"),
    ]
    assert sql_database.ask("SELECT agent, phase, result FROM live_tasks WHERE is_newest") == [
        ("alice", "done", '{"files":3}')
    ]
    assert sql_database.ask("SELECT name, input FROM live_tools") == [("bash", '{"command":"ls"}')]
    assert sql_database.ask("SELECT role, text FROM live_turns") == [("assistant", "It is done.")]
    assert sql_database.ask("SELECT agent, kind, role FROM agents ORDER BY agent") == [
        ("alice", "command", "counts"),
        ("bob", "command", "counts"),
    ]
    assert sql_database.ask("SELECT agent, attempt, live_lines FROM live_attempts") == [("alice", 1, 6)]


def test_a_copy_that_went_on_by_itself_is_told_apart(database: Database, tmp_path: Path) -> None:
    from maos_sup.mirrors.standing import refuse_other_history
    from state_layout.errors import BadInput
    from state_layout.paths import Tree

    tree = team(tmp_path / "tree")
    alice = work(tree)
    shutil.copytree(tree.root, tmp_path / "copy")
    with opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        refuse_other_history(Tree(tmp_path / "copy"), mirror)  # it is at the same line
        alice.step("only here")
        bring_up_to_date(mirror, tree)
        with pytest.raises(BadInput, match="another history"):
            refuse_other_history(Tree(tmp_path / "copy"), mirror)


def test_digests_are_of_the_bytes(database: Database, tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    with opened(database, ID) as mirror:
        cursor = bring_up_to_date(mirror, tree)
    assert cursor.contents["FORMAT"] == sha256(b"maos-sup 1\n").hexdigest()


def test_what_people_broke_and_numbers_beyond_any_column_fail_no_view(
    sql_database: Database, tmp_path: Path
) -> None:
    tree = broken_team(tmp_path / "tree")
    with opened(sql_database, ID) as mirror:
        bring_up_to_date(mirror, tree)
    for view in [*NAMES, *(f"live_{name}" for name in NAMES)]:
        sql_database.ask(f"SELECT * FROM {view}")
    assert sql_database.ask("SELECT agent, kind FROM agents WHERE kind IS NOT NULL") == [("carl", "command")]
    assert sql_database.ask("SELECT role, text FROM turns") == [("assistant", "much")]
