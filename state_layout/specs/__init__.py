"""Reads what is in force in the spec files; accepts, edits, adds and checks. The one module to import.

`files` knows one file, `read` all of them together, `of_agent` what one agent needs, `edit` changes them,
`tables` has their keys, `kinds` what is known of a kind.
"""

from __future__ import annotations

from collections.abc import Mapping

from state_layout.files import atomic
from state_layout.paths import Tree
from state_layout.specs.edit import Edit, add_spec, add_specs, edit_spec, validate_spec_bytes
from state_layout.specs.files import Kinds, SpecError, digest_of, unknown_keys
from state_layout.specs.read import SpecCache, SpecsRead, read_specs

__all__ = [
    "Edit",
    "Kinds",
    "SpecCache",
    "SpecError",
    "SpecsRead",
    "accept",
    "add_spec",
    "add_specs",
    "digest_of",
    "edit_spec",
    "read_specs",
    "unknown_keys",
    "validate_spec_bytes",
]


def accept(tree: Tree, contents: Mapping[str, bytes]) -> None:
    """Keep `contents` as the last good versions, by rel (`agents/bob.json`), durably.

    For the supervisor only. Raises StorageError; then some may be kept.
    """
    targets = {tree.accepted / rel: data for rel, data in contents.items()}
    for folder in {target.parent: None for target in targets}:
        atomic.make_folder(folder)
    atomic.replace_all(targets)
