"""The power-loss proof: record real runs, build what a power cut may leave, test promises.

    recorder    notes every change of the disk, and what outsiders were told, in one order over all processes
    history     the record as operations: what each changed, and from when on a power cut cannot take it back
    cut         one disk that a cut may leave, chosen by a seed, and laid out as files
    actor       lives of agents in this process: what a restart does, without processes
    runs        what is recorded: a script, real agents, whole orchestrations
    promises    what must hold in every such state as it is found; after: when everybody went on
    mutations   bugs planted one at a time, which the promises must catch

Nothing here is imported by the product; nothing in the product knows of it.
"""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
for _folder in (TESTS, TESTS / "state_layout", TESTS / "agents", TESTS / "cuts"):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))
