"""`python -m maos_sup.loopback --script FILE`: the server as a program: prints its URL, then answers."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from maos_sup.loopback.rules import BadScript, load_rules
from maos_sup.loopback.server import LoopbackServer


def main(arguments: list[str]) -> int:
    """Serve; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m maos_sup.loopback", description=__doc__)
    parser.add_argument("--script", type=Path, required=True, help="rules, TOML or JSON")
    parser.add_argument("--port", type=int, default=0, help="0: any free one (default)")
    parser.add_argument("--log", type=Path, help="every request and answer, JSONL")
    parser.add_argument("--bodies", action="store_true", help="whole requests in the log")
    parser.add_argument("--url-file", type=Path, help="write the URL there once the server answers")
    options = parser.parse_args(arguments)
    try:
        script = load_rules(options.script)
    except (BadScript, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with LoopbackServer(script, port=options.port, log=options.log, with_bodies=options.bodies) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        if options.url_file is not None:
            _tell(options.url_file, server.url)
        ended.wait()
    return 0


def _tell(path: Path, url: str) -> None:
    """Write `url` to `path` whole: a reader that waits for the file never sees a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(url + "\n")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
