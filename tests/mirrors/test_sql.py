"""SQL over the files: the same views as in mirrors, nothing written, torn lines left out and said."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from databases import opened, sqlite_file
from mirrored_trees import ID, bring_up_to_date, broken_team, go_back, team, work
from orchestra import Orchestra

from maos_sup.cli import main
from maos_sup.mirrors.duck.asking import FileQueries
from maos_sup.mirrors.views import NAMES
from state_layout.errors import BadInput, Damaged
from state_layout.paths import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = team(tmp_path / "tree")
    alice = work(made)
    alice.commit("task", task="alice", run=1, phase="done", result={"files": 3})
    alice.journal.close()
    return made


def ask(tree: Tree, query: str) -> list[tuple[object, ...]]:
    with FileQueries([tree]) as queries:
        return queries.ask(query).rows


def test_every_view_answers_as_that_of_a_mirror_does(tree: Tree, tmp_path: Path) -> None:
    go_back(tree, "alice", 3)
    with sqlite_file(tmp_path) as database, opened(database, ID) as mirror, FileQueries([tree]) as queries:
        bring_up_to_date(mirror, tree)
        for view in [*NAMES, *(f"live_{name}" for name in NAMES)]:
            ours = queries.ask(f"SELECT * FROM {view}").rows
            theirs = database.ask(f"SELECT * FROM {view}")
            assert sorted(map(_plain, ours)) == sorted(map(_plain, theirs)), view
    assert ask(tree, "SELECT count(*) FROM live_costs") == [(2,)]


def _plain(row: tuple[object, ...]) -> str:
    return repr([float(value) if isinstance(value, bool | int | float) else str(value) for value in row])


def test_a_torn_last_line_is_left_out_and_said(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tree.agent("alice").attempt(1).journal
    whole = ask(tree, "SELECT count(*) FROM lines WHERE what = 'journal'")
    with journal.open("ab") as file:
        file.write(b'{"seq":7,"at":"2026')
    assert ask(tree, "SELECT count(*) FROM lines WHERE what = 'journal'") == whole
    assert main(["sql", str(tree.root), "select 1 as one"]) == 0
    said = capsys.readouterr()
    assert (
        "left out: agents/alice/attempts/0001/journal.jsonl: 19 bytes after its last whole line" in said.err
    )
    assert journal.read_bytes().endswith(b"2026")


def test_damage_before_the_end_is_an_error_with_the_file(tree: Tree) -> None:
    journal = tree.agent("alice").attempt(1).journal
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = b'{"seq":3,"at":"20\n'
    journal.write_bytes(b"".join(lines))
    with pytest.raises(Damaged, match=r"agents/alice/attempts/0001/journal\.jsonl.*maos-sup check"):
        ask(tree, "SELECT count(*) FROM lines WHERE written_at > '1'")


def test_a_tree_is_read_that_nobody_may_write(tree: Tree) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.root.rglob("*")}
    ask(tree, "SELECT * FROM lines")
    assert {path: path.stat().st_mtime_ns for path in tree.root.rglob("*")} == before


def test_a_tree_without_any_line_answers(tmp_path: Path) -> None:
    empty = team(tmp_path / "empty")
    assert ask(empty, "SELECT count(*) FROM live_mail") == [(0,)]
    assert ask(empty, "SELECT agent FROM agents ORDER BY 1") == [("alice",), ("bob",)]


@pytest.mark.parametrize("query", ["SELECT nothing FROM lines", "SELEC 1", "SELECT * FROM nowhere", ""])
def test_a_wrong_query_is_one_error_and_no_traceback(
    tree: Tree, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if query:
        with pytest.raises(BadInput):
            ask(tree, query)
    assert main(["sql", str(tree.root), query]) in ((2,) if query else (0, 2))
    assert "Traceback" not in capsys.readouterr().err


def test_answers_come_as_tables_csv_json_and_parquet(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "select sender, text from live_mail order by seq limit 2"
    assert main(["sql", str(tree.root), query]) == 0
    assert "alice" in capsys.readouterr().out
    assert main(["sql", str(tree.root), query, "--csv"]) == 0
    assert capsys.readouterr().out == "sender,text\nalice,count 0\nalice,count 1\n"
    assert main(["sql", str(tree.root), query, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][1] == {"sender": "alice", "text": "count 1"}
    assert main(["sql", str(tree.root), query, "--parquet", str(tmp_path / "a.parquet")]) == 0
    assert ask(tree, f"SELECT count(*) FROM '{tmp_path / 'a.parquet'}'") == [(2,)]


def test_a_shell_goes_on_after_a_mistake(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text(
        "select nothing from\n lines;\nselect count(*) as n from live_mail;\n.quit\nselect 2;\n"
    )
    with script.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main(["sql", str(tree.root), "--shell"]) == 0
    said = capsys.readouterr()
    assert "nothing" in said.err and "4" in said.out and "1 row" in said.err


def test_all_orchestrations_of_the_home_are_asked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    for id_ in (ID, "20261130-0200-other-cd34"):
        work(team(home / id_, id_=id_)).journal.close()
    monkeypatch.setenv("MAOS_SUP_HOME", str(home))
    assert main(["sql", "--home", "select tree, count(*) from live_mail group by 1 order by 1", "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [f"{ID},4", "20261130-0200-other-cd34,4"]


def test_a_running_team_is_asked_while_it_writes(orchestra: Orchestra) -> None:
    say = 'echo "{\\"progress\\": 0.1, \\"note\\": \\"$i\\"}" >&$MAOS_CONTROL_FD'
    orchestra.start({"bob": f"i=0; while [ ! -e $OUT/enough ]; do i=$((i+1)); {say}; done"})
    query, counts = "select count(*) from lines where what = 'journal'", list[int]()
    for _ in range(12):
        counts += [int(str(row[0])) for row in ask(orchestra.tree, query)]
    orchestra.say("enough")
    orchestra.wait_rest("done")
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_what_people_broke_fails_no_view(tmp_path: Path) -> None:
    with FileQueries([broken_team(tmp_path / "broken")]) as queries:
        for view in [*NAMES, *(f"live_{name}" for name in NAMES)]:
            queries.ask(f"SELECT * FROM {view}")
        asked = "SELECT agent, kind FROM agents WHERE kind IS NOT NULL"
        assert queries.ask(asked).rows == [("carl", "command")]


def test_a_query_sees_no_variables_of_ours_and_fetches_no_extension(tree: Tree) -> None:
    gathered = [1]
    with pytest.raises(BadInput, match="gathered does not exist"):
        ask(tree, "SELECT * FROM gathered")
    assert gathered
    assert ask(tree, "SELECT current_setting('autoinstall_known_extensions')") == [(False,)]
