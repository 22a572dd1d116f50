"""Chromium for tests, as Debian has it; and what a test asks of a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
ARTIFACTS = Path(os.environ.get("MAOS_SUP_ARTIFACTS", Path(__file__).resolve().parents[2] / ".artifacts"))
LOOKS = tuple((width, scheme) for width in (1600, 360) for scheme in ("light", "dark"))


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def watched(page: Any) -> list[str]:
    """Everything that a page complains of from now on."""
    found = list[str]()
    page.on(
        "console",
        lambda message: found.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def serious(page: Any) -> list[str]:
    """List what axe finds that is serious or worse."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python"
    )
    results = axe.Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {[node['html'][:200] for node in each['nodes'][:3]]}"
        for each in results
        if each["impact"] in ("serious", "critical")
    ]


def keep_looks(page: Any, name: str, *, looks: Sequence[tuple[int, str]] = LOOKS) -> None:
    """Keep what the page looks like, in each width and scheme; nothing is wider than the window."""
    ARTIFACTS.mkdir(exist_ok=True)
    for width, scheme in looks:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(150)
        page.screenshot(path=str(ARTIFACTS / f"{name}-{width}-{scheme}.png"), full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = serious(page)
        assert not found, f"at {width} in {scheme}: {found}"
    page.set_viewport_size({"width": 1600, "height": 900})
