"""Says how mistakes are worded: `'limits.timeout_s' is '10'; use a number above 0, without quotes`.

One place, so that plans, spec files and command lines speak alike.
"""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN_CHARACTERS = 60
_MOST_NAMES = 12
_KINDS: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    dict: "a table",
    list: "a list",
}


def key_text(at: Iterable[str | int]) -> str:
    """Show the key at `at` as people write it: `'tasks[1].needs[0]'`."""
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{_short(part)}" if text else _short(part)
    return f"'{text}'" if text else "the document"


def shown(value: object) -> str:
    """Show `value` in a few words, as it looks in JSON or TOML rather than in Python."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case dict():
            return "a table"
        case list():
            return f"a list of {len(value)}"
        case str():
            return repr(value) if len(value) <= _SHOWN_CHARACTERS else repr(value[:_SHOWN_CHARACTERS]) + "..."
        case int() if value.bit_length() > 63:
            return "a number beyond 64 bits"
        case int() | float():
            return str(value)
        case _:
            return f"a {type(value).__name__}"  # TOML's dates and times


def kind_of(value: object) -> str:
    """Say what sort of value it is, without the value: for what may be a secret."""
    return _KINDS.get(type(value)) or ("null" if value is None else f"a {type(value).__name__}")


def listed(words: Iterable[str], *, last: str) -> str:
    """List words as `run, pause or stop`, with `last` before the last of `words`."""
    *first, end = [*words] or [""]
    return f"{', '.join(first)} {last} {end}" if first else end


def closest(word: str, known: Iterable[str]) -> str:
    """Ask `did you mean 'needs'?`, or nothing where no word of `known` is close."""
    import difflib  # mistakes are rare, and it takes a quarter of a megabyte

    found = difflib.get_close_matches(word.lower(), [*known], n=1, cutoff=0.6)
    return f"did you mean {found[0]!r}?" if found else ""


def not_known(name: str, known: Iterable[str], *, what: str) -> str:
    """Say that no agent or task has this `name`, and which there are."""
    names = sorted(known)
    remedy = closest(name, names) or (
        f"use {listed(names[:_MOST_NAMES], last='or')}" if names else f"there is no {what} yet"
    )
    return f"no {what} {shown(name)}; {remedy}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
