"""The checkers of test_architecture.py find what they are there for, and let pass what is legal."""

from __future__ import annotations

import pytest
from test_architecture import (
    Checker,
    docstring_problems,
    door_problems,
    kind_problems,
    layer_problems,
    length_problems,
    print_problems,
    purity_problems,
    room_problems,
)

VIOLATIONS: tuple[tuple[Checker, str, str], ...] = (
    (layer_problems, "state_layout.paths", "import maos_sup.core.model"),
    (layer_problems, "state_layout.paths", "from maos_sup import core"),
    (layer_problems, "state_layout.paths", "from maos_sup.core import model"),
    (layer_problems, "state_layout.paths", "import importlib\nimportlib.import_module('maos_sup.core')"),
    (layer_problems, "state_layout.paths", "__import__('maos_sup.core')"),
    (layer_problems, "maos_sup.core.decide", "from maos_sup.agents import kind"),
    (layer_problems, "maos_sup.core.decide", "from ..agents import kind"),
    (layer_problems, "maos_sup.core.decide", "from .. import agents"),
    (layer_problems, "maos_sup.core.decide", "def late():\n    from maos_sup.cli import main"),
    (layer_problems, "maos_sup.agents.runner", "import maos_sup.launchers.local"),
    (layer_problems, "maos_sup.system.ending", "from maos_sup.launchers.base import Launcher"),
    (layer_problems, "maos_sup.system.ending", "from maos_sup.core.model import Process"),
    (layer_problems, "maos_sup.standing.team", "from maos_sup.views.files import natural"),
    (layer_problems, "maos_sup.planner.plan", "from maos_sup.system import ending"),
    (layer_problems, "maos_sup.launchers.local", "from maos_sup.agents.runner import main"),
    (layer_problems, "maos_sup.mirrors.sqlite", "from maos_sup import views"),
    (layer_problems, "maos_sup.views.tail", "from maos_sup.supervisor import loop"),
    (layer_problems, "maos_sup.planner.plan", "from maos_sup.agents import kind"),
    (layer_problems, "maos_sup.supervisor.loop", "from maos_sup.agents.runner import main"),
    (layer_problems, "maos_sup.supervisor.loop", "from maos_sup.cli import main"),
    (layer_problems, "maos_sup.steering.wanting", "from maos_sup.cli.says import say"),
    (layer_problems, "maos_sup.views.live", "from maos_sup.steering.wanting import want_of_all"),
    (layer_problems, "maos_sup.projection.reading", "from maos_sup.steering.wanting import want_of_all"),
    (layer_problems, "maos_sup.report.making", "from maos_sup.cuts import store"),
    (layer_problems, "maos_sup.web.acts", "from maos_sup.cli.says import say"),
    (layer_problems, "maos_sup.traces.sending", "from maos_sup.metrics.families import families_of"),
    (door_problems, "maos_sup.web.app", "import uvicorn"),
    (layer_problems, "maos_sup.views.tail", "if TYPE_CHECKING:\n    from maos_sup.cli import x"),
    (room_problems, "state_layout.files.atomic", "from state_layout.lives.history import History"),
    (room_problems, "state_layout.records", "from state_layout import mail\nimport state_layout.tree"),
    (room_problems, "state_layout.misc", "import json"),
    (room_problems, "maos_sup.agents.attempt.life", "from maos_sup.agents.pulse.pulse import Pulse"),
    (room_problems, "maos_sup.agents.endings", "from maos_sup.agents import work"),
    (room_problems, "maos_sup.agents.misc", "import json"),
    (kind_problems, "maos_sup.agents.kinds.claude.talk", "from maos_sup.agents.kinds.cli.watch import Watch"),
    (kind_problems, "maos_sup.agents.kinds.claude.talk", "from ..cli import watch"),
    (kind_problems, "maos_sup.agents.kinds.python", "import maos_sup.agents.kinds.command"),
    (kind_problems, "maos_sup.agents.kinds.shared.record", "from maos_sup.agents.kinds import cli"),
    (layer_problems, "maos_sup.helpers.misc", "import json"),
    (layer_problems, "maos_sup.__main__", "from maos_sup.core import model"),
    (layer_problems, "maos_sup", "from maos_sup.core import model"),
    (door_problems, "maos_sup.views.status", "import click"),
    (door_problems, "maos_sup.supervisor.loop", "from rich.console import Console"),
    (door_problems, "maos_sup.supervisor.wake", "from watchdog.observers import Observer"),
    (door_problems, "maos_sup.supervisor.adopt", "import psutil"),
    (door_problems, "maos_sup.agents.runner", "import anthropic"),
    (door_problems, "maos_sup.agents.runner", "def late():\n    import anthropic"),
    (door_problems, "state_layout.mail", "from filelock import FileLock"),
    (door_problems, "state_layout.files.journal", "import orjson"),
    (door_problems, "maos_sup.cli.run", "import requests"),
    (purity_problems, "maos_sup.core.decide", "import time"),
    (purity_problems, "maos_sup.core.decide", "from os import getpid"),
    (purity_problems, "maos_sup.core.decide", "import os.path"),
    (purity_problems, "maos_sup.core.decide", "from pathlib import Path"),
    (purity_problems, "maos_sup.core.decide", "import random"),
    (purity_problems, "maos_sup.core.decide", "import subprocess"),
    (purity_problems, "maos_sup.core.decide", "def read():\n    return open('x').read()"),
    (purity_problems, "maos_sup.core.decide", "import datetime\ndatetime.datetime.now(datetime.UTC)"),
    (print_problems, "maos_sup.supervisor.loop", "def f():\n    print('hello')"),
    (print_problems, "state_layout.check", "print('hello')"),
    (docstring_problems, "maos_sup.core.decide", "x = 1"),
    (docstring_problems, "maos_sup.core", ""),
    (docstring_problems, "maos_sup.core", '"""  """'),
)

