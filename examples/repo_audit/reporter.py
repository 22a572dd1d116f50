"""Writes report.md from what the other agents found.

A function of the kind `python`: `main(ctx)`. The mail is gathered in one durable step, so its messages
are acknowledged with the step's result and a later attempt gets the same ones back. Everything after
that is computed from recorded values and written whole, so it may be done again at no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Result = dict[str, Any]
SHOWN_DISCOVERIES = 60


def main(ctx: Any) -> Result:
    """Gather, write, register; returns the task's result."""
    ctx.progress(0.1, "gathering mail")
    mail: list[Result] = ctx.step("gather", lambda: [as_record(message) for message in ctx.inbox()])
    ctx.progress(0.5, "writing report.md")
    report = Path(ctx.artifacts) / "report.md"
    report.parent.mkdir(parents=True, exist_ok=True)
    write_whole(report, "\n".join(report_lines(Path(ctx.project).resolve().name, dict(ctx.results), mail)))
    ctx.artifact(report)
    summary = summary_of(dict(ctx.results))
    ctx.step("tell", ctx.discover, f"report.md is written: {summary}")
    ctx.progress(1.0, "done")
    return {"report": report.name, "summary": summary, "messages": len(mail)}


def as_record(message: Any) -> Result:
    """A message as plain JSON, so that a step can record it."""
    return {"from": message.sender, "type": message.type, "text": message.text or ""}


def write_whole(path: Path, text: str) -> None:
    """Replace `path`, so that a reader never sees half a report."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def summary_of(results: dict[str, Result]) -> str:
    """The audit in one line."""
    inventory, history = results.get("inventory") or {}, results.get("history") or {}
    notes, secrets = results.get("todo") or {}, results.get("secrets") or {}
    failed = [check["name"] for check in checks_of(results) if check["outcome"] in ("failed", "timed out")]
    return (
        f"{inventory.get('files', 0)} files, {history.get('commits', 0)} commits, "
        f"{notes.get('notes', 0)} notes, {secrets.get('suspicious', 0)} suspicious places, "
        f"{len(failed)} checks failed"
    )


def checks_of(results: dict[str, Result]) -> list[Result]:
    checks: list[Result] = (results.get("checks") or {}).get("checks") or []
    return checks


def report_lines(project: str, results: dict[str, Result], mail: list[Result]) -> Iterator[str]:
    """The whole report, line by line."""
    yield f"# Audit of {project}"
    yield ""
    yield summary_of(results)
    yield from inventory_lines(results.get("inventory") or {})
    yield from history_lines(results.get("history") or {})
    yield from check_lines(checks_of(results))
    yield from place_lines(results)
    yield from mail_lines(mail)


def inventory_lines(inventory: Result) -> Iterator[str]:
    yield from ("", "## Inventory", "")
    counts = (f"{inventory.get(key, 0)} {key}" for key in ("files", "lines", "bytes"))
    yield f"{', '.join(counts)}."
    languages: dict[str, Result] = inventory.get("languages") or {}
    most_first = sorted(languages.items(), key=lambda item: (-item[1]["lines"], item[0]))
    rows = ((name, of["files"], of["lines"], of["bytes"]) for name, of in most_first)
    yield from table(("language", "files", "lines", "bytes"), rows)
    largest = inventory.get("largest") or []
    yield from table(("largest files", "bytes"), ((code(file["path"]), file["bytes"]) for file in largest))


def history_lines(history: Result) -> Iterator[str]:
    yield from ("", "## History", "")
    if not history.get("commits"):
        yield "No commits."
        return
    count = history["author_count"]
    yield (
        f"{history['commits']} commits by {count} author{'' if count == 1 else 's'} "
        f"from {history['first_day']} to {history['last_day']}."
    )
    authors = (
        (author["name"], author["commits"], author["lines_added"], author["lines_removed"])
        for author in history["authors"]
    )
    yield from table(("author", "commits", "lines added", "lines removed"), authors)
    changed = ((code(file["path"]), file["commits"]) for file in history["changed_most"])
    yield from table(("changed most", "commits"), changed)


def check_lines(checks: list[Result]) -> Iterator[str]:
    yield from ("", "## Quick checks")
    rows = (
        (check["name"], check["outcome"], code(check["command"] or ""), check["detail"] or "")
        for check in checks
    )
    yield from table(("check", "outcome", "command", "detail"), rows)


def place_lines(results: dict[str, Result]) -> Iterator[str]:
    notes, secrets = results.get("todo") or {}, results.get("secrets") or {}
    yield from ("", "## Left for later", "")
    yield (
        f"{notes.get('notes', 0)} notes in {notes.get('files', 0)} files: TODO {notes.get('todo', 0)}, "
        f"FIXME {notes.get('fixme', 0)}, XXX {notes.get('xxx', 0)}, HACK {notes.get('hack', 0)}."
    )
    yield from ("", "## Likely secrets", "")
    yield f"{secrets.get('suspicious', 0)} suspicious places in {secrets.get('files', 0)} files."
    yield ""
    yield from (f"- {code(place)}" for place in secrets.get("places") or [])


def mail_lines(mail: list[Result]) -> Iterator[str]:
    """Messages to the reporter and everybody's discoveries; what a repeated attempt said twice, once."""
    discoveries = once((one["from"], one["text"]) for one in mail if one["type"] == "discovery")
    messages = once((one["from"], one["text"]) for one in mail if one["type"] != "discovery")
    yield from ("", "## Messages", "")
    yield from (f"- **{sender}**: {plain(text)}" for sender, text in messages)
    yield from ("", "## Discoveries", "")
    yield from (f"- **{sender}**: {plain(text)}" for sender, text in discoveries[:SHOWN_DISCOVERIES])
    if len(discoveries) > SHOWN_DISCOVERIES:
        yield f"- and {len(discoveries) - SHOWN_DISCOVERIES} more; see `maos-sup messages`"
    yield ""


def once(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(pairs))


def table(heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    """A Markdown table, or nothing where there are no rows."""
    cells = [[plain(str(cell)) for cell in row] for row in rows]
    if not cells:
        return
    yield ""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in cells)


def plain(text: str) -> str:
    """Text that cannot end a line or a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`" if text else ""
