"""Answers of models that were bought: not bought again, and a damaged record of them is as good as none."""

from __future__ import annotations

from pathlib import Path

import pytest

from maos_sup.core.questions import ModelAnswer, ModelQuestion
from maos_sup.planner.saved import Shelf

QUESTION = ModelQuestion(system="s", prompt="p", name="n", schema={})
ANSWER = ModelAnswer(value={"tasks": []}, model="m", tokens=7, cost_usd=0.5)


def test_a_question_is_bought_once(tmp_path: Path) -> None:
    shelf, asked = Shelf.of(tmp_path, "write a book", about=None), list[ModelQuestion]()
    shelf.answers.parent.mkdir()

    def ask(question: ModelQuestion) -> ModelAnswer:
        asked.append(question)
        return ANSWER

    assert [shelf.recorded(ask)(QUESTION) for _ in range(3)] == [ANSWER] * 3
    assert asked == [QUESTION]


@pytest.mark.parametrize(
    ("found", "instead"), [(b'"tokens":7', b'"tokens":"x"'), (b"0.5", b'"0.5"'), (b"{", b"[")]
)
def test_a_damaged_record_is_as_good_as_none(tmp_path: Path, found: bytes, instead: bytes) -> None:
    shelf = Shelf.of(tmp_path, "write a book", about=None)
    shelf.answers.parent.mkdir()
    shelf.recorded(lambda _: ANSWER)(QUESTION)
    shelf.answers.write_bytes(shelf.answers.read_bytes().replace(found, instead))
    assert shelf.recorded(lambda _: ANSWER)(QUESTION) == ANSWER
