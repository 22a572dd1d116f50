"""The keys of the spec files, as tables: what FORMAT.md says under `spec/`, for checks and schema.

Plans use the same tables (`maos_sup.planner`), so that both speak of the same keys.
"""

from __future__ import annotations

from state_layout.records import MERGE, SWAP, Budget, Intervals, Keep, Limits, Restart, Workspace
from state_layout.shapes.shape import (
    Argv,
    CallableName,
    Effect,
    Field,
    Flag,
    ListOf,
    MapOf,
    Nullable,
    Number,
    OneOf,
    Shape,
    Text,
)
from state_layout.specs.placement import PLACEMENT
from state_layout.specs.telemetry import OTEL

NAME = r"(?!(?:all|operator|supervisor)$)[a-z0-9][a-z0-9_-]{0,63}"
NAME_WISH = "1 to 64 of a-z 0-9 _ -, the first a letter or digit, and not all, operator or supervisor"
KEYWORDS = ("discovery", "found", "result", "error")
MOST_SECONDS = 1e9

name = Text(pattern=NAME, wish=NAME_WISH)
positive_s = Number(above=0, most=MOST_SECONDS)
seconds = Number(least=0, most=MOST_SECONDS)
count = Number(least=0, whole=True)
keyword = Text(pattern=r"\w[\w -]{0,31}", wish="a word without colon, like found")

orchestration_want = agent_want = OneOf(("run", "pause", "stop"))
task_want = OneOf(("run", "pause", "cancel", "skip"))

