"""`state ...`: look into shared state and agents' own, and change it; by compare-and-set if asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from maos_sup.cli import edge, options
from maos_sup.cli.places import tree_of_words
from maos_sup.cli.says import say, say_aside, say_exactly, say_json
from maos_sup.cuts import store as checkpoints
from maos_sup.cuts.record import TeamCut
from maos_sup.steering import keeping, migrating
from maos_sup.views.kept import history_of, value_of, values_of
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.paths import Tree
from state_layout.scopes.lines import Version, shown_value, version_of
from state_layout.scopes.names import Scope, scope_of
from state_layout.scopes.store import ANY_VERSION, Expected
from state_layout.scopes.values import value_of_json

if TYPE_CHECKING:
    from state_layout.scopes.telling import ShownVersion


_LOOK_S = 0.1
NO_VALUE = 1  # as `grep` says that there is nothing
_scope_words = click.argument("words", metavar="[DIR|ID] SCOPE[:OWNER] [KEY]", nargs=-1)
_at = click.option("--at", "at", metavar="CUT", help="As it was at this checkpoint.")
_if_version = click.option(
    "--if-version",
    "version",
    metavar="V",
    help="Only if its version is still V (none: only if it has no value); else exit code 4.",
)


@click.group("state", no_args_is_help=True)
def commands() -> None:
    """Values under keys. SCOPE: orchestration, custom:NAME, global, agent:A, task:T, session:T."""


@commands.command("list")
@_scope_words
@_at
@options.as_json
def list_(words: tuple[str, ...], *, at: str | None, as_json: bool) -> int:
    """List keys and values; with KEY those that begin with it. Exit code 2 if a schema does not fit one."""
    tree, scope, prefix = _meant(words, usage="say which: state list [DIR] SCOPE [PREFIX]")
    found = values_of(tree, scope, prefix or "", cut=_cut(tree, at))
    if as_json:
        say_json({"scope": str(scope), "values": found})
    elif not found:
        say_aside(f"no value in {scope}")
    else:
        say("\n".join(f"{told['key']}\t{shown_value(told['value'])}" for told in found))
    faults = [str(told["fault"]) for told in found if "fault" in told]
    for fault in faults:
        say_aside(f"shown as it was written: {fault}")
    return edge.USAGE if faults else edge.OK


@commands.command("get")
@_scope_words
@_at
@click.option("--show-version", is_flag=True, help="Print the version before the value, a tab between.")
@options.as_json
def get(words: tuple[str, ...], *, at: str | None, show_version: bool, as_json: bool) -> int:
    """Print the value of KEY, as JSON; exit code 1 if it has none."""
    tree, scope, key = _meant(words, usage="say which: state get [DIR] SCOPE KEY", needs_key=True)
    told = value_of(tree, scope, key or "", cut=_cut(tree, at))
    if as_json:
        say_json({"scope": str(scope), **(told or {"key": key, "value": None, "version": None})})
    elif told is not None:
        text = codec.encode(told["value"]).decode()
        say_exactly(f"{_version(told)}\t{text}" if show_version else text)
    return 0 if told is not None else NO_VALUE


@commands.command("put")
@click.argument("words", metavar="[DIR|ID] SCOPE KEY VALUE", nargs=-1)
@_if_version
@options.as_json
def put(words: tuple[str, ...], *, version: str | None, as_json: bool) -> None:
    """Keep VALUE (JSON, or else text) under KEY. Durable when the command returns."""
    usage = "say what: state put [DIR] SCOPE KEY VALUE"
    tree, rest = tree_of_words(words, 3, usage=usage)
    if len(rest) != 3:
        raise click.UsageError(usage)
    change = keeping.put(tree, scope_of(rest[0]), rest[1], _json_or_text(rest[2]), over=_over(version))
    _say_change(change, as_json=as_json)


@commands.command("delete")
@_scope_words
@_if_version
@options.as_json
def delete(words: tuple[str, ...], *, version: str | None, as_json: bool) -> None:
    """Leave KEY without a value. Its versions stay in the history."""
    tree, scope, key = _meant(words, usage="say which: state delete [DIR] SCOPE KEY", needs_key=True)
    _say_change(keeping.delete(tree, scope, key or "", over=_over(version)), as_json=as_json)


@commands.command("history")
@_scope_words
@options.as_json
def history(words: tuple[str, ...], *, as_json: bool) -> None:
    """Print every version of KEY, or of all keys, the oldest first."""
    tree, scope, key = _meant(words, usage="say which: state history [DIR] SCOPE [KEY]")
    found = history_of(tree, scope, key)
    if as_json:
        say_json({"scope": str(scope), "versions": found})
    elif not found:
        say_aside(f"no value in {scope}")
    else:
        say("\n".join(_line(told, with_key=key is None) for told in found))


@commands.command("why")
@_scope_words
@options.as_json
def why(words: tuple[str, ...], *, as_json: bool) -> int:
    """Say who wrote the value of KEY: the task, its run and the step, and what it replaced."""
    tree, scope, key = _meant(words, usage="say which: state why [DIR] SCOPE KEY", needs_key=True)
    versions = history_of(tree, scope, key)
    if as_json:
        say_json({"scope": str(scope), "key": key, "last": versions[-1] if versions else None})
    elif versions:
        last = versions[-1]
        say(f"{_what(last)}, by {_who(last)} at {last['at']}, version {_version(last)}")
        over = [told for told in versions if told["version"] == last["over"]]
        say(f"in place of {_what(over[0])}, by {_who(over[0])}" if over else "in place of nothing")
    return 0 if versions else NO_VALUE


@commands.command("diff")
@click.argument("words", metavar="[DIR|ID] SCOPE A [B]", nargs=-1)
@options.as_json
def diff(words: tuple[str, ...], *, as_json: bool) -> None:
    """Print which keys differ between the checkpoints A and B; without B between A and now."""
    usage = "say which: state diff [DIR] SCOPE A [B]"
    tree, rest = tree_of_words(words, 2, usage=usage)
    if len(rest) not in (2, 3):
        raise click.UsageError(usage)
    scope = scope_of(rest[0])
    before, after = (
        {told["key"]: told["value"] for told in values_of(tree, scope, cut=_cut(tree, at))}
        for at in (rest[1], rest[2] if len(rest) == 3 else None)
    )
    keys = [key for key in sorted({*before, *after}) if _pair(before, key) != _pair(after, key)]
    if as_json:
        say_json({"scope": str(scope), "differs": {key: [before.get(key), after.get(key)] for key in keys}})
    else:
        say("\n".join(f"{key}\t{_side(before, key)} -> {_side(after, key)}" for key in keys))


@commands.command("watch")
@_scope_words
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
def watch(words: tuple[str, ...], *, as_json: bool) -> None:
    """Print each new version of KEY, or of any key, as it comes. Ctrl+C ends it."""
    tree, scope, key = _meant(words, usage="say which: state watch [DIR] SCOPE [KEY]")
    seen = {tuple(told["version"]) for told in history_of(tree, scope, key)}
    while True:
        for told in history_of(tree, scope, key):
            if tuple(told["version"]) not in seen:
                seen.add(tuple(told["version"]))
                text = codec.encode(told).decode() if as_json else _line(told, with_key=key is None)
                say_exactly(text) if as_json else say(text)
        time.sleep(_LOOK_S)


@commands.command("restore")
@click.argument("words", metavar="[DIR|ID] SCOPE KEY VERSION", nargs=-1)
@options.as_json
def restore(words: tuple[str, ...], *, as_json: bool) -> None:
    """Put the value of an older VERSION of KEY again, as history names it. Nothing is taken out."""
    usage = "say what: state restore [DIR] SCOPE KEY VERSION"
    tree, rest = tree_of_words(words, 3, usage=usage)
    if len(rest) != 3:
        raise click.UsageError(usage)
    scope, version = scope_of(rest[0]), version_of(rest[2])
    if version is None:
        raise BadInput("version none: delete the key instead (maos-sup state delete)")
    change = keeping.restore(tree, scope, rest[1], version, history_of(tree, scope, rest[1]))
    _say_change(change, as_json=as_json)


@commands.command("migrate")
@click.argument("words", metavar="[DIR|ID] SCOPE", nargs=-1)
@click.option("--to", "to", metavar="N", type=options.count(), help="To this version, not the schema's.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Only count, and show three examples.")
@click.option("--rollback", "is_back", is_flag=True, help="Put again what a migration wrote over (--to N).")
@options.as_json
def migrate(words: tuple[str, ...], *, to: float | None, is_dry: bool, is_back: bool, as_json: bool) -> None:
    """Bring every value to the version of spec/state/SCOPE.schema.json; all of them or none."""
    tree, scope, _ = _meant(words, usage="say which: state migrate [DIR] SCOPE")
    version = None if to is None else int(to)
    if is_back:
        if version is None:
            raise click.UsageError("--rollback: say to which version (--to N)")
        done = migrating.migrate_back(tree, scope, to=version, is_dry=is_dry)
    else:
        done = migrating.migrate(tree, scope, to=version, is_dry=is_dry)
    if as_json:
        examples = list(done.changes.items())[: migrating.EXAMPLES]
        told = [{"key": key, "before": before, "after": after} for key, (before, after) in examples]
        counts = {"version": done.version, "values": done.values, "changed": len(done.changes)}
        say_json({"scope": str(scope), **counts, "dry_run": is_dry, "examples": told})
    else:
        say("\n".join(done.lines(is_done=not is_dry)))


def _meant(words: tuple[str, ...], *, usage: str, needs_key: bool = False) -> tuple[Tree, Scope, str | None]:
    """Find the tree, the scope and the key that `words` name; the tree may be left out."""
    least = 2 if needs_key else 1
    if not needs_key and len(words) == 2 and _is_scope(words[0]):
        tree, rest = tree_of_words(words, 2, usage=usage)
        if len(rest) == 1:  # a tree is called like a scope
            return tree, scope_of(rest[0]), None
    else:
        tree, rest = tree_of_words(words, least, usage=usage)
    if not least <= len(rest) <= 2:
        raise click.UsageError(usage)
    return tree, scope_of(rest[0]), rest[1] if len(rest) == 2 else None


def _is_scope(text: str) -> bool:
    try:
        scope_of(text)
    except BadInput:
        return False
    return True


def _cut(tree: Tree, at: str | None) -> TeamCut | None:
    return None if at is None else checkpoints.find(tree, at)


def _over(version: str | None) -> Expected:
    return ANY_VERSION if version is None else version_of(version)


def _json_or_text(text: str) -> Any:
    try:
        return value_of_json(text)
    except codec.NotJson:
        return text


def _say_change(change: Any, *, as_json: bool) -> None:
    if as_json:
        say_json({"changed": change.subject, "before": change.before, **change.after})
    else:
        say(str(change))


def _version(told: ShownVersion) -> str:
    return str(Version(*told["version"]))


def _line(told: ShownVersion, *, with_key: bool) -> str:
    parts = [told["at"], _version(told), _who(told), *([told["key"]] if with_key else []), _what(told)]
    return "\t".join(parts)


def _what(told: ShownVersion) -> str:
    return "(deleted)" if told.get("deleted") else shown_value(told["value"])


def _who(told: ShownVersion) -> str:
    reasons = ", ".join(f"{word} {value}" for word, value in told["why"].items())
    return f"{told['by']} ({reasons})" if reasons else str(told["by"])


def _pair(values: dict[str, object], key: str) -> tuple[Any, ...]:
    return (values[key],) if key in values else ()


def _side(values: dict[str, object], key: str) -> str:
    return shown_value(values[key]) if key in values else "(none)"
