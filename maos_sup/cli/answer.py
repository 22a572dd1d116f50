"""`answer`, `approve`, `deny`: say yes or no to what an agent asks."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.places import tree_at
from maos_sup.cli.says import say
from maos_sup.cli.wanted import prompt
from maos_sup.views.status import status_of
from state_layout.errors import BadInput
from state_layout.files import atomic
from state_layout.files.fence import refuse_links
from state_layout.paths import Tree
from state_layout.shapes.wording import listed


@click.command("answer")
@options.directory
@click.argument("question", metavar="QUESTION")
@click.argument("decision", type=options.Word(["yes", "no"]))
@click.argument("text", required=False, default="")
def command(directory: str, question: str, decision: str, text: str) -> None:
    """Answer the question whose id begins with QUESTION; TEXT is handed to the agent as well."""
    _answer(directory, question, decision, text)


def _short(name: str, decision: str, doc: str) -> click.Command:
    """`answer` with the decision in its name."""

    @click.command(name, help=doc)
    @options.directory
    @click.argument("question", metavar="QUESTION")
    @click.argument("text", required=False, default="")
    def command(directory: str, question: str, text: str) -> None:
        _answer(directory, question, decision, text)

    return command


approve = _short("approve", "yes", "Say yes to the question whose id begins with QUESTION; TEXT goes along.")
deny = _short("deny", "no", "Say no to the question whose id begins with QUESTION; TEXT goes along.")


def _answer(directory: str, question: str, decision: str, text: str) -> None:
    tree = tree_at(directory)
    id_ = _open_question(tree, question)
    refuse_links(tree.root, tree.approvals)
    atomic.make_folder(tree.approvals)
    atomic.replace(tree.approvals / f"{id_}.{decision}", text.encode())
    prompt(tree)
    say(f"answered {id_}: {decision}")


def _open_question(tree: Tree, text: str) -> str:
    asked = [question["id"] for question in status_of(tree)["questions"]]
    found = [id_ for id_ in asked if id_.startswith(text)]
    if len(found) == 1:
        return str(found[0])
    remedy = f"open are {listed(asked, last='and')}" if asked else "nothing is asked now"
    raise BadInput(f"question {text!r} fits {len(found)} of the open questions; {remedy}")
