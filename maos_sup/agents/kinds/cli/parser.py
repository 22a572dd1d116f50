"""Says what a line of a command line's output means, by the rules of its profile. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from maos_sup.agents.kinds.cli.profile import PATHS

USAGE = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_MISSING: Any = object()
_FAMILIES = {"piece": "text", "tool_error": "tool_result", "final_error": "result", "error": "result"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A meaning is one thing that a line says: `what` of MEANINGS, and the values that its rule names."""

    what: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Take a value as text, empty if it is not there."""
        value = self.values.get(name)
        return value if isinstance(value, str) else "" if value is None else str(value)

    @property
    def usage(self) -> dict[str, int]:
        """The token counts in it."""
        return {name: int(self.values[name]) for name in USAGE if _is_count(self.values.get(name))}


def meanings(line: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> Iterator[Meaning]:
    """Yield all that `line` means: the first rule for each kind of meaning that fits."""
    found: set[str] = set()
    for rule in rules:
        what = _family(rule["is"])
        if what in found or not _fits(line, rule):
            continue
        found.add(what)
        values = {
            name: value for name in PATHS if name in rule and (value := at(line, rule[name])) is not _MISSING
        }
        if rule.get("input_has_cached") and "input_tokens" in values:
            values["input_tokens"] = max(0, values["input_tokens"] - (values.get(USAGE[2]) or 0))
        yield Meaning(what=rule["is"], values=values)


def at(value: Any, path: str) -> Any:
    """Take what stands in `value` at `path`, like item.text or content.0.text; content.*.id: a list of
    all."""
    first, is_all, rest = path.partition(".*.")
    if is_all:
        items = at(value, first)
        found = [at(item, rest) for item in items] if isinstance(items, list) else []
        return [each for each in found if each is not _MISSING] or _MISSING
    for key in path.split("."):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return _MISSING
    return value


def _family(what: str) -> str:
    """Meanings of which a line has one at most."""
    return _FAMILIES.get(what, what)


def _fits(line: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    """All values of `when` are there and none of `unless`, for which what is missing is null."""
    if not all(_is_one_of(at(line, path), wanted) for path, wanted in rule["when"].items()):
        return False
    refused = ((at(line, path), unwanted) for path, unwanted in rule.get("unless", {}).items())
    return not any(_is_one_of(None if value is _MISSING else value, unwanted) for value, unwanted in refused)


def _is_one_of(value: Any, wanted: Any) -> bool:
    return bool(value == wanted) or (isinstance(wanted, list) and value in wanted)


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
