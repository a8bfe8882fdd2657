"""Runs that leave out images and the like: asked for, refused, repeated, shown."""

from __future__ import annotations

import pytest

from fyke.model.attempt import AttemptReport
from fyke.model.browser import BrowserActivity, BrowserBlock, BrowserReport
from fyke.model.runner import AttemptUsage
from fyke.wire.fyke.run_browser import RunBrowserReport
from support.answers import data_as
from support.api import Api, fails, start_body
from support.app import App

pytestmark = pytest.mark.anyio
FIELD = "input.parameters.system.browser_block"


async def blocked_by(app: App, slug: str) -> tuple[BrowserBlock, ...]:
    run = await app.storage.read(lambda tx: tx.runs.get(slug))
    assert run is not None
    return run.browser_block


async def test_a_run_that_blocks_is_repeated_with_it_and_shows_what_was_blocked(
    app: App, api: Api
) -> None:
    await app.register_runner(browsers=1)
    worker = await app.publish()
    body = start_body(worker.id)
    body["input"]["parameters"]["system"]["browser_block"] = ["fonts", "images"]
    run = (await api.ok("/api/v1/scraper/run", body))["run_slug"]
    expected = (BrowserBlock.IMAGES, BrowserBlock.FONTS)
    assert await blocked_by(app, run) == expected
    again = (await api.ok("/api/v1/rerun", {"run_slug": run}))["run_slug"]
    assert await blocked_by(app, again) == expected

    lease = (await app.begin())[0]
    activity = BrowserActivity({"image": 3}, {}, {"failed": 3}, blocked={"image": 3, "font": 1})
    report = BrowserReport(activity, starts=1, own_sandbox=True)
    usage = AttemptUsage(browser_version="chromium 1.2.3.4")
    await app.attempts.report([AttemptReport(lease.attempt.key, usage, browser=report)], 60_000)
    answer = await api.get(f"/api/fyke/runs/{lease.run.id}/browser")
    shown = data_as(RunBrowserReport, answer)
    assert (shown["block"], shown["unblocked"]) == (["images", "fonts"], None)
    assert [(one["type"], one["count"], one["blocked"]) for one in shown["requests"]] == [
        ("image", 3, 3),
        ("font", 1, 1),
    ]


@pytest.mark.parametrize(
    ("asked", "declared", "rule"),
    [
        (["videos"], "optional", 'videos\\" must be one of images, media, fonts, stylesheets'),
        ("images", "optional", "must be a list of some of images, media, fonts, stylesheets"),
        (["images"], "none", "this version declares that it uses none; leave it out"),
    ],
)
async def test_blocking_that_can_have_no_effect_is_refused(
    app: App, api: Api, asked: object, declared: str, rule: str
) -> None:
    worker = await app.publish(browser=declared)
    body = start_body(worker.id)
    body["input"]["parameters"]["system"]["browser_block"] = asked
    answer = await api.post("/api/v1/scraper/run", body)
    fails(answer, 400, 4000, rule)
    assert FIELD in answer.text


async def test_blocking_is_refused_where_no_runner_has_a_browser(app: App, api: Api) -> None:
    worker = await app.publish()
    body = start_body(worker.id)
    body["input"]["parameters"]["system"]["browser_block"] = ["images"]
    await api.ok("/api/v1/scraper/run", body)  # without a runner, it waits for one
    await app.register_runner(browser_problem="there is none")
    fails(
        await api.post("/api/v1/scraper/run", body), 400, 4000,
        f"{FIELD} is for the browser, and no runner has one that can be used; leave it out",
    )  # fmt: skip
    body["input"]["parameters"]["system"]["browser_block"] = []
    await api.ok("/api/v1/scraper/run", body)
