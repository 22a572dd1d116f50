"""Every kind of damage that `check` tells apart: how it comes about, what is found, what a repair leaves.

A case damages the tree of `check_trees`, which lacks nothing. `found` and `left` are what `check` says before
and after `repair`, exactly; a finding is written "severity finding path[:line]".
"""

from __future__ import annotations

from check_case import TORN, Case
from check_cases_files import FILE_CASES, FORMAT_CASES, SPEC_CASES
from check_cases_journals import JOURNAL_CASES
from check_cases_lives import LIFE_CASES
from check_cases_mail import MAIL_CASES
from check_cases_shared import SHARED_CASES

CASES: tuple[Case, ...] = (
    *FORMAT_CASES,
    *SPEC_CASES,
    *FILE_CASES,
    *JOURNAL_CASES,
    *LIFE_CASES,
    *MAIL_CASES,
    *SHARED_CASES,
)
__all__ = ["CASES", "TORN", "Case"]
