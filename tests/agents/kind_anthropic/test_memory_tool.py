"""Claude's memory tool: files of /memories in the shared scope, with its history, done once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from talking import Talk, finish, steps

from maos_sup.views.kept import history_of, values_of
from state_layout.scopes.names import Scope
from state_layout.scopes.store import ScopeStore

Make = Callable[..., Talk]
MEMORY = Scope("custom", "memory")
AGENT = {"tools": ["memory", "finish"], "state": {"write": ["custom:memory"]}}


def memory(command: str, **more: Any) -> dict[str, Any]:
    return {"name": "memory", "input": {"command": command, **more}}


def results(one: Any) -> list[str]:
    assert one.stage.run("ann") == 0, one.stage.log()
    return [line["content"] for line in one.stage.lines("ann", "tool_result")]


def test_each_command_does_what_it_says(talk: Make) -> None:
    calls = [
        memory("view", path="/memories"),
        memory("create", path="/memories/notes/a.md", file_text="one\ntwo\n"),
        memory("create", path="/memories/notes/a.md", file_text="again"),
        memory("view", path="/memories/notes/a.md", view_range=[2, -1]),
        memory("str_replace", path="/memories/notes/a.md", old_str="two", new_str="2"),
        memory("str_replace", path="/memories/notes/a.md", old_str="three", new_str="3"),
        memory("insert", path="/memories/notes/a.md", insert_line=0, insert_text="zero"),
        memory("rename", old_path="/memories/notes", new_path="/memories/kept"),
        memory("view", path="/memories"),
        memory("view", path="/memories/../etc"),
        memory("view", path="/etc/passwd"),
        memory("delete", path="/memories/gone"),
    ]
    one = talk(steps({"tools": calls}, finish()), {"ann": AGENT})
    said = results(one)
    assert said[0].splitlines()[1:] == ["/memories"]
    assert said[1] == "File created successfully at: /memories/notes/a.md"
    assert said[2] == "File /memories/notes/a.md already exists"
    assert said[3].splitlines()[1:] == ["     2\ttwo", "     3\t"]
    assert said[4].splitlines()[1:] == ["     1\tone", "     2\t2", "     3\t"]
    assert "did not appear verbatim" in said[5]
    assert said[6] == "The file /memories/notes/a.md has been edited."
    assert said[7] == "Successfully renamed /memories/notes to /memories/kept"
    assert said[8].splitlines()[2:] == ["/memories/kept/", "/memories/kept/a.md"]
    assert "would escape" in said[9] and "must start with /memories" in said[10]
    assert said[11] == "The path /memories/gone does not exist"
    kept = {told["key"]: told["value"] for told in values_of(one.stage.tree, MEMORY)}
    assert kept == {"kept/a.md": "zero\none\n2\n"}
    assert len(history_of(one.stage.tree, MEMORY, "notes/a.md")) == 4
    assert [tool["name"] for tool in one.server.log.requests()[0]["body"]["tools"]] == ["memory", "finish"]
    assert one.stage.problems() == []


def test_it_needs_the_scope_to_be_granted(talk: Make) -> None:
    call = memory("create", path="/memories/a", file_text="x")
    one = talk(steps({"tools": [call]}, finish()), {"ann": {"tools": ["memory", "finish"]}})
    assert "may not write custom:memory" in results(one)[0]


def test_edit_of_another_agent_is_kept(talk: Make) -> None:
    edit = memory("insert", path="/memories/a", insert_line=0, insert_text="mine")
    one = talk(steps({"tools": [edit]}, finish()), {"ann": AGENT})
    ScopeStore(one.stage.tree.state_scope("custom", "memory"), "operator").put("a", "theirs")
    results(one)
    assert [told["value"] for told in values_of(one.stage.tree, MEMORY)] == ["mine\ntheirs"]
