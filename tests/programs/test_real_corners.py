"""What is hard on the real command lines: odd prompts, calls and questions that fail, open folders.

One start of each program shows many of these together, for starting is what costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from real_cast import Cast, bus_call
from real_rows import USAGE

from maos_sup.loopback.reply import ScriptedReply, fail, say
from maos_sup.loopback.request import LoopbackRequest

pytestmark = pytest.mark.timeout(3000)
ODD = '- "Quoted" \\ $HOME `date`\n\n\t{prompt} {session}\n--help\n' + "long enough " * 17_000 + "\nthe end"


def test_odd_prompt_arrives_failed_call_is_recorded_as_failed_and_refusal_is_final(cast: Cast) -> None:
    def script(request: LoopbackRequest) -> ScriptedReply:
        return fail(401) if request.turn else cast.row.shell("echo oops; exit 3")

    cast.begin(script, task=ODD, role='- be "careful"')
    cast.wait_rest("failed")
    assert any(ODD in text for text in texts_of(cast.asked()[0]["body"]))
    [result] = cast.journal("tool_result")
    assert "oops" in result["content"] and result.get("is_error", False) == cast.row.tells_exit
    assert cast.orchestra.agent("ann")["attempt"] == 1, cast.told()
    assert cast.orchestra.task("ann")["error"]


def texts_of(value: Any) -> Iterator[str]:
    """All texts in `value`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts_of(item)


@pytest.mark.open_folder
def test_in_an_open_folder_for_temporary_files_commands_and_the_team_work(cast: Cast) -> None:
    def script(request: LoopbackRequest) -> ScriptedReply:
        if request.turn > 1:
            return say("All done.", usage=USAGE)
        return (
            bus_call(request, "it works", cast.row) if request.turn else cast.row.shell("echo first >> ran")
        )

    cast.begin(script)
    cast.wait_rest("done")
    assert cast.ran() == ["first"], cast.told()
    assert cast.orchestra.agent("ann")["last_discovery"] == "it works", cast.told()
    warnings = [entry["text"] for entry in cast.journal("warning")]
    is_told = any("Skipping system settings" in text for text in warnings)
    assert is_told == (cast.row.profile == "gemini"), warnings
