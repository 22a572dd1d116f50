"""Arguments and options that several commands share, so that they are named and explained alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import click

from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.shapes.rules import Number, Unknown
from state_layout.shapes.wording import listed, shown

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_FROM_0 = Number(least=0)
NUMBERS_MAY_BE_NEGATIVE = {"ignore_unknown_options": True}  # or -1 would be taken for an option


class AmountType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A number that keeps to `rule`, as numbers in plans do: neither nan, which compares oddly, nor inf.

    What does not is refused in the words of plans: name, value, remedy.
    """

    name = "number"

    def __init__(self, rule: Number = _FROM_0, *, wish: str | None = None) -> None:
        self._rule, self._wish = rule, wish or rule.wish

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        amount = _number(value, is_whole=self._rule.whole)
        if amount is None or any(self._rule.faults(amount, (), unknown=Unknown.REFUSED)):
            raise refusal(param, value, self._wish)
        return amount


class Word(click.Choice):  # type: ignore[type-arg]  # generic from click 8.2 on
    """The word is one of a few; others are refused in the words of plans."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as cause:
            raise refusal(param, value, listed(map(str, self.choices), last="or")) from cause


def count(least: int = 1, most: float = 1e15) -> AmountType:
    """Make the type of a whole number from `least` to `most`."""
    return AmountType(Number(least=least, most=most, whole=True))


def refuse_unknown(words: tuple[str, ...]) -> None:
    """Raise UsageError for a word like an option: click lets in all where numbers may be negative."""
    for word in words:
        if word.startswith("--") and len(word) > 2:
            raise click.UsageError(f"no such option: {word}")


def refusal(param: click.Parameter | None, value: object, wish: str) -> BadInput:
    """That an argument or option is not as it must be: its name, its value, what to use."""
    if isinstance(param, click.Option):
        name = max(param.opts, key=len)
    else:
        name = "the value" if param is None else param.human_readable_name
    return BadInput(f"{name} is {shown(value)}; use {wish}")


def _number(value: Any, *, is_whole: bool) -> float | None:
    """The number that `value` says, None for none."""
    try:
        return int(value) if is_whole else float(value)
    except (ValueError, OverflowError):
        return None


def body_of(text: str | None) -> Any:
    """The value of `--body`, None where it is not given. Raises BadInput."""
    if text is None:
        return None
    try:
        return codec.decode(text)
    except codec.NotJson as cause:
        raise BadInput(
            f"--body is no JSON: {cause} (column {cause.column}); quote text as '\"text\"'"
        ) from cause


def environment_of(spec: Mapping[str, Any]) -> dict[str, str]:
    """The variables that an agent of `spec` would find. Raises BadInput for one that is not set."""
    found = dict(os.environ)
    for inner, outer in spec.get("env_from", {}).items():
        if outer not in os.environ:
            raise BadInput(f"'env_from' asks for the variable {outer}, which is not set; set it first")
        found[inner] = os.environ[outer]
    found.update(spec.get("env", {}))
    return found


directory: Decorator = click.argument("directory", metavar="DIR|ID")
directory_or_default: Decorator = click.argument("directory", metavar="[DIR|ID]", required=False)
as_json: Decorator = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
as_json_or_lines: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; with -f one for each line."
)
plain: Decorator = click.option(
    "--plain", "is_plain", is_flag=True, help="Lines, no full-screen view, in a terminal as well."
)
agent: Decorator = click.option("--agent", metavar="A", help="Only this agent.")
task: Decorator = click.option("--task", metavar="T", help="Only this task.")


def planning(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a request in words is planned."""
    for option in (
        click.option(
            "--agents",
            "most_agents",
            metavar="N",
            type=count(1, 50),
            help="At most so many agents for a REQUEST.",
        ),
        click.option("--model", metavar="M", help="The model that plans a REQUEST and works on it."),
    ):
        command = option(command)
    return command


def caps(command: Callable[..., Any]) -> Callable[..., Any]:
    """Most that the agents may spend."""
    for option in (
        click.option("--max-tokens", metavar="N", type=count(0), help="All agents use at most N tokens."),
        click.option(
            "--max-cost", metavar="USD", type=AmountType(), help="All agents spend at most USD dollars."
        ),
    ):
        command = option(command)
    return command


def caps_of(max_cost: float | None, max_tokens: int | None) -> dict[str, float]:
    """Collect what was given of `caps`, by the keys of [budget] in plans."""
    given = {"max_cost_usd": max_cost, "max_tokens": max_tokens}
    return {key: value for key, value in given.items() if value is not None}


_AUTO = "maos-sup.auto"


def _auto(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_AUTO] = True
        click.echo("(in our words: --yes)", err=True)


def _or_auto(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    return value or _AUTO in ctx.meta


def approval(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say who approves what a model planned."""
    for option in (
        click.option(
            "--allow-commands",
            "allows_commands",
            is_flag=True,
            help="With --yes: approve programs in the plan as well.",
        ),
        click.option(
            "--yes",
            is_flag=True,
            callback=_or_auto,
            help="Do not ask before running what a model planned.",
        ),
        click.option(
            "--auto", is_flag=True, hidden=True, is_eager=True, expose_value=False, callback=_auto
        ),  # as users of MAOS know it
    ):
        command = option(command)
    return command
