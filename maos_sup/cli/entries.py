"""The table of commands: where each lies and what it does, and what else the help says.

Nothing of them is imported here.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """Says where a command lies in `maos_sup.cli` (module:attribute) and what it does, in one line."""

    place: str
    help: str


Section = dict[str, Entry]

USAGE = "[OPTIONS] COMMAND ..."
ABOUT = (
    "Run agents as processes on a tree of plain files; kill anything, resume anywhere.\n\n"
    "DIR is a directory, the id of an orchestration, or any part of one."
)
DEBUG, VERSION = "Show tracebacks.", "Print the version."
OPTIONS = {"--debug": DEBUG, "-V, --version": VERSION, "-h, --help": "Show this message and exit."}

SECTIONS: dict[str, Section] = {
    "Run": {
        "init": Entry("init:command", "Write a commented plan to begin with."),
        "run": Entry("run:command", "Start what a plan file or a request in words describes; watch it."),
        "resume": Entry("resume:command", "Go on with an orchestration, from whatever state it was left in."),
        "attach": Entry("attach:command", "Watch a running orchestration; Ctrl+C leaves it running."),
        "top": Entry("top:command", "Show who uses what: CPU, memory, money; a screen with keys."),
        "plan": Entry("plan:command", "Check a plan, or have one made of words, without running it."),
        "explain": Entry("explain:command", "Say what a key of plans and specs is for."),
        "roles": Entry("roles:command", "List the role templates that planned agents begin with."),
    },
    "Look": {
        "ui": Entry("ui:command", "Show orchestrations as a page on this machine; --steer acts."),
        "list": Entry("list_:command", "List orchestrations, the newest first."),
        "status": Entry("status:command", "Show how an orchestration, its agents and tasks stand."),
        "logs": Entry("logs:command", "Print what agents' programs wrote; -f follows."),
        "show": Entry("show:command", "Print the transcript of an agent, with what its tools gave."),
        "results": Entry("results:command", "Print what tasks came to."),
        "report": Entry("report:command", "Write one file that tells a run: HTML, or Markdown."),
        "trace": Entry("trace:command", "Send spans to an OpenTelemetry collector."),
        "metrics": Entry("metrics:command", "Print numbers for Prometheus."),
        "cost": Entry("cost:command", "Print where the money went: agents, tasks, models, days, waste."),
        "messages": Entry("messages:command", "Print messages between agents and people."),
        "state": Entry("state:commands", "Look into the values that agents keep and share; change them."),
    },
    "Go back": {
        "checkpoint": Entry("checkpoint:command", "Keep this moment of the whole team; show what is saved."),
        "checkpoints": Entry("checkpoint:listing", "List the checkpoints of a team, or show one."),
        "rollback": Entry("rollback:rollback", "Take the whole team back to a checkpoint."),
        "redo": Entry("rollback:redo", "Take back the last rollback."),
        "fork": Entry("fork:command", "Begin a new orchestration where a checkpoint stands, or several."),
        "diff": Entry("diff:command", "Show what agents changed; or what differs between two checkpoints."),
        "files": Entry("files:files", "List what an agent had in its workspace at several times."),
        "restore": Entry("files:restore", "Bring an agent's files back to a snapshot."),
        "replay": Entry("replay:command", "Fold all records again; name what does not follow."),
        "bisect": Entry("bisect:command", "Find the step of which agent made a check fail."),
    },
    "Land": {
        "land": Entry("land:command", "Merge what agents did into a branch, check it, keep what passes."),
    },
    "Steer": {
        "send": Entry("send:command", "Send a message to an agent, or to all."),
        "pause": Entry("wants:pause", "Stop at the next safe point; everything is saved."),
        "start": Entry("wants:start", "Let it (or one agent or task) run again."),
        "stop": Entry("wants:stop", "End agents now; nothing is lost."),
        "cancel": Entry("wants:cancel", "Give up a task (or all that are unfinished)."),
        "retry": Entry("wants:retry", "Run a task again (or all that failed)."),
        "skip": Entry("wants:skip", "Treat a task as if it were done."),
        "answer": Entry("answer:command", "Answer a question that an agent asks."),
        "approve": Entry("answer:approve", "Say yes to what an agent asks."),
        "deny": Entry("answer:deny", "Say no to what an agent asks."),
        "add": Entry("add:commands", "Add an agent or a task, also while it runs."),
        "set": Entry("set_:command", "Set a key of spec/, such as limits.max_agents or agents/bob.want."),
        "save-interval": Entry("save_interval:command", "Set for how long raw output may stay unsaved."),
    },
    "Elsewhere": {
        "sql": Entry("sql:command", "Ask the files of an orchestration, or of all, in SQL."),
        "export": Entry("export:command", "Write an orchestration into one file, to take it elsewhere."),
        "import": Entry(
            "import_:commands", "Make an orchestration of such a file, or of what other programs left here."
        ),
        "backup": Entry("backup:command", "Keep what orchestrations hold elsewhere; only what is new goes."),
        "backups": Entry("backups:commands", "List, verify, restore, forget backups."),
        "sync": Entry("sync:commands", "Keep a bucket in step with an orchestration."),
        "mirror": Entry(
            "mirror:commands", "Have databases follow an orchestration: add, status, verify, ..."
        ),
    },
    "Keep house": {
        "doctor": Entry("doctor:command", "Say what is here, what is missing, and what to do about it."),
        "check": Entry("check:command", "Examine a tree; --repair mends what is safe to mend."),
        "rm": Entry("rm:command", "Delete orchestrations."),
        "cleanup": Entry("cleanup:command", "Delete finished orchestrations older than some days."),
        "supervise": Entry(
            "supervise:command", "Be a tree's supervisor in the foreground (systemd, containers)."
        ),
        "agent": Entry("agent:commands", "What an agent's program may call: send, inbox, progress, ..."),
        "mcp": Entry("mcp:command", "Be an agent's tools over MCP, on stdin and stdout."),
        "version": Entry("version:command", "Print the version."),
        "completion": Entry("completion:command", "Print the completion script for a shell."),
    },
}
ENTRIES: Section = {name: entry for section in SECTIONS.values() for name, entry in section.items()}

# Names that users of MAOS know; accepted, not shown.
ORCHESTRATION: Section = {
    **{name: ENTRIES[name] for name in ("list", "checkpoint", "save-interval", "cleanup")},
    "status": Entry("maos:named_status", ENTRIES["status"].help),
    "resume": Entry("maos:named_resume", ENTRIES["resume"].help),
}
RECOVER: Section = {
    "list": Entry("maos:recover_list", "What was kept: checkpoints."),
    "checkpoint": Entry("maos:recover_checkpoint", "Keep this moment: checkpoint."),
    "restore": Entry("maos:recover_restore", "Go back to a checkpoint: rollback."),
    "cleanup": Entry("maos:recover_cleanup", "Thin the checkpoints: checkpoints cleanup."),
}
HIDDEN: Section = {
    "help": Entry("maos:help_", "Show this, or the help of a command."),
    "recover": Entry("group:recover", "Checkpoints, under the names that MAOS gave them."),
    "orchestrate": ENTRIES["run"],
    "orchestration": Entry("group:orchestration", "The same commands, under the names that MAOS gave them."),
}
