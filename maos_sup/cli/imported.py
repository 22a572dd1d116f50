"""Says what came of an import: a table of what was taken, changed and left out, and what to type next."""

from __future__ import annotations

from maos_sup.cli.places import word_of
from maos_sup.cli.says import say, say_json
from maos_sup.incoming.claude import ClaudeWish
from maos_sup.incoming.maos.bringing import Brought, MaosImport
from maos_sup.incoming.tally import Tally
from maos_sup.views.render import table, terminal_width
from state_layout.paths import Tree

_HEADS = ("WHAT", "CAME", "COUNT", "WHY")


def say_maos(made: MaosImport, *, is_dry: bool) -> None:
    """Print what became of each orchestration of a database, and of what belongs to none."""
    for each in made.brought:
        say(_headline(each, is_dry=is_dry))
        say_tally(each.tally if not each.is_old else Tally())
    if made.beside.rows:
        say("of no orchestration:")
        say_tally(made.beside)


def say_maos_json(made: MaosImport, *, is_dry: bool) -> None:
    """Print the same as one JSON object."""
    trees = [
        {
            "maos_id": each.id,
            "id": each.tree.root.name,
            "directory": str(each.tree.root),
            "was_there": each.is_old,
            "table": tally_json(each.tally),
        }
        for each in made.brought
    ]
    say_json({"dry_run": is_dry, "orchestrations": trees, "beside": tally_json(made.beside)})


def say_session(wish: ClaudeWish, tree: Tree, tally: Tally, *, is_dry: bool, as_json: bool) -> None:
    """Print what came of a session of Claude Code."""
    session, project = wish.session, wish.project
    if as_json:
        say_json(
            {
                "session": session.id,
                "id": wish.id,
                "directory": str(tree.root),
                "dry_run": is_dry,
                "project": None if project is None else str(project),
                "table": tally_json(tally),
            }
        )
        return
    made = "would be made of" if is_dry else "begins with a copy of"
    say(f"{tree.root}: agent {wish.agent} {made} session {session.id}, which stays as it is")
    say(f"  {'works on ' + str(project) if project else 'has no project: say --project P'}")
    say_tally(tally)
    task = "" if wish.task else " --task TEXT"
    if not is_dry:
        say(f"go on with: maos-sup resume {word_of(tree)}{task}")


def say_tally(tally: Tally) -> None:
    """Print the table, indented."""
    rows = [(row.what, str(row.fate), f"{row.number:,}", row.why or "-") for row in tally.rows]
    for line in table(_HEADS, rows, width=terminal_width() - 2):
        say(f"  {line}")


def tally_json(tally: Tally) -> list[dict[str, object]]:
    """Tell the table as JSON."""
    return [
        {"what": row.what, "fate": str(row.fate), "count": row.number, "why": row.why} for row in tally.rows
    ]


def _headline(each: Brought, *, is_dry: bool) -> str:
    if each.is_old:
        return f"{each.tree.root}: is there already; orchestration {each.id} was left alone"
    agents = "1 agent" if each.agents == 1 else f"{each.agents} agents"
    if is_dry:
        return f"{each.tree.root}: would be made of orchestration {each.id}, {agents}"
    remedy = f"go on with: maos-sup resume {word_of(each.tree)}"
    return f"{each.tree.root}: orchestration {each.id}, {agents}; {remedy}"
