"""README.md, the documents and the examples do what they print: each command is run as it stands there.

What stands for the reader's own words is filled in; each command that is not run has its reason here.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "incoming"))

import pytest
from maos_databases import full
from printed import REPOSITORY, Block, Place, blocks_of, fence

from maos_sup.loopback.reply import ScriptedReply, call
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.server import LoopbackServer

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")
GUIDE = (REPOSITORY / "docs" / "guide.md").read_text(encoding="utf-8")
STATE = (REPOSITORY / "docs" / "state.md").read_text(encoding="utf-8")
MOVING = (REPOSITORY / "docs" / "moving.md").read_text(encoding="utf-8")
MIRRORS = (REPOSITORY / "docs" / "mirrors.md").read_text(encoding="utf-8")
COUNT = "import os, time\nprint('found: 3 files', flush=True)\ntime.sleep(1)\n"
REPORTER = "def expensive(count):\n    return {'files': count}\n\n\n"
PROPOSAL = {
    "summary": "One does it.",
    "agents": [{"name": "dev", "role": "developer"}],
    "tasks": [{"id": "do", "agent": "dev", "description": "Do it"}],
}
README_RULES: dict[str, str | None] = {
    "make demo": None,  # takes its time to install; the same audit is run below
    "make test": None,  # this is one of the tests
    ". .venv/bin/activate": None,  # the command is on PATH here already
    "pipx install .": None,  # changes what is installed for the user
    "uv tool install .": None,
    "pip install .": None,
    # A model is asked: a loopback server answers. Nobody is at a terminal to approve it, as --yes says.
    'maos-sup run "Refactor': 'maos-sup run "Refactor the payment module and add tests" --yes',
}
COMMANDS_RULES: dict[str, str | None] = {
    "tail -f": "tail agents/counter/attempts/*/stdout.log",  # it would go on for ever
}
GUIDE_RULES: dict[str, str | None] = {
    "tail -f": "tail ~/.maos-sup/ID/agents/counter/attempts/*/stdout.log",
}


def planned_and_done(request: LoopbackRequest) -> ScriptedReply:
    return (
        call("propose_plan", PROPOSAL)
        if "propose_plan" in request.tool_names
        else call("finish", {"result": "ok"})
    )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(folder=tmp_path)
    yield made
    made.close()


def write_team(place: Place, plan: str) -> None:
    """The plan that a document prints, with the two programs that it leaves to the reader."""
    (place.checkout / "plan.toml").write_text(plan)
    (place.checkout / "count.py").write_text(COUNT)
    (place.checkout / "reporter.py").write_text(REPORTER + fence(GUIDE, "python"))


def words(place: Place, tree: str) -> dict[str, str]:
    return {
        "ID": tree,
        "AGENT": "counter",
        "TEXT": "hello",
        "--task T": "--task report",
        "KEY VALUE": "limits.max_agents 8",
    }


def test_the_readme_does_what_it_prints(place: Place) -> None:
    place.copy("examples")
    for name in ("PACE_S",):  # pauses are for who watches
        plan = place.checkout / "examples" / "repo_audit" / "plan.toml"
        plan.write_text(re.sub(rf'{name} = "[^"]*"', f'{name} = "0"', plan.read_text()))
    write_team(place, fence(README, "toml"))
    with LoopbackServer(planned_and_done) as server:
        place.environment |= {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": "sk-test"}
        done = place.run("maos-sup plan plan.toml && maos-sup run plan.toml")
        assert done.returncode == 0, done.stdout
        (team,) = place.trees()
        outputs = [
            place.replay(block, rules=README_RULES, words=words(place, place.trees()[-1]))
            for block in blocks_of(README)
        ]
        outputs += [
            place.replay(block, rules=COMMANDS_RULES, words=words(place, team))
            for block in blocks_of(COMMANDS)
        ]
    out = "\n".join(outputs)
    assert re.search(r"^maos-sup \d", out, re.MULTILINE)
    assert "planned by" in out
    assert "found: 3 files" in out
    assert place.run(f"maos-sup check {team}").returncode == 0
    assert "again" in place.run(f"maos-sup status {team}").stdout


def test_the_first_run_of_the_readme_prints_what_it_says(place: Place) -> None:
    (place.checkout / "plan.toml").write_text(fence(README, "toml"))
    for number, name in enumerate(("count.py", "reporter.py")):
        (place.checkout / name).write_text(fence(README, "python", number))
    done = place.run("maos-sup run plan.toml")
    assert same_lines(done.stdout, home=place.home) == same_lines(fence(README, "text"), home=place.home)
    assert "3 files\n" in place.run("cat ~/.maos-sup/*/agents/reporter/artifacts/report.md").stdout


def same_lines(printed: str, *, home: Path) -> list[str]:
    """Take from the lines of a run what differs from time to time: ids, times, and who was seen at work."""
    text = re.sub(r"^\d\d:\d\d:\d\dZ ", "", printed, flags=re.MULTILINE).replace(str(home), "~")
    text = re.sub(r"\d{8}-\d{4}-([a-z-]+)-\w{4}\b", r"ID-\1", text)
    lines = re.sub(r"\d+\.\d s\b", "N s", text).splitlines()
    return [line for line in lines if not line.startswith("task ") or " running (" not in line]


def test_the_guide_does_what_it_prints(place: Place) -> None:
    write_team(place, fence(GUIDE, "toml"))
    (place.checkout / "Makefile").write_text("lint:\n\techo fine\n")
    place.copy()
    outputs = [
        place.replay(block, rules=GUIDE_RULES, words=words(place, (place.trees() or ["none"])[-1]))
        for block in blocks_of(GUIDE)
        if "MAOS_CONTROL_FD" not in " ".join(block.commands)
    ]
    assert "agent linter added" in "\n".join(outputs)
    assert place.run("maos-sup resume").returncode == 0
    assert place.run("maos-sup check").returncode == 0
    tasks = place.run("maos-sup status --tasks").stdout
    assert re.search(r"^linter +linter +done", tasks, re.MULTILINE), tasks
    assert re.search(r"^count-again +counter +done", tasks, re.MULTILINE), tasks


def test_the_page_on_state_does_what_it_prints(place: Place) -> None:
    place.copy("examples")
    outputs = []
    for block in blocks_of(STATE):
        for command in block.commands:  # the first one makes what the others look at
            one = Block(block.line, (command,))
            outputs.append(place.replay(one, rules={}, words={"ID": (place.trees() or ["none"])[-1]}))
    out = "\n".join(outputs)
    assert "\n1905\n" in out
    assert "nothing is wrong" in out
    assert '{"rows":40}' in out


def test_the_page_on_mirrors_does_what_it_prints(place: Place) -> None:
    write_team(place, fence(README, "toml"))
    query = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]), sep=chr(10))"
    place.run(f"mkdir bin && printf '%s\\n' '#!/bin/sh' 'exec python -c \"{query}\" \"$@\"' > bin/sqlite3")
    place.run("chmod +x bin/sqlite3")
    place.environment["PATH"] = f"{place.checkout / 'bin'}:{place.environment['PATH']}"
    outputs = []
    for block in blocks_of(MIRRORS):
        for command in block.commands:  # the first one makes what the others look at
            one = Block(block.line, (command,))
            outputs.append(place.replay(one, rules={}, words={"ID": (place.trees() or ["none"])[-1]}))
    out = "\n".join(outputs)
    assert "mirror sqlite: equal" in out
    assert "nothing is wrong" in out
    assert "('reporter', 'done'" in out


def test_the_page_on_moving_does_what_it_prints(place: Place) -> None:
    write_team(place, fence(README, "toml"))
    full(place.checkout / "maos.db")
    outputs = []
    for block in blocks_of(MOVING):
        for command in block.commands:
            one = Block(block.line, (command,))
            outputs.append(place.replay(one, rules={}, words={"ID": (place.trees() or ["none"])[-1]}))
    out = "\n".join(outputs)
    assert "would be placed" in out
    assert "nothing is wrong" in out
    assert "the type 'response' is reply here" in out


def test_the_guides_shell_function_writes_control_lines(place: Place) -> None:
    (block,) = [block for block in blocks_of(GUIDE) if "MAOS_CONTROL_FD" in " ".join(block.commands)]
    done = place.run("exec 7> out; MAOS_CONTROL_FD=7\n" + "\n".join(block.commands))
    assert (done.returncode, done.stdout) == (0, "")
    assert (place.checkout / "out").read_text() == '{"progress":0.4,"note":"half way"}\n'


@pytest.mark.parametrize("lie", ["maos-sup statsu", "maos-sup plan gone.toml", "true\nfalse\ntrue"])
def test_a_document_that_lies_fails(place: Place, lie: str) -> None:
    (block,) = blocks_of("Text.\n\n" + "".join(f"    {line}\n" for line in lie.splitlines()))
    with pytest.raises(AssertionError, match="line 3:"):
        place.replay(block, rules={}, words={})


@pytest.mark.parametrize(
    ("text", "rules"),
    [(README, README_RULES), (COMMANDS, COMMANDS_RULES), (GUIDE, GUIDE_RULES)],
    ids=["readme", "commands", "guide"],
)
def test_a_rule_is_of_a_command_that_is_printed(text: str, rules: dict[str, str | None]) -> None:
    commands = [command for block in blocks_of(text) for command in block.commands]
    assert len(commands) > 8
    assert [rule for rule in rules if not any(command.startswith(rule) for command in commands)] == []


def test_a_kind_of_ones_own_works_as_printed(place: Place) -> None:
    package, info = place.folder / "site" / "my_package", place.folder / "site" / "my_package-1.dist-info"
    for folder in (package, info):
        folder.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "kinds.py").write_text(fence(GUIDE, "python", 1))
    entries = tomllib.loads(fence(GUIDE, "toml", -1))["project"]["entry-points"]["maos_sup.kinds"]
    lines = "".join(f"{name} = {target}\n" for name, target in entries.items())
    (info / "entry_points.txt").write_text(f"[maos_sup.kinds]\n{lines}")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1\n")
    place.environment["PYTHONPATH"] = str(place.folder / "site")
    plan = 'request = "x"\n[agents.ann]\nkind = "mine"\ntimes = 2\ntask = "Say it"\n'
    (place.checkout / "plan.toml").write_text(plan)
    done = place.run("maos-sup run plan.toml && maos-sup logs ann && maos-sup results")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Say it\n") == 2
    assert '"folder"' in done.stdout
    (place.checkout / "plan.toml").write_text(plan.replace("2", "0"))
    assert "'agents.ann.times' is 0" in place.run("maos-sup plan plan.toml || true").stdout


def test_every_toml_fence_can_be_read() -> None:
    for text in (README, GUIDE):
        for number in range(len(re.findall(r"^```toml$", text, re.MULTILINE))):
            assert tomllib.loads(fence(text, "toml", number))


def test_the_examples_in_other_languages_run_as_printed(place: Place) -> None:
    place.copy("examples")
    text = (REPOSITORY / "examples" / "other_language" / "README.md").read_text()
    first, second = blocks_of(text)
    out = place.replay(first, rules={}, words={})
    assert "done: 2 of 2 tasks done" in out
    place.replay(second, rules={}, words={"ID": place.trees()[-1]})


def test_the_audit_runs_as_printed(place: Place) -> None:
    place.copy("examples")
    other = place.home / "src" / "other"
    other.mkdir(parents=True)
    assert place.run("git init -q . && touch a.py && git add .", folder=other).returncode == 0
    text = (REPOSITORY / "examples" / "repo_audit" / "README.md").read_text()
    out = "".join(place.replay(block, rules={}, words={}) for block in blocks_of(text))
    assert out.count("6 of 6 tasks done") == 2
    assert "report" in out


def test_a_tree_is_steered_with_jq_and_copied_as_printed(place: Place) -> None:
    place.copy("examples")
    (place.checkout / "plan.toml").write_text(
        'request = "Wait"\n[agents.ann]\nkind = "command"\nshell = "sleep 3"\ntask = "wait"\n'
    )
    assert place.run("maos-sup run plan.toml --detach").returncode == 0
    tree = f"{place.home}/.maos-sup/{place.trees()[-1]}"
    steered = place.run(f"sh examples/edit_with_jq.sh {tree}")
    assert steered.returncode == 0, steered.stdout
    assert ".limits.timeout_s += 60" in steered.stdout
    copied = place.run(f"sh examples/copy_to_another_machine.sh {tree} {place.folder}/elsewhere")
    assert copied.returncode == 0, copied.stdout
