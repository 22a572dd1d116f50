"""A program: lines, discoveries, messages by control lines; it reads its mail from the files.

What it sees in a mail file it tells the recorder. It begins anew when it is started again.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from proof.recorder import tell

from state_layout.files import disk

ME, BOX = os.environ["MAOS_AGENT"], Path(os.environ["MAOS_MAIL"])
ATTEMPT, CONTROL = int(os.environ["MAOS_ATTEMPT"]), int(os.environ["MAOS_CONTROL_FD"])


def main() -> None:
    tell("attempt", ME, ATTEMPT)
    peers = os.environ["PEERS"].split()
    for number in range(1, int(os.environ.get("LINES", "12")) + 1):
        disk.write(1, f"line {ATTEMPT}.{number}\n".encode())
        if number % 3 == 0:
            disk.write(1, f"discovery: {ME} found {ATTEMPT}.{number}\n".encode())
        if number % 4 == 0:
            control(
                {"send": {"to": peers[number // 4 % len(peers)], "text": f"{ME} says {ATTEMPT}.{number}"}}
            )
        if number % 5 == 0:
            control({"checkpoint": {"number": number}})
        look_at_mail()
        time.sleep(0.01)  # a program takes its time: so records of several agents mix
    control({"result": {"lines": number}})


def control(value: object) -> None:
    disk.write(CONTROL, json.dumps(value).encode() + b"\n")


def look_at_mail() -> None:
    """Tell what is there; acknowledge it."""
    marks = {}
    for path in sorted([*(BOX / ME).glob("*.jsonl"), *(BOX / "all").glob("*.jsonl")]):
        box, sender = path.parent.name, path.stem
        if sender in (ME, "operator"):
            continue
        data = path.read_bytes()
        for line in data[: data.rfind(b"\n") + 1].splitlines():
            message = json.loads(line)
            tell("saw", ME, box, sender, message["seq"], message.get("text"))
            marks[f"{box}/{sender}"] = message["seq"]
    if marks:
        control({"ack": marks})


if __name__ == "__main__":
    main()
