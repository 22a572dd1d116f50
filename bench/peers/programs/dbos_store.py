"""DBOS on SQLite: `DBOS.send` to a workflow, and the steps of one long workflow.

`dbos_store.py sends FOLDER PROCESSES COUNT`; `dbos_store.py steps FOLDER TURN COUNT` runs a workflow of
TURN + COUNT steps and prints the times of the last COUNT.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path

from dbos import DBOS, SetWorkflowID
from race import TEXT, Act, race

READER = "reader"


@DBOS.workflow()
def reader() -> str:
    """A destination; it has ended, its messages are kept all the same."""
    return READER


@DBOS.step()
def turn() -> str:
    """A step whose result is 1 KB."""
    return TEXT


@DBOS.workflow()
def turns(before: int, count: int) -> list[float]:
    """Microseconds of each of the last `count` steps."""
    for _ in range(before):
        turn()
    taken = []
    for _ in range(count):
        began_s = time.perf_counter()
        turn()
        taken.append(1e6 * (time.perf_counter() - began_s))
    return taken


def launch(folder: Path) -> None:
    """One executor on the database in `folder`."""
    logging.disable(logging.WARNING)
    url = f"sqlite:///{folder}/dbos.sqlite"
    DBOS(
        config={"name": "bench", "system_database_url": url, "run_admin_server": False, "log_level": "ERROR"}
    )
    DBOS.launch()


def sending(folder: Path, number: int) -> Act:
    """A send of 1 KB; the first process makes its destination."""
    launch(folder)
    if number == 0 or not (folder / "made").exists():
        with SetWorkflowID(READER):
            reader()
        (folder / "made").touch()
    return lambda: DBOS.send(READER, TEXT)


def main(what: str, folder: Path, number: int, count: int) -> None:
    """`number` is how many processes, or the turn."""
    if what == "sends":
        race(sending, folder, number, count)
    else:
        launch(folder)
        print(json.dumps(turns(number - 1, count)), flush=True)
    os._exit(0)  # its threads are not waited for


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
