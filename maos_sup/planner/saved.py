"""Plans that were bought and not run yet, kept below the home: `plans/` (see FORMAT.md).

    NAME.toml            a good plan that waits for somebody to approve, edit or refuse it
    NAME.draft.toml      one that was refused by the plan loader, or is being written
    NAME.answers.jsonl   what the model answered, by question: a question asked again is not bought again

NAME follows from the request and the project, so asking for the same again finds what is there. When the plan
is run it moves to `plans/<id>.toml` and stays as long as its orchestration; when it is refused it is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from maos_sup.core.questions import Ask, ModelAnswer, ModelQuestion
from state_layout.errors import storage_error
from state_layout.files import atomic, codec
from state_layout.files.reading import read_record
from state_layout.tree.names import telling_words

FOLDER = "plans"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The plan of one request lies on a shelf."""

    path: Path

    @classmethod
    def of(cls, home: Path, request: str, *, about: Path | None) -> Shelf:
        """Find the place for `request` about the folder `about`; nothing is made yet."""
        exact = codec.encode([" ".join(request.split()), str(about or "")])
        name = "-".join([*telling_words(request), sha256(exact).hexdigest()[:8]])
        return cls(path=home / FOLDER / f"{name}.toml")

    @property
    def answers(self) -> Path:
        return self.path.with_name(f"{self.path.stem}.answers.jsonl")

    @property
    def draft(self) -> Path:
        return self.path.with_name(f"{self.path.stem}.draft.toml")

    def recorded(self, ask: Ask) -> Ask:
        """`ask`, but every answer is durable before it is given back, and is not asked for twice."""

        def ask_once(question: ModelQuestion) -> ModelAnswer:
            key = sha256(codec.encode(asdict(question))).hexdigest()
            known = self._known()
            if key not in known:
                known[key] = asdict(ask(question))
                self._write(known)
            return _answer(known[key])

        return ask_once

    def forget(self) -> None:
        """Refused, or written elsewhere: nothing of it is kept. Raises StorageError."""
        for path in (self.path, self.draft, self.answers):
            _change(path, path.unlink)

    def used(self, id_: str) -> None:
        """Note that the plan became the orchestration `id_`: the same request is planned anew from now on."""
        kept = self.path.with_name(f"{id_}.toml")
        _change(self.path, lambda: self.path.replace(kept))
        self.forget()

    def _known(self) -> dict[str, dict[str, object]]:
        """Read what is recorded; a file that was damaged is as good as none."""
        found: dict[str, dict[str, object]] = {}
        with suppress(OSError, ValueError, KeyError, TypeError):
            for line in read_record(self.answers).splitlines():
                entry = codec.decode_object(line)
                found[str(entry["question"])] = asdict(_answer(entry))
        return found

    def _write(self, known: dict[str, dict[str, object]]) -> None:
        lines = [codec.encode({"question": key, **answer}) for key, answer in known.items()]
        atomic.replace(self.answers, b"\n".join(lines) + b"\n")


def _answer(entry: Mapping[str, Any]) -> ModelAnswer:
    cost_usd = entry["cost_usd"]
    if not isinstance(cost_usd, int | float | None):
        raise TypeError("cost_usd is a number")
    return ModelAnswer(
        value=entry["value"],
        text=str(entry["text"]),
        model=str(entry["model"]),
        tokens=int(entry["tokens"]),
        cost_usd=cost_usd,
    )


def _change(path: Path, change: Callable[[], object]) -> None:
    try:
        change()
    except FileNotFoundError:
        return
    except OSError as cause:
        raise storage_error("remove", path, cause) from cause
    atomic.fsync_folder(path.parent)
