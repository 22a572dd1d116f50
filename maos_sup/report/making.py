"""Makes a report: gathers, draws, and shortens until it is small enough to be sent around."""

from __future__ import annotations

from maos_sup.projection.reading import Reading
from maos_sup.report.contents import ReportLimits, contents_of
from maos_sup.report.html_page import html_page
from maos_sup.report.markdown_page import markdown_page

MOST_BYTES = 2_000_000
_MOST_MARKDOWN_BYTES = 60_000  # what comments of pull requests take


def report_of(reading: Reading, *, name: str, now_s: float, is_markdown: bool = False) -> str:
    """Make the report of a tree, below 2 MB (Markdown: 60 KB); `name` is what a command line calls the
    tree.

    Raises LayoutError where the tree has no good spec.
    """
    limits, most = ReportLimits(), _MOST_MARKDOWN_BYTES if is_markdown else MOST_BYTES
    contents = contents_of(reading, name=name, now_s=now_s, limits=limits)
    draw = markdown_page if is_markdown else html_page
    text = draw(contents, limits)
    while len(text.encode()) > most and limits.rows > 10:
        limits = limits.halved()
        text = draw(contents, limits)
    return text
