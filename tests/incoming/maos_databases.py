"""Databases as MAOS 0.8.8, 0.8.9 and 0.9.4 leave them: their tables, and every quirk that was seen there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

ONE, CRASHED = "11112222-aaaa-4bbb-8ccc-0123456789ab", "deadbeef"
ANALYST, WRITER, TESTER = "analyst-0a1b2c3d", "Technical Writer-11aa22bb", "tester-99887766"
CONVERSATION = "0c0ffee0-1234-4567-89ab-0123456789ab"
_TABLES = """
CREATE TABLE agents (id TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT, session_id TEXT, process_id TEXT,
  status TEXT DEFAULT 'inactive', capabilities TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  last_active TIMESTAMP, metadata TEXT);
CREATE TABLE sessions (session_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, task TEXT,
  conversation_history TEXT,
  turn_count INTEGER DEFAULT 0, total_cost REAL DEFAULT 0.0, status TEXT DEFAULT 'active',
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP,
  FOREIGN KEY (agent_id) REFERENCES agents(id) ON DELETE CASCADE);
CREATE TABLE tasks (id TEXT PRIMARY KEY, parent_task_id TEXT, description TEXT NOT NULL,
  status TEXT DEFAULT 'pending', assigned_agents TEXT, subtasks TEXT, progress REAL DEFAULT 0.0, result TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, started_at TIMESTAMP, completed_at TIMESTAMP,
  FOREIGN KEY (parent_task_id) REFERENCES tasks(id) ON DELETE CASCADE);
CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, from_agent TEXT NOT NULL, to_agent TEXT,
  message TEXT NOT NULL, message_type TEXT DEFAULT 'info', timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  acknowledged BOOLEAN DEFAULT 0);
