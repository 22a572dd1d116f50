"""Memory that processes offer is merged with pages like it, stays as it was, and can be withdrawn."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from merged_pages import merged_bytes, merged_pages, offers_pages
from orchestra import wait_for

from maos_sup.system.facts import facts
from maos_sup.system.paging import can_merge
from state_layout.host.kernel import PORTABLE, VARIABLE

TESTS = Path(__file__).parents[1]  # `-c` imports from where it runs
FILLS = """
import hashlib, random, sys
from merged_pages import merged_bytes, offered_bytes
from maos_sup.system.paging import offer_pages, withdraw_pages
memory = bytearray(random.Random(7).randbytes(8 << 20))
before = hashlib.sha256(memory).digest()
droppable = offered_bytes(flag="dp")  # random numbers of glibc 2.41: advice on them is taken, and forgotten
print(offer_pages() - offered_bytes() - droppable, flush=True)
sys.stdin.readline()
for place in range(0, 1 << 20, 4096):
    memory[place] ^= 1
is_other = hashlib.sha256(memory).digest() != before
for place in range(0, 1 << 20, 4096):
    memory[place] ^= 1
is_as_before = hashlib.sha256(memory).digest() == before
withdraw_pages()
print(is_other, is_as_before, offered_bytes(), merged_bytes())
print(hashlib.sha256(memory).digest() == before, flush=True)
sys.stdin.readline()
"""
NO_OFFERS = pytest.mark.skipif(not offers_pages(), reason="this kernel merges no pages (KSM)")


@pytest.fixture
def twins() -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes with the same 8 MB, offered."""
    with ExitStack() as closing:
        started = [
            subprocess.Popen(
                [sys.executable, "-c", FILLS],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=TESTS,
            )
            for _ in range(2)
        ]
        for process in started:
            closing.enter_context(process)
            closing.callback(process.kill)
        assert [answers(process) for process in started] == ["0", "0"]
        yield started


def answers(process: subprocess.Popen[str], *, asked: bool = False) -> str:
    assert process.stdin
    assert process.stdout
    if asked:
        process.stdin.write("\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


@NO_OFFERS
@pytest.mark.linux("pages are merged by the kernel")
def test_equal_memory_of_two_is_merged_and_each_writes_on_its_own(twins: list[subprocess.Popen[str]]) -> None:
    one, other = twins
    with merged_pages():
        assert can_merge()
        wait_for(lambda: min(merged_bytes(twin.pid) for twin in twins) >= 7 << 20, "merged", deadline_s=60)
        assert answers(one, asked=True) == "True True 0 0"
        assert answers(one) == "True"
        assert answers(other, asked=True) == "True True 0 0"
        assert answers(other) == "True"


@pytest.mark.linux("pages are merged by the kernel")
def test_whether_the_machine_merges_is_among_what_it_gives() -> None:
    with merged_pages():
        assert [fact.has for fact in facts() if "KSM" in fact.name] == [True]


def test_where_the_kernel_cannot_nothing_is_offered_and_nothing_fails() -> None:
    code = "from maos_sup.system.paging import *; print(can_merge(), offer_pages(), withdraw_pages())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=TESTS,
        env=os.environ | {VARIABLE: PORTABLE},
    )
    assert done.stdout == "False 0 0\n"
