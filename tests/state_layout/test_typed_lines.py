"""Lines decoded into structs: the fields wanted, from whatever our own writers wrote, else one error."""

from __future__ import annotations

import pytest
from msgspec import Struct

from state_layout.files import codec


class Told(Struct):
    type: str
    counts: dict[str, int] = {}


LINES = codec.TypedLines(Told)


def test_fields_that_are_wanted_are_read_and_others_passed_over() -> None:
    first = codec.encode({"type": "step", "result": {"deep": [[1.5, None]]}, "counts": {"ä": 3}})
    last = codec.encode({"type": "end", "text": 'two\nlines, a "word" and \U0001f600'})
    told = LINES.decode([first, last])
    assert told == [Told(type="step", counts={"ä": 3}), Told(type="end")]
    assert LINES.decode([]) == []


def test_what_only_one_decoder_takes_is_read_all_the_same() -> None:
    deep = codec.encode({"type": "step", "result": 1})[:-1] + b',"x":' + b"[" * 200 + b"]" * 200 + b"}"
    assert LINES.decode([deep, b'{"type":"end"}']) == [Told(type="step"), Told(type="end")]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{",
        b'{"counts":{}}',
        b'{"type":7}',
        b'{"type":"a","counts":{"b":"c"}}',
        b'{"type":"\xff"}',
    ],
)
def test_line_of_another_form_is_refused_wherever_it_stands(line: bytes) -> None:
    whole = b'{"type":"step"}'
    for lines in ([line], [whole, line], [line, whole]):
        with pytest.raises(codec.NotJson):
            LINES.decode(lines)
