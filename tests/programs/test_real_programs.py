"""What every profile of kind `cli` can do with its real program: one test a promise, one case a program.

The programs are those of pins.toml, the model is a loopback server over real HTTP; a kill is SIGKILL of all
processes. `make newest` runs the same with the newest versions.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from orchestra import Orchestra
from real_cast import HELD, Cast, Script, bus_call
from real_rows import ANSWER_TOKENS, USAGE

from maos_sup.loopback.reply import FaultKind, PlannedFault, ReplyPace, ScriptedReply, fail, say
from maos_sup.loopback.request import LoopbackRequest

pytestmark = pytest.mark.timeout(
    3000
)  # a start takes seconds of processor time, and others work here as well
STEPS = 8


def test_task_with_a_call_a_message_and_word_to_the_team(cast: Cast) -> None:
    def script(request: LoopbackRequest) -> ScriptedReply:
        if request.turn == 0:
            return cast.row.shell("echo first >> ran")
        cast.hold()
        if "plum" not in request.all_text:
            return say("The first part is done.", usage=USAGE)
        if "plum" in request.last_user:
            return bus_call(request, "it has a pit", cast.row)
        return say("All done, with a plum.", usage=USAGE)

    cast.begin(script)
    cast.wait(lambda: len(cast.asked()) == 2, "the command's result")
    cast.orchestra.do("send", "ann", "The word is 'plum' and \"not\" a pear.")
    cast.let_go()
    cast.wait_rest("done")
    assert cast.ran() == ["first"]
    assert cast.orchestra.task("ann")["result"] == "All done, with a plum."
    assert cast.orchestra.agent("ann")["last_discovery"] == "it has a pit", cast.told()
    _assert_prompts_came_word_for_word(cast)
    _assert_each_call_is_on_record_once_with_its_result(cast, calls=2)
    assert cast.spent() == cast.charged() == ANSWER_TOKENS * len(cast.answers())


def _assert_prompts_came_word_for_word(cast: Cast) -> None:
    prompt = cast.server.log.requests()[0]["body"]
    assert "Do the steps." in str(prompt)
    told = cast.last_text()
    assert r"The word is 'plum' and \"not\" a pear." in told


def _assert_each_call_is_on_record_once_with_its_result(cast: Cast, *, calls: int) -> None:
    begun, ended = cast.journal("tool_call"), cast.journal("tool_result")
    own = [entry for entry in begun if entry["id"] in {result["id"] for result in ended}]
    assert len({entry["id"] for entry in begun}) == len(own) == len(begun) >= calls
    assert not [entry for entry in ended if entry.get("is_error")]


def once(cast: Cast, command: str) -> Script:
    """A model that has `command` run once, whether the session went on or another one is told of it."""

    def script(request: LoopbackRequest) -> ScriptedReply:
        is_known = any(part in request.all_text for part in ("only-once", "may be missing")) or request.turn
        return say("All done.", usage=USAGE) if is_known else cast.row.shell(command)

    return script


def test_killed_in_mid_tool_it_goes_on_in_place_in_a_copy_and_where_it_was_moved(cast: Cast) -> None:
    killed_in_mid_tool(cast)
    copy, moved = place_beside(cast, "copy"), place_beside(cast, "moved")
    project = copy.folder / "project"
    shutil.copytree(cast.project, project)
    shutil.copytree(cast.orchestra.root, copy.root, symlinks=True)
    before = digest(cast.orchestra.root)

    goes_on(cast, copy, project)
    assert digest(cast.orchestra.root) == before  # nothing of the original was touched

    cast.orchestra.root.rename(moved.root)
    cast.project.rename(moved.folder / "project")
    goes_on(cast, moved, moved.folder / "project")


def test_tree_alone_is_moved_and_its_own_session_goes_on(cast: Cast) -> None:
    killed_in_mid_tool(cast)
    moved = place_beside(cast, "moved")
    cast.orchestra.root.rename(moved.root)
    goes_on(cast, moved, cast.project)
    assert cast.ran() == ["only-once"]


def killed_in_mid_tool(cast: Cast) -> None:
    """Kill all while a command runs, and while that is known to whom it can be known."""

    def is_known() -> bool:
        return bool(cast.ran() and (cast.journal("tool_call") or not cast.row.tells_begun))

    cast.begin(once(cast, f"echo only-once >> ran; {HELD}"))
    cast.wait(is_known, "the command")
    cast.kill_all()


def place_beside(cast: Cast, name: str) -> Orchestra:
    """Another place for the tree."""
    folder = cast.orchestra.folder / name
    folder.mkdir()
    one = Orchestra(folder, id=cast.orchestra.id)  # what it leaves is ended with the rest
    one.environment = {**cast.orchestra.environment, "MAOS_SUP_HOME": one.environment["MAOS_SUP_HOME"]}
    return one


def goes_on(cast: Cast, one: Orchestra, project: Path) -> None:
    """Resume the tree of `one`: it comes to its end, runs nothing twice, and knew what was interrupted.

    Or, where the program had not told that the call began and its session begins anew, that there may be one.
    """
    answers = len(cast.answers())
    before = session_of(cast, one)
    one.cli("resume", str(one.root), "--project", str(project), "--detach", expect=0)
    cast.wait_rest("done", orchestra=one)
    assert one.task("ann")["result"] == "All done."
    has_moved = project != cast.project
    told = [entry["text"] for entry in cast.journal("warning", orchestra=one)]
    begins_anew = [text for text in told if "a new session begins" in text and "has moved" in text]
    assert bool(begins_anew) == (session_of(cast, one) != before) == (cast.row.is_bound and has_moved)
    assert (project / "ran").read_text().split() == ["only-once"]
    is_unknown = begins_anew and not cast.row.tells_begun
    assert ("may be missing" if is_unknown else "interrupted") in cast.last_text()
    assert len(cast.answers()) == answers + 1, cast.told(one)


def session_of(cast: Cast, one: Orchestra | None = None) -> str:
    """The session that the agent works in, as its program calls it."""
    return str(cast.journal("session", orchestra=one)[-1]["session"])


def digest(folder: Path) -> dict[str, str]:
    """Take the hash of every file below `folder`."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_killed_in_mid_tool_it_goes_on_in_its_own_session(cast: Cast) -> None:
    killed_in_mid_tool(cast)
    cast.orchestra.resume()
    cast.wait_rest("done")
    assert cast.ran() == ["only-once"]
    assert len({entry["session"] for entry in cast.journal("session")}) == 1
    assert "interrupted" in cast.last_text() and "Do the steps." in cast.last_text()
    assert (
        cast.spent() >= cast.charged()
    )  # what a killed process spent is there, as waste if nothing is known


