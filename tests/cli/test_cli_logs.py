"""`logs -t --since --until`: lines have the times that are on record for them, which are taken back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from state_layout.lives.attempts import begin_attempt, recall
from state_layout.paths import Tree

Call = Callable[..., Any]
LAST = datetime(2026, 11, 29, 4, 0, 0, tzinfo=UTC)
NEVER = "2026-11-29T23:00:00Z"


@pytest.fixture
def written(tree: Tree) -> Tree:
    """A journal line is about the first line of alice; all other lines are bounded by their files."""
    for agent, lines in (("alice", "found: one\ntwo\nthree\n"), ("bob", "hello\n")):
        attempt = begin_attempt(tree, agent, recall=recall(tree, agent), settings={})
        if agent == "alice":
            source = {"file": "stdout.log", "attempt": 1, "offset": len("found: one\n")}
            attempt.journal.commit("sent", {"sent": [], "source": source})
        attempt.journal.close()
        attempt.paths.stdout.write_text(lines)
        stamp = LAST.timestamp() + (100_000_000 if agent == "alice" else 200_000_000)
        os.utime(attempt.paths.stdout, (stamp, stamp))
    return tree


def lines(call: Call, *words: str) -> list[str]:
    answer = call("logs", *words)
    assert (answer.code, answer.err) == (0, "")
    return [line.split("| ")[1] for line in answer.out.splitlines()]


def test_a_line_has_the_first_time_that_is_on_record_for_it(call: Call, written: Tree) -> None:
    told = json.loads(call("logs", "-t", "--json").out)["lines"]
    at = {line["text"]: line["at"] for line in told}
    journal = written.agent("alice").attempt(1).journal.read_text().splitlines()
    assert at["found: one"] == json.loads(journal[-1])["at"]
    assert at["two"] == at["three"] == "2030-01-29T13:46:40.000000Z"
    assert at["hello"] == "2033-03-31T23:33:20.000000Z"
    assert [line["end"] for line in told] == [11, 15, 21, 6]


def test_times_that_are_printed_are_taken_back(call: Call, written: Tree) -> None:
    out = call("logs", "-t").out.splitlines()
    assert out[1] == "alice| 2030-01-29T13:46:40Z two"
    when = out[1].split()[1]
    assert lines(call, "--since", when) == ["two", "three", "hello"]
    assert lines(call, "--until", when) == ["found: one", "two", "three"]
    assert lines(call, "--since", when, "--until", when) == ["two", "three"]
    assert lines(call, "--until", when, "-n", "1") == ["three"]


def test_without_times_output_is_as_it_was(call: Call, written: Tree) -> None:
    assert call("logs", "alice").out == "found: one\ntwo\nthree\n"
    assert "at" not in json.loads(call("logs", "--json").out)["lines"][0]


def test_followed_lines_have_times_too(call: Call, written: Tree) -> None:
    out = call("logs", "-f", "-t", "bob").out
    assert out == "2033-03-31T23:33:20Z hello\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--since", "soon"), "--since 'soon': use an age like 10m"),
        (("--until", "x"), "--until 'x': use an age like 10m"),
        (("-f", "--until", "10m"), "--until and -f exclude each other"),
    ],
)
def test_bad_moments_are_refused(call: Call, written: Tree, words: tuple[str, ...], text: str) -> None:
    answer = call("logs", *words)
    assert (answer.code, answer.out) == (2, "")
    assert text in answer.err


def test_a_checkpoint_of_the_team_bounds_what_was_written(call: Call, written: Tree) -> None:
    from maos_sup.cuts.take import take_cut

    cut = take_cut(written, by="operator", why="asked")
    assert cut.output
    at = {line["text"]: line["at"] for line in json.loads(call("logs", "-t", "--json").out)["lines"]}
    assert at["three"] == at["hello"] == cut.at
