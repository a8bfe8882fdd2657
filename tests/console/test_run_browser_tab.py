"""The browser tab of a run: its figures, requests, console and what it says without them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.service import StartRequest
from fyke.model.attempt import AttemptEnd, AttemptReport
from fyke.model.browser import BrowserActivity, BrowserReport, ConsoleLevel, ConsoleLine
from fyke.model.last_page import LastPage, PageContent, PageFile, PageFileKind, PageGap
from fyke.model.run import SUCCESS, Origin
from fyke.model.runner import AttemptUsage, Lease
from fyke.reasons import Reason, ReasonCode
from support.app import App
from support.pages import Visitor

ACTIVITY = BrowserActivity(
    requests={"document": 2, "image": 40, "preflight": 1},
    cached={"image": 12},
    received={"document": 5_000, "image": 9_000_000},
    statuses={"2xx": 41, "failed": 2},
    console={"error": 1, "info": 3},
    pages=2,
    crashes=1,
    urls=("https://a.example/1", "https://a.example/2"),
    lines=(ConsoleLine(1_000, ConsoleLevel.ERROR, "<b>broken</b>", "https://a.example/app.js:7"),),
)
USED = AttemptUsage(browser_ms=61_000, browser_version="headless-shell 156.0.1.2")


async def started(app: App, *, reserved: bool = True) -> tuple[str, Lease]:
    """A run with one active attempt; ``reserved``: it may have a browser."""
    worker = await app.publish()
    body = {"parameters": {"custom": {"urls": [{"url": "https://a.example/"}]}}}
    request = StartRequest(worker.id, None, body, "", Origin.WEB)
    run = await app.services.runs.start(app.owner, request)
    [lease] = await app.begin()
    if reserved:
        await app.attempts.reserve_browser(lease.attempt.key, lease.attempt.runner_id, 1.0, 1024)
    return run.id, lease


async def test_the_tab_shows_what_the_browser_did(app: App, owner: Visitor) -> None:
    run, lease = await started(app)
    report = BrowserReport(ACTIVITY, starts=3, is_open=True, own_sandbox=True)
    await app.attempts.report([AttemptReport(lease.attempt.key, USED, browser=report)], 60_000)
    page = await owner.get(f"/runs/{run}/browser")
    assert page.all(f"//nav//a[@href='/runs/{run}/browser'][@aria-current]")
    figures = {
        one.find("dt").text: "".join(one.find("dd").itertext()).strip()
        for one in page.all("//*[@id='browser']//dl/div")
    }
    assert figures == {
        "Starts": "3",
        "Time with a browser": "1 min 1 s",
        "Peak memory": "0 MB",
        "Opened pages": "2",
        "Crashed pages": "1",
        "Chromium's own sandbox": "Yes",
    }
    rows = [
        [" ".join(cell.itertext()).strip() for cell in row]
        for row in page.all("//*[@id='browser']//section[2]//tbody/tr")
    ]
    assert rows == [
        ["Images", "40", "12", "9 MB"],
        ["Documents", "2", "-", "5 kB"],
        ["preflight", "1", "-", "-"],
    ]
    assert "headless-shell 156.0.1.2" in page.text and "Running" in page.text
    assert "2xx 41" in page.text and "no status 2" in page.text
    assert "Error 1" in page.text and "Information 3" in page.text
    assert "<b>broken</b> https://a.example/app.js:7" in page.text
    assert [one.text for one in page.all("//*[@id='browser']//li")] == [
        "https://a.example/2",
        "https://a.example/1",
    ]
    assert page.all("//@*[name()='hx-sse:connect'][contains(., 'tab=browser')]")


async def test_the_tab_shows_what_was_blocked_and_what_an_earlier_run_loaded(
    app: App, owner: Visitor
) -> None:
    worker = await app.publish()
    runs = []
    for block, activity in (
        ([], ACTIVITY),
        (["images", "fonts"], replace(ACTIVITY, received={}, blocked={"image": 39, "font": 2})),
    ):
        custom = {"urls": [{"url": "https://a.example/"}]}
        body = {"parameters": {"system": {"browser_block": block}, "custom": custom}}
        request = StartRequest(worker.id, None, body, "", Origin.WEB)
        runs.append((await app.services.runs.start(app.owner, request)).id)
        [lease] = await app.begin()
        report = BrowserReport(activity, starts=1, own_sandbox=True)
        await app.attempts.ended(
            lease.attempt.key, AttemptEnd(SUCCESS, USED, browser=report), actor="test"
        )
    page = await owner.get(f"/runs/{runs[1]}/browser")
    rows = [
        [" ".join(cell.itertext()).strip() for cell in row]
        for row in page.all("//*[@id='browser']//section[2]//tbody/tr")
    ]
    assert ["Images", "40", "12", "-", "39"] in rows and ["Fonts", "2", "-", "-", "2"] in rows
    assert "Not loaded by browsers Images, Fonts" in page.text
    assert "that did not block received 9 MB in 40 such requests." in page.text
    assert page.all(f"//*[@id='browser']//a[@href='/runs/{runs[0]}/browser']")
    shown = await owner.get(f"/runs/{runs[1]}/input")
    assert "Not loaded by browsers Images, Fonts" in shown.text
    assert "Blocked" not in (await owner.get(f"/runs/{runs[0]}/browser")).text


@pytest.mark.parametrize(
    ("pages", "text"),
    [
        (0, "No request was reported: no page was opened, or the Worker's client does not enable"),
        (2, "The Worker's client does not enable the events"),
    ],
)
async def test_a_client_that_asks_for_no_events_is_explained(
    app: App, owner: Visitor, pages: int, text: str
) -> None:
    run, lease = await started(app)
    report = BrowserReport(replace(ACTIVITY, requests={}, lines=(), pages=pages), starts=1)
    await app.attempts.report([AttemptReport(lease.attempt.key, USED, browser=report)], 60_000)
    page = await owner.get(f"/runs/{run}/browser")
    assert text in page.text
    assert page.all(f"//*[@id='browser']//a[@href='/runs/{run}/traffic']")
    assert "No messages." in page.text and "Ended" in page.text


async def test_blocked_requests_are_not_shown_as_all_of_them(app: App, owner: Visitor) -> None:
    run, lease = await started(app)
    blocked = replace(ACTIVITY, requests={}, cached={}, received={}, blocked={"image": 10})
    report = BrowserReport(blocked, starts=1)
    await app.attempts.report([AttemptReport(lease.attempt.key, USED, browser=report)], 60_000)
    page = await owner.get(f"/runs/{run}/browser")
    cells = page.all("//*[@id='browser']//section[2]//tbody/tr/td")
    assert [cell.text for cell in cells][:2] == ["Images", "-"]
    assert "does not enable the events from which requests are counted" in page.text


async def test_a_run_without_a_browser_has_no_tab_and_an_explanation(
    app: App, owner: Visitor
) -> None:
    run, _ = await started(app, reserved=False)
    page = await owner.get(f"/runs/{run}/browser")
    assert "has had a browser so far" in page.text
    assert not page.all(f"//nav//a[@href='/runs/{run}/browser']")


FILES = {
    PageFileKind.SCREENSHOT: b"\xff\xd8\xff",
    PageFileKind.HTML: b"<script>alert(1)</script>",
    PageFileKind.HAR: b"{}",
}
LAST = LastPage(
    1_000,
    "https://a.example/<b>",
    "<b>Shop</b>",
    tuple(PageFile(kind, len(data), kind is PageFileKind.HTML) for kind, data in FILES.items()),
)


async def failed(app: App, page: LastPage) -> tuple[str, str]:
    """A run that failed with this last page, and its attempt."""
    run, lease = await started(app)
    await app.services.last_pages.put(lease.attempt.id, PageContent(page, FILES))
    end = end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=1))
    report = BrowserReport(ACTIVITY, starts=1)
    await app.attempts.ended(
        lease.attempt.key, AttemptEnd(end, USED, browser=report, page=page), actor="test"
    )
    return run, lease.attempt.id


async def test_the_last_page_of_a_failed_run_is_shown(app: App, owner: Visitor) -> None:
    run, attempt = await failed(app, LAST)
    page = await owner.get(f"/runs/{run}/browser")
    at = f"/runs/{run}/browser/{attempt}"
    [picture] = page.all("//*[@id='browser']//img")
    assert picture.get("src") == f"{at}/screenshot?shown" and picture.get("alt")
    assert "<b>Shop</b>" in page.text and "https://a.example/<b>" in page.text
    assert "In a picture they cannot be masked" in page.text
    links = {link.get("href"): link.text for link in page.all("//*[@id='browser']//li/a")}
    assert links == {
        f"{at}/screenshot": "Picture",
        f"{at}/html": "HTML as text",
        f"{at}/har": "Requests (HAR)",
    }
    assert "shortened" in page.text
    assert page.all("//*[@id='last-page']//img") and "Kept until" in page.text
    other = await owner.get(f"/runs/{run}/log")  # the reason of the end is on every tab
    assert other.all(f"//*[@id='run-ending']//a[@href='/runs/{run}/browser#last-page']")


async def test_a_failed_run_without_a_last_page_has_no_link_to_one(
    app: App, owner: Visitor
) -> None:
    run, lease = await started(app)
    end = end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=1))
    await app.attempts.ended(lease.attempt.key, AttemptEnd(end, USED), actor="test")
    page = await owner.get(f"/runs/{run}")
    assert page.all("//*[@id='run-ending']//a") and "#last-page" not in page.raw


async def test_what_could_not_be_taken_is_explained(app: App, owner: Visitor) -> None:
    gaps = {
        PageFileKind.SCREENSHOT: PageGap.NO_ANSWER,
        PageFileKind.HTML: PageGap.TOO_LARGE,
    }
    run, _ = await failed(app, replace(LAST, files=(), gaps=gaps))
    page = await owner.get(f"/runs/{run}/browser")
    assert not page.all("//*[@id='browser']//img")
    assert "Picture: the page did not answer in time" in page.text
    assert "HTML: not kept, too large" in page.text


async def test_every_reason_has_a_text(app: App, owner: Visitor) -> None:
    texts = set()
    for gap in PageGap:
        run, _ = await failed(app, replace(LAST, files=(), gaps={PageFileKind.SCREENSHOT: gap}))
        page = await owner.get(f"/runs/{run}/browser")
        texts.add(page.text.partition("Picture: ")[2][:20])
    assert len(texts) == len(PageGap) and "" not in texts


async def test_only_the_picture_is_shown_and_other_files_are_downloads(
    app: App, owner: Visitor
) -> None:
    run, attempt = await failed(app, LAST)
    at = f"/runs/{run}/browser/{attempt}"
    shown = {}
    for kind in FILES:
        answer = await owner.http.get(f"{at}/{kind.value}?shown")
        headers = answer.headers
        assert (answer.status_code, answer.content) == (200, FILES[kind])
        assert headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in headers["content-security-policy"]
        shown[kind.value] = headers["content-disposition"].partition(";")[0]
    assert shown == {"screenshot": "inline", "html": "attachment", "har": "attachment"}
    answer = await owner.http.get(f"{at}/screenshot")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert (await owner.http.get(f"{at}/video")).status_code == 404


async def test_a_share_link_shows_nothing_of_the_last_page(
    app: App, owner: Visitor, guest: Visitor
) -> None:
    run, attempt = await failed(app, LAST)
    _, token = await app.services.shares.create(app.owner, run, days=1, rows=True, log=True)
    page = await guest.get(f"/shared/{token}")
    assert "Shop" not in page.text and not page.all("//img[contains(@src, 'browser')]")
    answer = await guest.http.get(f"/runs/{run}/browser/{attempt}/screenshot")
    assert answer.status_code != 200 and answer.content != FILES[PageFileKind.SCREENSHOT]


async def test_windows_of_a_run_are_named(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    system = {"browser": "headful", "browser_program": "chromium"}
    custom = {"urls": [{"url": "https://a.example/"}]}
    body = {"parameters": {"system": system, "custom": custom}}
    run = await app.services.runs.start(
        app.owner, StartRequest(worker.id, None, body, "", Origin.WEB)
    )
    [lease] = await app.begin()
    usage = replace(USED, browser_version="chromium 156.0.1.2")
    report = BrowserReport(ACTIVITY, starts=1)
    await app.attempts.report([AttemptReport(lease.attempt.key, usage, browser=report)], 60_000)
    assert "chromium 156.0.1.2, with windows" in (await owner.get(f"/runs/{run.id}/browser")).text
    page = await owner.get(f"/runs/{run.id}/input")
    facts = {one.text: one.getnext().text for one in page.all("//dl/dt")}
    assert (facts["Browser windows"], facts["Browser program"]) == ("Yes", "chromium")
