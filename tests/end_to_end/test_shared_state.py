"""Shared state of a real team: programs, the bus and people in one table; by hand, back, and in a fork."""

from __future__ import annotations

import json
import sys
from typing import Any

from bus_client import Bus
from orchestra import Orchestra

GATED = 'while [ ! -e "$OUT/go" ]; do sleep 0.05; done'
GRANT = {"write": ["orchestration", "custom:*"]}
COUNT = """
for i in 1 2; do
  while :; do
    found=$(maos-sup agent state get --show-version orchestration n 2>/dev/null) || found=$(printf 'none\\t0')
    version=$(printf '%s' "$found" | cut -f1); value=$(printf '%s' "$found" | cut -f2)
    maos-sup agent state put orchestration n $((value + 1)) --if-version "$version" && break
    [ $? -eq 4 ] || exit 1
  done
done
"""


def agent(shell: str, **more: Any) -> dict[str, Any]:
    shell = shell.replace("maos-sup", f"{sys.executable} -m maos_sup")
    return {"kind": "command", "shell": shell, "state": GRANT, **more}


def snapshot(orchestra: Orchestra, name: str = "orchestration") -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((orchestra.tree.state / f"{name}.json").read_text())
    except FileNotFoundError:
        return {}
    return found


def values(orchestra: Orchestra, *words: str) -> dict[str, Any]:
    told = json.loads(_state(orchestra, "list", *words, "--json"))
    return {each["key"]: each["value"] for each in told["values"]}


def _state(orchestra: Orchestra, verb: str, *words: str, expect: int = 0) -> str:
    return orchestra.cli("state", verb, str(orchestra.root), *words, expect=expect).stdout


def test_programs_that_count_together_lose_nothing(orchestra: Orchestra) -> None:
    orchestra.run({"ann": agent(COUNT), "bob": agent(COUNT)})
    assert orchestra.phase() == "done"
    assert _state(orchestra, "get", "orchestration", "n").strip() == "4"
    assert snapshot(orchestra) == {"n": 4}
    why = json.loads(_state(orchestra, "why", "orchestration", "n", "--json"))["last"]
    assert why["by"] in ("ann", "bob") and why["why"]["task"] == why["by"]
    orchestra.assert_sound()


def test_people_change_values_by_command_and_by_hand(orchestra: Orchestra) -> None:
    orchestra.start({"ann": agent(GATED)})
    orchestra.wait_alive()
    _state(orchestra, "put", "custom:plan", "limits", '{"n": 1}')
    assert snapshot(orchestra, "custom/plan") == {"limits": {"n": 1}}
    folder = orchestra.tree.state_spec_folder("custom", "plan")
    folder.mkdir(parents=True)
    (folder / "limits.json").write_text('{"n": 2}\n')
    orchestra.wait(lambda: snapshot(orchestra, "custom/plan") == {"limits": {"n": 2}}, "in force by hand")
    told = json.loads(_state(orchestra, "history", "custom:plan", "limits", "--json"))["versions"][-1]
    assert told["why"] == {"by": "hand", "file": "spec/state/custom/plan/limits.json"}
    _state(orchestra, "put", "custom:plan", "limits", "3")
    (folder / "limits.json").write_text('{"n": 2')
    orchestra.wait(lambda: "is no JSON" in orchestra.do("status"), "the error is shown")
    assert values(orchestra, "custom:plan") == {"limits": 3}  # an older edit does not come again
    (folder / "limits.json").write_text('{"n": 12345678901234567890123}')
    orchestra.wait(lambda: "value.n: is a whole number beyond 64 bits" in orchestra.do("status"), "and this")
    (folder / "limits.json").write_text('{"n": 4}')
    orchestra.wait(lambda: values(orchestra, "custom:plan") == {"limits": {"n": 4}}, "the next edit")
    assert _state(orchestra, "put", "custom:plan", "limits", "5", "--if-version", "none", expect=4) == ""
    orchestra.say("go")
    orchestra.wait_rest("done")
    orchestra.assert_sound()


def test_state_goes_back_and_forth_with_the_team_and_into_a_fork(orchestra: Orchestra) -> None:
    orchestra.start({"ann": agent(GATED), "bob": agent(GATED)})
    orchestra.wait_alive()
    with Bus(orchestra.root, "ann", environment=orchestra.environment) as ann:
        assert "saved 'k' in orchestration, version ann/1/" in ann.call(
            "save_state", {"scope": "orchestration", "key": "k", "value": 1}
        )
        _state(orchestra, "put", "custom:plan", "p", "1")
        orchestra.do("checkpoint", "--name", "good")
        found = json.loads(ann.call("load_state", {"scope": "orchestration", "key": "k"}))
        with Bus(orchestra.root, "bob", environment=orchestra.environment) as bob:
            bob.call("save_state", {"scope": "orchestration", "key": "k", "value": 2})
        late = {"scope": "orchestration", "key": "k", "value": 3, "if_version": found["version"]}
        text, is_error = ann.wait_call(ann.begin_call("save_state", late))
        assert is_error and "bob (task bob, run 1" in text
        assert json.loads(ann.call("list_state", {"scope": "orchestration"})) == ["k"]
        assert "deleted 'k'" in ann.call("delete_state", {"scope": "orchestration", "key": "k"})
        call = ann.begin_call("load_state", {"scope": "orchestration", "key": "k"})
        assert ann.wait_call(call) == ("nothing is kept under 'k' in orchestration", True)
    _state(orchestra, "put", "custom:plan", "p", "2")
    assert "p\t1 -> 2" in _state(orchestra, "diff", "custom:plan", "good")
    orchestra.do("stop")
    orchestra.wait_rest("stopped")
    told = orchestra.cli("diff", "good", "--dir", str(orchestra.root), expect=0).stdout
    assert "custom:plan 'p': 1 -> 2" in told and "orchestration 'k': 1 -> -" in told
    orchestra.do("rollback", "good", "--yes")
    assert values(orchestra, "orchestration") == {"k": 1} == snapshot(orchestra)
    assert values(orchestra, "custom:plan") == {"p": 1}
    orchestra.assert_sound()
    orchestra.do("redo", "--yes")
    assert values(orchestra, "orchestration") == {}
    assert values(orchestra, "custom:plan") == {"p": 2}
    assert values(orchestra, "orchestration", "--at", "good") == {"k": 1}
    fork = orchestra.folder / "forked"
    orchestra.cli("fork", str(orchestra.root), "good", "-o", str(fork), expect=0)
    forked = Orchestra(orchestra.folder, root=fork, id=orchestra.id)
    assert values(forked, "orchestration") == {"k": 1}
    _state(forked, "put", "orchestration", "k", "9")
    assert values(orchestra, "orchestration") == {}
    forked.assert_sound()
    orchestra.assert_sound()
