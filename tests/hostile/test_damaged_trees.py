"""Every command over trees with anything in the place of anything: never a bug, a hang, or a step outside.

`make fuzz SECONDS=600` goes on for so long, with other cases each time.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
from forging import changed, is_chained, lines_of, places_in, values, write_chained
from hypothesis import given, settings
from hypothesis import strategies as st
from ordeal import DEEDS, FUZZ_SECONDS, LOOKS, Ordeal, call, ordeal
from torments import endless, link_out, link_to_new, pipe, places, torments

from state_layout.files import codec
from state_layout.lives.checkpoints import decoded, encoded
from state_layout.paths import Tree

TORMENTS = torments()
COMMANDS = (*LOOKS, *DEEDS)
Damage = Callable[[Ordeal], object]


def endured(template: Tree, damage: Damage, commands: tuple[tuple[str, ...], ...]) -> None:
    """Damage a fresh tree and call `commands` on it; every promise must hold."""
    with ordeal(template) as trial:
        damage(trial)
        broken = [told for words in commands if (told := trial.broken_by(words))]
        assert not broken, broken[0]


def paths_of(tree: Tree) -> list[str]:
    return sorted(places(tree.root))


def test_whole_tree_passes_the_ordeal(template: Tree) -> None:
    endured(template, lambda trial: None, COMMANDS)


BLOCKING = (
    ("status", "TREE"),
    ("check", "TREE"),
    ("messages", "TREE"),
    ("logs", "TREE"),
    ("checkpoint", "TREE"),
)
WRITING = (
    ("send", "TREE", "alice", "x"),
    ("set", "TREE", "limits.max_agents", "3"),
    ("check", "TREE", "--repair"),
)


@pytest.mark.parametrize(
    ("torment", "commands"),
    [(pipe, BLOCKING), (endless, BLOCKING), (link_to_new, WRITING), (link_out, (*BLOCKING, *WRITING))],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("quarter", range(4))
def test_what_waits_or_leads_out_is_refused_in_every_place(
    template: Tree, torment: Callable[..., None], commands: tuple[tuple[str, ...], ...], quarter: int
) -> None:
    step = 1 if FUZZ_SECONDS else 3  # a third of the places in each run of the tests
    for rel in paths_of(template)[quarter :: 4 * step]:
        endured(template, lambda trial, rel=rel: torment(trial.tree.root / rel, trial.elsewhere), commands)


@settings(max_examples=40)
@given(data=st.data())
def test_anything_in_the_place_of_anything(template: Tree, data: st.DataObject) -> None:
    damages = data.draw(
        st.lists(
            st.tuples(st.sampled_from(paths_of(template)), st.sampled_from(sorted(TORMENTS))),
            min_size=1,
            max_size=3,
        )
    )
    commands = data.draw(st.lists(st.sampled_from(COMMANDS), min_size=6, max_size=12, unique=True))

    def damage(trial: Ordeal) -> None:
        for rel, name in damages:
            path = trial.tree.root / rel
            if path.parent.is_dir() and not path.parent.is_symlink():
                TORMENTS[name](path, trial.elsewhere)

    endured(template, damage, tuple(commands))


@settings(max_examples=20)
@given(data=st.data())
def test_records_that_are_whole_and_wrong(template: Tree, data: st.DataObject) -> None:
    """Lines with right hashes, checkpoints with right sums, snapshots that are JSON, and a wrong value."""
    files = [
        rel for rel in paths_of(template) if rel.endswith((".json", ".jsonl")) and _has_content(template, rel)
    ]
    rel, new = data.draw(st.sampled_from(files)), data.draw(values())

    def damage(trial: Ordeal) -> None:
        path = trial.tree.root / rel
        if is_chained(rel):
            records = lines_of(path)
            index = data.draw(st.integers(0, len(records) - 1))
            at = data.draw(st.sampled_from([at for at in places_in(records[index]) if at != ("seq",)]))
            records[index] = changed(records[index], at, new)
            write_chained(path, records)
        elif "checkpoint" in rel:
            known = decoded(path.read_bytes())
            assert known is not None
            path.write_bytes(_forged(known.history.to_json(), data, new) or encoded(known.history, at="x"))
        else:
            value = json.loads(path.read_bytes().splitlines()[0] if rel.endswith("l") else path.read_bytes())
            at = data.draw(st.sampled_from(places_in(value)))
            path.write_text(json.dumps(changed(value, at, new)) + "\n")

    endured(template, damage, COMMANDS)


def _has_content(tree: Tree, rel: str) -> bool:
    return (tree.root / rel).stat().st_size > 2


def _forged(history: dict[str, object], data: st.DataObject, new: object) -> bytes | None:
    """A checkpoint with a right sum and a wrong history."""
    from hashlib import sha256

    plain = json.loads(codec.encode(history))
    at = data.draw(st.sampled_from(places_in(plain)))
    wrong = changed(plain, at, new)
    body = codec.encode({"seq": 3, "at": "x", "h": "x", "attempt": 1, "history": wrong})[:-1]
    return b'%b,"sha256":"%b"}\n' % (body, sha256(body).hexdigest().encode())


def test_files_that_grow_shrink_and_vanish_while_they_are_read(trial: Ordeal) -> None:
    """A thread tears at the files while commands read them."""
    files = [trial.tree.root / rel for rel in paths_of(trial.tree) if (trial.tree.root / rel).is_file()]
    kept = {path: path.read_bytes() for path in files}
    is_over = threading.Event()

    def tear() -> None:
        round_ = 0
        while not is_over.is_set():
            round_ += 1
            for number, path in enumerate(files):
                match (number + round_) % 4:
                    case 0:
                        path.unlink(missing_ok=True)
                    case 1:
                        path.write_bytes(kept[path][: len(kept[path]) // 2])
                    case 2:
                        path.write_bytes(kept[path] * 2)
                    case 3:
                        path.write_bytes(kept[path])

    thread = threading.Thread(target=tear)
    thread.start()
    try:
        broken = [told for _ in range(4) for words in LOOKS if (told := trial.broken_by(words))]
    finally:
        is_over.set()
        thread.join()
    assert not broken, broken[0]


def test_watching_a_tree_in_ruins_ends_with_ctrl_c(trial: Ordeal, monkeypatch: pytest.MonkeyPatch) -> None:
    TORMENTS["y_wrong_types"](trial.tree.agent("bob").status, trial.elsewhere)
    TORMENTS["gone"](trial.tree.agent("bob").attempts, trial.elsewhere)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    answer = call("attach", str(trial.tree.root))
    timer.join()
    assert (answer.code, "bug" in answer.err) == (0, False), answer


@pytest.mark.skipif(not FUZZ_SECONDS, reason="the long form: make fuzz SECONDS=...")
@pytest.mark.timeout(0)
def test_fuzz_for_as_long_as_wished(template: Tree) -> None:
    end_s = time.monotonic() + FUZZ_SECONDS
    while time.monotonic() < end_s:
        test_anything_in_the_place_of_anything(template)
        test_records_that_are_whole_and_wrong(template)