_own_limits = {
    "timeout_s": Field(positive_s, "longest time of a task's attempt", default=Limits().timeout_s),
    "hang_s": Field(positive_s, "no beat for so long: hung", default=Limits().hang_s),
    "stop_grace_s": Field(seconds, "between TERM and KILL", default=Limits().stop_grace_s),
}
_instead_of_limits = {
    "timeout": "use 'timeout_s', in seconds",
    "parallel": "use 'max_agents'",
    "concurrency": "use 'max_agents'",
    "retries": "give the agents 'restart = { max = ... }'",
}
AGENT_LIMITS = Shape(fields=_own_limits, instead=_instead_of_limits)
LIMITS = Shape(
    fields={
        **_own_limits,
        "max_agents": Field(
            Number(least=1, most=10_000, whole=True), "processes at once", default=Limits().max_agents
        ),
        "on_failure": Field(
            OneOf(("continue", "stop")), "what a failed task means for the others", default="continue"
        ),
        "max_spawned_agents": Field(Nullable(count), "most agents that agents may add, all together"),
        "max_spawned_tasks": Field(Nullable(count), "most tasks that agents may add, all together"),
    },
    instead=_instead_of_limits,
)
INTERVALS = Shape(
    fields={
        "save_s": Field(
            positive_s, "longest time that raw output stays unsynced", default=Intervals().save_s
        ),
        "checkpoint_s": Field(
            positive_s, "between checkpoints, of an agent and of the team", default=Intervals().checkpoint_s
        ),
        "beat_s": Field(positive_s, "between signs of life", default=Intervals().beat_s),
        "tick_s": Field(positive_s, "between looks of the supervisor", default=Intervals().tick_s),
        "lease_s": Field(
            Number(least=1, most=MOST_SECONDS),
            "how long an agent on another machine may be cut off before it gives up",
            default=Intervals().lease_s,
        ),
        "rest_s": Field(
            seconds,
            "how long an agent has nothing to do until it gives its memory back; 0: never",
            default=Intervals().rest_s,
        ),
        "at_rest": Field(
            OneOf((SWAP, MERGE)),
            "where its memory goes then: to swap, if there is some, or merged with equal pages of all "
            "processes, if the machine does that (KSM); a side channel, see docs/secrets.md",
            default=Intervals().at_rest,
        ),
        "linger_s": Field(
            seconds,
            "how long an agent on this machine stays while its tasks wait for those of others; 0: it ends",
            default=Intervals().linger_s,
        ),
        "sync": Field(
            OneOf(("line", "group")),
            "when what agents did is durable: before it is acknowledged, or up to 5 ms later",
            default=Intervals().sync,
        ),
    }
)
BUDGET = Shape(
    fields={
        "max_cost_usd": Field(Nullable(Number(least=0)), "cap on cost", default=Budget().max_cost_usd),
        "max_tokens": Field(Nullable(count), "cap on tokens", default=Budget().max_tokens),
    }
)
RESTART = Shape(
    fields={
        "max": Field(count, "restarts within the window before giving up", default=Restart().max),
        "window_s": Field(positive_s, "the window", default=Restart().window_s),
        "backoff_s": Field(seconds, "first delay; it doubles each time", default=Restart().backoff_s),
        "backoff_max_s": Field(seconds, "longest delay", default=Restart().backoff_max_s),
        "max_without_progress": Field(
            Nullable(count),
            "restarts in a row that gain nothing before giving up; null: 10, or 'max' if that is more",
        ),
    },
    instead={"retries": "use 'max'", "attempts": "use 'max'"},
)
_scope = Text(
    pattern=r"orchestration|global|\*|(custom|agent|task|session):(\*|[a-z0-9][a-z0-9_-]{0,63}\*?)",
    wish="a scope like orchestration, custom:plan, custom:* or agent:bob",
)
STATE = Shape(
    fields={
        "read": Field(
            ListOf(item=_scope, unique=True),
            "scopes that it may read beside its own and shared ones",
            example=["agent:bob"],
        ),
        "write": Field(
            ListOf(item=_scope, unique=True), "shared scopes that it may write", example=["custom:plan"]
        ),
    }
)
HOOK = Shape(
    fields={
        "on": Field(
            OneOf(("before_save", "after_save", "before_delete", "after_delete")),
            "of which change of shared state",
            required=True,
        ),
        "run": Field(Argv(), "a program that gets and gives JSON on its standard streams"),
        "callable": Field(CallableName(), "a function that gets and gives the same, instead of 'run'"),
        "scope": Field(Text(least=1), "pattern of scopes, like custom:*", default="*"),
        "key": Field(Text(least=1), "pattern of keys, like limits/*", default="*"),
        "timeout_s": Field(positive_s, "longest time of a program; then it is ended", default=10.0),
    },
    exactly_one=(("run", "callable"),),
)
KEEP = Shape(
    fields={
        "last": Field(count, "the newest so many", default=Keep().last),
        "hourly": Field(count, "the newest of each of the last so many hours", default=Keep().hourly),
        "daily": Field(count, "the newest of each of the last so many days", default=Keep().daily),
    }
)
_url = Text(
    pattern=r"https?://\S+|\$[A-Za-z_]\w*", wish="a URL, or $NAME of a variable that holds one", secret=True
)
NOTIFY = Shape(
    fields={
        "command": Field(
            Argv(), "called for each event: a question, a used-up budget, a failed task, the end"
        ),
        "desktop": Field(Flag(), "a notification of the desktop (notify-send, osascript)", default=False),
        "ntfy": Field(_url, "the URL of an ntfy topic", example="https://ntfy.sh/my-own-topic"),
        "webhook": Field(_url, 'a URL that takes {"text": ...} as Slack does', example="$SLACK_WEBHOOK"),
        "bell": Field(Flag(), "ring in your terminals", default=False),
    },
    instead={"slack": "use 'webhook'", "url": "use 'ntfy' or 'webhook'"},
)
ENV = MapOf(
    value=Text(secret=True, wish="text in quotes"),
    key=r"(?!MAOS_(?!SUP_))[^=\0]+",
    key_wish="one without '=' that does not begin with MAOS_",
)
WORKSPACES = ("shared", "worktree", "clone", "own")
_relative = Text(
    least=1, pattern=r"(?!/)(?!(.*/)?\.\.(/|$)).*", wish="a path in the project, relative, without '..'"
)
WORKSPACE = {
    "workspace": Field(
        OneOf(WORKSPACES),
        "on what it works: the project itself (shared), a git worktree or a clone of its own, "
        "or a copy of its own of a project without git (own)",
        example="worktree",
    ),
    "base": Field(
        Text(least=1, pattern=r"[^-\0].*", wish="HEAD, working-tree or a revision"),
        "what it begins with: HEAD, working-tree (with what is not committed there), or a revision",
        default="HEAD",
    ),
    "setup": Field(
        ListOf(item=Text(least=1, wish="a line for /bin/sh"), wish='a list of lines like ["npm ci"]'),
        "lines for /bin/sh that are run once in a new worktree",
        default=[],
        example=["npm ci"],
    ),
    "carry": Field(
        ListOf(item=_relative, unique=True, wish='a list of paths or patterns like [".env.example"]'),
        "files and folders that git ignores and a new worktree gets a copy of; "
        "'link:' before one makes it a link",
        default=[],
        example=[".env.example"],
    ),
    "copy_limit_mib": Field(
        Number(least=1, whole=True),
        "how large a project without git may be to be copied for each agent (workspace = 'own')",
        default=Workspace().copy_limit_mib,
    ),
}
LAND = Shape(
    fields={
        "check": Field(
            Text(least=1, wish="a line for /bin/sh"),
            "what each merge must pass; it runs what agents wrote, as you",
            example="make test",
        ),
        "onto": Field(
            Text(least=1, pattern=r"[^-\0].*", wish="the name of a branch"),
            "the branch to begin with; the one that is checked out otherwise",
            example="main",
        ),
        "squash": Field(Flag(), "one commit for each agent, without its own ones", default=False),
        "when": Field(
            OneOf(("asked", "done")),
            "done: also when all tasks are done and somebody watches (run, resume)",
            default="asked",
        ),
    }
)
ORCHESTRATION = Shape(
    fields={
        "id": Field(
            Text(least=1, wish="the id that the orchestration was made with"),
            "its name, the same in every copy",
            required=True,
            effect=Effect.FIXED,
            example="20261121-0142-audit-repo-7f3k",
        ),
        "request": Field(
            Text(least=1, wish="text that says what is wanted"),
            "what is wanted, in words",
            required=True,
            effect=Effect.NEXT_TASK,
            example="Audit this repository",
        ),
        "want": Field(
            orchestration_want, "run, pause or stop all of it", default="run", effect=Effect.AT_ONCE
        ),
        "project": Field(
            Nullable(
                Text(least=1, pattern="[^/].*", wish="a path relative to the tree, like ../../src/repo")
            ),
            "what the agents work on",
            effect=Effect.NEXT_TASK,
            example="../../src/repo",
        ),
        "project_name": Field(
            Nullable(Text()),
            "last component of project, checked after a copy",
            effect=Effect.NEXT_TASK,
            example="repo",
        ),
        "limits": Field(LIMITS, "bounds of time and number", effect=Effect.AT_ONCE),
        "intervals": Field(INTERVALS, "how often things are done", effect=Effect.AT_ONCE),
        "budget": Field(BUDGET, "what all agents together may spend", effect=Effect.AT_ONCE),
        "notify": Field(Nullable(NOTIFY), "how to tell people", effect=Effect.AT_ONCE),
        "otel": Field(
            Nullable(OTEL), "where spans for OpenTelemetry are sent while agents work", effect=Effect.AT_ONCE
        ),
        "hooks": Field(
            ListOf(item=HOOK),
            "programs and callables that are asked before shared state changes, or told after",
            effect=Effect.AT_ONCE,
            example=[{"on": "before_save", "scope": "custom:plan", "run": ["./check.sh"]}],
        ),
        "keep": Field(
            KEEP, "which checkpoints are kept; named and pinned ones always are", effect=Effect.AT_ONCE
        ),
        **WORKSPACE,
        **PLACEMENT,
        "land": Field(LAND, "how what agents did is put together", effect=Effect.AT_ONCE),
    },
    less=((("intervals", "beat_s"), ("limits", "hang_s")),),
)
AGENT = Shape(
    fields={
        "kind": Field(name, "how the agent works", required=True, example="command"),
        "role": Field(Text(), "what it is for, in words", default="", example="You look for wrong results."),
        "want": Field(agent_want, "run, pause or stop it", default="run", effect=Effect.AT_ONCE),
        "cwd": Field(Nullable(OneOf(("project", "workspace"))), "where it works; project where there is one"),
        "env": Field(
            ENV, "added to the environment; kept in the tree, so no place for secrets", example={"LEVEL": "3"}
        ),
        "env_from": Field(
            MapOf(
                value=Text(pattern=r"[^=\0]+", wish="the name of a variable"),
                key=ENV.key,
                key_wish=ENV.key_wish,
            ),
            "variables of the environment of maos-sup, by the name that the program knows them by",
            example={"TOKEN": "BOBS_TOKEN"},
        ),
        "restart": Field(RESTART, "when its process fails", effect=Effect.AT_ONCE),
        "limits": Field(AGENT_LIMITS, "in place of the orchestration's", effect=Effect.AT_ONCE),
        "keywords": Field(
            ListOf(item=keyword, unique=True),
            "output lines that begin so, with a colon, become discoveries",
            default=list(KEYWORDS),
        ),
        "on_uncertain": Field(
            OneOf(("retry", "raise", "ask")), "when it died inside a step", default="retry"
        ),
        "state": Field(STATE, "which state of others it may read and write", effect=Effect.AT_ONCE),
        "budget_with": Field(
            ListOf(item=name, unique=True, wish='a list of agents like ["bob-1"]'),
            "agents whose spending counts against its own budget as well",
            default=[],
            effect=Effect.AT_ONCE,
            example=["bob-1"],
        ),
        "budget_of": Field(
            name, "the agent whose budget is this one's as well", effect=Effect.AT_ONCE, example="bob"
        ),
        **WORKSPACE,
        **PLACEMENT,
    }
)
TASK = Shape(
    fields={
        "agent": Field(name, "who does it", required=True, effect=Effect.AT_ONCE, example="bob"),
        "description": Field(
            Text(), "what to do; the program's standard input", default="", example="Count the files"
        ),
        "needs": Field(
            ListOf(item=name, unique=True, wish='a list of task ids like ["count"]'),
            "tasks that must be done first",
            default=[],
            effect=Effect.AT_ONCE,
            example=["count"],
        ),
        "any_of": Field(
            ListOf(item=name, unique=True, wish='a list of task ids like ["fix-1"]'),
            "of its needs: that one of these is done and all have ended is enough",
            default=[],
            effect=Effect.AT_ONCE,
            example=["fix-1"],
        ),
        "attempt_of": Field(name, "the task at which it is one of several attempts", example="fix"),
        "choose": Field(
            Shape(
                fields={
                    "line": Field(Text(least=1), "a line for /bin/sh; its last line of output is the score"),
                    "review": Field(name, "the task whose result says which is taken"),
                }
            ),
            "how it takes the best of `any_of` over, in place of working itself",
            example={"line": "./score.sh"},
        ),
        "want": Field(task_want, "run, pause, cancel or skip it", default="run", effect=Effect.AT_ONCE),
        "run": Field(
            Number(least=1, whole=True), "raised to have it done again", default=1, effect=Effect.AT_ONCE
        ),
        "timeout_s": Field(Nullable(positive_s), "in place of the agent's limit", effect=Effect.AT_ONCE),
        "order": Field(
            Nullable(count), "its place where tasks are shown; nothing depends on it", effect=Effect.AT_ONCE
        ),
        "merge": Field(
            Shape(
                fields={
                    "ours": Field(Text(least=1), "the commit that is merged into", required=True),
                    "theirs": Field(Text(least=1), "the commit that is merged", required=True),
                    "of": Field(Text(least=1), "the agent whose work that is", required=True),
                }
            ),
            "the two commits whose merge the task begins with; `land` gives such tasks to the agent resolver",
            example={"ours": "1a2b3c4d", "theirs": "5e6f7a8b", "of": "bob"},
        ),
    }
)