def test_killed_in_mid_stream_half_an_answer_is_none(cast: Cast) -> None:
    stalled = say(
        "Half an answer that never came to its end.",
        usage=USAGE,
        pace=ReplyPace(chunk_chars=4),
        fault=PlannedFault(kind=FaultKind.STALL, after_chunks=4),
    )

    def script(request: LoopbackRequest) -> ScriptedReply:
        return say("The whole of it.", usage=USAGE) if cast.answers("stall") else stalled

    cast.begin(script)
    cast.wait(lambda: cast.answers("stall"), "half an answer")
    cast.kill_all()
    cast.orchestra.resume()
    cast.wait_rest("done")
    assert cast.orchestra.task("ann")["result"] == "The whole of it."
    assert [turn["text"] for turn in cast.journal("turn") if turn.get("text")][-1] == "The whole of it."
    assert len(cast.answers()) == 1
    assert cast.spent() >= ANSWER_TOKENS


def test_stream_that_ends_too_early_is_asked_for_again_and_half_an_answer_is_none(cast: Cast) -> None:
    broken = say(
        "Half an answer that never came to its end.",
        usage=USAGE,
        pace=ReplyPace(chunk_chars=4),
        fault=PlannedFault(kind=FaultKind.TRUNCATE, after_chunks=4),
    )
    cast.begin(lambda request: say("The whole of it.", usage=USAGE) if cast.answers("truncate") else broken)
    cast.wait_rest("done")
    assert cast.orchestra.task("ann")["result"] == "The whole of it."
    if cast.row.profile != "opencode":  # which shows the broken one as a text of its own
        assert [turn["text"] for turn in cast.journal("turn") if turn.get("text")] == ["The whole of it."]


def steps(cast: Cast) -> Script:
    """A model that has one command run after another, and thinks about the second until the test lets go."""

    def script(request: LoopbackRequest) -> ScriptedReply:
        if request.turn >= STEPS:
            return say("All steps are done.", usage=USAGE)
        if request.turn:
            cast.hold()
        return cast.row.shell(f"echo {request.turn} >> ran")

    return script


def test_pause_takes_effect_while_it_runs_and_start_goes_on(cast: Cast) -> None:
    cast.begin(steps(cast))
    cast.wait(lambda: len(cast.asked()) >= 2, "the second question")
    cast.orchestra.do("pause")
    cast.let_go()
    cast.wait(lambda: cast.orchestra.phase() == "paused", "paused")
    assert len(cast.ran()) < STEPS, cast.told()
    cast.orchestra.do("start")
    cast.orchestra.wait(lambda: cast.orchestra.phase() != "paused", "it goes on")
    cast.wait_rest("done")
    assert sorted(set(cast.ran()))[-1] == str(STEPS - 1)
    assert cast.orchestra.task("ann")["result"] == "All steps are done."


def test_budget_holds_while_it_runs_and_more_of_it_lets_it_go_on(cast: Cast) -> None:
    cast.let_go()
    cast.begin(steps(cast), budget={"max_tokens": 4 * ANSWER_TOKENS})
    cast.wait(lambda: "budget" in cast.orchestra.told(), "word of the budget")
    assert len(cast.asked()) <= 5, cast.told()
    cast.orchestra.do("set", "agents/ann.budget.max_tokens", str(1000 * ANSWER_TOKENS))
    cast.wait_rest("done")
    assert cast.orchestra.task("ann")["result"] == "All steps are done."
    assert cast.spent() >= cast.charged()


def test_provider_that_fails_in_turn_is_waited_for(cast: Cast) -> None:
    faults = [500, 429, 529]

    def script(request: LoopbackRequest) -> ScriptedReply:
        if faults:
            return fail(faults.pop(0), retry_after_s=1)
        return say("At last.", usage=USAGE)

    cast.begin(script)
    cast.wait_rest("done")
    assert cast.orchestra.task("ann")["result"] == "At last."
    assert cast.spent() == cast.charged() == ANSWER_TOKENS


def test_program_says_the_version_that_is_pinned(cast: Cast) -> None:
    path = shutil.which(cast.row.profile, path=cast.orchestra.environment["PATH"])
    assert path is not None
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=120)
    assert any(character.isdigit() for character in told.stdout)
