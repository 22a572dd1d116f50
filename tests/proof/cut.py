"""One disk that a power cut may leave: at a place in a history, by a seed; and how it is laid out as files.

What is durable there is there. Of the rest each file and each folder has a fate of its own: nothing of it
arrived, all of it, its beginning to any byte, zeros or garbage in its place, pieces out of order; names that
are missing, old ones that are back, folders without what was in them. After the crash models of ALICE and
of ext4 in its weakest mode, and of what POSIX leaves open.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from .history import FOLDER, NEVER, File, History, Naming, Operation, Piece

OTHER_BOOT = "00000000-1111-2222-3333-444444444444"
_UNMODELLED = ("run/ballast",)


@dataclass(slots=True)
class Image:
    """A disk: contents by path, folders in an order in which they can be made, and how it came to be so."""

    files: dict[str, bytes] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    fates: dict[str, str] = field(default_factory=dict)  # by path: of what was not durable

    @property
    def told(self) -> str:
        return ", ".join(f"{path}: {fate}" for path, fate in self.fates.items()) or "nothing was unsynced"


def whole(history: History) -> Image:
    """Everything that was ever done, as if the power had stayed."""
    return cut(history, NEVER - 1, None)


def cut(history: History, at: int, chance: Random | None) -> Image:
    """The disk after a cut before record `at`; without `chance` the cut takes nothing."""
    image = Image()
    _Cutting(history, at, chance, image).look_into("")
    return image


def lay_out(image: Image, folder: Path, *, boot: str = "") -> None:
    """Make `image` below `folder`, which must be new. A reboot has another id than `boot`."""
    folder.mkdir(mode=0o700)
    base = str(folder)
    for path in image.folders:
        os.mkdir(f"{base}/{path}", 0o700)  # noqa: PTH102 - ten thousand times a hundred
    for path, data in image.files.items():
        if boot and path.startswith("run/"):
            data = data.replace(boot.encode(), OTHER_BOOT.encode())
        descriptor = os.open(f"{base}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if data:
                os.write(descriptor, data)
        finally:
            os.close(descriptor)


class _Cutting:
    def __init__(self, history: History, at: int, chance: Random | None, image: Image) -> None:
        self._history, self._at, self._chance, self._image = history, at, chance, image
        mood = chance.random() if chance is not None else 1.0
        self._all: str | None = "lost" if mood < 0.15 else "kept" if mood < 0.25 else None
        if chance is None:
            self._all = "kept"

    def look_into(self, folder: str) -> None:
        names: dict[str, File | str | None] = {}
        for naming in self._arrived_names(folder):
            for name, entry in naming.parts:
                names[name] = entry
        for name, entry in names.items():
            path = f"{folder}/{name}" if folder else name
            if entry == FOLDER:
                self._image.folders.append(path)
                self.look_into(path)
            elif isinstance(entry, File) and path not in _UNMODELLED:
                self._image.files[path] = self._content(entry, path)

    def _divided(self, operations: Sequence[Operation]) -> tuple[list[Operation], list[Operation]]:
        """Divide what had begun into what is durable at the cut, and what is not."""
        at = self._at
        begun = [operation for operation in operations if operation.begin < at]
        return [op for op in begun if op.durable < at], [op for op in begun if op.durable >= at]

    # -- names

    def _arrived_names(self, folder: str) -> list[Naming]:
        durable, pending = self._divided(self._history.folders.get(folder, ()))
        if pending and self._all != "kept":
            durable, pending = self._fate_of_names(folder or ".", durable, pending)
        return sorted([*durable, *pending], key=lambda operation: operation.end)  # type: ignore[arg-type,return-value]

    def _fate_of_names(
        self, folder: str, durable: list[Operation], pending: list[Operation]
    ) -> tuple[list[Operation], list[Operation]]:
        chance = self._chance
        assert chance is not None
        fate = self._all or chance.choice(("lost", "kept", "first", "some", "some"))
        self._image.fates[f"{folder}/"] = fate
        if fate == "lost":
            return durable, []
        if fate == "first":
            return durable, pending[: chance.randrange(len(pending))]
        if fate == "some":
            return durable, [_part(op, chance) for op in pending if chance.random() < 0.5]
        return durable, pending

    # -- bytes

    def _content(self, file: File, path: str) -> bytes:
        durable, pending = self._divided(file.pieces)
        data = bytearray()
        for piece in durable:
            _apply(data, piece)  # type: ignore[arg-type]
        if not pending:
            return bytes(data)
        fate = "kept" if self._chance is None else self._all or self._chance.choice([*_FATES])
        self._image.fates[path] = fate
        _FATES[fate](data, pending, self._chance or Random(0))  # type: ignore[arg-type]
        return bytes(data)


def _part(operation: Operation, chance: Random) -> Operation:
    """A rename may leave the old name beside the new one."""
    assert isinstance(operation, Naming)
    if len(operation.parts) == 1 or chance.random() < 0.7:
        return operation
    return Naming(operation.begin, operation.end, parts=operation.parts[:1])


def _apply(data: bytearray, piece: Piece) -> None:
    if piece.data is None:
        del data[piece.offset :]
        data.extend(bytes(piece.offset - len(data)))
        return
    data.extend(bytes(max(0, piece.offset - len(data))))
    data[piece.offset : piece.offset + len(piece.data)] = piece.data


# -- what may become of bytes that were not synced

Fate = Callable[[bytearray, Sequence[Piece], Random], None]


def _lost(data: bytearray, pending: Sequence[Piece], chance: Random) -> None:
    """Nothing arrived."""


def _kept(data: bytearray, pending: Sequence[Piece], chance: Random) -> None:
    for piece in pending:
        _apply(data, piece)


def _short(data: bytearray, pending: Sequence[Piece], chance: Random) -> None:
    """All up to some byte of some piece."""
    last = chance.randrange(len(pending))
    _kept(data, pending[:last], chance)
    piece = pending[last]
    if piece.data:
        _apply(
            data, Piece(0, 0, offset=piece.offset, data=piece.data[: chance.randrange(len(piece.data) + 1)])
        )


def _zeros(data: bytearray, pending: Sequence[Piece], chance: Random) -> None:
    _spoil(data, pending, chance, bytes)


def _garbage(data: bytearray, pending: Sequence[Piece], chance: Random) -> None:
    _spoil(data, pending, chance, chance.randbytes)


def _stale(data: bytearray, pending: Sequence[Piece], chance: Random) -> None:
    """Blocks of the same file from before, as if they had been written twice."""
    old = bytes(data) or b'{"seq":1}\n'

    def again(length: int) -> bytes:
        begin = chance.randrange(len(old))
        return (old[begin:] + old * (1 + length // len(old)))[:length]

    _spoil(data, pending, chance, again)


def _spoil(data: bytearray, pending: Sequence[Piece], chance: Random, make: Callable[[int], bytes]) -> None:
    """Lengths arrived, contents only up to some byte of each piece from some piece on."""
    first = chance.randrange(len(pending))
    _kept(data, pending[:first], chance)
    for piece in pending[first:]:
        if piece.data is None:
            if chance.random() < 0.5:
                _apply(data, piece)
            continue
        begin = chance.randrange(len(piece.data) + 1)
        new = piece.data[:begin] + make(len(piece.data) - begin)
        _apply(data, Piece(0, 0, offset=piece.offset, data=new))


def _reordered(data: bytearray, pending: Sequence[Piece], chance: Random) -> None:
    """Each piece arrived or did not; of one the second part did and the first did not."""
    for piece in pending:
        if chance.random() < 0.4:
            continue
        if piece.data and chance.random() < 0.4:
            begin = chance.randrange(len(piece.data))
            piece = Piece(0, 0, offset=piece.offset + begin, data=piece.data[begin:])
        _apply(data, piece)


_FATES: dict[str, Fate] = {
    "lost": _lost,
    "kept": _kept,
    "short": _short,
    "zeros": _zeros,
    "garbage": _garbage,
    "stale": _stale,
    "reordered": _reordered,
}
