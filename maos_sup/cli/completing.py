"""Says what a shell completes: orchestrations, agents, tasks, keys, questions, checkpoints.

One rule for every command: the words in its usage (`[DIR|ID] TO [TEXT]`) and the names of its options say
what belongs where. Reads a few names; says nothing, whatever is wrong: a shell is waiting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from maos_sup.cli.places import all_trees, home
from state_layout.errors import LayoutError
from state_layout.files.reading import read_record
from state_layout.paths import FORMAT_WORD, Tree
from state_layout.shapes.shape import Shape
from state_layout.tree import find_tree, open_tree
from state_layout.tree.elsewhere import id_of

_SLOT = re.compile(r"(?<![\w:-])([A-Za-z][A-Za-z|]*)\]?(\.\.\.)?")
_TREE, _SCOPE, _SCOPE_KEY = "DIR|ID", "SCOPE", "KEY of SCOPE"
_MOST_HELP = 60  # characters
Found = Iterable[tuple[str, str]]  # words and what they are


@dataclass(frozen=True, slots=True)
class _Slot:
    """A slot is a word of a usage. `may_repeat`: it takes all further words."""

    name: str
    may_repeat: bool

    @property
    def literals(self) -> tuple[str, ...]:
        """The literals are the words that may stand there, like `show|cleanup`, else none."""
        return tuple(self.name.split("|")) if self.name.islower() else ()


def attach(command: click.Command) -> None:
    """Let all that `command` takes be completed, where we know how."""
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    slots = [slot for param in arguments for slot in _slots(param.metavar or "")]
    if any(slot.name == _SCOPE for slot in slots):
        slots = [_Slot(_SCOPE_KEY, slot.may_repeat) if slot.name == "KEY" else slot for slot in slots]
    if command.name == "explain":
        slots = [_Slot("KEYS", may_repeat=False)]
    if any(slot.name in _FINDERS or slot.literals for slot in slots):
        for param in arguments:
            setattr(param, "shell_complete", partial(_quietly, partial(_words, arguments, slots)))  # noqa: B010
    for option in command.params:
        finder = _FINDERS.get(_of_option(option))
        if finder is not None:
            setattr(option, "shell_complete", partial(_quietly, partial(_option, arguments, finder)))  # noqa: B010
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            attach(inner)


def _slots(metavar: str) -> list[_Slot]:
    return [_Slot(name, bool(dots)) for name, dots in _SLOT.findall(metavar)]


def _of_option(param: click.Parameter) -> str:
    """The usage word that stands for what the option takes, empty for others."""
    if not isinstance(param, click.Option) or param.is_flag:
        return ""
    first = str(param.metavar or "").partition(" ")[0]
    names = {"A": "AGENT", "T": "TASK" if {"--task", "--needs"} & {*param.opts} else ""}
    if "--agent" in param.opts and first == "NAME":
        return "AGENT"
    return names.get(first, first if first in ("AGENT", "TASK", "KEY", "CHECKPOINT") else "")


def _quietly(
    find: Callable[[click.Context, str], list[CompletionItem]], ctx: click.Context, incomplete: str
) -> list[CompletionItem]:
    try:
        return find(ctx, incomplete)
    except Exception:  # noqa: BLE001 a shell is no place to complain
        return []


def _words(
    arguments: list[click.Argument], slots: list[_Slot], ctx: click.Context, incomplete: str
) -> list[CompletionItem]:
    """List the words that may stand next."""
    given, rest, tree_word = _given(arguments, ctx), [*slots], ctx.params.get("directory")
    scope = ""
    for word in given:
        while rest and _is_passed_over(rest[0], word):
            rest.pop(0)
        if rest and rest[0].name == _TREE:
            tree_word = word
        if rest and rest[0].name == _SCOPE:
            scope = word
        if rest and not rest[0].may_repeat:
            rest.pop(0)
    found, wants_folder = list[tuple[str, str]](), False
    tree = _tree(tree_word)
    for slot in rest:
        wants_folder |= slot.name == _TREE
        found += [(word, "") for word in slot.literals]
        found += (
            _scope_keys(tree, scope) if slot.name == _SCOPE_KEY else _FINDERS.get(slot.name, _nothing)(tree)
        )
        if slot.name != _TREE and not slot.literals:
            break
    items = _items(found, incomplete)
    return items or ([CompletionItem(incomplete, type="dir")] if wants_folder else [])


def _option(
    arguments: list[click.Argument],
    finder: Callable[[Tree | None], Found],
    ctx: click.Context,
    incomplete: str,
) -> list[CompletionItem]:
    words = [ctx.params.get("directory"), *_given(arguments, ctx)]
    named = next((word for word in words if word is not None and _named(word) is not None), None)
    return _items(finder(_tree(named)), incomplete)


def _items(found: Found, incomplete: str) -> list[CompletionItem]:
    """Those that begin with `incomplete`, else those that hold it (ids are named by any part)."""
    words = dict(found)
    chosen = [word for word in words if word.startswith(incomplete)]
    chosen = chosen or [word for word in words if incomplete in word]
    return [CompletionItem(word, help=words[word] or None) for word in chosen]


def _given(arguments: list[click.Argument], ctx: click.Context) -> list[str]:
    """List the words before the one to complete."""
    values = [ctx.params.get(str(param.name)) for param in arguments]
    return [
        str(word)
        for value in values
        if value is not None
        for word in (value if isinstance(value, tuple) else (value,))
    ]


def _is_passed_over(slot: _Slot, word: str) -> bool:
    """The `word` belongs to a later slot: this one may be left out, and it is not meant."""
    if slot.literals:
        return word not in slot.literals
    return slot.name == _TREE and _named(word) is None


def _named(word: str) -> Tree | None:
    try:
        return find_tree(word, home())
    except LayoutError:
        return None


def _tree(word: str | None) -> Tree | None:
    """The tree that `word` names, else the one around the current folder, else the newest."""
    named = None if word is None else _named(word)
    if named is not None:
        return named
    here = Path.cwd()
    for folder in (here, *here.parents):
        with suppress(OSError):
            if read_record(folder / "FORMAT").startswith(FORMAT_WORD.encode()):
                return open_tree(folder)
    trees = all_trees()
    return trees[-1] if trees else None


def _nothing(tree: Tree | None) -> Found:
    return ()


def _trees(tree: Tree | None) -> Found:
    return [(id_of(one), "") for one in reversed(all_trees())]


def _names(folder: Path | None) -> Found:
    return [] if folder is None else [(path.stem, "") for path in sorted(folder.glob("[a-z0-9]*.json"))]


def _agents(tree: Tree | None) -> Found:
    return _names(None if tree is None else tree.agent_specs)


def _recipients(tree: Tree | None) -> Found:
    return [*_agents(tree), ("all", "every agent")]


def _tasks(tree: Tree | None) -> Found:
    return _names(None if tree is None else tree.task_specs)


def _questions(tree: Tree | None) -> Found:
    from maos_sup.views.status import status_of

    for one in [tree] if tree is not None else all_trees():
        for agent in status_of(one)["agents"]:
            for question in agent["questions"]:
                yield str(question["id"]), str(question.get("text", ""))[:_MOST_HELP]


def _sides(tree: Tree | None) -> Found:
    return [*_checkpoints(tree), *_trees(tree)]


def _checkpoints(tree: Tree | None) -> Found:
    if tree is None:
        return
    from maos_sup.cuts.store import all_cuts

    for cut in reversed(all_cuts(tree)[0]):
        yield cut.name or str(cut.number), cut.why[:_MOST_HELP]


def _scopes(tree: Tree | None) -> Found:
    """The scopes of shared state that are there, and those that each agent and task has."""
    from state_layout.scopes.names import AGENT, GLOBAL, ORCHESTRATION, TASK, Scope, folders_in

    shared = [Scope(ORCHESTRATION), Scope(GLOBAL)]
    if tree is not None:
        shared = [*dict.fromkeys([*shared, *(scope for scope, _ in folders_in(tree))])]
    yield from [(str(scope), "shared") for scope in shared]
    yield from [(str(Scope(AGENT, name)), "of one agent") for name, _ in _agents(tree)]
    yield from [(str(Scope(TASK, name)), "of one task") for name, _ in _tasks(tree)]


def _scope_keys(tree: Tree | None, scope: str) -> Found:
    """The keys that have a value in `scope`."""
    if tree is None:
        return
    from maos_sup.views.kept import values_of
    from state_layout.scopes.names import scope_of

    yield from [(str(told["key"]), "") for told in values_of(tree, scope_of(scope))]


def _keys(tree: Tree | None) -> Found:
    """The keys as `set` takes them; without a tree as `explain` does."""
    from maos_sup.agents.registry import find_kind
    from state_layout.files import codec
    from state_layout.specs.tables import AGENT, ORCHESTRATION, TASK

    yield from _leaves(ORCHESTRATION, "")
    if tree is None:
        yield from [*_leaves(AGENT, "agents."), *_leaves(TASK, "tasks.")]
        return
    for name, _ in _agents(tree):
        shape = AGENT
        with suppress(OSError, codec.NotJson, LayoutError):  # of a spec that is bad, what all have
            kind = str(codec.decode_object(read_record(tree.agent_spec(name))).get("kind"))
            shape = AGENT.extended(find_kind(kind).settings)
        yield from _leaves(shape, f"agents/{name}.")
    for name, _ in _tasks(tree):
        yield from _leaves(TASK, f"tasks/{name}.")


def _leaves(shape: Shape, before: str) -> Iterator[tuple[str, str]]:
    for key, known in shape.fields.items():
        if isinstance(known.rule, Shape):
            yield from _leaves(known.rule, f"{before}{key}.")
        else:
            yield f"{before}{key}", known.doc[:_MOST_HELP]


def _explained(tree: Tree | None) -> Found:
    from maos_sup.agents.registry import kind_shapes
    from maos_sup.planner.explain import every_key

    return [(one.key, one.doc[:_MOST_HELP]) for one in every_key(kind_shapes())]


def _commands(tree: Tree | None) -> Found:
    from maos_sup.cli.entries import ENTRIES

    return [(name, entry.help) for name, entry in ENTRIES.items()]


def _roles(tree: Tree | None) -> Found:
    from maos_sup.cli.places import user_roles
    from maos_sup.planner.roles import read_roles, role_folders

    roles = read_roles(role_folders(project=Path.cwd(), user=user_roles()))
    return [(role.name, role.first_line[:_MOST_HELP]) for role in roles.values()]


def _templates(tree: Tree | None) -> Found:
    from maos_sup.planner.templates import first_line, template_names

    return [(name, first_line(name)) for name in template_names()]


_FINDERS: dict[str, Callable[[Tree | None], Found]] = {
    _TREE: _trees,
    "A": _sides,  # `diff A [B]`
    "B": _sides,
    "AGENT": _agents,
    "TO": _recipients,
    "TASK": _tasks,
    "QUESTION": _questions,
    "CHECKPOINT": _checkpoints,
    "KEY": _keys,
    _SCOPE: _scopes,
    "KEYS": _explained,
    "COMMAND": _commands,
    "ROLE": _roles,
    "TEMPLATE": _templates,
}
