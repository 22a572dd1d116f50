"""The book of the clerk: nothing is submitted that may be there already, nothing ends unasked."""

from __future__ import annotations

import pytest

from maos_sup.launchers.base import Submission
from maos_sup.launchers.slurm.book import RETRY_S, Book
from maos_sup.launchers.slurm.commands import Job
from state_layout.records import Placement

ARRAY = Placement(array=True, partition="short")


class Told:
    """Counts how often the reader of a book was woken."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def book(told: Told) -> Book:
    return Book(told)


def wish(agent: str, attempt: int = 1, place: Placement | None = None) -> Submission:
    return Submission(agent=agent, attempt=attempt, tree_root="/tree", place=place or Placement())


def job(agent: str, state: str = "RUNNING", *, id_: str = "7", attempt: int = 1) -> Job:
    return Job(id=id_, state=state, reason="None", node="n1", agent=agent, attempt=attempt)


def names(batch: list[Submission]) -> list[str]:
    return [one.agent for one in batch]


def test_nothing_is_submitted_before_a_later_question_did_not_find_it(book: Book) -> None:
    book.order(wish("ann"), now_s=1)
    assert book.wants_answer(1)
    book.answered([], begun_s=0.5, now_s=2)  # began before the order: another may have submitted it since
    assert book.take_batch(now_s=2) == []
    book.answered([], begun_s=2, now_s=3)
    assert names(book.take_batch(now_s=3)) == ["ann"]
    assert book.take_batch(now_s=3) == []  # it is under way


def test_what_the_queue_has_is_not_submitted(book: Book) -> None:
    book.order(wish("ann"), now_s=1)
    book.answered([job("ann", "PENDING")], begun_s=2, now_s=3)
    assert book.take_batch(now_s=3) == []
    assert book.ordered() == set()
    assert book.view.settled == 1


def test_an_ended_job_or_another_attempt_is_none(book: Book) -> None:
    book.order(wish("ann", 2), now_s=1)
    book.answered([job("ann", "COMPLETED", attempt=2), job("ann", attempt=1)], begun_s=2, now_s=3)
    assert names(book.take_batch(now_s=3)) == ["ann"]


def test_a_try_whose_outcome_is_not_known_is_asked_after_and_waits(book: Book) -> None:
    book.order(wish("ann"), now_s=1)
    book.answered([], begun_s=2, now_s=2)
    batch = book.take_batch(now_s=2)
    book.postponed(batch, "sbatch said nothing for 60 s", now_s=62)
    assert book.view.held == "sbatch said nothing for 60 s"
    book.answered([], begun_s=61, now_s=62)  # an answer that may be too old
    assert book.take_batch(now_s=62 + 2 * RETRY_S) == []
    book.answered([job("ann")], begun_s=63, now_s=64)
    assert book.take_batch(now_s=64 + 2 * RETRY_S) == []
    assert (book.ordered(), book.view.held) == (set(), "")


def test_a_job_that_was_just_submitted_outlives_an_answer_that_was_under_way(book: Book) -> None:
    book.order(wish("ann"), now_s=1)
    book.answered([], begun_s=2, now_s=2)
    batch = book.take_batch(now_s=2)
    book.submitted(batch, [job("ann", "PENDING")], now_s=4)
    book.answered([], begun_s=3, now_s=5)
    assert "ann" in book.view.jobs
    book.answered([], begun_s=5, now_s=6)
    assert "ann" not in book.view.jobs


def test_what_is_seen_running_is_not_waiting_again_by_a_late_answer_of_sbatch(book: Book) -> None:
    book.order(wish("ann"), now_s=1)
    book.answered([], begun_s=2, now_s=2)
    batch = book.take_batch(now_s=2)
    book.answered([job("ann")], begun_s=3, now_s=4)
    assert book.is_hopeless(batch)
    book.submitted(batch, [job("ann", "PENDING")], now_s=5)
    assert book.view.jobs["ann"].state == "RUNNING"
    book.postponed(batch, "late", now_s=6)
    assert book.take_batch(now_s=100) == []


def test_who_wants_the_same_goes_together_if_that_is_wished(book: Book) -> None:
    for agent in ("ann", "bob", "cat"):
        book.order(wish(agent, place=ARRAY), now_s=1)
    book.order(wish("dan", place=Placement(array=True)), now_s=1)
    book.order(wish("eve"), now_s=1)
    book.order(wish("fay"), now_s=1)
    book.answered([], begun_s=2, now_s=2)
    batches = [names(book.take_batch(now_s=2)) for _ in range(5)]
    assert batches == [["ann", "bob", "cat"], ["dan"], ["eve"], ["fay"], []]


def test_what_is_ended_before_slurm_heard_of_it_is_not_submitted(book: Book, told: Told) -> None:
    book.order(wish("ann"), now_s=1)
    before = told.times
    book.end(["ann"], grace_s=5, now_s=2)
    assert (book.ordered(), told.times) == (set(), before + 1)
    book.answered([], begun_s=3, now_s=3)
    assert book.take_batch(now_s=3) == []


def test_what_slurm_may_have_heard_of_is_waited_for_and_ended(book: Book) -> None:
    book.order(wish("ann"), now_s=1)
    book.answered([], begun_s=2, now_s=2)
    batch = book.take_batch(now_s=2)
    book.end(["ann"], grace_s=5, now_s=3)
    assert book.is_hopeless(batch)
    book.postponed(batch, "given up", now_s=8)
    assert book.ordered() == {"ann"}  # it may be there
    book.answered([job("ann")], begun_s=9, now_s=9)
    assert [each.id for each in book.take_endings(now_s=9)[1]] == ["7"]
    book.answered([job("ann", "CANCELLED")], begun_s=10, now_s=10)
    assert book.endings_due_s() == float("inf")


def test_an_end_is_a_term_then_the_end_and_again_until_it_came(book: Book) -> None:
    book.answered([job("ann")], begun_s=1, now_s=1)
    book.end(["ann"], grace_s=4, now_s=2)
    assert [len(some) for some in book.take_endings(now_s=2)] == [1, 0]
    assert [len(some) for some in book.take_endings(now_s=5)] == [0, 0]
    assert [len(some) for some in book.take_endings(now_s=6)] == [0, 1]
    assert [len(some) for some in book.take_endings(now_s=7)] == [0, 0]
    assert [len(some) for some in book.take_endings(now_s=6 + RETRY_S)] == [0, 1]


def test_a_term_that_may_not_have_arrived_is_sent_again(book: Book) -> None:
    book.answered([job("ann")], begun_s=1, now_s=1)
    book.end(["ann"], grace_s=100, now_s=2)
    asked, _ = book.take_endings(now_s=2)
    book.ended(asked, "scancel ended with 1, without a word", now_s=3)
    assert book.view.unended
    assert [len(some) for some in book.take_endings(now_s=3 + RETRY_S)] == [1, 0]
    book.ended(asked, "", now_s=9)
    assert not book.view.unended


def test_a_job_that_waits_is_ended_without_grace(book: Book) -> None:
    book.answered([job("ann", "PENDING")], begun_s=1, now_s=1)
    book.end(["ann"], grace_s=100, now_s=2)
    assert [len(some) for some in book.take_endings(now_s=2)] == [0, 1]


def test_where_the_queue_does_not_answer_nothing_changes(book: Book) -> None:
    book.answered([job("ann")], begun_s=1, now_s=1)
    book.order(wish("bob"), now_s=2)
    book.unanswered("squeue ended with 1, without a word", now_s=3)
    assert book.view.jobs == {"ann": job("ann")}
    assert book.view.trouble
    assert book.take_batch(now_s=100) == []
    assert book.ordered() == {"bob"}


def test_what_is_not_wanted_and_not_there_is_over(book: Book) -> None:
    book.order(wish("ann"), now_s=1)
    book.answered([], begun_s=2, now_s=2)
    batch = book.take_batch(now_s=2)
    book.end(["ann"], grace_s=5, now_s=3)
    book.postponed(batch, "given up", now_s=8)
    assert book.wants_answer(8)  # at once, though nothing is tried again before it is time
    book.answered([], begun_s=9, now_s=9)
    assert book.ordered() == set()


def test_a_late_answer_settles_no_later_order(book: Book) -> None:
    book.order(wish("ann"), now_s=1)
    book.answered([], begun_s=2, now_s=2)
    first = book.take_batch(now_s=2)
    book.answered([job("ann")], begun_s=3, now_s=3)
    book.order(wish("ann", 2), now_s=4)
    for late in (
        lambda: book.submitted(first, [job("ann", "PENDING")], now_s=5),
        lambda: book.refused(first, "no", now_s=5),
        lambda: book.postponed(first, "who knows", now_s=5),
    ):
        late()
        assert book.ordered() == {"ann"}
    assert book.view.refused == {}
    book.answered([], begun_s=6, now_s=6)
    assert book.take_batch(now_s=6)[0].attempt == 2


@pytest.mark.parametrize(("id_", "is_there"), [("9", True), ("7", False)])
def test_a_job_that_was_over_before_it_was_seen_is_not_submitted_again(
    book: Book, id_: str, *, is_there: bool
) -> None:
    """But one that was over before it was ordered is another."""
    book.order(wish("ann"), now_s=1)
    book.answered([job("ann", "CANCELLED", id_="7")], begun_s=2, now_s=2)
    batch = book.take_batch(now_s=2)
    book.postponed(batch, "who knows", now_s=3)
    book.answered([job("ann", "CANCELLED", id_="7"), job("ann", "COMPLETED", id_=id_)], begun_s=20, now_s=20)
    assert (book.ordered() == set()) is is_there
