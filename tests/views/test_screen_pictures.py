"""The screen at three sizes for teams of 1, 8, 14 and 100: `screens/*.txt`, to be read in review.

`MAOS_SUP_NEW_SCREENS=1 pytest tests/views/test_screen_pictures.py` writes them anew.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from screen_looks import PHASES, TEAMS, look

from maos_sup.views.cells import cells
from maos_sup.views.screen.keys import pressed
from maos_sup.views.screen.picture import picture, title
from maos_sup.views.screen.spans import escaped, text_of
from maos_sup.views.screen.state import END, HELP, MESSAGES, READ, TASKS, Choice, Look
from state_layout.records import AgentPhase

SCREENS = Path(__file__).parent / "screens"
SIZES = ((80, 24), (120, 40), (200, 50))


def shown(seen: Look, choice: Choice | None = None, *, width: int = 80, height: int = 24) -> list[str]:
    return [text_of(line) for line in picture(seen, choice or Choice(), width=width, height=height)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("team", TEAMS)
def test_screen_is_as_it_was_reviewed(team: str, size: tuple[int, int]) -> None:
    assert_as_reviewed(f"{team}.{size[0]}x{size[1]}", shown(TEAMS[team], width=size[0], height=size[1]))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_one_agent_in_each_phase_is_as_it_was_reviewed(size: tuple[int, int]) -> None:
    """One picture for all phases, lines that are blank in a screen left out."""
    assert set(PHASES) == {str(phase) for phase in AgentPhase}
    lines = list[str]()
    for phase in PHASES:
        screen = shown(look(phase), width=size[0], height=size[1])
        assert len(screen) == size[1]
        lines += [f"--- {phase}", *(line for line in screen if line.strip())]
    assert_as_reviewed(f"1-in-each-phase.{size[0]}x{size[1]}", lines)


def assert_as_reviewed(name: str, lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    path = SCREENS / f"{name}.txt"
    if os.environ.get("MAOS_SUP_NEW_SCREENS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [*SIZES, (40, 12), (20, 6), (10, 3), (1, 1)])
@pytest.mark.parametrize("team", TEAMS)
@pytest.mark.parametrize("page", ["agents", TASKS, MESSAGES, READ, HELP])
def test_every_line_fits_at_any_size(team: str, size: tuple[int, int], page: str) -> None:
    seen = replace(TEAMS[team], reading=("日本語" * 30, "x " * 100), messages=("a message",) * 60)
    lines = picture(seen, Choice(page=page, selected="dba"), width=size[0], height=size[1])
    assert len(lines) == size[1]
    assert {sum(cells(span.text) for span in line) for line in lines} <= {*range(size[0] + 1)}


@pytest.mark.parametrize("height", [12, 24, 40])
def test_who_asks_or_failed_is_shown_before_all_others(height: int) -> None:
    lines = shown(TEAMS["14-five-ask-one-failed"], height=height)
    marked = [line for line in lines if line.startswith("!")]
    text = "\n".join(lines)
    assert len(marked) == 6 or "more:" in text
    if height >= 24:
        assert len(marked) == 6 and "13 more" not in text


def test_those_who_are_not_shown_are_counted_by_phase() -> None:
    text = "\n".join(shown(TEAMS["100-every-phase"], width=120))
    assert "and 88 more: 2 asking, 2 failed, 8 backoff, " in text
    wide = "\n".join(shown(TEAMS["100-every-phase"], width=200))
    assert "8 waiting, 7 parked, 8 done" in wide


def test_the_last_column_keeps_its_room_and_empty_columns_go() -> None:
    head = next(line for line in shown(TEAMS["8-mixed"]) if "AGENT" in line)
    assert head.rstrip().endswith("LAST") and "READ" not in head and "FOR" in head
    wide = next(line for line in shown(TEAMS["8-mixed"], width=200) if "AGENT" in line)
    assert all(word in wide for word in ("FOR", "TASK", "DONE", "USD", "TOKENS", "CPU", "MEMORY", "SENT"))


def test_the_question_is_shown_whole_with_the_line_that_answers_it() -> None:
    text = " ".join(" ".join(shown(TEAMS["1-asking"])).split())
    assert "sqlite is quicker for tests." in text
    line = "maos-sup answer 20261129-0259-refactor-payment-module-ws5y architect-d0efd5eea63b ANSWER"
    assert line in text, "at 80 columns it is folded, not cut"


def test_the_title_says_that_somebody_is_wanted() -> None:
    assert title(TEAMS["8-mixed"].status).startswith("1/8 1 question, 1 failed: Refactor")
    assert "\x1b" not in title({**TEAMS["8-mixed"].status, "request": "a\x1b]2;b\x07"})


def test_programs_cannot_clear_the_screen_nor_colour_it() -> None:
    seen = look("running")
    seen.status["agents"][0] |= {"note": "[bold]half[/bold] \x1b[2J", "task": "\x1b[31mred"}
    text = escaped(picture(seen, Choice(), width=120, height=20), has_colour=True)
    assert "\x1b[2J" not in text and "\x1b[31mred" not in text and "[bold]half" in text


def test_without_colours_nothing_is_told_by_them() -> None:
    text = escaped(picture(TEAMS["8-mixed"], Choice(), width=120, height=20), has_colour=False)
    assert not any(f"\x1b[0;{code}" in text for code in ("3", "1;3"))


def keys(seen: Look, *names: str, choice: Choice | None = None) -> tuple[Choice, list[tuple[str, str, str]]]:
    """The choice and the acts after some keys."""
    now, acts = choice or Choice(), []
    for name in names:
        done = pressed(seen, now, name, name if len(name) == 1 else " " if name == "space" else None)
        now = done.choice
        acts += [tuple(done.act)] if done.act else []
    return now, acts


def test_a_question_is_answered_in_place() -> None:
    choice, acts = keys(TEAMS["8-mixed"], "a", *"pg!", "backspace", "enter")
    assert acts == [("answer", "dba-d0efd5eea63b", "pg")] and choice.prompt is None


def test_escape_gives_a_prompt_up_and_nothing_is_sent() -> None:
    assert keys(TEAMS["8-mixed"], "m", *"hello", "escape", "a", "enter")[1] == []


@pytest.mark.parametrize(
    ("key", "act"),
    [
        ("p", ("pause", "dba", "")),
        ("r", ("retry", "dba", "")),
        ("e", ("edit", "dba", "")),
        ("q", ("leave", "", "")),
    ],
)
def test_keys_act_on_the_selected_agent(key: str, act: tuple[str, str, str]) -> None:
    assert keys(TEAMS["8-mixed"], key)[1] == [act], "the first who wants you is selected"


def test_selection_moves_stops_at_the_ends_and_stays_with_its_agent() -> None:
    seen = TEAMS["14-every-phase"]
    choice, _ = keys(seen, *["j"] * 50)
    last = choice.selected
    assert keys(seen, "j", choice=choice)[0].selected == last
    assert keys(seen, *["k"] * 50, choice=choice)[0].selected != last


def test_a_filter_hides_others_and_sorting_keeps_who_wants_you_first() -> None:
    seen = TEAMS["14-every-phase"]
    choice, _ = keys(seen, "slash", *"ask", "enter")
    text = "\n".join(shown(seen, choice))
    assert "dba" not in text and "backend-developer" in text
    for _ in range(4):
        choice, _ = keys(seen, "s", choice=replace(choice, filter=""))
        rows = [line for line in shown(seen, choice, height=40) if line[:1] == "!" or "  running" in line]
        marks = [line[:1] for line in rows]
        assert marks == sorted(marks, key=lambda mark: mark != "!"), choice.sort


def test_reading_scrolls_and_follows_the_end() -> None:
    seen = replace(TEAMS["1-running"], reading=tuple(f"line {number}" for number in range(100)))
    choice, _ = keys(seen, "enter")
    assert choice.page == READ and "line 99" in "\n".join(shown(seen, choice))
    choice, _ = keys(seen, "g", choice=choice)
    assert "line 0" in shown(seen, choice)
    assert keys(seen, "G", choice=choice)[0].offset == END
    assert keys(seen, "escape", choice=choice)[0].page == "agents"


def test_help_fits_a_small_terminal() -> None:
    text = "\n".join(shown(TEAMS["1-running"], Choice(page=HELP)))
    assert "Ctrl+C" in text and "they are UTC" in text
