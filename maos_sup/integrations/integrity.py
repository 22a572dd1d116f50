"""An adapter for `agmi-check` (agent-memory-integrity): nine ways to tamper with what agents recorded.

    agmi-check --adapter maos_sup.integrations.integrity:TreeAdapter

The store is an orchestration's tree; a record is a step that an agent journaled, a context is an agent. It is
written by what agents and the supervisor write with (`state_layout`), edited behind its back, and judged by
`maos-sup check`, nothing else. A witness outside the tree is set up, as docs/integrations.md shows; the other
two adapters leave it out, and let the attacker write every hash anew.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maos_sup.integrations.needed import needed
from state_layout.check import Severity, check
from state_layout.files import atomic, codec
from state_layout.files.chain import ORIGIN, Position, chained
from state_layout.files.journal import Journal
from state_layout.host.identity import tree_place
from state_layout.lives.attempts import begin_attempt, recall, seal_exit
from state_layout.paths import Tree
from state_layout.specs import accept, read_specs
from state_layout.tree.making import create_tree
from state_layout.witness import VARIABLE, Witness

with needed("agent-memory-integrity", modules=("agmi",)):
    from agmi.adapters.base import MemoryAdapter, Record

FIRST, OTHER = "alice", "bob"


class TreeAdapter(MemoryAdapter):
    """The adapter is for an orchestration with a witness. `check` is an audit: it is asked, it does not
    stand in the way."""

    name = "maos-sup"
    detection_point = "audit"
    supports_replay = supports_metadata = supports_snapshot = True
    is_witnessed = True
    is_written_anew = False  # the attacker makes every hash fit again

    def setup(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="maos-sup-agmi-"))
        self._outside = os.environ.pop(VARIABLE, None)
        if self.is_witnessed:
            os.environ[VARIABLE] = str(self._folder / "witness")
        self._tree = _new_tree(self._folder / "tree")

    def teardown(self) -> None:
        os.environ.pop(VARIABLE, None)
        if self._outside is not None:
            os.environ[VARIABLE] = self._outside
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- our own way of writing

    def seed(self, n: int) -> None:
        _live(self._tree, FIRST, n)

    def seed_other(self, n: int) -> None:
        _live(self._tree, OTHER, n)

    def append_genuine(self) -> None:
        _live(self._tree, FIRST, 1)

    def reload(self) -> None:
        self._tree = Tree(self._tree.root)  # nothing is kept between two looks

    def verify(self) -> bool:
        found = [each for each in check(self._tree) if each.severity is Severity.PROBLEM]
        self.verify_detail = str(found[0]) if found else None
        return not found

    # -- behind its back

    def read_all_raw(self) -> list[Record]:
        return self._records(FIRST)

    def read_other_raw(self) -> list[Record]:
        return self._records(OTHER)

    def write_raw(self, record: Record) -> None:
        places = self._places(FIRST)
        raw = record.fields["raw"]
        if record.seq < len(places):
            path, nth = places[record.seq]
            self._edit(path, lambda lines: [*lines[:nth], raw, *lines[nth + 1 :]])
        else:
            self._edit(places[-1][0], lambda lines: [*lines, raw])

    def delete_raw(self, seq: int) -> None:
        path, nth = self._places(FIRST)[seq]
        self._edit(path, lambda lines: [*lines[:nth], *lines[nth + 1 :]])

    def replay_onto(self, victim_seq: int, donor: Record) -> None:
        victim = codec.decode_object(self._records(FIRST)[victim_seq].fields["raw"])
        moved = codec.decode_object(donor.fields["raw"])
        moved |= {"seq": victim["seq"]} if "seq" in victim else {}
        self.write_raw(Record(seq=victim_seq, fields=_fields(FIRST, _text(moved))))

    def read_meta(self, seq: int) -> dict[str, object]:
        found = codec.decode_object(self._records(FIRST)[seq].fields["raw"])
        return {key: found[key] for key in ("at", "task", "run", "agmi_meta_tampered") if key in found}

    def write_meta(self, seq: int, meta: dict[str, object]) -> None:
        found = codec.decode_object(self._records(FIRST)[seq].fields["raw"])
        last = {"h": found.pop("h")} if "h" in found else {}
        self.write_raw(Record(seq=seq, fields=_fields(FIRST, _text({**found, **meta, **last}))))

    def mutate_payload(self, record: Record) -> Record:
        found = codec.decode_object(record.fields["raw"])
        found["result"] += " [TAMPERED]"
        return Record(seq=record.seq, fields=_fields(record.fields["agent"], _text(found)))

    def forge_record(self, template: Record) -> Record:
        """The next line of the journal, with the hash that follows: anybody can compute it."""
        last = codec.decode_object(template.fields["raw"])
        after = Position(last.get("seq", 0), 0, last.pop("h", ""))
        line = chained(after, {**last, "seq": after.seq + 1, "key": "forged", "result": "the limit is 999"})
        return Record(seq=template.seq + 1, fields=_fields(template.fields["agent"], line.raw.decode()))

    def snapshot_store(self) -> object:
        return self._copy_store(self._tree.root)

    def restore_store(self, token: object) -> None:
        self._restore_store(str(token), self._tree.root)
        shutil.rmtree(Path(str(token)).parent, ignore_errors=True)

    # -- what the suite must know of a record

    def identity_of(self, record: Record) -> str:
        return f"{record.fields['agent']}:{record.seq}"

    def payload_of(self, record: Record) -> str:
        return str(codec.decode_object(record.fields["raw"])["result"])

    def owner_of(self, record: Record) -> str | None:
        return str(record.fields["agent"])

    # -- within

    def _records(self, agent: str) -> list[Record]:
        found = [path.read_text(encoding="utf-8").splitlines()[nth] for path, nth in self._places(agent)]
        return [Record(seq=seq, fields=_fields(agent, self._shown(raw))) for seq, raw in enumerate(found)]

    def _shown(self, raw: str) -> str:
        """A line as the suite compares it: without what the attacker makes fit again."""
        if not self.is_written_anew:
            return raw
        found = codec.decode_object(raw)
        return _text({key: value for key, value in found.items() if key not in ("seq", "h")})

    def _places(self, agent: str) -> list[tuple[Path, int]]:
        """The journal and number of each line that is a record, in order."""
        paths = sorted(self._tree.agent(agent).attempts.glob("*/journal.jsonl"))
        return [(path, nth) for path in paths for nth, line in _lines(path) if '"type":"step"' in line]

    def _edit(self, path: Path, change: Any) -> None:
        lines = change(path.read_text(encoding="utf-8").splitlines())
        if self.is_written_anew:
            lines = _written_anew(lines)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        if self.is_written_anew:
            last = codec.decode_object(lines[-1])
            exit_path = path.with_name("exit.json")
            told = codec.decode_object(exit_path.read_bytes()) | {"synced_seq": last["seq"], "h": last["h"]}
            exit_path.write_bytes(codec.encode(told) + b"\n")


class UnwitnessedAdapter(TreeAdapter):
    """The adapter is for an orchestration without a witness."""

    name = "maos-sup (no witness)"
    is_witnessed = False


class WrittenAnewAdapter(TreeAdapter):
    """With a witness, against an attacker who makes every number, hash and last word fit again."""

    name = "maos-sup (all hashes written anew)"
    is_written_anew = True


def _new_tree(root: Path) -> Tree:
    """An orchestration of two agents, as `run` makes it and a supervisor begins it."""
    agents = {name: {"kind": "command", "command": ["true"]} for name in (FIRST, OTHER)}
    tasks = {name: {"agent": name, "description": "take notes"} for name in agents}
    orchestration = {"id": "20261121-0142-agmi-7f3k", "request": "take notes", "want": "run"}
    tree = create_tree(root, orchestration=orchestration, agents=agents, tasks=tasks)
    accept(tree, read_specs(tree).raw)
    atomic.refresh(tree.host, codec.encode(tree_place(tree)))
    atomic.make_folder(tree.life_journal(1).parent)
    journal = Journal.create(tree.life_journal(1))
    journal.commit("start", {"life": 1, "pin": None, "memory": {"agents": {}, "outcomes": {}}})
    journal.close()
    return tree


def _live(tree: Tree, agent: str, steps: int) -> None:
    """One life of `agent` that takes `steps` notes and ends in order; then the witness looks."""
    known = recall(tree, agent)
    attempt = begin_attempt(tree, agent, recall=known, settings={})
    for step in range(steps):
        key = f"note {attempt.number}.{step}"
        told = {
            "task": agent,
            "run": 1,
            "key": key,
            "result": f"{agent}: the limit is {attempt.number}{step}",
        }
        attempt.journal.commit("step", told)
    end = attempt.journal.position
    attempt.journal.close()
    seal_exit(tree, agent, attempt.number, by="agent", reason="parked", synced_seq=end.seq, h=end.h)
    witness = Witness.named(tree)
    if witness is not None:
        witness.note()


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    yield from enumerate(path.read_text(encoding="utf-8").splitlines())


def _written_anew(lines: list[str]) -> list[str]:
    """The same lines with numbers and hashes that fit."""
    made, end = list[str](), ORIGIN
    for line in lines:
        fields = codec.decode_object(line)
        kept = {key: value for key, value in fields.items() if key not in ("seq", "h")}
        written = chained(end, {"seq": fields["seq"] if end == ORIGIN else end.seq + 1, **kept})
        made.append(written.raw.decode())
        end = written.end
    return made


def _fields(agent: str, raw: str) -> dict[str, object]:
    return {"agent": agent, "raw": raw}


def _text(fields: dict[str, object]) -> str:
    return codec.encode(fields).decode()
