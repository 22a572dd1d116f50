"""Every colour that text has is read easily on each ground that it stands on, in light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "maos_sup"
SHEETS = ("web/static/app.css", "report/report.css")
LEAST = 4.5  # WCAG 2, AA, for text of usual size
GROUNDS = ("bg", "card")
ON_COLOURS = {*GROUNDS, "on"}  # of text that stands on a colour, as in a button


def palettes(text: str) -> list[dict[str, str]]:
    """The colours of the light scheme, and those of the dark one."""
    roots = re.findall(r":root ?\{([^}]*)", text)[:2]
    light, dark = (dict(re.findall(r"--(\w+): ?(#[0-9a-f]{3,6})", part)) for part in roots)
    return [light, {**light, **dark}]


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    whole = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    parts = [int(whole[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("sheet", SHEETS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_read_easily(sheet: str, scheme: str) -> None:
    text = (PACKAGE / sheet).read_text()
    colours = palettes(text)[scheme == "dark"]
    used = set(re.findall(r"(?<![\w-])color: ?var\(--(\w+)\)", text)) - ON_COLOURS
    assert {"soft", "red"} <= used
    found = {(name, ground): contrast(colours[name], colours[ground]) for name in used for ground in GROUNDS}
    assert {place: round(ratio, 2) for place, ratio in found.items() if ratio < LEAST} == {}
