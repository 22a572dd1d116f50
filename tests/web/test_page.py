"""The page in a real browser: a team of eight works, asks, fails, is killed, is answered there, and ends."""

from __future__ import annotations

import re
from pathlib import Path

import team_of_eight as team
from browser import chromium, keep_looks, watched
from orchestra import Orchestra
from processes import kill
from served import serving

from maos_sup.loopback.server import LoopbackServer
from state_layout.files.journal import Reader

_PATIENCE_MS = 60_000


def test_team_is_watched_and_answered_on_the_page(orchestra: Orchestra) -> None:
    orchestra.environment["ANTHROPIC_API_KEY"] = "x"
    with LoopbackServer(team.script) as models:
        orchestra.start(team.agents(models.url), team.TASKS, request=f"Write a greeting {team.HOSTILE}")
        with (
            serving(str(orchestra.root), "--steer", environment=orchestra.environment) as server,
            chromium() as browser,
        ):
            page = browser.new_page(viewport={"width": 1600, "height": 900})
            page.set_default_timeout(_PATIENCE_MS)
            troubles = watched(page)
            page.goto(server.address)
            page.wait_for_selector("svg.timeline")
            orchestra.wait_alive("counter")
            assert kill(orchestra.pids()["counter"]) is None
            page.locator(".agents li", has_text="counter").get_by_text("attempt 2").wait_for()
            page.locator(".want.failed", has_text="check failed").wait_for()
            page.locator(".want.question", has_text="Which licence").wait_for()
            page.locator(".want.approval pre", has_text="python3 greet.py").wait_for()
            assert re.match(r"\([34]\) ", page.title())
            keep_looks(page, "team-at-work")
            page.get_by_label("Your answer").fill("MIT")
            page.get_by_role("button", name="Answer").click()
            page.get_by_role("button", name="Allow").click()
            page.locator(".want.question").wait_for(state="detached")
            page.locator(".want.approval").wait_for(state="detached")
            orchestra.say("counted")
            orchestra.wait_rest("failed", deadline_s=40)
            page.locator("header .pill.failed").wait_for()
            assert page.locator("svg.timeline .asking").count() >= 2
            keep_looks(page, "team-at-rest")
            base = page.url.partition("#")[2]
            for view, word in (
                ("agents/writer", "Conversation"),
                ("money", "By agent"),
                ("messages", "Please write greet.py"),
                ("cuts", "Checkpoints"),
            ):
                page.evaluate("to => { location.hash = to; }", f"{base}/{view}")
                page.get_by_text(word, exact=False).first.wait_for()
                keep_looks(page, f"team-{Path(view).name}", looks=((1600, "dark"), (360, "light")))
            foreign = "document.querySelectorAll('script:not([src^=\"/static/\"]), img').length"
            assert page.title() != "owned" and page.evaluate(foreign) == 0
            assert troubles == []
    assert [line.fields()["act"] for line in Reader(orchestra.tree.acts)] == ["answer", "answer"]
    assert orchestra.task("licence")["phase"] == "done"


def test_who_only_looks_finds_no_button_that_acts_and_can_go_by_keys(orchestra: Orchestra) -> None:
    orchestra.run({"alice": "echo one", "bob": "exit 3"})
    with serving(str(orchestra.root), environment=orchestra.environment) as server, chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        troubles = watched(page)
        page.goto(server.address)
        page.wait_for_selector(".want.failed")
        assert page.get_by_role("button", name="Run again").count() == 0
        page.get_by_text("maos-sup retry").wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        page.get_by_role("link", name="Money").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="0.00 USD").wait_for()
        assert troubles == []


def test_report_is_shown_by_a_browser_without_network(orchestra: Orchestra) -> None:
    orchestra.run({"alice": "echo one", "bob": f"echo '{team.HOSTILE.replace(chr(39), '')}'; exit 3"})
    path = orchestra.folder / "run.html"
    orchestra.do("report", "-o", str(path))
    with chromium() as browser:
        context = browser.new_context(java_script_enabled=True, offline=True)
        page = context.new_page()
        troubles, asked = watched(page), list[str]()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.get_by_text("What failed, and why").wait_for()
        keep_looks(page, "report", looks=((1600, "light"), (360, "dark")))
        assert asked == [path.as_uri()] and troubles == []
