"""What cannot be said does not stop who says it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from state_layout.files.complaints import forgiving_stderr

SAYS = """
import sys, traceback
from state_layout.files.complaints import forgive_stderr
forgive_stderr()
sys.stderr.write("a word\\n")
print("another", file=sys.stderr, flush=True)
try:
    1 / 0
except ZeroDivisionError:
    traceback.print_exc()
sys.exit(5)
"""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110 - a device
def test_a_full_disk_under_stderr_stops_nobody() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        assert subprocess.run([sys.executable, "-c", SAYS], stderr=full, check=False).returncode == 5


def test_what_is_said_arrives_unchanged(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stderr
    with forgiving_stderr():
        sys.stderr.write("größer \udcff\n")
    assert sys.stderr is before
    assert capfd.readouterr().err == "größer \\udcff\n"
