"""What the browsers of a run did, over the API."""

from __future__ import annotations

from fyke.model.attempt import AttemptReport
from fyke.model.browser import BrowserActivity, BrowserReport, ConsoleLevel, ConsoleLine
from fyke.model.runner import AttemptUsage
from fyke.wire.fyke.run_browser import RunBrowserReport
from support.answers import data_as
from support.api import Api, fails, start_body
from support.app import App


async def test_what_the_browsers_of_a_run_did(app: App, api: Api) -> None:
    worker = await app.publish()
    run = (await api.ok("/api/v1/scraper/run", start_body(worker.id)))["run_slug"]
    at = f"/api/fyke/runs/{run}/browser"
    empty = data_as(RunBrowserReport, await api.get(at))
    assert (empty["state"], empty["program"], empty["own_sandbox"]) == ("none", "", None)

    lease = (await app.begin())[0]
    line = ConsoleLine(1_700_000_000_123, ConsoleLevel.WARNING, "slow", "https://a.example/x.js:1")
    activity = BrowserActivity(
        {"script": 1, "image": 2}, {"image": 900}, {"4xx": 1, "2xx": 2}, {"warning": 1},
        4, 5, ("https://a.example/",), (line,), {"image": 1},
    )  # fmt: skip
    usage = AttemptUsage(
        browser_ms=7, browser_memory_peak_bytes=8, browser_version="chromium 1.2.3.4"
    )
    report = BrowserReport(activity, starts=6, is_open=True, own_sandbox=False)
    await app.attempts.report([AttemptReport(lease.attempt.key, usage, browser=report)], 60_000)
    assert data_as(RunBrowserReport, await api.get(at)) == {
        "state": "open",
        "program": "chromium",
        "version": "1.2.3.4",
        "headful": False,
        "own_sandbox": False,
        "starts": 6,
        "ms": 7,
        "memory_peak": 8,
        "pages": 4,
        "crashes": 5,
        "requests": [
            {"type": "image", "count": 2, "cached": 1, "received": 900, "blocked": 0},
            {"type": "script", "count": 1, "cached": 0, "received": 0, "blocked": 0},
        ],
        "statuses": [{"status": "2xx", "count": 2}, {"status": "4xx", "count": 1}],
        "console": [{"level": "warning", "count": 1}],
        "lines": [
            {
                "timestamp": 1_700_000_000_123,
                "subtask": lease.attempt.number,
                "level": "warning",
                "text": "slow",
                "source": "https://a.example/x.js:1",
            }
        ],
        "urls": ["https://a.example/"],
        "block": [],
        "unblocked": None,
        "last_pages": [],
    }
    fails(await api.get(at, key=app.other_key), 404, 70001, "does not exist")
