"""A team is taken back, and a program's session goes on as it was then: what it asks next shows it."""

from __future__ import annotations

from typing import Any

import pytest
from orchestra import Orchestra
from real_cast import Cast
from real_rows import USAGE

from maos_sup.agents.kinds.cli.profile import read_profile
from maos_sup.loopback.reply import ScriptedReply, say
from maos_sup.loopback.request import LoopbackRequest
from state_layout.specs.kinds import BUILT_IN

pytestmark = pytest.mark.timeout(3000)

BRANCHING_PROFILES = BUILT_IN["cli"].branching["profile"]


def test_session_goes_on_in_a_copy_of_its_own_up_to_what_counts(cast: Cast) -> None:
    if cast.row.profile not in BRANCHING_PROFILES:
        pytest.skip(f"{cast.row.profile} keeps its sessions in a form that only it knows: a new one begins")

    def script(request: LoopbackRequest) -> ScriptedReply:
        if "taken back" in request.all_text:
            return say("Here we are again.", usage=USAGE)
        if request.turn == 2:
            cast.hold()
        if request.turn < 4:
            return cast.row.shell(f"echo step{request.turn} >> ran")
        return say("All done.", usage=USAGE)

    cast.begin(script)
    cast.wait(lambda: len(cast.asked()) == 3 and len(cast.journal("tool_result")) == 2, "two results")
    cast.orchestra.do("checkpoint", "--name", "here")
    cast.let_go()
    cast.wait_rest("done")
    assert cast.ran() == ["step0", "step1", "step2", "step3"]
    before = sessions(cast.orchestra)
    told = cast.orchestra.cli("rollback", str(cast.orchestra.root), "here", "--yes", expect=0).stdout
    assert "a new one begins" not in told
    cast.orchestra.resume()
    cast.wait(lambda: "Here we are again." in str(cast.orchestra.task("ann")["result"]), "the other end")
    cast.wait_rest("done")
    then, again = (conversation(cast.asked()[number]["body"]) for number in (2, -1))
    assert again[: len(then)] == then, "it was told what it was told then"
    assert "taken back" in str(again[len(then) :]) and "step2" not in str(again)
    assert [line["session"] for line in cast.journal("session")][-1] not in before
    assert {path: data for path, data in sessions(cast.orchestra).items() if path in before} == before
    cast.orchestra.do("redo", "--yes")
    assert cast.orchestra.task("ann")["result"] == "All done."


MADE_ANEW = {"id", "thoughtSignature"}  # for each process: codex names its records, gemini signs some calls


def conversation(body: dict[str, Any]) -> list[Any]:
    """List what a model is asked with: the messages, calls and results so far.

    Without what is made anew for each process, as the folder that gemini lists as it is; a result that gemini
    tells twice when it resumes, as ever, counts once.
    """
    told = (
        body.get("input")
        or body.get("messages")
        or [{"role": item["role"], **part} for item in body["contents"] for part in item["parts"]]
    )
    told = [{key: value for key, value in item.items() if key not in MADE_ANEW} for item in told]
    told = [item for item in told if "<session_context>" not in str(item)]
    return [item for item, before in zip(told, [None, *told], strict=False) if item != before]


def sessions(orchestra: Orchestra) -> dict[str, bytes]:
    """The files of sessions, by path: those of another future stay as they are."""
    home = orchestra.tree.agent("ann").session / "home"
    patterns = [read_profile(name).get("back_files") for name in BRANCHING_PROFILES]
    found = [path for pattern in patterns if pattern for path in home.glob(pattern)]
    return {str(path): path.read_bytes() for path in found}
