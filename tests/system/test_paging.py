"""The memory of a process that rests goes to swap, and comes back as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from swap_space import swap_space

from maos_sup.system.paging import can_page_out, page_out

TESTS = Path(__file__).parents[1]  # `-c` imports from where it runs
FILLS = """
import hashlib, os
from swap_space import swapped_bytes
from maos_sup.system.paging import page_out
memory = bytearray(os.urandom(1 << 20) * 20)
before = hashlib.sha256(memory).digest()
asked, swapped = page_out(), swapped_bytes()
print(asked, swapped, hashlib.sha256(memory).digest() == before)
"""


@pytest.mark.linux("memory is moved to swap by the kernel")
def test_memory_goes_to_swap_and_comes_back_whole(tmp_path: Path) -> None:
    with swap_space(tmp_path):
        command = [sys.executable, "-c", FILLS]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=TESTS)
    asked, swapped, is_whole = done.stdout.split()
    assert int(asked) >= 20 << 20
    assert int(swapped) >= 15 << 20
    assert is_whole == "True"


def test_without_swap_nothing_is_asked_for() -> None:
    if can_page_out():
        pytest.skip("this machine swaps")
    assert page_out() == 0
