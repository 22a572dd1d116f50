"""Says what scopes and keys are called. Pure: a key is data and never a path, a scope never leaves its
folder.

Shared scopes have many writers and a folder; owned ones have one, the agent, and lie in its journal under
keys that no key of a person can look like (they begin with NUL, which is refused in keys).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from state_layout.errors import BadInput
from state_layout.files.looking import is_dir, is_link, is_regular
from state_layout.host.home import home
from state_layout.paths import Tree, is_name

ORCHESTRATION, GLOBAL, CUSTOM = "orchestration", "global", "custom"
AGENT, TASK, SESSION = "agent", "task", "session"
SHARED_SORTS, OWNED_SORTS = (ORCHESTRATION, CUSTOM, GLOBAL), (AGENT, TASK, SESSION)
LONGEST_KEY_BYTES = 1024
LONGEST_NAME_BYTES = 250  # of a file, `.json` included, so that a temporary beside it has room
_WISH = "use orchestration, custom:NAME, global, agent[:AGENT], task[:TASK] or session[:TASK]"
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-.")


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope is where a key is looked for. `owner`: the NAME of a custom scope, the agent or task of an
    owned one."""

    sort: str
    owner: str = ""

    @property
    def is_shared(self) -> bool:
        """Several may write the scope."""
        return self.sort in SHARED_SORTS

    def __str__(self) -> str:
        return f"{self.sort}:{self.owner}" if self.owner else self.sort


def scope_of(text: str) -> Scope:
    """Read the scope that `text` names. Raises BadInput."""
    sort, colon, owner = text.partition(":")
    if sort in (ORCHESTRATION, GLOBAL) and not colon:
        return Scope(sort)
    if sort in (CUSTOM, *OWNED_SORTS) and (is_name(owner) or (sort != CUSTOM and not colon)):
        return Scope(sort, owner)
    raise BadInput(f"scope {text[:80]!r}: {_WISH}; a NAME has 1 to 64 of a-z 0-9 _ -")


def checked_key(key: object) -> str:
    """Give `key` back if it may be one: text of 1 to 1024 bytes. Raises BadInput."""
    if not isinstance(key, str):
        raise BadInput(f"key {str(key)[:80]!r}: is no text")
    size = len(key) if key.isascii() else len(key.encode("utf-8", "replace"))
    if not key or size > LONGEST_KEY_BYTES:
        raise BadInput(f"key {key[:80]!r}: has {size} bytes; use 1 to {LONGEST_KEY_BYTES}")
    if "\0" in key:
        raise BadInput(f"key {key[:80]!r}: has a NUL in it; leave it out")
    if not key.isascii() and any("\ud800" <= character <= "\udfff" for character in key):
        raise BadInput(f"key {key[:80]!r}: is no valid Unicode; use whole characters")
    return key


def owned_key(scope: Scope, run: int, key: str) -> str:
    """Name `key` of an owned scope as the agent's own state has it; `run` is that of a task."""
    if scope.sort == AGENT:
        return key
    return f"{owned_prefix(scope, run)}{key}"


def owned_prefix(scope: Scope, run: int) -> str:
    """Give the text with which the names of all keys of a task or session begin."""
    return f"\0{scope.sort}:{scope.owner}{f'#{run}' if scope.sort == TASK else ''}\0"


def is_of_agent(name: str) -> bool:
    """The `name` in an agent's own state is a key of its scope `agent`, not of a task or session."""
    return not name.startswith("\0")


def shared_folder(tree: Tree, scope: Scope) -> Path:
    """Name the folder where the files of a shared scope lie: in the tree, or in the home for `global`."""
    if scope.sort == GLOBAL:
        return home() / "state" / GLOBAL
    return tree.state_scope(scope.sort, scope.owner)


def schema_path(tree: Tree, scope: Scope) -> Path:
    """Name the file that says what the values of a shared scope look like: of `global` in the home."""
    if scope.sort == GLOBAL:
        return home() / "state" / f"{GLOBAL}.schema.json"
    return tree.state_schema(scope.sort, scope.owner)


def folders_in(tree: Tree) -> list[tuple[Scope, Path]]:
    """List the shared scopes of the tree that anybody has written, and their folders."""
    custom = tree.state / CUSTOM
    names = sorted(path.name for path in custom.glob("*") if is_name(path.name) and is_dir(path))
    scopes = [Scope(ORCHESTRATION), *(Scope(CUSTOM, name) for name in names)]
    folders = [(scope, tree.state_scope(scope.sort, scope.owner)) for scope in scopes]
    return [(scope, folder) for scope, folder in folders if is_dir(folder) and not is_link(folder)]


def file_name(key: str) -> str:
    """Name the file of `key` in `spec/state/`, safe on every system. Raises BadInput if too long."""
    name = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in key.encode())
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if len(name) + len(".json") > LONGEST_NAME_BYTES:
        raise BadInput(f"key {key[:80]!r}: is too long for a file's name; use 'maos-sup state put'")
    return f"{name}.json"


def key_of_file(name: str) -> str | None:
    """Read the key that the file `name` in `spec/state/` is of; None for no name of a key."""
    if not name.endswith(".json") or name.startswith("."):
        return None
    try:
        return checked_key(unquote_to_bytes(name.removesuffix(".json")).decode())
    except (UnicodeDecodeError, BadInput):
        return None


def located(tree: Tree, argv: Sequence[str]) -> tuple[str, ...]:
    """Put into `argv` the paths of those arguments that are files in `spec/files/`."""
    return tuple(
        str(tree.files / word.removeprefix("./")) if _is_file_of(tree, word.removeprefix("./")) else word
        for word in argv
    )


def _is_file_of(tree: Tree, word: str) -> bool:
    path = Path(word)
    return bool(word) and not path.is_absolute() and ".." not in path.parts and is_regular(tree.files / path)
