"""Full disks, failing disks, corrupt records, absent supervisors, edited specs."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from stage import Stage, python, shell, wait_for

from maos_sup.agents.registry import KindsInUse, find_kind, kind_names, kind_shapes
from maos_sup.agents.tasks.revive import is_supervised
from state_layout.errors import BadInput
from state_layout.files import codec, disk
from state_layout.host.identity import own_handle
from state_layout.records import TaskPhase
from state_layout.shapes.shape import Unknown

Make = Callable[..., Stage]
UNTIL_GO = 'while [ ! -e "$OUT/go" ]; do sleep 0.02; done'
LINES = 'for i in $(seq 1 200); do echo "found: $i"; sleep 0.01; done'


def failing(operation: str, name: str, error: int, *, after: int = 0, times: int = 1 << 30) -> disk.Tap:
    """A tap that fails an operation on files called `name`, from the one after `after` on."""
    seen = 0

    def tap(happening: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if happening != operation:
            return
        first = arguments[0]
        path = Path(f"/proc/self/fd/{first}").readlink() if isinstance(first, int) else Path(str(first))
        if path.name == name:
            seen += 1
            if after < seen <= after + times:
                raise OSError(error, os.strerror(error))

    return tap


def test_full_disk_ends_the_life_and_the_next_one_goes_on(stage: Make) -> None:
    one = stage({"ann": shell(LINES)})
    one.tree.ballast.write_bytes(bytes(1000))
    life = one.live("ann", tap=failing("write", "journal.jsonl", errno.ENOSPC, after=10, times=1))
    assert life.wait() == 1
    told = one.exit("ann")
    assert told["reason"] == "disk_full" and "no space left" in told["detail"]
    assert not one.tree.ballast.exists()
    assert one.history("ann").tasks["ann"].phase is TaskPhase.INTERRUPTED
    assert one.run("ann") == 0
    texts = [mail["text"] for mail in one.mail("all", "ann")]
    assert texts[-200:] == [str(n) for n in range(1, 201)]
    first = one.stdout("ann", 1).split()[1::2]
    assert texts == first + one.stdout("ann", 2).split()[1::2]


def test_full_disk_under_mail_loses_no_message(stage: Make) -> None:
    one = stage({"ann": shell(LINES)})
    life = one.live("ann", tap=failing("write", "ann.jsonl", errno.ENOSPC, after=5, times=1))
    assert life.wait() == 1
    assert one.exit("ann")["reason"] == "disk_full"
    assert one.run("ann") == 0
    texts = [mail["text"] for mail in one.mail("all", "ann")]
    assert texts == one.stdout("ann", 1).split()[1::2] + one.stdout("ann", 2).split()[1::2]


@pytest.mark.parametrize("after", [0, 1, 2, 5, 9])
def test_failed_sync_poisons_the_life_and_what_it_did_not_sync_is_void(stage: Make, after: int) -> None:
    body = """
def main(ctx):
    for n in range(10):
        try:
            ctx.step("s", lambda: ctx.send("all", f"{n}"))
        except Exception:
            return "hidden"
    return "all"
