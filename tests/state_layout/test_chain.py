"""Chained lines: the bytes are those of FORMAT.md, and every change of them shows."""

from __future__ import annotations

import subprocess
from datetime import datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state_layout.files.chain import (
    ORIGIN,
    TAIL_BYTES,
    Position,
    anchor,
    chained,
    run_of,
    synced_claim,
    utc_now,
    verified,
)
from state_layout.files.codec import NotJson

AT = "2026-11-21T01:42:00.123456Z"
TEXTS = st.text(st.characters(codec="utf-8"), max_size=50)


def test_line_has_the_bytes_of_format_md() -> None:
    line = chained(ORIGIN, {"seq": 7, "at": AT, "type": "progress", "value": 0.4})
    body = b'{"seq":7,"at":"2026-11-21T01:42:00.123456Z","type":"progress","value":0.4'
    h = sha256(body).hexdigest()[:12]
    assert line.raw == body + b',"h":"' + h.encode() + b'"}'
    assert line.end == Position(7, len(line.raw) + 1, h)
    assert (line.raw + b"\n").endswith(anchor(h))
    assert len(anchor(h)) == TAIL_BYTES


def test_h_covers_the_h_before() -> None:
    first = chained(ORIGIN, {"seq": 1, "type": "note"})
    second = chained(first.end, {"seq": 2, "type": "note"})
    assert second.end.h == sha256(first.end.h.encode() + b'{"seq":2,"type":"note"').hexdigest()[:12]


def test_shell_line_of_format_md_is_valid() -> None:
    """The recipe that FORMAT.md gives for shells."""
    first = chained(ORIGIN, {"seq": 7, "at": AT, "type": "note"})
    script = f"""prev={first.end.h}; body='{{"seq":8,"at":"...","type":"note"'
    h=$(printf %s "$prev$body" | sha256sum | cut -c1-12); printf '%s,"h":"%s"}}\\n' "$body" "$h" """
    made = subprocess.run(["sh", "-c", script], capture_output=True, check=True, timeout=20).stdout
    line = verified(first.end, made.rstrip(b"\n"))
    assert line is not None
    assert line.fields()["type"] == "note"


@given(st.integers(1, 2**62), TEXTS, TEXTS)
def test_what_is_chained_is_verified(seq: int, text: str, before: str) -> None:
    first = chained(ORIGIN, {"seq": seq, "type": "note", "text": before})
    second = chained(first.end, {"seq": seq + 1, "type": "note", "text": text})
    assert verified(ORIGIN, first.raw) == first
    assert verified(first.end, second.raw) == second
    assert second.fields()["text"] == text


@given(st.data())
def test_any_changed_byte_shows(data: st.DataObject) -> None:
    line = chained(Position(3, 100, "0123456789ab"), {"seq": 4, "type": "note", "text": "twelve"})
    place = data.draw(st.integers(0, len(line.raw) - 1))
    changed = bytearray(line.raw)
    changed[place] ^= data.draw(st.integers(1, 255))
    assert verified(Position(3, 100, "0123456789ab"), bytes(changed)) is None


@given(st.binary(max_size=200))
def test_garbage_is_no_line(raw: bytes) -> None:
    assert verified(ORIGIN, raw) is None


def test_order_counts() -> None:
    first = chained(ORIGIN, {"seq": 1, "type": "note"})
    second = chained(first.end, {"seq": 2, "type": "note"})
    third = chained(second.end, {"seq": 3, "type": "note"})
    assert verified(first.end, third.raw) is None
    assert verified(second.end, second.raw) is None


@pytest.mark.parametrize("seq", ["0", "3", "-1", "x", "07x", "", "1" * 5000, "٤"])
def test_seq_that_is_not_higher_or_no_number_is_refused(seq: str) -> None:
    body = b'{"seq":' + seq.encode() + b',"type":"note"'
    h = sha256(b"0123456789ab" + body).hexdigest()[:12].encode()
    assert verified(Position(3, 100, "0123456789ab"), body + b',"h":"' + h + b'"}') is None


def test_line_that_is_chained_but_no_json_says_so_when_decoded() -> None:
    body = b'{"seq":1,oops'
    h = sha256(body).hexdigest()[:12].encode()
    line = verified(ORIGIN, body + b',"h":"' + h + b'"}')
    assert line is not None
    with pytest.raises(NotJson):
        line.fields()


@pytest.mark.parametrize(
    ("raw", "claim"),
    [(b'{"seq":9,"synced":8}', 8), (b'{"seq":9}', 0), (b"\0\0", 0), (b'{"synced":"8"}', 0), (b"[]", 0)],
)
def test_synced_claim_is_read_from_uncertain_bytes(raw: bytes, claim: int) -> None:
    assert synced_claim(raw) == claim


def test_at_is_utc_with_microseconds() -> None:
    first, second = utc_now(), utc_now()
    assert len(first) == len(AT)
    assert first.endswith("Z")
    assert first <= second
    now = datetime.fromisoformat(first)
    assert abs((datetime.now(now.tzinfo) - now).total_seconds()) < 60


@pytest.mark.parametrize("value", [float("nan"), {"x": [float("inf")]}])
def test_nan_is_refused_not_written_as_null(value: object) -> None:
    with pytest.raises(TypeError):
        chained(ORIGIN, {"seq": 1, "type": "note", "value": value})


def one_by_one(raws: list[bytes]) -> list[Position]:
    """The ends of those of `raws` that are valid one after the other."""
    ends, position = list[Position](), ORIGIN
    for raw in raws:
        line = verified(position, raw)
        if line is None:
            break
        position = line.end
        ends.append(position)
    return ends


def by_runs(raws: list[bytes]) -> list[Position]:
    """The same, many at once."""
    ends, position = list[Position](), ORIGIN
    while len(ends) < len(raws) and (run := run_of(position, raws, len(ends))):
        lines = [*run.lines()]
        assert [line.raw for line in lines] == run.raws and lines[-1].end == run.end
        some = (lines[0], lines[len(lines) // 2], lines[-1])
        assert all([*run.up_to(line.seq).lines()][-1] == line for line in some)
        ends += [line.end for line in lines]
        position = run.end
    return ends


@given(st.data())
def test_runs_are_what_line_after_line_is_whatever_was_changed(data: st.DataObject) -> None:
    text, first = data.draw(TEXTS), data.draw(st.sampled_from((0, 8, 97, 998, 10**19 - 5)))
    many = st.sampled_from(([], [1] * 60, [1] * 130))  # more than are looked at at once
    raws, position = list[bytes](), ORIGIN
    for step in [first + 1, *data.draw(many), *data.draw(st.lists(st.integers(1, 2), max_size=8))]:
        line = chained(position, {"seq": position.seq + step, "type": "note", "text": text})
        raws.append(line.raw)
        position = line.end
    if data.draw(st.booleans()):
        which = data.draw(st.integers(0, len(raws) - 1))
        changed = bytearray(raws[which])
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
        raws[which] = bytes(changed)
    if data.draw(st.booleans()):
        which, length = data.draw(st.integers(0, len(raws) - 1)), data.draw(st.integers(0, 30))
        raws[which] = raws[which][:length]
    if data.draw(st.booleans()):
        which = data.draw(st.integers(0, len(raws) - 1))
        raws.insert(data.draw(st.integers(0, len(raws))), raws[which])
    assert by_runs(raws) == one_by_one(raws)
