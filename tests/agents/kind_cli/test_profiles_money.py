"""What the ready-made profiles spend, and being told to pause."""

from __future__ import annotations

import json
from typing import Any

import lines
import pytest
from lines import PROFILES
from looks import Actor, Make, journal, spent, told, warnings, whole
from stage import wait_for

_CAP = {"max_tokens": 20_000}


def _steps(profile: str) -> list[dict[str, Any]]:
    found = [*lines.begin(profile)]
    for number in range(8):
        id_ = f"item_{number}"
        found += lines.text(profile, f"step {number}")
        found += lines.call_begins(profile, id_, "work")
        found += [{"touch": f"at{number}"}, {"sleep": 1.0} if number else {"wait": "go"}]
        found += lines.call_ends(profile, id_, "work", "done")
    return [*found, *lines.end(profile)]


@pytest.mark.parametrize("profile", ["codex", "gemini"])
def test_pause_ends_it_after_the_call_it_is_at(stage: Make, actor: Actor, profile: str) -> None:
    one = stage({"ann": actor(profile, _steps(profile), whole(profile))})
    life = one.live("ann")
    wait_for((one.outside / "at0").exists, "the first call")
    one.edit("orchestration.json", want="pause")
    (one.outside / "go").touch()
    life.wait()
    assert not (one.outside / "at7").exists()
    assert "is_interrupted" not in journal(one, "tool_result")[0]
    one.edit("orchestration.json", want="run")
    assert one.run("ann") == 0, one.log()
    assert "--" not in told(one)[1] and "started again" in told(one)[1]


@pytest.mark.parametrize("profile", ["codex", "gemini"])
def test_cap_ends_it_before_it_is_told_what_was_used(stage: Make, actor: Actor, profile: str) -> None:
    agent = actor(profile, _steps(profile), whole(profile))
    one = stage({"ann": agent}, budget=_CAP)
    life = one.live("ann")
    (one.outside / "go").touch()
    wait_for(lambda: one.status("ann").get("phase") == "paused" or not life.is_running(), "a pause")
    assert "raise max_tokens" in str(one.status("ann")["reason"]), one.log()
    assert 0 < spent(one) <= 2 * _CAP["max_tokens"]
    one.edit("orchestration.json", budget={"max_tokens": 900_000})
    assert life.wait() == 0, one.log()


@pytest.mark.parametrize("profile", PROFILES)
def test_killed_process_costs_an_estimate_as_waste(stage: Make, actor: Actor, profile: str) -> None:
    begun = [*lines.begin(profile), *lines.text(profile, "I think"), {"touch": "at"}, {"sleep": 600}]
    one = stage({"ann": actor(profile, begun, whole(profile))})
    life = one.live("ann")
    wait_for((one.outside / "at").exists, "an answer")
    life.kill()
    assert one.run("ann") == 0, one.log()
    wasted = sum(entry["waste"]["tokens"] for entry in journal(one, "broken"))
    assert wasted > 5000
    assert spent(one) == wasted + 1010 == one.history("ann").tokens


def test_what_codex_tells_later_of_a_killed_process_is_no_waste(stage: Make, actor: Actor) -> None:
    """Its count goes on over processes; only the answer whose command was running is missing there."""
    begun = [*lines.begin("codex")]
    for number in (1, 2, 3):
        begun += lines.call_begins("codex", f"item_{number}", "work")
        begun += lines.call_ends("codex", f"item_{number}", "work", "done")
    begun += [*lines.call_begins("codex", "item_4", "work"), {"touch": "at"}, {"sleep": 600}]
    one = stage({"ann": actor("codex", begun, [*lines.begin("codex"), *lines.end("codex", tokens=4000)])})
    life = one.live("ann")
    wait_for(lambda: len(journal(one, "tool_call")) == 4, "the fourth call")
    life.kill()
    assert one.run("ann") == 0, one.log()
    [broken] = journal(one, "broken")
    assert 10_000 < broken["tokens"] < 20_000
    assert spent(one) == broken["tokens"] + 4010 == one.history("ann").tokens


@pytest.mark.parametrize("profile", PROFILES)
def test_answer_whose_usage_is_zero_costs_an_estimate(stage: Make, actor: Actor, profile: str) -> None:
    act = [*lines.begin(profile), *lines.text(profile, "hm"), *_free(lines.end(profile))]
    one = stage({"ann": actor(profile, act)})
    assert one.run("ann") == 0, one.log()
    assert spent(one) > 5000 and "estimate" in warnings(one)


def _free(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    text = json.dumps(said)
    return json.loads(text.replace(": 1000", ": 0").replace(": 10,", ": 0,").replace(": 10}", ": 0}"))  # type: ignore[no-any-return] # JSON


@pytest.mark.parametrize("profile", PROFILES)
def test_cap_in_usd_that_cannot_be_held_is_told_once(stage: Make, actor: Actor, profile: str) -> None:
    agent = actor(profile, whole(profile), model="my/own-model")
    act = json.loads(agent["env"]["ACTS"])
    agent["env"]["ACTS"] = json.dumps(act).replace("gemini-2.5-pro", "own-model")
    one = stage({"ann": agent}, budget={"max_cost_usd": 0.01})
    assert one.run("ann") == 0, one.log()
    assert warnings(one).count("max_cost_usd cannot be held") == 1
    assert journal(one, "turn")[-1]["cost"] == "unknown"


def test_model_of_another_provider_has_its_price_and_the_cap_holds(stage: Make, actor: Actor) -> None:
    one = stage({"ann": actor("codex", whole("codex"))}, budget={"max_cost_usd": 0.0000001})
    life = one.live("ann")
    wait_for(lambda: one.status("ann").get("phase") == "paused" or not life.is_running(), "a pause")
    assert "raise max_cost_usd" in str(one.status("ann")["reason"])
    assert told(one) == []
