"""Groups of commands, each imported when it is called; help and completion read the table of `entries`."""

from __future__ import annotations

from importlib import import_module

import click

from maos_sup import __version__
from maos_sup.cli.entries import ABOUT, DEBUG, HIDDEN, ORCHESTRATION, RECOVER, SECTIONS, VERSION, Section


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def __init__(self, name: str, *, sections: dict[str, Section], hidden: Section, help: str) -> None:
        super().__init__(
            name,
            help=help,
            no_args_is_help=True,
            subcommand_metavar="COMMAND ...",
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self.sections = sections
        self.entries = {
            name: entry for section in sections.values() for name, entry in section.items()
        } | hidden

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names shown in help and completed."""
        return [name for section in self.sections.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command, or None."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, attribute = entry.place.split(":")
        command: click.Command = getattr(import_module(f"maos_sup.cli.{module}"), attribute)
        if ctx.resilient_parsing and isinstance(command, click.Command):
            from maos_sup.cli.completing import attach  # a shell asks what may stand here

            attach(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begin with; an unknown one is an error that names what is close."""
        name = args[0]
        if name not in self.entries and not name.startswith("-"):
            from difflib import get_close_matches  # mistakes are rare

            close = get_close_matches(name, self.entries, n=2)
            remedy = f"; did you mean {' or '.join(close)}?" if close else ""
            raise click.UsageError(f"no command {name!r}{remedy}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, a heading per section; nothing is imported."""
        for title, section in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in section.items()])


commands = LazyGroup(
    "maos-sup",
    sections=SECTIONS,
    hidden=HIDDEN,
    help=ABOUT,
)
commands.params.append(click.Option(["--debug"], is_flag=True, help=DEBUG, expose_value=False))
commands.params.append(
    click.Option(
        ["--version", "-V"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        help=VERSION,
        callback=lambda ctx, _, wanted: _print_version(ctx, wanted=wanted),
    )
)
orchestration = LazyGroup(
    "orchestration", sections={"Commands": ORCHESTRATION}, hidden={}, help="Names that users of MAOS know."
)

recover = LazyGroup(
    "recover", sections={"Commands": RECOVER}, hidden={}, help="Names that users of MAOS know."
)


def _print_version(ctx: click.Context, *, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"maos-sup {__version__}")
        ctx.exit()
