"""A program that speaks as codex, gemini or opencode do, line by line, as a script in its folder says.

    acting.py codex|gemini|opencode start|resume SESSION|-

Each process takes the next step of `$ACTS` (JSON: a list of lists of lines; past the end the last one again).
A line is an object that is printed, {"file": path in its own folder, "line": value}: appended there,
{"sleep": s}, {"wait": file}, {"touch": file}, {"stderr": text},
{"exit": code} or {"noise": s}: lines that mean nothing, for so long. What each process was told goes to
`$OUT/told`, its arguments to `$OUT/argv`, its environment to `$OUT/environment`, one JSON text a line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

OUT = Path(os.environ["OUT"])


def put(name: str, value: Any) -> None:
    with (OUT / name).open("a") as file:
        file.write(json.dumps(value) + "\n")


def say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main() -> int:
    prompt = sys.stdin.read()
    number = len((OUT / "told").read_text().splitlines()) if (OUT / "told").exists() else 0
    put("told", prompt)
    put("argv", sys.argv[1:])
    put("environment", dict(os.environ))
    acts = json.loads(os.environ["ACTS"])
    for line in acts[min(number, len(acts) - 1)]:
        code = act(line)
        if code is not None:
            return code
    return 0


def act(line: dict[str, Any]) -> int | None:
    if "sleep" in line:
        time.sleep(line["sleep"])
    elif "file" in line:
        path = Path(os.environ["GEMINI_CLI_HOME"]) / line["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(line["line"]) + "\n")
    elif "wait" in line:
        while not (OUT / line["wait"]).exists():
            time.sleep(0.01)
    elif "touch" in line:
        (OUT / line["touch"]).touch()
    elif "noise" in line:
        end_s = time.monotonic() + line["noise"]
        while time.monotonic() < end_s:
            say({"type": "heartbeat"})
            time.sleep(0.05)
    elif "stderr" in line:
        sys.stderr.write(line["stderr"] + "\n")
    elif "exit" in line:
        return int(line["exit"])
    else:
        say(line)
    return None


if __name__ == "__main__":
    sys.exit(main())
