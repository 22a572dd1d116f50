"""Write the tables of files and of records into the documents that are named, as `make tables` does."""

import sys
from pathlib import Path

from state_layout.catalogue import with_table
from state_layout.catalogue.record_tables import with_records

for path in map(Path, sys.argv[1:]):
    path.write_text(with_records(with_table(path.read_text(encoding="utf-8"))), encoding="utf-8")
