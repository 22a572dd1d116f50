"""Says who changed the project, and what changes most, from `git log`.

Runs in the project's folder and only reads. Names of authors are reported, their addresses are not.
Asked again it reads the log again, which changes nothing. Runs by hand too: `python3 history.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

GIT = ("git", "-c", "core.quotePath=true")
LOG = ("log", "--no-renames", "--numstat", "--date=format:%Y-%m-%d", "--format=%x01%aN%x02%ad")
STAGES = 10


def control(line: dict[str, object]) -> None:
    """Tell the agent something, with one write; nothing happens when run by hand."""
    descriptor = os.environ.get("MAOS_CONTROL_FD")
    if descriptor:
        os.write(int(descriptor), json.dumps(line).encode() + b"\n")


def git(*arguments: str) -> str:
    """What git prints, or nothing where it fails (no repository, no commit yet)."""
    done = subprocess.run([*GIT, *arguments], capture_output=True, check=False)
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


def log_lines(max_commits: int) -> Iterator[str]:
    """The lines of the log, newest commit first."""
    command = [*GIT, *LOG, f"--max-count={max_commits}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        for line in process.stdout or ():
            yield line.decode(errors="replace").rstrip("\n")


def read_history(total: int, max_commits: int, pace_s: float) -> dict[str, object]:
    """Fold the log into the result of the task."""
    commits: Counter[str] = Counter()
    added: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    days: list[str] = []
    author = ""
    stage_commits = max(1, total // STAGES)
    for line in log_lines(max_commits):
        if line.startswith("\x01"):
            author, _, day = line[1:].partition("\x02")
            commits[author] += 1
            days.append(day)
            if len(days) % stage_commits == 0:
                control({"progress": round(0.9 * len(days) / total, 3), "note": f"{len(days)} commits"})
                time.sleep(pace_s)
        elif line.count("\t") >= 2:
            plus, minus, path = line.split("\t", 2)
            changes[path] += 1
            added[author] += int(plus) if plus.isdigit() else 0  # "-" for binary files
            removed[author] += int(minus) if minus.isdigit() else 0
    return {
        "commits": len(days),
        "first_day": min(days, default=None),
        "last_day": max(days, default=None),
        "authors": [
            {"name": name, "commits": count, "lines_added": added[name], "lines_removed": removed[name]}
            for name, count in commits.most_common(20)
        ],
        "author_count": len(commits),
        "changed_most": [{"path": path, "commits": count} for path, count in changes.most_common(15)],
    }


def main() -> int:
    max_commits = int(os.environ.get("MAX_COMMITS", "5000"))
    total = int(git("rev-list", "--count", f"--max-count={max_commits}", "HEAD") or 0)
    if not total:
        print("found: no commits to read: this is no git repository, or an empty one")
        control({"result": {"commits": 0, "authors": [], "author_count": 0, "changed_most": []}})
        return 0
    result = read_history(total, max_commits, float(os.environ.get("PACE_S", "0")))
    count = result["author_count"]
    authors = "1 author" if count == 1 else f"{count} authors"
    summary = f"{result['commits']} commits by {authors}, last on {result['last_day']}"
    print(f"found: {summary}")
    if total == max_commits:
        print(f"found: the history is longer; only the newest {max_commits} commits were read")
    if git("rev-parse", "--is-shallow-repository") == "true":
        print("found: the clone is shallow; older commits are missing from the history")
    control({"send": {"to": "reporter", "type": "info", "text": f"history: {summary}"}})
    control({"result": result})
    return 0


if __name__ == "__main__":
    sys.exit(main())
