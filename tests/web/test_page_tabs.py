"""Several pages of one browser: none starves the others; what happens is told, and why nothing is."""

from __future__ import annotations

import signal
from pathlib import Path

from browser import chromium, keep_looks, watched
from recorded import ID, answer, lived, made_tree, task
from served import serving

from maos_sup.cuts.take import take_cut
from state_layout.paths import Tree

TABS = 9  # more than a browser opens connections to one server


def failed(tree: Tree) -> None:
    lived(tree, "bob", [task("report", "failed", error="no")])


def test_many_tabs_of_one_orchestration_share_its_stream(tmp_path: Path) -> None:
    tree = made_tree(tmp_path)
    with serving(str(tree.root)) as server, chromium() as browser:
        context = browser.new_context(viewport={"width": 1200, "height": 800})
        first = context.new_page()
        first.set_default_timeout(60_000)
        first.goto(server.address)
        first.wait_for_selector(".agents li")
        pages = [first]
        for _ in range(TABS - 1):
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.goto(first.url)
            page.wait_for_selector(".agents li")
            pages.append(page)
        troubles = [watched(page) for page in pages]
        failed(tree)
        for page in pages:
            page.locator(".want.failed").wait_for()
        first.close()  # who held the stream is gone: another one does from now on
        lived(tree, "alice", [task("count", "failed", error="no")])
        for page in pages[1:]:
            page.locator(".want.failed").nth(1).wait_for()
        pages[-1].get_by_role("link", name="Money").click()
        pages[-1].get_by_role("heading", name="0.00 USD").wait_for()
        assert not any(troubles)


def test_tab_that_nobody_sees_holds_no_stream_and_still_counts_in_its_title(tmp_path: Path) -> None:
    tree = made_tree(tmp_path)
    with serving(str(tree.root)) as server, chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(server.address)
        page.wait_for_selector(".agents li")
        ended = list[str]()
        page.on("requestfailed", lambda request: ended.append(request.url.rpartition("/")[2]))
        hide = "Object.defineProperty(document, 'hidden', { value: true, configurable: true })"
        page.evaluate(f"{hide}; document.dispatchEvent(new Event('visibilitychange'))")
        failed(tree)
        page.wait_for_function("() => document.title.startsWith('(1) ')")
        assert ended == ["events"] and page.locator(".pill.failed").count() == 0
        show = hide.replace("true,", "false,", 1)
        page.evaluate(f"{show}; document.dispatchEvent(new Event('visibilitychange'))")
        page.locator(".agents .pill.failed").wait_for()


def test_page_that_is_not_let_in_any_more_says_what_to_do(tmp_path: Path) -> None:
    tree = made_tree(tmp_path)
    with chromium() as browser:
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(60_000)
        with serving(str(tree.root)) as server:
            page.goto(server.address)
            page.wait_for_selector(".agents li")
            port = str(server.port)
        page.get_by_role("alert").get_by_text("The server does not answer").wait_for()
        with serving(str(tree.root), "--port", port) as again:  # as people start it again, at the same place
            page.get_by_role("alert").get_by_text("open the address that it prints").wait_for()
            page.get_by_role("alert").get_by_text("not let in any more").wait_for()
            keep_looks(page, "not-let-in", looks=((1600, "light"), (360, "dark")))
            other = context.new_page()
            other.goto(again.address)
            other.wait_for_selector(".agents li")
            failed(tree)
            page.locator(".want.failed").wait_for()
            assert page.get_by_role("alert").count() == 0


def test_pages_that_lost_their_server_go_on_when_it_is_back(tmp_path: Path) -> None:
    trees = [str(made_tree(tmp_path / name).root) for name in ("one", "two")]
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text("k" * 40)
    words = (*trees, "--key-file", str(key), "--port")
    with chromium() as browser:
        context = browser.new_context()
        listing, money, agent = (context.new_page() for _ in range(3))
        for page in (listing, money, agent):
            page.set_default_timeout(60_000)
        with serving(*words, "0") as server:
            listing.goto(server.address)
            listing.get_by_role("link", name=ID).first.wait_for()
            place = listing.get_by_role("link", name=ID).first.get_attribute("href")
            money.goto(f"{server.origin}/{place}")
            money.wait_for_selector(".agents li")
            agent.goto(f"{server.origin}/{place}/agents/alice")
            agent.get_by_role("heading", name="alice").wait_for()
        money.get_by_role("link", name="Money").click()
        for page in (listing, money):
            page.locator("#main .trouble", has_text="does not answer").wait_for()
        agent.locator("#top .trouble", has_text="does not answer").wait_for()
        with serving(*words, str(server.port)) as server:
            context.new_page().goto(server.address)
            listing.get_by_role("link", name=ID).first.wait_for()
            money.get_by_role("heading", name="0.00 USD").wait_for()
            agent.locator("#top .trouble").wait_for(state="hidden")


