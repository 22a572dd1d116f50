"""The live view draws what it is given and obeys none of it."""

from __future__ import annotations

import io

from rich.console import Console
from view_trees import MakeTree

from maos_sup.views.live import LiveView
from maos_sup.views.status import status_of


def drawn(make_tree: MakeTree, *, count: int = 2, no_color: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=20, no_color=no_color)
    view = LiveView(console)
    status = status_of(make_tree(count, name=f"tree-{count}"))
    status["agents"][0] |= {"note": "[bold]half[/bold] \x1b[2J", "phase": "running", "progress": 0.4}
    view.show(status, [{"from": "a0", "type": "discovery", "text": "[red]bug"}])
    view.say("pausing")
    view.close()
    view.close()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_picture_shows_agents_discoveries_and_what_is_said(make_tree: MakeTree) -> None:
    text = drawn(make_tree)
    for part in ("Audit this", "0/2 tasks", "a0", "40%", "[red]bug", "pausing", "[bold]half[/bold]"):
        assert part in text


def test_programs_cannot_clear_the_screen(make_tree: MakeTree) -> None:
    assert "\x1b[2J" not in drawn(make_tree)


def test_no_color_is_obeyed(make_tree: MakeTree) -> None:
    assert "\x1b[32m" in drawn(make_tree)
    assert "\x1b[32m" not in drawn(make_tree, count=1, no_color=True)


def test_more_agents_than_fit_are_counted(make_tree: MakeTree) -> None:
    assert "and " in drawn(make_tree, count=40)
