"""Tables fit the width they are given, in cells; money adds up; nothing is cut in silence."""

from __future__ import annotations

import pytest

from maos_sup.views.cells import cells, cut, padded, wrapped
from maos_sup.views.money import bytes_text, money, shares, spent_text, tokens_text
from maos_sup.views.tables import table

HEADS = ("AGENT", "PHASE", "USD", "SENT", "LAST")
REASON = "the program ended with exit code 7 after it had read 日本語のテキスト and said so at length"
ROWS = [("builder", "failed", "0.01", "0", REASON), ("dba-für-🎉", "asking", "0.02", "0", "short")]


@pytest.mark.parametrize(
    ("text", "many"), [("abc", 3), ("日本語", 6), ("u\u0308", 1), ("🎉", 2), ("a\u200db", 2), ("ﬀ", 1)]
)
def test_text_is_measured_in_cells(text: str, many: int) -> None:
    assert cells(text) == many
    assert cells(padded(text, 8)) == 8


@pytest.mark.parametrize("width", [1, 2, 3, 5, 9])
def test_cut_text_fits_and_says_so(width: int) -> None:
    shown = cut("日本語のテキスト", width)
    assert cells(shown) <= width and shown.endswith("…")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_width_and_no_word_of_the_reason_is_lost(width: int) -> None:
    lines = table(HEADS, ROWS, width=width, by_worth=("SENT", "USD"))
    assert all(cells(line) <= width for line in lines), lines
    shown = "".join("".join(lines).split())
    for word in REASON.split():
        assert word in shown or width < 40, (word, lines)


def test_columns_with_nothing_to_say_go_first_and_in_silence_others_are_named() -> None:
    narrow = table(HEADS, ROWS, width=50, by_worth=("USD", "SENT"))
    assert "SENT" not in "\n".join(narrow) and "USD" in narrow[0]
    narrower = table(HEADS, ROWS, width=44, by_worth=("USD", "SENT"))
    assert narrower[-1].startswith("(no room for USD;") and "USD" not in narrower[0]


def test_words_are_not_broken_where_they_fit() -> None:
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("one 0123456789 two", 5) == ["one", "01234", "56789", "two"]
    assert wrapped("", 5) == [""]


@pytest.mark.parametrize(
    "amounts", [[0.0125] * 4, [0.333, 0.333, 0.334], [1.005, 2.005, 0.0], [0.0], [], [12.349, 0.004]]
)
def test_rows_of_money_add_up_to_their_total(amounts: list[float]) -> None:
    assert sum(map(float, shares(amounts))) == pytest.approx(float(money(sum(amounts))), abs=1e-9)


def test_amounts_are_shown_with_the_unit_that_fits() -> None:
    assert [bytes_text(n) for n in (0, 999, 1500, 312_000, 3_400_000, 2_000_000_000)] == [
        "0 B",
        "999 B",
        "1.5 KB",
        "312 KB",
        "3.4 MB",
        "2.0 GB",
    ]
    assert [tokens_text(n) for n in (812, 12_345, 999_999)] == ["812", "12.3k", "1.0M"]
    assert spent_text(0.0, 0.001) == "0.00 of 0.0010 USD"
    assert spent_text(1.5, 5) == "1.50 of 5.00 USD"