"""
    one = stage({"ann": python()}, files={"work.py": body})
    life = one.live("ann", tap=failing("fdatasync", "journal.jsonl", errno.EIO, after=after, times=1))
    assert life.wait() == 1
    if after:
        told = one.exit("ann")
        assert told["reason"] == "poisoned" and "cannot sync" in told["detail"]
        lines = one.tree.agent("ann").attempt(1).journal.read_text().splitlines()
        assert told["synced_seq"] < len(lines) or after > 1
        assert one.history("ann").seq <= told["synced_seq"]
    assert one.status("ann").get("tasks", {}).get("ann", {}).get("phase") != "done"
    assert one.run("ann") == 0
    assert one.history("ann").tasks["ann"].result == "all"
    assert [mail["text"] for mail in one.mail("all", "ann")] == [str(n) for n in range(10)]


def test_settled_task_whose_line_was_not_synced_is_not_shown_as_done(stage: Make) -> None:
    one = stage({"ann": shell("true")})

    def tap(happening: str, arguments: tuple[object, ...]) -> None:
        if happening != "fdatasync":
            return
        path = Path(f"/proc/self/fd/{arguments[0]}").readlink()
        if path.name == "journal.jsonl" and '"phase":"done"' in path.read_text():
            raise OSError(errno.EIO, "injected")

    assert one.live("ann", tap=tap).wait() == 1
    assert one.exit("ann")["reason"] == "poisoned"
    assert one.status("ann")["tasks"]["ann"]["phase"] == "running"
    assert one.history("ann").tasks["ann"].phase is TaskPhase.RUNNING
    assert one.run("ann") == 0
    assert one.history("ann").tasks["ann"].phase is TaskPhase.DONE


def test_task_settles_only_when_its_mail_is_durable(stage: Make) -> None:
    """An agent whose tasks are done is not started again to append what a loss of power took."""
    one = stage({"ann": shell("echo found: it")})
    life = one.live("ann", tap=failing("fdatasync", "ann.jsonl", errno.EIO, times=1))
    assert life.wait() == 1
    assert "ann.jsonl: cannot sync" in one.exit("ann")["detail"]
    assert one.history("ann").tasks["ann"].phase is not TaskPhase.DONE
    assert one.run("ann") == 0
    assert one.history("ann").tasks["ann"].phase is TaskPhase.DONE
    assert [mail["text"] for mail in one.mail("all", "ann")] == ["it"] * 2  # the program ran twice


def test_failed_sync_of_the_output_ends_the_life(stage: Make) -> None:
    one = stage({"ann": shell("echo hi; sleep 1061")})
    life = one.live("ann", tap=failing("fdatasync", "stdout.log", errno.EIO))
    assert life.wait() == 1
    assert one.exit("ann")["reason"] == "poisoned"
    assert "stdout.log: cannot sync" in one.exit("ann")["detail"]


def test_corrupt_journal_is_refused_with_a_word_for_the_supervisor(stage: Make) -> None:
    one = stage({"ann": shell("exit 1")})
    assert one.run("ann") == 1
    journal = one.tree.agent("ann").attempt(1).journal
    for checkpoint in journal.parent.glob("checkpoint.*"):
        checkpoint.unlink()
    journal.write_bytes(journal.read_bytes().replace(b'"running"', b'"runninG"'))
    assert one.run("ann") == 12
    told = one.exit("ann", 2)
    assert told["reason"] == "damaged" and "corrupt" in told["detail"]
    assert not one.tree.agent("ann").attempt(2).journal.exists()


def test_unknown_agent_and_place_are_refused(stage: Make, tmp_path: Path) -> None:
    one = stage({"ann": shell("true")})
    assert one.run("nobody") == 2
    assert "spec/agents/nobody.json" in one.log()
    assert one.run("../ann") == 2
    one.tree.format.unlink()
    assert one.run("ann") == 10


def test_unknown_kind_is_a_failed_task_that_names_the_kinds(stage: Make) -> None:
    one = stage({"ann": {"kind": "quantum"}})
    assert one.run("ann") == 0
    told = one.history("ann").tasks["ann"]
    assert told.phase is TaskPhase.FAILED
    assert str(told.error).startswith("kind 'quantum' is not known here; use one of ")


def test_kinds_declare_their_settings() -> None:
    assert {"command", "python"} <= set(kind_names())
    shapes = kind_shapes()
    faults = [*shapes["command"].faults({"command": "ls"}, (), unknown=Unknown.KEPT)]
    assert faults and "command" in faults[0].text
    assert not [*shapes["python"].faults({"callable": "a:b"}, (), unknown=Unknown.KEPT)]
    with pytest.raises(BadInput):
        find_kind("nothing")


def test_kinds_in_use_are_found_when_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = list[str]()
    kinds = KindsInUse(said.append)
    assert kinds and kinds["command"] is find_kind("command").settings
    assert "nothing" not in kinds and kinds.get("nothing") is None and not said
    assert set(kinds) == {*kind_shapes()} and len(kinds) == len(kind_shapes())
    package = tmp_path / "broken-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: broken\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[maos_sup.kinds]\nbroken = no_such_module:Kind\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "broken" not in kinds and "broken" not in kinds
    [line] = said
    assert line.startswith("left out: kind 'broken' cannot be imported from no_such_module:Kind")


def test_spec_that_goes_bad_or_missing_ends_nothing(stage: Make) -> None:
    one = stage({"ann": shell(f'echo on > "$OUT/began"; {UNTIL_GO}')})
    life = one.live("ann")
    one.wait_word("began")
    one.tree.orchestration_spec.write_text("{")
    one.tree.agent_spec("ann").unlink()
    one.tree.task_spec("ann").write_text("[]")
    wait_for(lambda: one.status("ann").get("phase") == "running", "it goes on")
    (one.outside / "go").touch()
    assert life.wait() == 0
    assert one.history("ann").tasks["ann"].phase is TaskPhase.DONE


def test_settings_in_force_are_journaled_without_values_of_the_environment(stage: Make) -> None:
    one = stage({"ann": shell("true", env={"API_KEY": "hunter2"})})
    assert one.run("ann") == 0
    [start] = one.lines("ann", "start")
    assert start["settings"]["env"] == ["API_KEY", "OUT"]
    assert start["settings"]["shell"] == "true"
    assert "hunter2" not in one.tree.agent("ann").attempt(1).journal.read_text()


def test_deleted_run_folder_is_made_again(stage: Make) -> None:
    import shutil

    one = stage({"ann": shell(f'echo on > "$OUT/began"; {UNTIL_GO}')})
    life = one.live("ann")
    one.wait_word("began")
    shutil.rmtree(one.tree.run)
    wait_for(
        lambda: one.tree.handle("ann").exists() and one.tree.beat("ann").exists(), "handle and beat again"
    )
    one.pretend_supervised()
    (one.outside / "go").touch()
    assert life.wait() == 0


def test_handle_names_the_program_and_the_beat_moves(stage: Make) -> None:
    from state_layout.host.beats import read_beat

    one = stage({"ann": shell('echo $$ > "$OUT/pid"; sleep 1062')})
    life = one.live("ann")
    pid = int(one.wait_word("pid")[0])
    handle = wait_for(
        lambda: json.loads(one.tree.handle("ann").read_text()).get("program_pid"), "the program"
    )
    assert handle == pid
    first = read_beat(one.tree.beat("ann"))
    assert first is not None
    wait_for(lambda: (read_beat(one.tree.beat("ann")) or first).beat > first.beat + 2, "beats")
    life.signal(signal.SIGTERM)
    assert life.wait() == 0


# -- without a supervisor


def test_handle_of_another_place_is_no_supervisor(stage: Make) -> None:
    one = stage({"ann": shell("true")})
    assert is_supervised(one.tree)
    place = codec.decode_object(one.tree.host.read_bytes())
    one.tree.host.write_bytes(codec.encode(place | {"inode": 1}))
    assert not is_supervised(one.tree)
    one.pretend_supervised()
    dead = own_handle(0).to_json() | {"start_time": 1}
    one.tree.supervisor_handle.write_bytes(codec.encode(dead))
    assert not is_supervised(one.tree)


def test_agent_that_settles_a_task_calls_a_supervisor_that_finishes_the_rest(stage: Make) -> None:
    one = stage(
        {"ann": shell("true"), "bob": shell("true")},
        {"one": {"agent": "ann"}, "two": {"agent": "bob", "needs": ["one"]}},
    )
    one.tree.supervisor_handle.unlink()
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "MAOS_SUP_HOME": str(one.folder / "home")}
    argv = [sys.executable, "-m", "maos_sup.agents.runner", str(one.root), "ann"]
    assert subprocess.run(argv, env=environment, check=False).returncode == 0
    wait_for(
        lambda: one.status("bob").get("tasks", {}).get("two", {}).get("phase") == "done",
        "bob is done",
        deadline_s=30,
    )
    status = wait_for(lambda: _phase(one) == "done" and _phase(one), "the supervisor says so", deadline_s=30)
    assert status == "done"


def test_agent_told_to_stop_calls_no_supervisor(stage: Make) -> None:
    one = stage({"ann": shell('echo on > "$OUT/began"; sleep 1063')})
    one.tree.supervisor_handle.unlink()
    life = one.live("ann")
    one.wait_word("began")
    life.signal(signal.SIGTERM)
    assert life.wait() == 0
    assert not one.tree.supervisor_log.exists()


def _phase(one: Stage) -> str | None:
    try:
        return str(json.loads(one.tree.supervisor_status.read_text())["phase"])
    except (OSError, ValueError):
        return None


def test_records_name_no_place_of_this_host(stage: Make) -> None:
    one = stage(
        {"ann": shell("exit 1"), "bob": {"kind": "command", "command": ["go.sh"]}}, files={"go.sh": "x"}
    )
    (one.tree.files / "go.sh").chmod(0o600)
    assert (one.run("ann"), one.run("bob")) == (1, 0)  # what cannot be started fails for good
    life = one.live("ann", tap=failing("fdatasync", "stdout.log", errno.EIO))
    assert life.wait() == 1
    for path in one.root.rglob("*"):
        if path.is_file() and "run" not in path.relative_to(one.root).parts and path.suffix == ".json":
            assert str(one.folder) not in path.read_text().replace(str(one.outside), ""), path


def test_removed_snapshot_is_made_again(stage: Make) -> None:
    one = stage({"ann": shell(f'echo on > "$OUT/began"; {UNTIL_GO}')})
    life = one.live("ann")
    one.wait_word("began")
    one.tree.agent("ann").status.unlink()
    wait_for(lambda: one.status("ann").get("phase") == "running", "the snapshot")
    (one.outside / "go").touch()
    assert life.wait() == 0


def test_large_output_is_not_looked_through_again(stage: Make) -> None:
    one = stage({"ann": shell("yes x | head -c 3000000; exit 1")})
    assert one.run("ann") == 1
    assert one.history("ann").offsets["1/stdout.log"] == 3_000_000


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"shell": 7}, "spec/agents/ann.json:2: 'shell' is 7; use text in quotes"),
        ({"shell": "true", "on_pause": 5}, "spec/agents/ann.json:3: 'on_pause' is 5; use stop or freeze"),
    ],
)
def test_settings_that_are_none_of_its_kind_are_named_with_file_and_line(
    stage: Make, settings: dict[str, object], told: str
) -> None:
    one = stage({"ann": shell("true")})
    lines = json.dumps({"kind": "command", **settings}, separators=(",\n", ": "))
    one.tree.agent_spec("ann").write_text(lines)
    assert one.run("ann") == 1
    assert one.exit("ann")["detail"] == told
    one.tree.agent_spec("ann").write_text(json.dumps(shell("true")))
    assert one.run("ann") == 0
    assert one.history("ann").tasks["ann"].phase is TaskPhase.DONE
