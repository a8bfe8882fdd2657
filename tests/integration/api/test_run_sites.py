"""The traffic of a run by site, over the API: while it runs and afterwards."""

from __future__ import annotations

import json

from fyke.model.attempt import AttemptEnd, AttemptReport, SiteTraffic
from fyke.model.run import SUCCESS
from fyke.model.runner import AttemptUsage
from fyke.wire.fyke.runs import SiteList
from support.answers import data_as
from support.api import Api, fails, start_body
from support.app import SCHEMA, App
from support.projects import python_project


async def test_sites_are_shown_as_reported_and_summed_at_the_end(app: App, api: Api) -> None:
    declared = json.dumps({"egress": ["a.example"]})
    data = python_project("print(1)\n", schema=SCHEMA, **{"fyke.json": declared})
    worker, _, _ = await app.services.workers.publish(app.owner, data, name="reader")
    run = (await api.ok("/api/v1/scraper/run", start_body(worker.id)))["run_slug"]
    at = f"/api/fyke/runs/{run}/sites"
    assert (await api.get(at)).json()["data"] == {"list": [], "egress": ["a.example"]}

    first, second = await app.begin()
    public = SiteTraffic(
        "www.a.example", 2, 10, 200, failures=1, statuses={"404": 1, "200": 2}, unseen=1
    )
    barred = SiteTraffic("b.example", refused=3)
    private = SiteTraffic("10.0.0.1", refused=1)
    await app.attempts.report(
        [AttemptReport(first.attempt.key, AttemptUsage(), (public, barred))], 60_000
    )
    answer = await api.get(at)
    shown = data_as(SiteList, answer)["list"]
    assert shown[0] == {
        "domain": "www.a.example", "requests": 2, "bytes_up": 10, "bytes_down": 200,
        "failures": 1, "refused": 0, "why": "", "statuses": {"200": 2, "404": 1}, "unseen": 1,
    }  # fmt: skip
    assert [(site["domain"], site["refused"], site["why"]) for site in shown[1:]] == [
        ("b.example", 3, "undeclared")
    ]

    await app.attempts.ended(
        first.attempt.key,
        AttemptEnd(SUCCESS, AttemptUsage(), sites=(public, private)),
        actor="test",
    )
    await app.attempts.ended(
        second.attempt.key, AttemptEnd(SUCCESS, AttemptUsage(), sites=(public,)), actor="test"
    )
    shown = (await api.get(at)).json()["data"]["list"]
    assert [(site["domain"], site["requests"], site["why"]) for site in shown] == [
        ("www.a.example", 4, ""),
        ("10.0.0.1", 0, "not_public"),
    ]
    assert shown[0]["statuses"] == {"200": 4, "404": 2}
    assert shown[0]["unseen"] == 2
    fails(await api.get(at, key=app.other_key), 404, 70001, "does not exist")
