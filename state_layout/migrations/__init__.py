"""Trees of older formats, brought up to this one step by step; newer ones are refused.

`MIGRATIONS[n]` turns a tree of format `n` into one of `n + 1`. `FORMAT` is replaced after each step, so one
that was cut off is done again: each must be idempotent, keep what it replaces (`<file>.torn-<n>` or the file
itself) and write through `files.atomic`. A frozen tree of every format lies in `tests/trees/`: it must
load for ever. Nothing is migrated while a supervisor or an agent lives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from state_layout.errors import NotATree, StorageError
from state_layout.files import atomic
from state_layout.files.reading import Unreadable, read_regular
from state_layout.paths import FORMAT_VERSION, FORMAT_WORD, Tree
from state_layout.shapes.wording import shown

Migration = Callable[[Tree], None]

MIGRATIONS: Mapping[int, Migration] = {}
_LONGEST_FORMAT_BYTES = 4096
_MOST_DIGITS = 9


def version_of(tree: Tree) -> int:
    """Read the format of `tree`.

    Raises FileNotFoundError without a FORMAT file, NotATree if it is not ours, StorageError where this user
    may not look.
    """
    try:
        data, _ = read_regular(tree.format, most_bytes=_LONGEST_FORMAT_BYTES)
    except Unreadable as cause:
        if isinstance(cause.__cause__, PermissionError):
            raise StorageError(f"{tree.format}: {cause}") from cause
        raise NotATree(f"{tree.format}: {cause}") from cause
    words = data.decode(errors="replace").split()
    if len(words) != 2 or words[0] != FORMAT_WORD or not (words[1].isascii() and words[1].isdigit()):
        text = shown(data[:60].decode(errors="replace"))
        raise NotATree(f"{tree.format}: reads {text}; this is no orchestration of maos-sup")
    return int(words[1][:_MOST_DIGITS])


def check_version(
    tree: Tree, *, migrations: Mapping[int, Migration] = MIGRATIONS, target: int = FORMAT_VERSION
) -> int:
    """Check the format of `tree`: this one or one that can be migrated. Raises as `version_of`, NotATree."""
    version = version_of(tree)
    if version > target:
        raise NotATree(
            f"{tree.format}: format {version} is newer than {target}, which this maos-sup knows; "
            "use a newer maos-sup"
        )
    if any(step not in migrations for step in range(version, target)):
        raise NotATree(f"{tree.format}: there never was a format {version}; restore FORMAT from a copy")
    return version


def migrate(
    tree: Tree, *, migrations: Mapping[int, Migration] = MIGRATIONS, target: int = FORMAT_VERSION
) -> list[int]:
    """Bring `tree` to format `target`; give the formats it had, oldest first, none if it is of that one.

    Raises NotATree for a format that cannot be migrated, Locked while a process of the tree lives,
    StorageError. After any of them the tree is of the format that its FORMAT says.
    """
    version = check_version(tree, migrations=migrations, target=target)
    if version == target:
        return []
    from state_layout.tree.stillness import held_still  # here: opening a tree imports this module

    with held_still(tree):
        steps = list(range(version_of(tree), target))  # somebody else may have been quicker
        for step in steps:
            migrations[step](tree)
            atomic.replace(tree.format, f"{FORMAT_WORD} {step + 1}\n".encode())
    return steps
