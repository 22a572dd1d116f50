"""Says what a key does: to the choice, which is only looking, or an act, which somebody carries out. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from maos_sup.views.cells import cells
from maos_sup.views.render import one_line
from maos_sup.views.screen.rows import ordered
from maos_sup.views.screen.state import (
    AGENTS,
    END,
    HELP,
    PAGES,
    READ,
    SORTS,
    Act,
    Choice,
    Look,
    Prompt,
)
from state_layout.records import Want

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown

_STEP, _LEAP = 1, 10
HELP_LINES = (
    "j k, arrows     select an agent; in a text: scroll (space, PgUp, PgDn, g, G)",
    "Enter  l        read the transcript of the selected agent; l: its raw output",
    "a               answer what it asks: in words, or yes or no",
    "p  P            pause or start the selected agent; P: all of them",
    "r               run again what failed of the selected agent",
    "m               send it a message",
    "e               edit its spec in $EDITOR; checked before it is in place",
    "/               show only agents with these words in name, phase, task or kind",
    "s               sort by: who wants you, cost, age of output, CPU, name",
    "Tab             agents, tasks, messages",
    "q d             leave this view; everything goes on",
    "Ctrl+C          pause everything at a safe point; again: stop at once",
    "",
    "! marks who wants you. FOR: how long it has been at its task.",
    "OUTPUT: how long ago it last wrote anything.",
    "# done, x failed, = under way, - to come. Times end in Z: they are UTC.",
)


class Pressed(NamedTuple):
    """Tells what came of a key."""

    choice: Choice
    act: Act | None = None
    notice: str = ""


def pressed(look: Look, choice: Choice, key: str, character: str | None = None) -> Pressed:
    """Do what `key` does; `character` is what it types, if it does."""
    key = "enter" if key == "ctrl+j" else key  # what was typed before the terminal was ours
    if choice.prompt is not None:
        return _typed(look, choice, choice.prompt, key, character)
    if choice.page in (READ, HELP) and key in ("escape", "q", "backspace", "enter", "left"):
        return Pressed(replace(choice, page=AGENTS, offset=END))
    if choice.page != AGENTS and key in _SCROLLS:
        return Pressed(replace(choice, offset=_scrolled(look, choice, key)))
    act = _KEYS.get(key)
    return Pressed(choice) if act is None else act(look, choice)


def selected_agent(look: Look, choice: Choice) -> AgentShown | None:
    """The agent that keys are about: the selected one, else the first."""
    agents = ordered(look, choice)
    return next(
        (agent for agent in agents if agent["name"] == choice.selected), agents[0] if agents else None
    )


def keys_line(choice: Choice, *, width: int) -> str:
    """List the keys in a line, as many as fit."""
    if choice.page in (READ, HELP):
        words = ["Esc back", "j/k scroll", "G end", "l raw/transcript", "a answer", "m message"]
    else:
        words = ["q leave", "? help", "Enter read", "a answer", "r retry", "p pause", "m message"]
        words += ["/ filter", f"s sort ({choice.sort})", "Tab tasks", "e edit", "^C pause all"]
    if choice.filter:
        words.insert(1, f"filter: {one_line(choice.filter)} (/)")
    shown = words[:1]
    for word in words[1:]:
        if cells("  ".join([*shown, word])) > width:
            break
        shown.append(word)
    return "  ".join(shown)


def pasted(choice: Choice, text: str) -> Choice:
    """Paste `text` into the line that is typed, without its line feeds."""
    if choice.prompt is None:
        return choice
    prompt = replace(choice.prompt, text=choice.prompt.text + " ".join(text.split()))
    return replace(choice, prompt=prompt)


def _typed(look: Look, choice: Choice, prompt: Prompt, key: str, character: str | None) -> Pressed:
    if key in ("escape", "ctrl+c"):
        return Pressed(replace(choice, prompt=None), notice="nothing was done")
    if key == "enter":
        closed = replace(choice, prompt=None)
        if prompt.act == "filter":
            return Pressed(replace(closed, filter=prompt.text.strip(), selected=None))
        if not prompt.text.strip():
            return Pressed(closed, notice="nothing was typed; nothing was done")
        return Pressed(closed, Act(prompt.act, prompt.about, prompt.text.strip()))
    text = prompt.text
    if key in ("backspace", "ctrl+h"):
        text = text[:-1]
    elif key == "ctrl+u":
        text = ""
    elif key == "ctrl+w":
        text = text.rstrip().rpartition(" ")[0]
    elif character and character.isprintable():
        text += character
    return Pressed(replace(choice, prompt=replace(prompt, text=text)))


def _moved(by: int) -> Callable[[Look, Choice], Pressed]:
    def move(look: Look, choice: Choice) -> Pressed:
        names = [agent["name"] for agent in ordered(look, choice)]
        if not names:
            return Pressed(choice)
        now = names.index(choice.selected) if choice.selected in names else 0
        return Pressed(replace(choice, selected=names[min(max(0, now + by), len(names) - 1)]))

    return move


def _read(look: Look, choice: Choice, *, is_raw: bool = False) -> Pressed:
    agent = selected_agent(look, choice)
    if agent is None:
        return Pressed(choice)
    return Pressed(replace(choice, page=READ, selected=agent["name"], offset=END, is_raw=is_raw))


def _raw(look: Look, choice: Choice) -> Pressed:
    return _read(look, choice, is_raw=not choice.is_raw if choice.page == READ else True)


def _answer(look: Look, choice: Choice) -> Pressed:
    """Prompt for an answer to the question of the selected agent, else to the first one."""
    agent = selected_agent(look, choice)
    asked = (agent["questions"] if agent else []) or look.status["questions"]
    if not asked:
        return Pressed(choice, notice="nothing is asked now")
    question = asked[0]
    text = one_line(str(question.get("text", "")))
    prompt = Prompt(act="answer", about=str(question["id"]), label=f"{text[:60]} >")
    return Pressed(replace(choice, prompt=prompt))


def _about_selected(act: str) -> Callable[[Look, Choice], Pressed]:
    def do(look: Look, choice: Choice) -> Pressed:
        agent = selected_agent(look, choice)
        return Pressed(choice, None if agent is None else Act(act, agent["name"]))

    return do


def _pause(look: Look, choice: Choice) -> Pressed:
    agent = selected_agent(look, choice)
    if agent is None:
        return Pressed(choice)
    return Pressed(choice, Act("pause" if agent["want"] == Want.RUN else "start", agent["name"]))


def _pause_all(look: Look, choice: Choice) -> Pressed:
    return Pressed(choice, Act("pause_all" if look.status["want"] == Want.RUN else "start_all"))


def _send(look: Look, choice: Choice) -> Pressed:
    agent = selected_agent(look, choice)
    if agent is None:
        return Pressed(choice)
    prompt = Prompt(act="send", about=agent["name"], label=f"to {agent['name']} >")
    return Pressed(replace(choice, prompt=prompt))


def _filter(look: Look, choice: Choice) -> Pressed:
    prompt = Prompt(act="filter", about="", label="show only >", text=choice.filter)
    return Pressed(replace(choice, prompt=prompt, page=AGENTS))


def _sort(look: Look, choice: Choice) -> Pressed:
    sort = SORTS[(SORTS.index(choice.sort) + 1) % len(SORTS)]
    return Pressed(replace(choice, sort=sort), notice=f"sorted by {sort}; who wants you stays first")


def _next_page(look: Look, choice: Choice) -> Pressed:
    now = PAGES.index(choice.page) if choice.page in PAGES else -1
    return Pressed(replace(choice, page=PAGES[(now + 1) % len(PAGES)], offset=END))


def _help(look: Look, choice: Choice) -> Pressed:
    return Pressed(replace(choice, page=HELP, offset=0))


def _leave(look: Look, choice: Choice) -> Pressed:
    return Pressed(choice, Act("leave"))


def _back(look: Look, choice: Choice) -> Pressed:
    return Pressed(replace(choice, page=AGENTS, filter="", offset=END))


_SCROLLS = {
    "j": _STEP,
    "down": _STEP,
    "k": -_STEP,
    "up": -_STEP,
    "space": _LEAP,
    "pagedown": _LEAP,
    "pageup": -_LEAP,
    "g": 0,
    "home": 0,
    "G": END,
    "upper_g": END,
    "end": END,
}


def _scrolled(look: Look, choice: Choice, key: str) -> int:
    """Find the offset after a key; from the end up it counts from the number of lines that there are."""
    if key in ("g", "home"):
        return 0
    if key in ("G", "upper_g", "end"):
        return END
    by = _SCROLLS[key]
    lines = {READ: len(look.reading), HELP: len(HELP_LINES)}.get(choice.page, len(look.messages))
    now = max(0, lines - _LEAP) if choice.offset == END else choice.offset
    return END if now + by >= lines else max(0, now + by)


_KEYS: dict[str, Callable[[Look, Choice], Pressed]] = {
    "j": _moved(_STEP),
    "down": _moved(_STEP),
    "k": _moved(-_STEP),
    "up": _moved(-_STEP),
    "pagedown": _moved(_LEAP),
    "pageup": _moved(-_LEAP),
    "enter": _read,
    "right": _read,
    "l": _raw,
    "a": _answer,
    "p": _pause,
    "P": _pause_all,
    "upper_p": _pause_all,
    "r": _about_selected("retry"),
    "e": _about_selected("edit"),
    "m": _send,
    "slash": _filter,
    "s": _sort,
    "tab": _next_page,
    "question_mark": _help,
    "q": _leave,
    "d": _leave,
    "escape": _back,
}
