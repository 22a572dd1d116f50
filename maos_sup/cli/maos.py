"""Lines as users of MAOS type them, each answered with the line in our words. `help` is here as well."""

from __future__ import annotations

import click

from maos_sup.cli.says import say, say_aside


@click.command("list", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def recover_list(ctx: click.Context, words: tuple[str, ...]) -> None:
    """List the checkpoints of an orchestration."""
    _as(ctx, "checkpoints", *words)


@click.command("checkpoint", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def recover_checkpoint(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Keep this moment of an orchestration."""
    _as(ctx, "checkpoint", *words)


@click.command("restore", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def recover_restore(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Take the team back to a checkpoint."""
    _as(ctx, "rollback", *words)


@click.command("cleanup", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def recover_cleanup(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Remove the checkpoints that the rule does not keep."""
    _as(ctx, "checkpoints", "cleanup", *words)


def _named(name: str) -> click.Command:
    """The command `name`, which takes `--name X` for DIR."""

    @click.command(name, context_settings={"ignore_unknown_options": True})
    @click.option("--name", "tree", metavar="NAME", help="The orchestration.")
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def command(ctx: click.Context, tree: str | None, words: tuple[str, ...]) -> None:
        _as(ctx, name, *((tree,) if tree else ()), *words)

    command.help = f"As `maos-sup {name}`."
    return command


named_status, named_resume = _named("status"), _named("resume")


@click.command("help")
@click.argument("words", metavar="[COMMAND]", nargs=-1)
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the commands, or how one is used."""
    from maos_sup.cli.group import commands

    top = ctx.find_root()
    if not words:
        say(top.get_help())
        return
    name, command, _ = commands.resolve_command(top, list(words))
    if command is not None:
        say(command.get_help(click.Context(command, parent=top, info_name=name)))


def _as(ctx: click.Context, *words: str) -> None:
    """Run the line `words`, and say that it is ours."""
    from maos_sup.cli.group import commands

    say_aside(f"(in our words: maos-sup {' '.join(words)})")
    top = ctx.find_root()
    name, command, rest = commands.resolve_command(top, list(words))
    if command is not None:
        with command.make_context(name, rest, parent=top) as inner:
            result = command.invoke(inner)
        if isinstance(result, int) and result:
            ctx.exit(result)
