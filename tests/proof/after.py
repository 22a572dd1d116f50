"""Says what must hold after a cut when everybody went on: all that held before, and the work is whole."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from state_layout.files.journal import Reader
from state_layout.mail.operator_mail import read_operator_file

from .promises import AS_FOUND, Broken, Found, only_whole_lines_count


def mail_is_what_was_sent(found: Found) -> Broken:
    for (sender, to), sent in found.sends.items():
        path = found.tree.mail_file(to, sender)
        there = [(line.seq, line.fields().get("text")) for line in Reader(path).read()]
        if there != sent:
            yield f"{found.tree.shown(path)}: {_first_difference(there, sent)}"


def mail_is_taken_once_in_order(found: Found) -> Broken:
    """Each reader took from each sender exactly what was sent to it, from the beginning."""
    taken: dict[tuple[str, str, str], list[tuple[int, str | None]]] = defaultdict(list)
    for agent, entries in found.entries.items():
        for entry in entries:
            result = entry.get("result")
            if isinstance(result, dict) and "took" in result:
                took = result["took"]
            elif entry["type"] == "step" and "received" in entry:
                took = result
            else:
                continue
            for box, sender, seq, text in took:
                taken[agent, box, sender].append((seq, text))
    for reader in {*(agent for (agent,) in found.told("takes"))}:
        for sender in found.agents:
            for box in (reader, "all"):
                took, sent = taken[reader, box, sender], found.sends[sender, box]
                if sender != reader and took != (sent if reader in found.started else sent[: len(took)]):
                    yield f"{reader} took from {box}/{sender}: {_first_difference(took, sent)}"
        yield from _people_taken(found, reader, taken[reader, reader, "operator"])


def _people_taken(found: Found, reader: str, taken: list[tuple[int, str | None]]) -> Broken:
    news = read_operator_file(found.tree.mail_file(reader, "operator"), (0, 0, ""), to=reader)
    there = [entry.message.text for entry in news.entries if entry.message]
    if [text for _, text in taken] != (there if reader in found.started else there[: len(taken)]):
        yield f"{reader} took from people {[text for _, text in taken]}, there is {there}"


def output_is_understood_once(found: Found) -> Broken:
    """Each line that dead programs told in their output was sent once, in order."""
    for agent in found.started:
        sent: dict[int, list[str]] = defaultdict(list)
        for entry in found.entries[agent]:
            source = entry.get("source", {})
            if source.get("file") == "stdout.log":
                sent[source["attempt"]] += [message["text"] for message in entry.get("sent", ())]
        for path in found.tree.agent(agent).attempts.glob("*/stdout.log"):
            if found.truth.raw.get(found.tree.shown(path)):
                lines = re.findall(rb"^discovery:[ \t]*([^\n]*)", path.read_bytes(), re.MULTILINE)
                texts = [text for line in lines if (text := line.decode("utf-8", "replace").strip())]
                if sent[int(path.parent.name)] != texts:
                    yield f"{found.tree.shown(path)}: says {texts}, sent is {sent[int(path.parent.name)]}"


def torn_tails_are_kept(found: Found) -> Broken:
    """What a writer set aside is there to be looked at."""
    for path, tail in found.tails.items():
        folder = (found.tree.root / path).parent
        kept = [piece.read_bytes() for piece in folder.glob(f"{path.rpartition('/')[2]}.torn-*")]
        if path.rpartition("/")[2].removesuffix(".jsonl") in found.started and tail not in kept:
            yield f"{path}: {len(tail)} bytes were torn, kept are {[len(piece) for piece in kept]}"


def supervisor_goes_on(found: Found) -> Broken:
    """Its next life knows which ends the last one dealt with: none is counted twice."""
    for kind, agent, attempt in found.told("action"):
        if kind == "Delay" and found.handled.get(agent, 0) < attempt:
            yield f"supervisor: knows {agent} up to {found.handled.get(agent)}, had dealt with {attempt}"


def notes_say_no_loss(found: Found) -> Broken:
    for note in found.notes:
        if any(words in note for words in ("may be done again", "may be missing", "is ahead of", "corrupt")):
            yield f"a start says: {note}"


AFTER_RECOVERY: dict[str, Callable[[Found], Broken]] = {
    **{name: AS_FOUND[name] for name in AS_FOUND if AS_FOUND[name] not in (only_whole_lines_count,)},
    "mail is what was sent, once, in order": mail_is_what_was_sent,
    "mail is taken once, in order": mail_is_taken_once_in_order,
    "output is understood once": output_is_understood_once,
    "every torn tail is kept": torn_tails_are_kept,
    "the next supervisor goes on": supervisor_goes_on,
    "every repair is explained": notes_say_no_loss,
}


def _first_difference(there: list[Any], wanted: list[Any]) -> str:
    at = next((i for i, (a, b) in enumerate(zip(there, wanted, strict=False)) if a != b), None)
    at = min(len(there), len(wanted)) if at is None else at
    shown = [items[at] if at < len(items) else "nothing" for items in (there, wanted)]
    return f"at {at} of {len(there)}: {shown[0]} where {shown[1]} belongs ({len(wanted)})"
