"""Measurements beside peers, in one run: `python -m bench [NAME ...]` writes `bench/RESULTS.md`.

Every comparison runs in interleaved rounds on the same disk; what is quoted is the median of each and the
median of the ratios round by round, because machines drift.
"""
