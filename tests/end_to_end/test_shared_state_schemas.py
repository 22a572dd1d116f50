"""Schemas of shared scopes: what does not fit is refused, older values are migrated, all or none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maos_sup.steering.keeping import put
from maos_sup.steering.migrating import migrate, migrate_back
from maos_sup.views.kept import history_of, value_of, values_of
from state_layout.check import check
from state_layout.errors import BadInput
from state_layout.paths import Tree
from state_layout.scopes.names import Scope
from state_layout.scopes.schemas import compiled, understood
from state_layout.scopes.store import ScopeStore
from state_layout.tree.making import create_tree

PLAN = Scope("custom", "plan")
SHAPE_1 = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
SHAPE_2 = {
    "type": "object",
    "properties": {"first": {"type": "string"}, "last": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["first", "last", "n"],
    "additionalProperties": False,
}
TO_2 = [
    {"op": "split", "key": "name", "into": ["first", "last"], "by": " "},
    {"op": "default", "key": "n", "value": "0"},
    {"op": "convert", "key": "n", "to": "integer"},
    {"op": "remove", "key": "junk"},
]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return create_tree(
        tmp_path / "tree",
        orchestration={"id": "o", "request": "r"},
        agents={"ann": {"kind": "command", "command": ["true"]}},
        tasks={"t": {"agent": "ann", "description": "d"}},
    )


def write(tree: Tree, version: int, shape: Any, **migrations: Any) -> None:
    path = tree.state_schema("custom", "plan")
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"version": version, "key": "people/*", "shape": shape}
    path.write_text(json.dumps(told | {"migrations": {key[1:]: ops for key, ops in migrations.items()}}))


def kept(tree: Tree) -> dict[str, Any]:
    return {told["key"]: told["value"] for told in values_of(tree, PLAN)}


def test_value_that_does_not_fit_is_refused_with_its_place(tree: Tree) -> None:
    write(tree, 1, SHAPE_1)
    put(tree, PLAN, "people/1", {"name": "Ada Lovelace"})
    put(tree, PLAN, "other", [1])  # of no concern to it
    with pytest.raises(
        BadInput, match=r"'people/2': value\.name must be string .*plan.schema.json, version 1"
    ):
        put(tree, PLAN, "people/2", {"name": 7})
    assert kept(tree) == {"other": [1], "people/1": {"name": "Ada Lovelace"}}


def test_schema_of_global_lies_in_the_home_and_holds_for_every_tree(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere, home = Scope("global"), tmp_path / "home"
    monkeypatch.setenv("MAOS_SUP_HOME", str(home))
    put(tree, everywhere, "people/1", {"name": "Ada Lovelace"})
    schema = home / "state" / "global.schema.json"
    schema.write_text(json.dumps({"version": 2, "shape": SHAPE_2, "migrations": {"2": TO_2}}))
    other = create_tree(tmp_path / "other", orchestration={"id": "p", "request": "r"}, agents={}, tasks={})
    with pytest.raises(BadInput, match=r"value\.n must be integer .*state/global.schema.json, version 2"):
        put(other, everywhere, "people/2", {"first": "A", "last": "B", "n": "many"})
    newer = {"first": "Ada", "last": "Lovelace", "n": 0}
    assert value_of(other, everywhere, "people/1")["value"] == newer  # type: ignore[index]
    assert len(migrate(other, everywhere).changes) == 1
    assert history_of(tree, everywhere, "people/1")[-1]["value"] == newer
    migrate_back(tree, everywhere, to=1)
    assert json.loads(schema.read_text())["version"] == 1
    assert value_of(tree, everywhere, "people/1")["value"] == {"name": "Ada Lovelace"}  # type: ignore[index]


def test_older_value_is_migrated_when_it_is_read_and_written_anew_if_asked(tree: Tree) -> None:
    write(tree, 1, SHAPE_1)
    for number, name in enumerate(("Ada Lovelace", "Alan Turing", "Grace")):
        put(tree, PLAN, f"people/{number}", {"name": name, "junk": 1})
    write(tree, 2, SHAPE_2, v2=TO_2)
    new = {"first": "Ada", "last": "Lovelace", "n": 0}
    assert kept(tree)["people/0"] == new
    assert ScopeStore(tree.state_scope("custom", "plan"), "x").get("people/0").value["junk"] == 1  # type: ignore[union-attr]
    dry = migrate(tree, PLAN, is_dry=True)
    assert (dry.values, len(dry.changes), len(dry.lines(is_done=False))) == (3, 3, 4)
    done = migrate(tree, PLAN)
    assert done.changes == dry.changes and not migrate(tree, PLAN).changes
    stored = ScopeStore(tree.state_scope("custom", "plan"), "x").get("people/0")
    assert stored is not None and stored.value == new and stored.fields()["v"] == 2
    told = history_of(tree, PLAN, "people/0")[-1]
    assert told["why"]["by"] == "migrate"
    back = migrate_back(tree, PLAN, to=1)
    assert len(back.changes) == 3
    assert kept(tree)["people/0"] == {"name": "Ada Lovelace", "junk": 1}
    assert json.loads(tree.state_schema("custom", "plan").read_text())["version"] == 1
    assert [str(found) for found in check(tree) if found.severity == "problem"] == []


def test_failure_at_one_value_leaves_all_as_they_were(tree: Tree) -> None:
    put(tree, PLAN, "people/0", {"name": "Ada Lovelace"})
    put(tree, PLAN, "people/1", {"name": "Alan Turing", "n": "many"})
    put(tree, PLAN, "people/2", [1])
    write(tree, 2, SHAPE_2, v2=TO_2)
    before = (tree.state_scope("custom", "plan") / "operator.jsonl").read_bytes()
    with pytest.raises(BadInput, match=r"'people/1': cannot be made of version 2: ValueError: .*many"):
        migrate(tree, PLAN)
    put(tree, PLAN, "people/1", {"first": "Alan", "last": "Turing", "n": 1})
    with pytest.raises(BadInput, match=r"'people/2': cannot be made of version 2: TypeError: is no object"):
        migrate(tree, PLAN)
    assert (tree.state_scope("custom", "plan") / "operator.jsonl").read_bytes().startswith(before)
    assert len(history_of(tree, PLAN)) == 4


def test_a_value_that_cannot_be_migrated_does_not_hide_the_others(tree: Tree) -> None:
    write(tree, 1, {"type": "object"})
    put(tree, PLAN, "people/1", {"name": "Ada Lovelace"})
    put(tree, PLAN, "people/2", {"name": "Alan Turing", "n": "six"})
    write(tree, 2, SHAPE_2, _2=TO_2)
    done = subprocess.run(
        [sys.executable, "-m", "maos_sup", "state", "list", str(tree.root), "custom:plan"],
        capture_output=True,
        text=True,
        check=False,
    )
    shown = done.stdout.splitlines()
    assert [line.partition("\t")[0] for line in shown] == ["people/1", "people/2"], done.stderr
    assert json.loads(shown[0].partition("\t")[2]) == {"first": "Ada", "last": "Lovelace", "n": 0}
    assert json.loads(shown[1].partition("\t")[2]) == {"name": "Alan Turing", "n": "six"}
    assert "shown as it was written: 'people/2': cannot be made of version 2" in done.stderr
    assert done.returncode == 2


def test_a_value_that_its_migration_leaves_out_of_shape_is_not_given(tree: Tree) -> None:
    write(tree, 1, {"type": "object"})
    put(tree, PLAN, "people/1", {"name": "Ada", "n": "six"})
    write(
        tree,
        2,
        {"type": "object", "properties": {"n": {"type": "integer"}}},
        _2=[{"op": "remove", "key": "name"}],
    )
    done = subprocess.run(
        [sys.executable, "-m", "maos_sup", "state", "get", str(tree.root), "custom:plan", "people/1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "'people/1': value.n must be integer" in done.stderr and "version 2)" in done.stderr


def test_value_of_a_newer_version_is_not_guessed(tree: Tree) -> None:
    write(tree, 2, SHAPE_2, v2=TO_2)
    put(tree, PLAN, "people/0", {"first": "Ada", "last": "Lovelace", "n": 1})
    write(tree, 1, SHAPE_1)
    with pytest.raises(BadInput, match=r"is of version 2, .* knows 1"):
        value_of(tree, PLAN, "people/0")
    with pytest.raises(BadInput, match=r"was changed as version 2"):
        migrate_back(tree, PLAN, to=1)


BAD = (
    ({"version": 0}, "'version' is 0"),
    ({"shape": []}, "'shape' must be"),
    ({"migrations": []}, "'migrations' must be"),
    ({"migrations": {"1": []}}, "use a version from 2"),
    ({"migrations": {"2": [{"op": "paint"}]}}, r"migrations\.2\[0\]: operation 'paint': use one of copy"),
    ({"migrations": {"2": [{"op": "rename", "from": "a"}]}}, "it needs to"),
    ({"migrations": {"2": [{"op": "convert", "key": "a", "to": "date"}]}}, "'to' is 'date'"),
    ({"migrations": {"2": [{"op": "custom", "callable": "no.such:f"}]}}, "callable 'no.such:f'"),
)


@pytest.mark.parametrize(("told", "text"), BAD, ids=[text for _, text in BAD])
def test_schema_that_cannot_be_used_says_why(told: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        understood(told, shown="spec/state/x.schema.json")


def test_check_names_a_schema_and_a_value_by_hand_that_cannot_be_used(tree: Tree) -> None:
    folder = tree.state_spec_folder("custom", "plan")
    folder.mkdir(parents=True)
    tree.state_schema("custom", "plan").write_text('{"version": "x"}')
    (folder / "bad.json").write_text("{")
    found = {each.path for each in check(tree) if each.finding == "spec"}
    assert found == {"spec/state/custom/plan.schema.json", "spec/state/custom/plan/bad.json"}


def test_each_operation_does_what_it_says() -> None:
    ops = [
        {"op": "copy", "from": "a", "to": "b"},
        {"op": "rename", "from": "c", "to": "d'\"\n"},
        {"op": "merge", "keys": ["x", "y"], "into": "xy", "by": "-"},
        {"op": "convert", "key": "flag", "to": "boolean"},
        {"op": "default", "key": "list", "value": [1]},
    ]
    function = compiled(ops, where="here")
    value = {"a": [1], "c": 2, "x": 1, "y": 2, "flag": "yes"}
    made = function(value)
    assert made == {"a": [1], "b": [1], "d'\"\n": 2, "xy": "1-2", "flag": True, "list": [1]}
    made["b"].append(2), made["list"].append(2)
    assert function({"a": [1]}) == {"a": [1], "b": [1], "xy": "", "list": [1]}
    assert value == {"a": [1], "c": 2, "x": 1, "y": 2, "flag": "yes"}
