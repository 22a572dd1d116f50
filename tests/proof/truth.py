"""Says what the record knows for sure at a cut: what outsiders were told, every line ever written whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .history import ALREADY, File, History


@dataclass(slots=True)
class Truth:
    """One history as it is held against the states that it may have left."""

    history: History
    lines: dict[str, set[bytes]] = field(
        default_factory=lambda: defaultdict(set)
    )  # by path, without line feed
    raw: dict[str, bytes] = field(default_factory=dict)  # by path: all that programs wrote

    @classmethod
    def of(cls, history: History) -> Truth:
        truth = cls(history)
        for file in history.files:
            if file.path.endswith(".jsonl"):
                for data in _written(file, but_base=True):
                    truth.lines[file.path] |= {*data.split(b"\n")} if data.endswith(b"\n") else set()
            if file.path.endswith((".log", "control.jsonl")):
                truth.raw[file.path] = b"".join(_written(file))
        return truth

    def told(self, what: str, at: int) -> Iterator[tuple[Any, ...]]:
        """List what was told of `what` before record `at`."""
        return (told.value for told in self.history.told if told.what == what and told.at < at)

    def lines_of(self, agent: str) -> set[bytes]:
        """Every line that any life of `agent` ever wrote into its journals."""
        start = f"agents/{agent}/attempts/"
        paths = [path for path in self.lines if path.startswith(start) and path.endswith("/journal.jsonl")]
        return set[bytes]().union(*(self.lines[path] for path in paths))


def _written(file: File, *, but_base: bool = False) -> list[bytes]:
    pieces = [piece for piece in file.pieces if not but_base or piece.begin != ALREADY]
    return [piece.data for piece in pieces if piece.data is not None]