def test_tree_that_is_away_or_broken_is_told_and_shown_again(tmp_path: Path) -> None:
    tree = made_tree(tmp_path)
    spec, away = tree.orchestration_spec, tmp_path / "away"
    with serving(str(tree.root)) as server, chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(server.address)
        page.wait_for_selector(".agents li")
        known = spec.read_bytes()
        tree.root.rename(away)
        page.locator("#top .trouble", has_text="is not there any more").wait_for()
        away.rename(tree.root)
        page.locator("#top .trouble").wait_for(state="hidden")
        spec.write_text("{")
        page.locator("#top .trouble", has_text="orchestration.json:1").wait_for()
        page.get_by_role("link", name="Money").click()
        page.locator("#main .trouble", has_text="orchestration.json:1").wait_for()
        spec.write_bytes(known)
        page.get_by_role("heading", name="0.00 USD").wait_for()
        page.locator("#top .trouble").wait_for(state="hidden")


def test_refreshed_page_keeps_focus_and_shows_a_new_checkpoint(tmp_path: Path) -> None:
    tree = made_tree(tmp_path)
    take_cut(tree, by="test", why="first", pinned=False)
    with serving(str(tree.root), "--steer") as server, chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(server.address)
        page.get_by_role("link", name="Checkpoints").click()
        page.get_by_role("button", name="Compare").focus()
        page.evaluate("document.activeElement.marked = true")
        page.evaluate(
            "[...document.querySelectorAll('button')].find((b) => b.textContent === 'Checkpoint').click()"
        )
        page.get_by_role("button", name="Compare").nth(1).wait_for()
        assert page.evaluate("[document.activeElement.textContent, document.activeElement.marked]") == [
            "Compare",
            None,
        ]


def test_more_orchestrations_than_a_browser_has_connections_are_all_shown(tmp_path: Path) -> None:
    trees = [made_tree(tmp_path / str(number)) for number in range(7)]
    with serving(*(str(tree.root) for tree in trees)) as server, chromium() as browser:
        context = browser.new_context()
        listing = context.new_page()
        listing.goto(server.address)
        listing.get_by_role("link", name=ID).first.wait_for()
        places = [link.get_attribute("href") for link in listing.get_by_role("link", name=ID).all()]
        pages = [context.new_page() for _ in places]
        for page, place in zip(pages, places, strict=True):
            page.goto(f"{server.origin}/{place}")
            page.wait_for_selector(".agents li")
        for tree in trees:
            failed(tree)
        for page in pages:
            page.locator(".want.failed").wait_for()
            page.get_by_role("link", name="Money").click()
            page.get_by_role("heading", name="0.00 USD").wait_for()


def test_money_tells_the_budget_and_what_is_left_also_where_nothing_was_spent(tmp_path: Path) -> None:
    tree = made_tree(tmp_path, budget={"max_cost_usd": 2.0, "max_tokens": 5000})
    with serving(str(tree.root)) as server, chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(server.address)
        page.get_by_role("link", name="Money").click()
        page.get_by_text("2.00 USD of the budget of 2.00 USD are left.").wait_for()
        page.get_by_text("5000 tokens of the budget of 5000 are left.").wait_for()
        lived(tree, "alice", [task("count", "running"), answer("count", "a", 0.5)])
        page.get_by_text("1.50 USD of the budget of 2.00 USD are left.").wait_for()


def test_server_that_is_silent_is_said_to_be_lost(tmp_path: Path) -> None:
    tree = made_tree(tmp_path)
    with serving(str(tree.root)) as server, chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.clock.install()
        page.goto(server.address)
        page.wait_for_selector(".agents li")
        server.process.send_signal(signal.SIGSTOP)
        try:
            page.clock.run_for(50_000)
            page.locator("#top .trouble", has_text="does not answer").wait_for(timeout=10_000)
        finally:
            server.process.send_signal(signal.SIGCONT)
        page.clock.run_for(20_000)
        page.locator("#top .trouble").wait_for(state="hidden")
