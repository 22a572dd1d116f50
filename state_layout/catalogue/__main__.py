"""Write the table of files into the documents that are named as arguments, as `make tables` does."""

import sys
from pathlib import Path

from state_layout.catalogue import with_table

for path in map(Path, sys.argv[1:]):
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
