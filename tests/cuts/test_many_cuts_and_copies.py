"""Cuts at random instants of a team that chatters, and copies of it by every tool that people back up with.

Half of the team are programs, half are models at a loopback server. MAOS_SUP_UNDO_ROUNDS=1 is the long form:
a team of eight, 300 cuts, 100 copies that are resumed to the end. Tools that are not here are left out.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ledger import ghosts, lines_that_count, problems, unread
from orchestra import Orchestra, wait_for
from test_living_team import steps_done, wait_until_done

from maos_sup.agents.kinds.anthropic.prompts import SUM_UP
from maos_sup.cuts.copies import mend_copy
from maos_sup.cuts.record import TeamCut
from maos_sup.cuts.take import take_cut
from maos_sup.cuts.traces import TeamReader
from maos_sup.loopback.reply import ScriptedReply, call
from maos_sup.loopback.request import LoopbackRequest, blocks_of
from maos_sup.loopback.server import LoopbackServer
from state_layout.files.locks import is_free
from state_layout.paths import Tree
from state_layout.specs import read_specs

IS_LONG = bool(os.environ.get("MAOS_SUP_UNDO_ROUNDS"))
CUTS, COPIES = (300, 100) if IS_LONG else (12, 5)
PROGRAMS = ("ann", "ben", "cid", "dot")[: 4 if IS_LONG else 2]
MODELS = ("eve", "fay", "gus", "hal")[: 4 if IS_LONG else 2]
AGENTS = (*PROGRAMS, *MODELS)
PAUSE_S = 0.2 if IS_LONG else 0.01  # between two steps: the long form lasts, and its copies are to stay small
PRICE = {"input": 1.0, "output": 1.0, "cache_read": 1.0, "cache_write": 1.0}  # a dollar a million tokens
ENOUGH = "ENOUGH"  # who is started with it comes to an end: says goodbye, and reads what is under way
SAID = "I have said goodbye to all"
CHATTER = """
import os, random, time
from itertools import count
def main(ctx):
    peers, rnd = [name for name in AGENTS if name != ctx.agent], random.Random(str(ctx.agent))
    goodbyes = 0
    def read():
        nonlocal goodbyes
        messages = ctx.inbox()
        goodbyes += sum(message.text == "goodbye" for message in messages)
        return len(messages)
    def talk():
        got = read()
        for to in rnd.sample(peers, 2):
            ctx.send(to, text="hello")
        return got
    def leave():
        got = read()
        for to in peers:
            ctx.send(to, text="goodbye")
        return got
    for number in count():
        ctx.step(f"s{number}", talk)
        time.sleep(PAUSE_S)
        if os.environ.get("ENOUGH"):
            break
    ctx.step("leave", leave)
    for number in count():
        if goodbyes == len(peers):
            return
        ctx.step(f"r{number}", read)
        time.sleep(0.05)
