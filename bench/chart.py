"""Bars as an SVG: a group for each question, ours in colour, the length in proportion to the figure."""

from __future__ import annotations

from html import escape

from bench.figures import Bars

NAME = "chart.svg"
OURS = "maos-sup"
_WIDTH, _BAR_LEFT, _BAR_WIDTH, _LINE = 860, 250, 430, 20


def chart(groups: list[Bars]) -> str:
    """The whole picture; its height grows with the groups."""
    body: list[str] = []
    top = 10
    for group in groups:
        body.append(_text(10, top + 14, f"{group.title} ({group.unit}; {group.better} is better)", "head"))
        top += _LINE + 6
        longest = max(group.values.values(), default=0) or 1.0
        best_first = sorted(group.values.items(), key=lambda item: item[1], reverse=group.better == "more")
        for name, value in best_first:
            body += _bar(top, name, value, longest)
            top += _LINE
        top += 16
    style = (
        "text{font:13px sans-serif;fill:#333}.head{font-weight:bold}.name{text-anchor:end}"
        ".ours{fill:#2563eb}.other{fill:#b8bcc4}"
    )
    size = f'viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
        f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _bar(top: int, name: str, value: float, longest: float) -> list[str]:
    width = max(1.0, _BAR_WIDTH * value / longest)
    kind = "ours" if name.startswith(OURS) else "other"
    return [
        _text(_BAR_LEFT - 8, top + 14, name, "name"),
        f'<rect x="{_BAR_LEFT}" y="{top + 2}" width="{width:.1f}" height="{_LINE - 5}" class="{kind}"/>',
        _text(_BAR_LEFT + width + 6, top + 14, figure_text(value), "figure"),
    ]


def figure_text(value: float) -> str:
    """Three digits that count: `12,345`, `1.23`, `0.004`."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'
