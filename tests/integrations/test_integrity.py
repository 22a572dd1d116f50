"""`agmi-check` on our adapters: what is reported, and what only a witness can know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agmi.check import main

ADAPTERS = "maos_sup.integrations.integrity"
EDITS = ["tamper", "truncate", "delete_middle", "reorder", "forge"]
EDITS += ["cross_replay", "rollback_replay", "metadata_tamper", "snapshot_rollback"]


def verdicts(adapter: str, tmp_path: Path) -> tuple[int, dict[str, str], str]:
    """Give what the suite says of each edit, with its exit code."""
    told = tmp_path / "row.json"
    code = main(["--adapter", f"{ADAPTERS}:{adapter}", "--json", str(told)])
    rows = json.loads(told.read_text())["edits"]
    return code, {row["attack"]: row["verdict"] for row in rows}, "\n".join(row["detail"] for row in rows)


@pytest.mark.parametrize("adapter", ["TreeAdapter", "WrittenAnewAdapter"])
def test_nine_of_nine_kinds_of_tampering_are_reported(adapter: str, tmp_path: Path) -> None:
    code, found, _ = verdicts(adapter, tmp_path)
    assert found == dict.fromkeys(EDITS, "REPORTED")
    assert code == 0


def test_without_a_witness_only_a_whole_older_copy_passes(tmp_path: Path) -> None:
    code, found, details = verdicts("UnwitnessedAdapter", tmp_path)
    assert found == dict.fromkeys(EDITS, "REPORTED") | {"snapshot_rollback": "ACCEPTED"}
    assert code == 1
    assert "witness" not in details
