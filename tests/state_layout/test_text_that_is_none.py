"""Text that is no UTF-8, as names of files can be, in every form of JSON that is written."""

from __future__ import annotations

import pytest

from state_layout.files import codec

ODD = {"a\udce9": ["b\udce9"]}


@pytest.mark.parametrize(
    "encoded",
    [
        lambda: codec.encode(ODD),
        lambda: codec.encode_again(ODD),
        lambda: codec.encode_pretty(ODD),
        lambda: codec.encode_joined([codec.encode_member("a\udce9", ["b\udce9"])]),
    ],
    ids=["encode", "encode_again", "encode_pretty", "encode_member"],
)
def test_text_that_is_no_utf8_is_replaced(encoded: object) -> None:
    assert callable(encoded)
    assert codec.decode(encoded()) == {"a?": ["b?"]}
