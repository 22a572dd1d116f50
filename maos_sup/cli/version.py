"""`version`: of the program, of its trees, and what the system gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from maos_sup import __version__
from maos_sup.cli import options
from maos_sup.cli.front import versions
from maos_sup.cli.says import say, say_json
from state_layout.paths import FORMAT_VERSION, FORMAT_WORD

if TYPE_CHECKING:
    from maos_sup.system.facts import Fact


@click.command("version")
@click.option(
    "--system", "with_system", is_flag=True, help="Say what this system gives, and what that means."
)
@options.as_json
def command(*, with_system: bool, as_json: bool) -> None:
    """Print the version of the program and of the format of its trees."""
    name, given = _system() if with_system else ("", [])
    if as_json:
        import platform
        from dataclasses import asdict

        told: dict[str, object] = {
            "version": __version__,
            "format": f"{FORMAT_WORD} {FORMAT_VERSION}",
            "python": platform.python_version(),
        }
        if with_system:
            told |= {"system": name, "facts": [asdict(fact) for fact in given]}
        say_json(told)
        return
    say(versions())
    if with_system:
        say(f"system: {name}")
        for fact in given:
            say(f"  {'yes' if fact.has else 'no '}  {fact.name}" + ("" if fact.has else f": {fact.means}"))


def _system() -> tuple[str, list[Fact]]:
    """Tell what this system is called, and what it gives."""
    from maos_sup.agents.sandbox import landlock
    from maos_sup.system.facts import Fact, facts, system_name

    confines = Fact(
        name="confinement by the kernel (Landlock)",
        has=landlock.abi() > 0,
        means="tools of agents are not confined; use bubblewrap, a container or a user of their own",
    )
    return system_name(), [*facts(), confines]
