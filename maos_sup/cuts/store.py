"""The checkpoints of a tree: number, write once, find, list, thin.

A checkpoint's number is taken by who creates its file, so two that are written at once get two numbers. The
bytes of specs are kept by content, under a name that says what they are: writing them twice does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from maos_sup.cuts.record import TeamCut
from state_layout.errors import BadInput, Damaged, storage_error
from state_layout.files import atomic, codec, disk
from state_layout.files.looking import exists, is_dir
from state_layout.files.reading import read_record
from state_layout.paths import Tree

NEWEST = ("latest", "newest")
_MOST_SHOWN = 5


def numbers(tree: Tree) -> list[int]:
    """List the numbers of all checkpoints, lowest first. Raises StorageError."""
    try:
        names = [path.stem for path in tree.checkpoints.glob("*.json")]
    except OSError as cause:
        raise storage_error("read", tree.checkpoints, cause) from cause
    return sorted(int(name) for name in names if name.isdigit())


def write(tree: Tree, cut: TeamCut) -> TeamCut:
    """Write `cut` under the next free number, durably; the cut with that number. Raises StorageError."""
    atomic.make_folder(tree.checkpoints)
    number = max(numbers(tree), default=0)
    while True:
        number += 1
        numbered = replace(cut, number=number)
        data = codec.encode_pretty(numbered.to_json())
        if atomic.create_once(tree.checkpoint_file(number), data):
            return numbered


def read(tree: Tree, number: int) -> TeamCut:
    """Read the checkpoint `number`. Raises BadInput where there is none, Damaged for one that is not
    whole."""
    path = tree.checkpoint_file(number)
    try:
        return TeamCut.from_json(codec.decode_object(read_record(path)))
    except FileNotFoundError as cause:
        raise BadInput(f"there is no checkpoint {number}; see: maos-sup checkpoints") from cause
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise Damaged(
            f"{tree.shown(path)}: is no checkpoint as FORMAT.md says; use another one, or remove the file"
        ) from cause


def all_cuts(tree: Tree) -> tuple[list[TeamCut], list[str]]:
    """All checkpoints that can be read, lowest number first, and what is wrong with the others."""
    found, problems = list[TeamCut](), list[str]()
    for number in numbers(tree):
        try:
            found.append(read(tree, number))
        except (BadInput, Damaged) as error:
            problems.append(str(error))
    return found, problems


def find(tree: Tree, text: str) -> TeamCut:
    """The checkpoint that `text` names: a number, a name (the newest of that name), or `latest`.

    Raises BadInput that lists what there is.
    """
    if text.isdigit() and int(text) in numbers(tree):
        return read(tree, int(text))
    cuts, _ = all_cuts(tree)
    matching = [cut for cut in cuts if cut.name == text or text in NEWEST]
    if matching:
        return matching[-1]
    raise BadInput(f"no checkpoint {text[:80]!r}; there is: {_newest_of(cuts)}")


def _newest_of(cuts: list[TeamCut]) -> str:
    """The newest few in words, and how many there are besides."""
    if not cuts:
        return "none yet; make one: maos-sup checkpoint"
    shown = ", ".join(repr(cut.label) for cut in cuts[-_MOST_SHOWN:])
    older = len(cuts) - _MOST_SHOWN
    return f"{shown} and {older} older (all of them: maos-sup checkpoints)" if older > 0 else shown


def keep_specs(tree: Tree, contents: Iterable[bytes]) -> None:
    """Keep the bytes of specs by their hash, durably. Raises StorageError."""
    wanted = {tree.kept_spec(sha256(data).hexdigest()): data for data in contents}
    missing = {path: data for path, data in wanted.items() if not exists(path)}
    if missing:
        atomic.make_folder(tree.kept_spec("x").parent)
        atomic.create_all_once(missing)


def kept_spec(tree: Tree, digest: str) -> bytes:
    """Read the bytes of the spec with the hash `digest`. Raises Damaged where they are gone or changed."""
    path = tree.kept_spec(digest)
    try:
        data = read_record(path)
    except OSError as cause:
        raise Damaged(
            f"{tree.shown(path)}: cannot be read ({cause.strerror}), so this spec cannot be brought back; "
            "copy it from a backup of the tree, or go to another checkpoint"
        ) from cause
    if sha256(data).hexdigest() != digest:
        raise Damaged(f"{tree.shown(path)}: its bytes are not those of its name; restore it from a copy")
    return data


def remove(tree: Tree, cuts: Iterable[TeamCut]) -> list[Path]:
    """Remove `cuts` and the specs that no other checkpoint names; the files removed. Raises StorageError."""
    gone = {cut.number for cut in cuts}
    left = [cut for cut in all_cuts(tree)[0] if cut.number not in gone]
    paths = [tree.checkpoint_file(number) for number in sorted(gone)]
    wanted = {digest for cut in left for digest in cut.specs.values()}
    folder = tree.kept_spec("x").parent
    if is_dir(folder):
        paths += [path for path in sorted(folder.iterdir()) if path.stem not in wanted]
    for path in paths:
        disk.unlink(path)
    return paths


def digests_of(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Hash by path the bytes of specs by SHA-256."""
    return {rel: sha256(data).hexdigest() for rel, data in contents.items()}
