"""Nothing is charged twice or forgotten: the server's books beside the tree's, for each kind that pays.

For every kind, whatever was killed, paused, refused and resumed:

- ledger = answers on record + waste of questions that got none + guesses: each token has a name;
- `cost` says what the ledger says, in tokens and USD;
- answers on record <= what the server charged for whole answers: nothing twice, nothing invented;
- ledger + one answer's words for each cut >= what the server charged, cut answers included: of an answer that
  a kill or a pause cut, the prompt is counted and of its words what came, or a guess;
- where nothing was cut: ledger = charged, to the token.

opencode asks for a title beside, which it tells nobody: that question is left out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from orchestra import Orchestra
from payers import OUTPUT_TOKENS, PAYERS, Books, Chaos, spender
from real_cast import Cast, on_stage
from real_rows import IS_LONG

pytestmark = pytest.mark.timeout(3000)
ACTIONS = ("agent", "supervisor", "all", "pause")
SHORT = {
    "anthropic": ACTIONS,
    "claude": ACTIONS,
    "codex": ("all", "pause"),
    "gemini": ("all",),
    "opencode": ("all",),
}
ONLY_IN_LONG = ("opencode",)  # ten seconds of processor time for each of its starts
SLOW = ("gemini", "opencode")  # to start, and to ask again


@pytest.fixture(params=[name for name in PAYERS if IS_LONG or name not in ONLY_IN_LONG])
def payer(
    request: pytest.FixtureRequest, at_home: Orchestra, program: Callable[[str], str]
) -> Iterator[Cast]:
    """The cast of each kind that pays and whose program is installed."""
    with on_stage(PAYERS[request.param], at_home, program) as made:
        yield made


def test_charges_and_ledger_agree_over_kills_pauses_and_refusals(payer: Cast) -> None:
    name = payer.row.profile or payer.row.kind
    seed = random.randrange(1000) if IS_LONG else 1
    chance = random.Random(seed)
    actions = [*SHORT[name], *(chance.choices(ACTIONS, k=6) if IS_LONG else ())]
    chance.shuffle(actions)
    faults = {} if name in SLOW and not IS_LONG else {2: 500, 4: 429}
    payer.begin(spender(payer, faults))
    chaos = Chaos(payer, chance)
    while actions and chaos.after_a_question(actions[-1]):
        actions.pop()
    assert_books(payer, cuts=chaos.cuts, told=f"seed {seed}")


@pytest.mark.parametrize("payer", ["anthropic", "claude"], indirect=True)
def test_ledger_is_what_was_charged_where_nothing_was_cut(payer: Cast) -> None:
    payer.begin(spender(payer, {2: 500, 4: 429}))
    Chaos(payer, random.Random(1)).after_a_question("supervisor")
    assert_books(payer, cuts=0, told="no cuts")


def assert_books(payer: Cast, *, cuts: int, told: str) -> None:
    """It comes to its end, and the books agree; `cuts`: how often an answer may have been cut."""
    payer.wait_rest("done")
    books = Books.of(payer)
    told = f"{told}, {cuts} cuts: {books}\n{payer.told()}"
    assert books.ledger == books.known + books.wasted + books.guessed, told
    assert books.known <= books.delivered, told
    assert books.charged <= books.ledger + cuts * OUTPUT_TOKENS, told
    assert books.told["total"]["tokens"] == books.told["agents"]["ann"]["tokens"] == books.ledger, told
    if payer.row.profile != "opencode":  # whose prices are its own affair
        assert books.told["total"]["cost_usd"] == pytest.approx(books.ledger / 1_000_000), told
    if cuts == 0:
        assert books.charged == books.ledger, told
