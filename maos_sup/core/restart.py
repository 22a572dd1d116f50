"""Says when a dead agent is started again: at once, then with jittered exponential back-off, bounded.

After Erlang's restart intensity; half of each delay is jitter. Ages are seconds before now, by one process's
monotonic clock; time in which no supervisor lived is not charged.

A failure that comes slowly is bounded by number: *fruitless* deaths, one after the other with nothing gained
in between. What is gained is what a later attempt need not do again (`state_layout.lives.history`): a task
settled, a step, an answer of a model, a checkpoint that differs, progress beyond the highest told. Messages,
discoveries and output do not count: an attempt that begins anew tells them again.
"""

from __future__ import annotations

from dataclasses import dataclass

from state_layout.records import Restart


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verdict is what to do about a death: start again after `delay_s`, or give up."""

    gives_up: bool
    delay_s: float
    ages_s: tuple[float, ...]  # restarts that still count, this one (age 0) last
    is_fruitless: bool = False  # it gives up for want of progress


def judge_death(policy: Restart, ages_s: tuple[float, ...], *, chance: float, fruitless: int = 0) -> Verdict:
    """Decide about a death after restarts that happened `ages_s` ago; `chance` is uniform in 0..1.

    `fruitless` is how many deaths in a row gained nothing, this one included.

    Back-off counts restarts within the window or within four times the longest back-off, so that a slow
    loop of crashes does not start afresh each time; the bound counts those in the window only.
    """
    memory_s = max(policy.window_s, 4 * policy.backoff_max_s)
    recent = tuple(age for age in ages_s if age < memory_s)
    in_window = sum(age < policy.window_s for age in recent)
    if in_window >= policy.max:
        return Verdict(gives_up=True, delay_s=0.0, ages_s=recent)
    if fruitless > policy.most_fruitless:
        return Verdict(gives_up=True, delay_s=0.0, ages_s=recent, is_fruitless=True)
    delay_s = 0.0 if not recent else _backoff_s(policy, len(recent)) * (0.5 + chance / 2)
    return Verdict(gives_up=False, delay_s=delay_s, ages_s=(*recent, 0.0))


def _backoff_s(policy: Restart, restarts: int) -> float:
    return min(policy.backoff_max_s, policy.backoff_s * 2.0 ** min(restarts - 1, 60))
