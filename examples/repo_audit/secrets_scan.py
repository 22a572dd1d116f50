"""Finds likely secrets in the project's files and names the place and the sort, never the secret.

Runs in the project's folder and only reads. What is scanned is noted in the workspace file by file, so
that a later attempt goes on behind the last one; a file cut short by a crash is scanned again.
Runs by hand too: `python3 secrets_scan.py`. A line that says `not-a-secret` is left alone.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

LARGEST_BYTES = 1_000_000
STAGES = 20
ALLOWED = "not-a-secret"

SORTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("private key", re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY(?: BLOCK)?-----\s*$")),
    ("AWS access key id", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})\b")),
    ("GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}\b")),
    ("Slack token", re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}\b")),
    ("Google API key", re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b")),
    ("Stripe key", re.compile(r"\b[sr]k_live_[A-Za-z0-9]{16,}\b")),
    ("Anthropic key", re.compile(r"\bsk-ant-[A-Za-z0-9_-]{20,}")),
    ("OpenAI key", re.compile(r"\bsk-(?:proj-)?[A-Za-z0-9]{32,}\b")),
    ("npm token", re.compile(r"\bnpm_[A-Za-z0-9]{36}\b")),
    ("JSON web token", re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")),
    ("password in an address", re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"{}<>$]+:[^\s:/@'\"{}<>$]{6,}@")),
)
ASSIGNED = re.compile(
    r"""(?:password|passwd|secret|token|api_?key|access_?key)["']?\s*[:=]\s*["']([^"'\s]{12,})["']""", re.I
)
PLACEHOLDER = re.compile(r"example|changeme|placeholder|dummy|your[-_]|xxxx|\*{3}|[<>${}]|test", re.I)
KEY_FILE = re.compile(r"(?:^|/)(?:id_(?:rsa|dsa|ecdsa|ed25519)|\.env|.*\.(?:pem|p12|pfx|jks|keystore))$")


def control(line: dict[str, object]) -> None:
    """Tell the agent something, with one write; nothing happens when run by hand."""
    descriptor = os.environ.get("MAOS_CONTROL_FD")
    if descriptor:
        os.write(int(descriptor), json.dumps(line).encode() + b"\n")


def project_files() -> list[str]:
    """The project's files, sorted: tracked and new ones, not the ignored ones."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 0:
        return sorted({os.fsdecode(name) for name in done.stdout.split(b"\0") if name})
    ignored = {".git", ".venv", "node_modules"}
    return sorted(str(path) for path in Path().rglob("*") if path.is_file() and not ignored & set(path.parts))


def entropy_bits(text: str) -> float:
    """Bits for each character of `text`: random text has more than words."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def sorts_in(line: str) -> Iterator[str]:
    """The sorts of secret that one line seems to hold."""
    if ALLOWED in line:
        return
    for sort, pattern in SORTS:
        if pattern.search(line):
            yield sort
    for match in ASSIGNED.finditer(line):
        if not PLACEHOLDER.search(match[1]) and entropy_bits(match[1]) > 3.5:
            yield "assigned secret"


def scan(path: str) -> list[str]:
    """What one file seems to hold, as `path:line sort`; binary, large and missing files hold nothing."""
    shown = path.encode(errors="replace").decode().translate({code: "?" for code in range(32)})
    found = [f"{shown}:1 file that usually holds keys"] if KEY_FILE.search(path) else []
    file = Path(path)
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > LARGEST_BYTES:
            return found
        content = file.read_bytes()
    except OSError as error:
        print(f"{shown}: not read: {error.strerror}", file=sys.stderr)
        return found
    if b"\0" in content[:8192]:
        return found
    for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1):
        found += [f"{shown}:{number} {sort}" for sort in sorts_in(line[:5000])]
    return found


def scanned_before(notes: Path) -> dict[str, list[str]]:
    """What earlier attempts noted; a torn last line is none."""
    if not notes.exists():
        return {}
    whole, _, torn = notes.read_bytes().rpartition(b"\n")
    if torn:
        notes.write_bytes(whole + b"\n" if whole else b"")
    lines = [json.loads(line) for line in whole.splitlines()]
    return {line["path"]: line["found"] for line in lines}


def main() -> int:
    notes = Path(os.environ.get("MAOS_WORKSPACE") or tempfile.mkdtemp()) / "scanned.jsonl"
    pace_s = float(os.environ.get("PACE_S", "0"))
    scanned = scanned_before(notes)
    paths = project_files()
    if scanned:
        print(f"going on: {len(scanned)} of {len(paths)} files were scanned before")
    stage_files = max(1, len(paths) // STAGES)
    with notes.open("a", encoding="ascii") as log:
        for number, path in enumerate(paths, start=1):
            if path not in scanned:
                scanned[path] = scan(path)
                for finding in scanned[path]:
                    print(f"found: {finding}", flush=True)
                log.write(json.dumps({"path": path, "found": scanned[path]}) + "\n")
                log.flush()
                if number % stage_files == 0:
                    control({"progress": round(number / len(paths), 3), "note": f"{number} files"})
                    time.sleep(pace_s)
    findings = sorted(finding for found in scanned.values() for finding in found)
    text = f"secrets: {len(findings)} suspicious places in {len(paths)} files"
    control({"send": {"to": "reporter", "type": "info", "text": text}})
    control({"result": {"files": len(paths), "suspicious": len(findings), "places": findings[:100]}})
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
