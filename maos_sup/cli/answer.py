"""`answer`, `approve`, `deny`: what agents ask is listed, and answered: in words, or by yes or no."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.places import all_trees, tree_at, word_of
from maos_sup.cli.says import say, say_json
from maos_sup.steering.answering import Reply, answer, open_question, reply_of
from maos_sup.views.inbox import inbox_lines, inbox_of
from maos_sup.views.render import terminal_width
from state_layout.errors import BadInput, LayoutError, NotATree
from state_layout.paths import Tree


@click.command("answer")
@click.argument("directory", metavar="[DIR|ID]", required=False)
@click.argument("question", metavar="[QUESTION]", required=False)
@click.argument("words", metavar="[ANSWER]...", nargs=-1)
@options.as_json
def command(directory: str | None, question: str | None, words: tuple[str, ...], *, as_json: bool) -> None:
    """Answer the question whose id begins with QUESTION: in words, or with yes or no and words.

    Without QUESTION, list what is asked, in DIR or in all orchestrations, each with the line that answers it.
    Leave to run a tool is given with yes and refused with no.
    """
    if question is None:
        _list(directory, as_json=as_json)
        return
    tree, question, words = _meant(str(directory), question, words)
    asked = open_question(tree, question)
    if not words:
        raise BadInput(
            f"question {asked['id']} wants an answer; type: "
            f"maos-sup answer {word_of(tree)} {asked['id']} ANSWER"
        )
    change = answer(tree, asked["id"], reply_of(asked, words))
    if as_json:
        say_json({"question": asked["id"], "answer": change.after})
    else:
        say(str(change))


def _short(name: str, doc: str, *, is_yes: bool) -> click.Command:
    """Make `answer` with the decision in its name."""

    @click.command(name, help=doc)
    @click.argument("directory", metavar="[DIR|ID]")
    @click.argument("question", metavar="QUESTION", required=False)
    @click.argument("words", metavar="[TEXT]...", nargs=-1)
    def command(directory: str, question: str | None, words: tuple[str, ...]) -> None:
        tree, question, words = _meant(directory, question or "", words)
        asked = open_question(tree, question)
        say(str(answer(tree, asked["id"], Reply(is_yes=is_yes, text=" ".join(words)))))

    return command


approve = _short(
    "approve", "Say yes to the question whose id begins with QUESTION; TEXT goes along.", is_yes=True
)
deny = _short("deny", "Say no to the question whose id begins with QUESTION; TEXT goes along.", is_yes=False)


def _meant(directory: str, question: str, words: tuple[str, ...]) -> tuple[Tree, str, tuple[str, ...]]:
    """Find the tree, the question and the answer; where the first word names no tree, it may name a
    question."""
    try:
        return tree_at(directory), question, words
    except (NotATree, BadInput):
        found = [
            (entry.tree, entry.question["id"])
            for entry in inbox_of(all_trees())
            if str(entry.question["id"]).startswith(directory)
        ]
        if not found:
            _refuse_answered(directory)
        if len(found) != 1:
            raise
        return found[0][0], found[0][1], (question, *words) if question else words


def _refuse_answered(question: str) -> None:
    """Raise BadInput if a question whose id begins so was answered in the newest orchestration."""
    trees = all_trees()
    if trees and question and any(trees[-1].approvals.glob("*")):
        names = [path.name for path in trees[-1].approvals.iterdir()]
        if any(name.startswith(question) for name in names):
            open_question(trees[-1], question)


def _list(directory: str | None, *, as_json: bool) -> None:
    """List what is asked, in one orchestration or in all."""
    try:
        trees = all_trees() if directory is None else [tree_at(directory)]
    except LayoutError:
        if directory is not None and any(
            str(entry.question["id"]).startswith(directory) for entry in inbox_of(all_trees())
        ):
            raise BadInput(
                f"question {directory!r} wants an answer; type: maos-sup answer {directory} ANSWER"
            ) from None
        raise
    entries = inbox_of(trees)
    if as_json:
        say_json({"questions": [entry.to_json(word_of(entry.tree)) for entry in entries]})
        return
    say("\n".join(inbox_lines(entries, name=word_of, width=terminal_width())))
