"""What was read once is not read again, and what that says is what reading it all says."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_rollback import begun, chat, end, go, make, told

from maos_sup.cli import main
from maos_sup.cuts import rewind as rewinding
from maos_sup.cuts.record import TeamCut
from maos_sup.cuts.take import cut_of_now, take_cut, team_reader
from maos_sup.cuts.traces import Moment, TeamReader
from state_layout.files import codec, tail
from state_layout.files.journal import Journal
from state_layout.paths import Tree

AGENTS = ("alice", "bob", "carol")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make(tmp_path / "tree")


def shown(moment: Moment) -> object:
    """Give what of a moment does not depend on where the look began."""
    sent = {
        agent: {to: steps[-1][1] for to, steps in trace.sent.items()}
        for agent, trace in moment.traces.items()
    }
    return moment.places, moment.cut.ends, moment.tasks, sent, moment.damaged


def test_look_from_a_checkpoint_sees_what_a_look_at_all_sees(tree: Tree) -> None:
    team = begun(tree)
    chat(team, "one", "two")
    take_cut(tree, by="operator", why="w")
    chat(team, "three")
    end(team)
    team = begun(tree)  # more lives
    chat(team, "four")
    known, whole = team_reader(tree).moment(AGENTS, {}), TeamReader(tree).moment(AGENTS, {})
    assert shown(known) == shown(whole)
    assert {trace.base for trace in known.traces.values()} != {0}
    end(team)


def test_checkpoint_of_another_future_is_not_begun_from(tree: Tree) -> None:
    team = begun(tree)
    chat(team, "one")
    cut = take_cut(tree, by="operator", why="w")
    chat(team, "two")
    end(team)
    go(tree, cut.number)
    newest = take_cut(tree, by="operator", why="w")
    chat(team := begun(tree), "three")
    end(team)
    go(tree, newest.number - 1)  # where `two` was said
    assert shown(team_reader(tree).moment(AGENTS, {})) == shown(TeamReader(tree).moment(AGENTS, {}))


def test_checkpoint_of_an_older_version_is_good_and_not_begun_from(tree: Tree) -> None:
    team = begun(tree)
    chat(team, "one")
    cut = take_cut(tree, by="operator", why="w")
    path = tree.checkpoint_file(cut.number)
    value = codec.decode_object(path.read_bytes())
    for agent in value["agents"].values():
        del agent["marks"]
    path.write_bytes(codec.encode_pretty(value))
    assert TeamCut.from_json(value).agents["bob"].sum is None
    assert {trace.base for trace in team_reader(tree).moment(AGENTS, {}).traces.values()} == {0}
    end(team)


def test_line_altered_before_a_checkpoint_is_found_by_who_reads_all(
    tree: Tree, capfd: pytest.CaptureFixture[str]
) -> None:
    team = begun(tree)
    chat(team, "one", "two")
    take_cut(tree, by="operator", why="w")
    end(team)
    journal = tree.agent("bob").attempt(1).journal
    journal.write_bytes(journal.read_bytes().replace(b"one of bob", b"eno of bob"))
    for words in (["replay", str(tree.root), "--verify"], ["check", str(tree.root)]):
        assert main(words) != 0
        assert "agents/bob/attempts/0001/journal.jsonl" in capfd.readouterr().out


def test_line_altered_after_a_checkpoint_is_found_at_once(tree: Tree) -> None:
    team = begun(tree)
    chat(team, "one")
    take_cut(tree, by="operator", why="w")
    chat(team, "two")
    chat(team, "three")
    end(team)
    journal = tree.agent("bob").attempt(1).journal
    journal.write_bytes(journal.read_bytes().replace(b"two of bob", b"owt of bob"))
    assert "corrupt after seq" in " ".join(cut_of_now(tree).notes)


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mail file with gaps in its numbers, long for whoever halves it."""
    monkeypatch.setattr(tail, "_NEAR_BYTES", 600)
    journal = Journal.create(tmp_path / "alice.jsonl")
    for number in range(1, 100):
        journal.append("info", {"text": "x" * (number % 7)}, seq=number + number // 10)
    journal.close()
    return journal.path


def test_end_of_a_message_found_by_halving_is_where_reading_all_finds_it(mail: Path) -> None:
    for last in range(115):
        assert rewinding._prefix(mail, last) == rewinding._prefix_after(rewinding.Reader(mail), last)


def test_damaged_line_does_not_lead_it_astray(mail: Path) -> None:
    lines = mail.read_bytes().splitlines(keepends=True)
    lines[60] = b'{"seq":5,' + lines[60][9:]  # says that it is an early one
    mail.write_bytes(b"".join(lines))
    for last in range(60):
        assert rewinding._prefix(mail, last) == rewinding._prefix_after(rewinding.Reader(mail), last)


def test_long_mail_goes_back_byte_for_byte(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_NEAR_BYTES", 600)
    team = begun(tree)
    chat(team, *map(str, range(12)))
    cut, then = take_cut(tree, by="operator", why="w"), told(tree)
    chat(team, *map(str, range(12, 30)))
    end(team)
    later = told(tree)
    back = go(tree, cut.number)
    assert told(tree) == then
    go(tree, back.number)
    assert told(tree) == later