CREATE TABLE checkpoints (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT,
  orchestrator_state TEXT, agent_sessions TEXT, task_states TEXT, message_history TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE orchestrations (id TEXT PRIMARY KEY, request TEXT NOT NULL, status TEXT DEFAULT 'running',
  agents TEXT, batches TEXT, total_cost REAL DEFAULT 0.0, total_duration_ms INTEGER DEFAULT 0,
  successful_agents INTEGER DEFAULT 0, total_agents INTEGER DEFAULT 0,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, completed_at TIMESTAMP, {since_089}
  summary TEXT, metadata TEXT);
"""
_SINCE_089 = "last_updated TIMESTAMP, active_agents INTEGER, message_count INTEGER,"
_KEY_VALUES = """CREATE TABLE key_value_store (key TEXT PRIMARY KEY, value TEXT,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"""
UTC_TIME, LOCAL_TIME = "2026-10-01 09:00:00", "2026-10-01T09:05:30.250000"


def empty(path: Path, version: str = "0.9.4") -> Path:
    """A database with the tables of `version`; `0.8.8-migrated` has the new columns at the end."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(
            _TABLES.replace("{since_089}", "" if version.startswith("0.8.8") else _SINCE_089)
        )
        if version == "0.8.8-migrated":
            for column in ("last_updated TIMESTAMP", "active_agents INTEGER", "message_count INTEGER"):
                database.execute(f"ALTER TABLE orchestrations ADD COLUMN {column}")
    return path


def ask(path: Path, *statements: tuple[str, Sequence[object]]) -> None:
    """Run statements on a database, and commit."""
    with closing(sqlite3.connect(path)) as database, database:
        for query, values in statements:
            database.execute(query, values)


def endless_views(path: Path) -> None:
    """Views in the place of all tables, which tell rows without an end."""
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS id FROM c"
    names = ("orchestrations", "agents", "tasks", "sessions", "messages")
    ask(path, *((f"CREATE VIEW {name} AS {endless}", ()) for name in names))


def full(path: Path, version: str = "0.9.4") -> Path:
    """One orchestration that came to its end, with every quirk, and one that crashed before it had a row."""
    empty(path, version)
    agents = [
        (
            ANALYST,
            "analyst",
            CONVERSATION,
            "active",
            '["reading", "counting"]',
            '{"task": "count the files"}',
        ),
        (WRITER, "Technical Writer", None, "inactive", '["wri', '{"task": "write it down"}'),
        (TESTER, "tester", None, "inactive", "[]", '{"task": "test everything"}'),
    ]
    history = [
        {"role": "user", "content": "count the files", "timestamp": LOCAL_TIME},
        {"role": "assistant", "content": "I count them.", "timestamp": "2026-10-01T09:06:00.000001"},
        {"role": "result", "content": "There are 12.", "timestamp": "f3b0c442-98fc-4c14-9afb-f4c8996fb924"},
    ]
    statements: list[tuple[str, Sequence[object]]] = [
        (
            "INSERT INTO agents (id, name, type, session_id, status, capabilities, metadata, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (id_, id_, kind, session, status, capabilities, metadata, UTC_TIME),
        )
        for id_, kind, session, status, capabilities, metadata in agents
    ]
    task = (
        "INSERT INTO tasks (id, description, status, assigned_agents, progress, result, created_at,"
        " started_at, completed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    output = json.dumps({"success": True, "output": "There are 12."})
    statements += [
        (
            task,
            (
                f"task-{ANALYST}",
                "count the files",
                "completed",
                f'["{ANALYST}"]',
                100.0,
                output,
                UTC_TIME,
                LOCAL_TIME,
                "2026-10-01T09:06:30",
            ),
        ),
        (
            task,
            (
                f"task-{WRITER}",
                "write it down",
                "in_progress",
                f'["{WRITER}"]',
                0.5,
                None,
                UTC_TIME,
                LOCAL_TIME,
                None,
            ),
        ),
        (
            task,
            (
                f"task-{TESTER}",
                "test everything",
                "in_progress",
                f'["{TESTER}"]',
                0.0,
                None,
                UTC_TIME,
                LOCAL_TIME,
                None,
            ),
        ),
        (
            task,
            (
                "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
                "count the files",
                "pending",
                "[]",
                0,
                None,
                UTC_TIME,
                None,
                None,
            ),
        ),
        (
            "INSERT INTO sessions (session_id, agent_id, task, conversation_history, turn_count, total_cost,"
            " created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                f"session-{ANALYST}-1790845200",
                ANALYST,
                "count the files",
                json.dumps(history),
                3,
                0.25,
                UTC_TIME,
            ),
        ),
        (
            "INSERT INTO sessions (session_id, agent_id, task, conversation_history, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (f"session-{TESTER}-pending", TESTER, "test everything", None, UTC_TIME),
        ),
        (
            "INSERT INTO orchestrations (id, request, status, agents, batches, total_cost, created_at,"
            " summary) VALUES (?, ?, 'completed', ?, ?, 0.4, ?, 'done')",
            (
                ONE,
                "Count files and write it down",
                json.dumps([ANALYST, WRITER]),
                json.dumps([[ANALYST], [WRITER]]),
                LOCAL_TIME,
            ),
        ),
    ]
    message = (
        "INSERT INTO messages (from_agent, to_agent, message, message_type, timestamp) VALUES (?, ?, ?, ?, ?)"
    )
    statements += [
        (message, (ANALYST, WRITER, "There are 12 files.", "info", UTC_TIME)),
        (message, (ANALYST, None, '{"type":"result","subtype":"suc', "discovery", UTC_TIME)),
        (message, (WRITER, ANALYST, "Which 12?", "request", "2026-10-01 09:00:05")),
        (message, (ANALYST, WRITER, "The text files.", "response", "2026-10-01 09:00:06")),
        (message, (ANALYST, "gone-00000000", "Are you there?", "info", UTC_TIME)),
        (message, (TESTER, None, "I begin.", "broadcast", UTC_TIME)),
    ]
    checkpoint = (
        "INSERT INTO checkpoints (id, name, orchestrator_state, message_history, created_at)"
        " VALUES (?, ?, '{}', '[]', ?)"
    )
    statements += [
        (checkpoint, ("c1", f"Auto-save for {ANALYST}", UTC_TIME)),
        (checkpoint, ("c2", f"auto-{ONE[:8]}-090030", "2026-10-01 09:00:30")),
        (checkpoint, ("c3", f"auto-{CRASHED}-090030", "2026-10-01 09:00:30")),
        (checkpoint, (ONE, f"orchestration_{ONE[:8]}", "2026-10-01 09:10:00")),
        (checkpoint, ("c5", "Decomposition: Count files and write it d", UTC_TIME)),
    ]
    if version != "0.8.8":
        statements.append((_KEY_VALUES, ()))
        statements.append(("INSERT INTO key_value_store (key, value) VALUES ('seen', '{\"n\": 1}')", ()))
    ask(path, *statements)
    return path
