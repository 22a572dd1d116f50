"""`ui`: a page that shows orchestrations, and steers them if it may."""

from __future__ import annotations

import os
import select
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import click

from maos_sup.cli import options
from maos_sup.cli.places import all_trees, trees_at, word_of
from maos_sup.cli.report import redactor_of
from maos_sup.cli.says import say, say_aside
from state_layout.paths import Tree

_path = click.Path(path_type=Path)
_LOOK_S = 1.0  # between looks at whose the terminal is


@click.command("ui")
@click.argument("directories", metavar="[DIR|ID]...", nargs=-1)
@click.option(
    "--steer", "is_steered", is_flag=True, help="Let the page answer, pause, retry, send, raise budgets."
)
@click.option("--port", metavar="N", type=options.count(0, 65535), default=0, help="Else one that is free.")
@click.option("--unix", metavar="PATH", type=_path, help="A socket of this user alone, in place of a port.")
@click.option("--host", "address", metavar="ADDRESS", default="127.0.0.1", help="Another one needs TLS.")
@click.option("--tls-cert", "certificate", metavar="FILE", type=_path, help="The certificate (PEM).")
@click.option("--tls-key", "private_key", metavar="FILE", type=_path, help="Its key (PEM).")
@click.option("--name", "names", metavar="NAME", multiple=True, help="A name that the server is called by.")
@click.option("--key-file", metavar="FILE", type=_path, help="A key that opens the page more than once.")
@click.option("--open", "is_opened", is_flag=True, help="Open the page in your browser.")
def command(
    directories: tuple[str, ...],
    *,
    is_steered: bool,
    port: float,
    unix: Path | None,
    address: str,
    certificate: Path | None,
    private_key: Path | None,
    names: tuple[str, ...],
    key_file: Path | None,
    is_opened: bool,
) -> None:
    """Show the orchestrations of the home, or these, as a page on this machine; print its address.

    The address opens the page once; Enter prints another one. Without --steer the page only reads.
    """
    from maos_sup.web.serving import ListeningPlace, Serving
    from maos_sup.web.shown import ShownTrees

    trees = trees_at(directories)

    def listed() -> Sequence[Tree]:
        return trees or all_trees()

    place = ListeningPlace(
        address=address,
        port=int(port),
        unix=unix,
        certificate=certificate,
        private_key=private_key,
        names=names,
        key_file=key_file,
    )
    serving = Serving(ShownTrees(listed, word=word_of, redact=redactor_of), place, is_steered=is_steered)
    first = serving.address()
    say(first)
    say_aside("it steers" if is_steered else "it only shows; with --steer it steers too. Ctrl+C ends it")
    if sys.stdin is not None and sys.stdin.isatty():
        threading.Thread(target=_print_more, args=(serving.address,), daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="maos-sup-ui-") as folder:
        if is_opened:
            webbrowser.open(_door(Path(folder), first))
        serving.run()


def _door(folder: Path, address: str) -> str:
    """The address of a file that opens `address`, in a folder of this user alone.

    Everybody reads the command lines of processes, an agent under `landlock` too: a key in that of a browser
    would be for whoever is there first.
    """
    door = folder / "open.html"
    go = f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={escape(address)}">'
    door.write_text(go, encoding="utf-8")
    return door.as_uri()


def _print_more(address: Callable[[], str]) -> None:
    """Print another address for each line that is entered, while the terminal is ours to read."""
    while True:
        if os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():  # who reads in the background (`&`) is stopped
            time.sleep(_LOOK_S)
        elif select.select([sys.stdin], [], [], _LOOK_S)[0]:
            if not sys.stdin.readline():
                return
            say(address())
