"""Stages of agents come from the tests of kinds."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1] / name) for name in ("agents", "agents/kind_claude")]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and a clock zone that is not UTC."""
    folder = tmp_path / "home"
    monkeypatch.setenv("MAOS_SUP_HOME", str(folder))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    return folder
