"""What a step costs after 10, 1,000 and 10,000 checkpoints, and what opening the thread costs then.

python cost.py            # in a temporary folder
python cost.py FOLDER     # on the disk you mean
python cost.py FOLDER 10 100 1000
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint

from maos_sup.integrations.langgraph import TreeSaver

AT, ROUNDS = [10, 1_000, 10_000], 50


def step(saver: TreeSaver, parent: Any, number: int) -> Any:
    """One checkpoint with a small value that changed beside a large one that did not, and its writes."""
    checkpoint = empty_checkpoint()
    checkpoint["id"] = f"{number:012}"
    checkpoint["channel_values"] = {"n": number, "large": "x" * 1_000_000}
    checkpoint["channel_versions"] = {"n": f"{number:032}", "large": "1"}
    new = {"n": f"{number:032}"} | ({"large": "1"} if number == 1 else {})
    made = saver.put(parent, checkpoint, {"source": "loop", "step": number}, new)
    saver.put_writes(made, [("n", number + 1)], "task")
    return made


def main(folder: Path, at: list[int]) -> None:
    saver = TreeSaver(folder)
    parent: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    number, times = 0, list[float]()
    print(f"{'checkpoints':>12} {'a step':>10} {'read the newest':>16} {'open in a new process':>22}")
    while number < at[-1]:
        number += 1
        begun = time.perf_counter()
        parent = step(saver, parent, number)
        times.append(time.perf_counter() - begun)
        if number in at:
            begun = time.perf_counter()
            saver.get_tuple({"configurable": {"thread_id": "t"}})
            read = time.perf_counter() - begun
            begun = time.perf_counter()
            TreeSaver(folder).get_tuple({"configurable": {"thread_id": "t"}})
            opened = time.perf_counter() - begun
            middle = statistics.median(times[-ROUNDS:])
            print(f"{number:>12,} {middle * 1e3:>7.2f} ms {read * 1e3:>13.2f} ms {opened * 1e3:>19.1f} ms")
    size = sum(path.stat().st_size for path in folder.rglob("*.jsonl"))
    print(f"{size / number:,.0f} bytes a step on disk, the large value once")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), [int(word) for word in sys.argv[2:]] or AT)
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made), AT)