"""


def talk(request: LoopbackRequest) -> ScriptedReply:
    """Say what a model says next, all by its conversation: it greets one after the other, and reads.

    Once a program has said goodbye it says so to all, and is done when all have.
    """
    name = request.system.split("agent '")[1].split("'")[0]
    peers = {each for each in AGENTS if each != name}
    gone = set(re.findall(r'<message from="(\w+)"[^>]*>\s*goodbye', request.all_text))
    said = SAID in request.all_text or any(
        block.get("input", {}).get("text") == "goodbye"
        for message in request.messages
        for block in blocks_of(message["content"])
    )
    if is_asked_to_sum_up(request):
        kept = [f'<message from="{each}">\ngoodbye\n</message>' for each in sorted(gone)]
        return ScriptedReply(
            content=({"type": "text", "text": "\n".join([*kept, SAID if said else "all talk"])},)
        )
    if gone >= peers and said:
        return call("finish", {"result": "all have gone"})
    if gone & set(PROGRAMS) and not said:
        return ScriptedReply(content=tuple(sending(to, "goodbye") for to in sorted(peers)))
    if request.turn % 2 or said:
        return call("read_messages", {"wait_s": 1 if IS_LONG else 0.1})
    return ScriptedReply(content=(sending(sorted(peers)[request.turn // 2 % len(peers)], "hello"),))


def is_asked_to_sum_up(request: LoopbackRequest) -> bool:
    """The conversation has become too long: only what it says now is left of it then."""
    return SUM_UP in str(request.messages[-1]["content"])


def sending(to: str, text: str) -> dict[str, Any]:
    return {"type": "tool_use", "name": "send_message", "input": {"to": to, "text": text}}


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(talk) as made:
        yield made


def begin(orchestra: Orchestra, server: LoopbackServer | None = None) -> None:
    """Start a team that talks for ever; of programs only without a `server`."""
    programs = PROGRAMS if server else AGENTS
    orchestra.file("chatter.py", f"AGENTS, PAUSE_S = {AGENTS!r}, {PAUSE_S}\n{CHATTER}")
    agents: dict[str, dict[str, Any]] = {
        name: {"kind": "python", "callable": "chatter:main"} for name in programs
    }
    if server:
        model = {"kind": "anthropic", "model": "test-model", "base_url": server.url, "price": PRICE}
        model |= {"max_turns": 100_000, "compact_at": 0.03}  # so that conversations are shortened, often
        agents |= {name: dict(model) for name in MODELS}
        orchestra.environment["ANTHROPIC_API_KEY"] = "sk-loopback"
    orchestra.start(agents, intervals={"checkpoint_s": 1})
    wait_for(lambda: steps_done(orchestra.root) > 40, "the team chatters")


def assert_it_ends_in_order(orchestra: Orchestra, copy: Path) -> None:
    """Resume `copy` to the end: every message that was sent was received, once."""
    orchestra.environment[ENOUGH] = "1"
    orchestra.cli("resume", str(copy), "--detach", expect=0)
    wait_until_done(orchestra, copy)
    wait_for(lambda: is_free(Tree(copy).supervisor_lock), "its supervisor has ended")
    assert problems(copy) == []
    assert unread(copy) == 0


def run(*words: str | Path, cwd: Path | None = None, **environment: str) -> None:
    """Run a tool; what vanishes while it reads makes some end with another code than 0."""
    subprocess.run(
        [*map(str, words)],
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def by_cp(tree: Path, to: Path) -> Path:
    run("cp", "-a", tree, to / "tree")
    return to / "tree"


def by_rsync(tree: Path, to: Path) -> Path:
    run("rsync", "-a", f"{tree}/", to / "tree")
    return to / "tree"


def by_tar(tree: Path, to: Path) -> Path:
    run("tar", "-cf", to / "a.tar", "-C", tree.parent, tree.name)
    run("tar", "-xf", to / "a.tar", "-C", to)
    return to / tree.name


def by_restic(tree: Path, to: Path) -> Path:
    secret = {"RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": str(to / "repository")}
    run("restic", "--no-cache", "init", **secret)
    run("restic", "--no-cache", "backup", ".", cwd=tree, **secret)
    run("restic", "--no-cache", "restore", "latest", "--target", to / "tree", **secret)
    found = next((to / "tree").rglob("FORMAT"), to / "tree" / "FORMAT")
    return found.parent


def by_borg(tree: Path, to: Path) -> Path:
    home = {"BORG_BASE_DIR": str(to / "home"), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    run("borg", "init", "-e", "none", to / "repository", **home)
    run("borg", "create", f"{to / 'repository'}::a", ".", cwd=tree, **home)
    (to / "tree").mkdir()
    run("borg", "extract", f"{to / 'repository'}::a", cwd=to / "tree", **home)
    return to / "tree"


TOOLS: dict[str, Callable[[Path, Path], Path]] = {
    "cp": by_cp,
    "rsync": by_rsync,
    "tar": by_tar,
    "restic": by_restic,
    "borg": by_borg,
}


def inconsistent(root: Path, cuts: list[TeamCut]) -> list[str]:
    """Receipts without a send at the lines that each cut names, by the journals alone, read once."""
    sent: dict[str, list[tuple[int, int]]] = defaultdict(list)  # by box/sender: seq of the line, number
    marks: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)  # by reader and channel
    for agent in AGENTS:
        for line in lines_that_count(root / "agents" / agent):
            for message in line.get("sent", ()):
                sent[f"{message['to']}/{agent}"].append((line["seq"], message["n"]))
            for key, mark in line.get("received", {}).items():
                marks[agent, key].append((line["seq"], mark[0]))

    def at(steps: list[tuple[int, int]], seq: int) -> int:
        index = bisect_right(steps, seq, key=lambda step: step[0])
        return steps[index - 1][1] if index else 0

    return [
        f"checkpoint {cut.number}: {reader} read {key} up to {at(steps, cut.agents[reader].place.seq)}"
        for cut in cuts
        for (reader, key), steps in marks.items()
        if key.rpartition("/")[2] in AGENTS
        and at(steps, cut.agents[reader].place.seq)
        > at(sent[key], cut.agents[key.rpartition("/")[2]].place.seq)
    ]


@pytest.mark.timeout(4 * 3600 if IS_LONG else 300)
def test_every_cut_and_every_copy_holds_no_ghost(orchestra: Orchestra, server: LoopbackServer) -> None:
    begin(orchestra, server)
    wait_for(lambda: len(server.log.requests()) > 20, "the models answer")
    random, reader = Random(11), TeamReader(Tree(orchestra.root))
    cuts = list[TeamCut]()
    for _ in range(CUTS):
        time.sleep(random.uniform(0, 0.1))  # the instant is what is tried out
        cuts.append(take_cut(Tree(orchestra.root), by="operator", why="a test", reader=reader))
        reader.forget_before(cuts[-1].places)
    assert inconsistent(orchestra.root, cuts) == []
    tools = [name for name in TOOLS if shutil.which(name)]
    was_wrong = dict.fromkeys(tools, 0)
    for number in range(COPIES):
        tool = tools[number % len(tools)]
        folder = orchestra.folder / f"copy-{number}"
        folder.mkdir(mode=0o700)
        time.sleep(random.uniform(0, 0.1))
        copy = TOOLS[tool](orchestra.root, folder)
        assert (copy / "FORMAT").exists(), f"{tool} copied nothing"
        before = ghosts(copy)
        was_wrong[tool] += bool(before)
        if IS_LONG or number == COPIES - 1:
            assert_it_ends_in_order(orchestra, copy)
        else:
            notes = mend_copy(Tree(copy), read_specs(Tree(copy)).specs)
            assert bool(notes) or not before
        assert ghosts(copy) == [], f"copy {number} by {tool}"
        shutil.rmtree(folder)
    logging.getLogger(__name__).info("%s cuts, %s copies; of them with ghosts: %s", CUTS, COPIES, was_wrong)
    assert not [*orchestra.root.glob("mail/*/*.void-*")], "the original is left alone"

    orchestra.cli("stop", str(orchestra.root), expect=0)
