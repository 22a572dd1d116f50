"""`pause`, `start`, `stop`, `cancel`, `retry`, `skip`: what is wanted of the whole, an agent or a task."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.places import tree_or_default, word_of
from maos_sup.cli.says import say
from maos_sup.steering.change import lines_of
from maos_sup.steering.starting import see_to_it
from maos_sup.steering.wanting import (
    known_task,
    run_again,
    tasks_to_retry,
    unfinished_tasks,
    want_of_agent,
    want_of_all,
    want_of_tasks,
)
from state_layout.errors import BadInput
from state_layout.paths import Tree
from state_layout.records import Want


@click.command("pause")
@options.directory_or_default
@options.agent
@options.task
def pause(directory: str | None, agent: str | None, task: str | None) -> None:
    """Pause an orchestration, one agent or one task at the next safe point. Everything is saved."""
    tree = tree_or_default(directory)
    say(_set(tree, Want.PAUSE, agent=agent, task=task))


@click.command("start")
@options.directory_or_default
@options.agent
@options.task
def start(directory: str | None, agent: str | None, task: str | None) -> None:
    """Let an orchestration, one agent or one task run (again); starts a supervisor where none lives."""
    tree = tree_or_default(directory)
    say(_set(tree, Want.RUN, agent=agent, task=task))
    supervised(tree)


@click.command("stop")
@options.directory_or_default
@options.agent
def stop(directory: str | None, agent: str | None) -> None:
    """End the agents now (or one of them), with all they started. Nothing is lost; `start` goes on."""
    tree = tree_or_default(directory)
    say(_set(tree, Want.STOP, agent=agent, task=None))


@click.command("cancel")
@options.directory_or_default
@options.agent
@options.task
def cancel(directory: str | None, agent: str | None, task: str | None) -> None:
    """Give up a task, those of an agent, or all that have not ended. What they wrote is kept."""
    tree = tree_or_default(directory)
    left = unfinished_tasks(tree, agent=agent, task=task)
    say(lines_of(want_of_tasks(tree, left, Want.CANCEL)) or "nothing left to cancel")


@click.command("retry")
@options.directory_or_default
@options.agent
@options.task
def retry(directory: str | None, agent: str | None, task: str | None) -> None:
    """Run a task that ended once more; without --task all that failed (and, with --agent, were cancelled)."""
    tree = tree_or_default(directory)
    chosen = tasks_to_retry(tree, agent=agent, task=task)
    if not chosen:
        say("nothing has failed; name a task with --task to run it again")
        return
    say(lines_of(run_again(tree, chosen)))
    supervised(tree)


@click.command("skip")
@options.directory_or_default
@click.option("--task", metavar="T", required=True, help="This task.")
def skip(directory: str | None, task: str) -> None:
    """Treat a task as if it were done: what needs it may begin."""
    tree = tree_or_default(directory)
    say(lines_of(want_of_tasks(tree, [known_task(tree, task)], Want.SKIP)))
    supervised(tree)


def _set(tree: Tree, want: Want, *, agent: str | None, task: str | None) -> str:
    if agent is not None and task is not None:
        raise BadInput("--agent and --task exclude each other; use one")
    if agent is not None:
        return str(want_of_agent(tree, agent, want))
    if task is not None:
        return lines_of(want_of_tasks(tree, [known_task(tree, task)], want))
    return str(want_of_all(tree, want))


def supervised(tree: Tree) -> None:
    """See to it that somebody acts on the edit; in one line what was done."""
    told = see_to_it(tree)
    if told is not None:
        remedy = f"; 'maos-sup start {word_of(tree)}' changes that" if "wanted" in told else ""
        say(told + remedy)
