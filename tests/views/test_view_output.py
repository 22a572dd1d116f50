"""Programs' output, read once and followed."""

from __future__ import annotations

import tracemalloc

from view_trees import MakeTree, live

from maos_sup.views.files import last_line
from maos_sup.views.output import CHUNK_BYTES, Output


def test_lines_of_all_attempts_come_oldest_first(make_tree: MakeTree) -> None:
    tree = make_tree(1)
    live(tree, "a0", []).paths.stdout.write_text("one\n")
    second = live(tree, "a0", [])
    second.paths.stdout.write_text("two\n")
    second.paths.stderr.write_text("oops\n")
    found = [(line.attempt, line.stream, line.text) for line in Output(tree, ["a0"]).read()]
    assert found == [(1, "stdout", "one"), (2, "stdout", "two"), (2, "stderr", "oops")]


def test_line_being_written_is_held_back_until_it_is_whole(make_tree: MakeTree) -> None:
    tree = make_tree(1)
    path = live(tree, "a0", []).paths.stdout
    output = Output(tree, ["a0"])
    path.write_bytes(b"one\ntw")
    assert [line.text for line in output.read()] == ["one"]
    with path.open("ab") as file:
        file.write(b"o\nthree")
    assert [line.text for line in output.read()] == ["two"]
    assert [line.text for line in output.read(to_the_end=True)] == ["three"]
    assert list(output.read(to_the_end=True)) == []


def test_line_of_many_pieces_is_copied_once_at_its_end(make_tree: MakeTree) -> None:
    """Joined at each piece, a line of a gigabyte would be copied five hundred times over."""
    tree = make_tree(1)
    path = live(tree, "a0", []).paths.stdout
    path.write_bytes(b"one\n" + b"x" * (16 * CHUNK_BYTES))
    output = Output(tree, ["a0"])
    tracemalloc.start()
    try:
        assert [line.text for line in output.read()] == ["one"]
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20 * CHUNK_BYTES
    with path.open("ab") as file:
        file.write(b"\n" + b"y" * CHUNK_BYTES)
    [whole] = output.read()
    assert (len(whole.text), whole.end) == (16 * CHUNK_BYTES, 4 + 16 * CHUNK_BYTES + 1)
    [rest] = output.read(to_the_end=True)
    assert (rest.text, rest.end) == ("y" * CHUNK_BYTES, path.stat().st_size)


def test_bytes_that_are_no_text_are_shown_as_such(make_tree: MakeTree) -> None:
    tree = make_tree(1)
    live(tree, "a0", []).paths.stdout.write_bytes(b"a\xff\x00b\n")
    assert [line.text for line in Output(tree, ["a0"]).read()] == ["a\ufffd\0b"]


def test_one_attempt_and_one_stream_can_be_chosen(make_tree: MakeTree) -> None:
    tree = make_tree(1)
    for word in ("one", "two"):
        attempt = live(tree, "a0", [])
        attempt.paths.stdout.write_text(f"{word}\n")
        attempt.paths.stderr.write_text(f"{word}!\n")
    found = Output(tree, ["a0"], attempt=2, streams=["stderr"]).read()
    assert [line.text for line in found] == ["two!"]


def test_last_line_of_a_long_file_is_found_from_its_end(make_tree: MakeTree) -> None:
    tree = make_tree(1)
    path = live(tree, "a0", []).paths.stdout
    path.write_text("x" * 100_000 + "\nlast\n   \n")
    assert last_line(path) == "last"
    path.write_text("y" * 100_000)
    assert last_line(path) == "y" * 2000
    path.write_text("")
    assert last_line(path) is None
