"""A program under torture (kind `command`): writes numbered lines, sends, receives, has hidden children.

It knows the tree from FORMAT.md alone: mail is read from its files, control lines go to the descriptor. With
`TAKES=verbs` it receives by the verbs of `maos-sup agent` instead.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from outside import Ledger, is_over, report_elders, write_all

ME = os.environ["MAOS_AGENT"]
PEERS = os.environ["PEERS"].split()
READ: dict[str, int] = {}  # by sender: bytes of its file
PACE_S = float(os.environ.get("PACE_S", "0.03"))


def main() -> None:
    ledger = Ledger(ME)
    report_elders()
    for line in ("exec setsid sleep 1000", "(setsid sleep 1000 &)", "setsid sh -c '(sleep 1000 &)'"):
        subprocess.Popen(["/bin/sh", "-c", line], stdin=subprocess.DEVNULL)
    take = take_by_verbs if os.environ.get("TAKES") == "verbs" else take_by_files
    while not is_over():
        n = ledger.intend("line")
        write_all(1, f"line {n}\n".encode())
        ledger.done("line", n)
        if n % 3 == 0:
            send(ledger, PEERS[n // 3 % len(PEERS)])
        if n % 10 == 0:
            control({"progress": min(1.0, n / 1000), "note": f"line {n}"})
        take(ledger)
        time.sleep(PACE_S)


def send(ledger: Ledger, to: str) -> None:
    n = ledger.intend(f"to {to}")
    control({"send": {"to": to, "body": {"n": n}}})
    ledger.done(f"to {to}", n)


def control(line: dict[str, object]) -> None:
    write_all(int(os.environ["MAOS_CONTROL_FD"]), json.dumps(line).encode() + b"\n")


def take_by_files(ledger: Ledger) -> None:
    """Read what follows the last message taken; acknowledge it after it is in the ledger."""
    box = Path(os.environ["MAOS_MAIL"]) / ME
    marks = {}
    for path in sorted(box.glob("*.jsonl")):
        kind = f"took {path.stem}"
        with path.open("rb") as file:
            file.seek(READ.get(path.stem, 0))
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        READ[path.stem] = READ.get(path.stem, 0) + len(whole)
        for line in whole.splitlines():
            seq = json.loads(line)["seq"]
            if seq > ledger.last("done", kind):
                ledger.done(kind, seq)
                marks[f"{ME}/{path.stem}"] = seq
    if marks:
        control({"ack": marks})


def take_by_verbs(ledger: Ledger) -> None:
    """At least once: what was taken but not acknowledged comes again."""
    from maos_sup.agents import program

    messages = program.inbox(os.environ, is_ack=False)
    for message in messages:
        if message.seq > ledger.last("done", f"took {message.sender}"):
            ledger.done(f"took {message.sender}", message.seq)
    if messages:
        program.ack(os.environ, [message.id for message in messages])


if __name__ == "__main__":
    main()
