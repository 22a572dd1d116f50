"""A small command line of an agent: keeps a session in a file, says in JSON lines what it does.

    chatter.py start SESSION|-      chatter.py resume SESSION

It reads a prompt, runs the steps that its session has not run yet (appending to $OUT/ran), says what it used,
and ends. Its session file is written after each answer, before it says so: like the real ones it knows what
it answered, and not what its command did when it died.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

STEPS = int(os.environ.get("CHATTER_STEPS", "4"))
PAUSE_S = float(os.environ.get("CHATTER_PAUSE_S", "0.05"))
TOKENS = int(os.environ.get("CHATTER_TOKENS", "100"))  # of an answer
IS_CUMULATIVE = os.environ.get("CHATTER_USAGE") == "cumulative"


def say(type_: str, **more: Any) -> None:
    sys.stdout.write(json.dumps({"type": type_, **more}) + "\n")
    sys.stdout.flush()


class Session:
    def __init__(self, id_: str, *, is_new: bool) -> None:
        self.id = id_
        self.path = Path(os.environ["CHATTER_HOME"]) / f"{id_}.json"
        if not is_new and not self.path.exists():
            raise SystemExit(f"no session {id_}")
        self.value: dict[str, Any] = {"told": [], "begun": [], "used": 0}
        if not is_new:
            self.value = json.loads(self.path.read_text())

    def save(self) -> None:
        self.path.with_suffix(".part").write_text(json.dumps(self.value))
        self.path.with_suffix(".part").rename(self.path)


def main() -> int:
    verb, id_ = sys.argv[1], sys.argv[2]
    prompt = sys.stdin.read() if len(sys.argv) < 4 else sys.argv[3]
    if len(sys.argv) > 4:
        prompt = Path(sys.argv[4]).read_text()
    session = Session(str(uuid.uuid4()) if id_ == "-" else id_, is_new=verb == "start")
    session.value["told"].append(prompt)
    session.save()
    say("hello", session=session.id)
    sys.stderr.write("chatter: not an event\n")
    if "FAIL" in prompt and verb == "start":
        say("failed", why="no more credit")
        return 3
    for step in range(STEPS):
        if step in session.value["begun"]:
            continue
        work_on(session, step)
    answer(session, f"All done.\ndiscovery: {len(session.value['told'])} prompts")
    say("bye", text="the end")
    return 0


def work_on(session: Session, step: int) -> None:
    session.value["begun"].append(step)
    answer(session, f"Now step {step}.")
    say("run", id=f"{session.id}-{step}", tool="append", with_={"step": step})
    time.sleep(PAUSE_S)
    with (Path(os.environ["OUT"]) / "ran").open("a") as file:
        file.write(f"{step}\n")
    say("ran", id=f"{session.id}-{step}", output=f"step {step} done")


def answer(session: Session, text: str) -> None:
    session.value["used"] += TOKENS
    session.save()
    say("said", text=text)
    used = session.value["used"] if IS_CUMULATIVE else TOKENS
    say("used", tokens={"in": used, "out": 0})


if __name__ == "__main__":
    sys.exit(main())