LEGAL: tuple[tuple[Checker, str, str], ...] = (
    (layer_problems, "state_layout.mail", "from state_layout import journal\nfrom . import paths"),
    (layer_problems, "maos_sup.core.decide", "from maos_sup.core.model import A\nfrom .model import B"),
    (layer_problems, "maos_sup.core.decide", "from state_layout.records import Journal"),
    (layer_problems, "maos_sup.agents.kinds.command", "from ..kind import Kind\nfrom maos_sup.core import x"),
    (layer_problems, "maos_sup.supervisor.apply", "from maos_sup.launchers.base import Launcher"),
    (layer_problems, "maos_sup.agents.runner", "from maos_sup.system import children"),
    (layer_problems, "maos_sup.system.targets", "from state_layout.host.identity import read_stat"),
    (layer_problems, "maos_sup.planner.plan", "from maos_sup.core import model"),
    (layer_problems, "maos_sup.cli.run", "from maos_sup import supervisor, agents, views, planner"),
    (layer_problems, "maos_sup.supervisor.loop", "from maos_sup import __version__"),
    (layer_problems, "maos_sup.__main__", "from maos_sup.cli import main"),
    (door_problems, "maos_sup.cli.run", "import click\nfrom rich.live import Live"),
    (door_problems, "maos_sup.views.live", "import rich.table"),
    (door_problems, "maos_sup.views.screen.figures", "import psutil"),
    (door_problems, "maos_sup.agents.kinds.anthropic", "import anthropic"),
    (door_problems, "state_layout.files.locks", "import filelock, os"),
    (purity_problems, "maos_sup.core.decide", "import math\nfrom datetime import timedelta"),
    (purity_problems, "maos_sup.supervisor.loop", "import time\nopen('x')"),
    (print_problems, "maos_sup.cli.run", "print('hello')"),
    (docstring_problems, "maos_sup.core.decide", '"""Decides."""'),
    (kind_problems, "maos_sup.agents.kinds.claude.talk", "from maos_sup.agents.kinds import shared"),
    (kind_problems, "maos_sup.agents.kinds.claude.talk", "from maos_sup.agents.kinds.claude import rules"),
    (kind_problems, "maos_sup.agents.runner", "from maos_sup.agents.kinds import command"),
)


@pytest.mark.parametrize(("checker", "module", "source"), VIOLATIONS)
def test_violation_is_found(checker: Checker, module: str, source: str) -> None:
    assert checker(module, source), f"{checker.__name__} let pass: {module}: {source}"


@pytest.mark.parametrize(("checker", "module", "source"), LEGAL)
def test_legal_source_passes(checker: Checker, module: str, source: str) -> None:
    assert checker(module, source) == []


def test_relative_import_in_a_package_is_resolved_from_itself() -> None:
    assert layer_problems("maos_sup.views", "from . import tail", is_package=True) == []
    assert layer_problems("maos_sup.views", "from ..agents import kind", is_package=True)


def test_long_file_is_found() -> None:
    assert length_problems("x.py", "x = 1\n" * 401)
    assert length_problems("x.py", "x = 1\n" * 400) == []


def test_problem_names_module_line_and_rule() -> None:
    assert layer_problems("maos_sup.core.decide", "\nimport maos_sup.cli") == [
        "maos_sup.core.decide:2: core must not import cli (maos_sup.cli)"
    ]
