"""Agents of the ready-made profiles whose program is `acting.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_ACTING = [sys.executable, str(Path(__file__).with_name("acting.py"))]
Lines = list[dict[str, Any]]


@pytest.fixture
def actor() -> Callable[..., dict[str, Any]]:
    """Make an agent of `profile` whose processes do `acts`, one after the other."""

    def make(profile: str, *acts: Lines, env: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        session = "{session}" if profile == "gemini" else "-"
        own: dict[str, Any] = {
            "kind": "cli",
            "profile": profile,
            "start_argv": [*_ACTING, profile, "start", session],
            "resume_argv": [*_ACTING, profile, "resume", "{session}"],
            "model": {"codex": "gpt-5", "gemini": "gemini-2.5-pro", "opencode": "openai/gpt-5"}[profile],
            "team": False,
            "env": {"ACTS": json.dumps(acts), **(env or {})},
        }
        return own | more

    return make
