"""Says how a command line is started: its environment, home, arguments and confinement, the team's tools."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from maos_sup.agents.kinds.cli.profile import Profile
from maos_sup.agents.sandbox.confine import NONE, Sandbox, make_sandbox
from maos_sup.agents.work import Work
from maos_sup.agents.workplace.confinement import bounds_for, tell_bounds
from state_layout.files import atomic, codec
from state_layout.files.reading import read_record
from state_layout.host.marks import MARK_VARIABLE

_BY_SHELL = "From a shell, `maos-sup agent --help` says how you reach the other agents and the user."
_BY_TOOLS = (
    "With the tools of the MCP server `maos` you reach the other agents and the user; they also come under "
    "names like mcp__maos__send_message or maos_send_message."
)
_OF_SERVER = ("MAOS_DIR", "MAOS_AGENT", "MAOS_ATTEMPT", "MAOS_SUP_HOME", MARK_VARIABLE, "XDG_RUNTIME_DIR")


class Start:
    """Starts of one command line in one life. `environment` is what it finds, `home` its own folder."""

    def __init__(self, work: Work, profile: Profile) -> None:
        """Raises BadInput, StorageError."""
        self._work, self._profile = work, profile
        self.environment = work.environment()
        self.home: Path | None = None
        if profile.home_env:
            self.home = work.life.paths.session / "home"
            atomic.make_folder(self.home)
            self.environment[profile.home_env] = str(self.home)
            if profile.home_off_tmp:
                self._keep_off_tmp(self.home)
        self._has_settings = bool(profile.team and profile.team_settings) and self._settled()

    @property
    def provider(self) -> str | None:
        """The host that the program asks is alike for agents that share its limits. None if that is not
        known."""
        for name in self._profile.provider_env:
            if self.environment.get(name):
                return urlsplit(self.environment[name]).netloc or None
        return self._profile.provider

    @property
    def team(self) -> str:
        """The program is told this about how it reaches its team."""
        return _BY_TOOLS if self._has_settings or self._arguments() else _BY_SHELL

    def argv(self, *, session: str | None, prompt: str, is_resumed: bool) -> list[str]:
        """Make the arguments of one process. Raises StorageError."""
        profile, life = self._profile, self._work.life
        told = prompt
        if profile.prompt == "file":
            path = life.paths.session / "prompt.txt"
            atomic.refresh(path, prompt.encode())
            told = str(path)
        return profile.argv(session=session, prompt=told, is_resumed=is_resumed, team=self._arguments())

    @cached_property
    def sandbox(self) -> Sandbox:
        """The sandbox confines the program and all that it starts. Raises BadInput, StorageError."""
        profile, life, paths = self._profile, self._work.life, self._work.life.paths
        own = [paths.workspace, paths.artifacts, paths.session, life.files.control]
        bounds = bounds_for(self._work, kind=profile.sandbox, own=own, asked=profile.sandbox_write)
        read = [life.tree.root, *map(Path, profile.sandbox_read)]
        sandbox = make_sandbox(
            profile.sandbox, read=read, write=(), environment=self.environment, bounds=bounds
        )
        if sandbox.kind != NONE:
            tell_bounds(self._work, bounds, confined=sandbox.kind)
        return sandbox

    def _keep_off_tmp(self, home: Path) -> None:
        """Name another folder for temporary files where `home` lies in the usual one. Raises StorageError."""
        usual = Path(self.environment.get("TMPDIR") or "/tmp")
        if home.resolve().is_relative_to(usual.resolve()):
            own = home.parent / "tmp"
            atomic.make_folder(own)
            self.environment["TMPDIR"] = str(own)

    def _arguments(self) -> list[str]:
        """Make the arguments that give the program the team's tools."""
        if not self._profile.team:
            return []
        values = {name: codec.encode(value).decode() for name, value in self._server().items()}
        return [_filled(part, values) for part in self._profile.team_argv]

    def _settled(self) -> bool:
        """Put the team's tools where the program looks for settings; whether that could be done."""
        profile, life = self._profile, self._work.life
        settings = _with_values(profile.team_settings, self._server())
        if profile.team_file and self.home is not None:
            return self._merged(self.home / profile.team_file, settings)
        if self.environment.get(profile.team_env):
            life.warn(f"{profile.team_env} is set: the team's tools are not added to the file that it names")
        elif profile.team_env:
            path = life.tree.tools(life.agent)  # of this host, for it has paths
            atomic.make_folder(path.parent)
            atomic.refresh(path, codec.encode(settings) + b"\n")
            self.environment[profile.team_env] = str(path)
            return True
        return False

    def _merged(self, path: Path, settings: Mapping[str, Any]) -> bool:
        try:
            known = codec.decode_object(read_record(path))
        except FileNotFoundError:
            known = {}
        except (OSError, codec.NotJson) as cause:
            text = f"the team's tools are not added to session/home/{self._profile.team_file}: {cause}"
            self._work.life.warn(text)
            return False
        wanted = _laid_over(self._usual(known), settings)
        if wanted != known:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.refresh(path, codec.encode(wanted) + b"\n")
        return True

    def _usual(self, known: Mapping[str, Any]) -> Any:
        """Lay `known` over what the program needs to know of what its environment has."""
        by_env = self._profile.settings_by_env or {}
        for usual in (usual for name, usual in by_env.items() if self.environment.get(name)):
            known = _laid_over(usual, known)
        return known

    def _server(self) -> dict[str, object]:
        life = self._work.life
        args = ["-P", "-m", "maos_sup", "mcp", str(life.tree.root), "--agent", life.agent]
        known = {name: self.environment[name] for name in _OF_SERVER if name in self.environment}
        return {
            "command": sys.executable,
            "args": args,
            "command_line": [sys.executable, *args],
            "variables": [*known],
            "environment": known,
        }


def _filled(part: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        part = part.replace(f"{{{name}}}", value)
    return part


def _with_values(settings: Any, values: Mapping[str, Any]) -> Any:
    """Replace in `settings` each text that is the name of a value in braces by that value."""
    if isinstance(settings, Mapping):
        return {key: _with_values(value, values) for key, value in settings.items()}
    if isinstance(settings, str) and settings[:1] == "{" and settings[1:-1] in values:
        return values[settings[1:-1]]
    return settings


def _laid_over(value: Any, more: Any) -> Any:
    """Lay `more` over `value`."""
    if not (isinstance(value, Mapping) and isinstance(more, Mapping)):
        return more
    return {**value, **{key: _laid_over(value.get(key), item) for key, item in more.items()}}
