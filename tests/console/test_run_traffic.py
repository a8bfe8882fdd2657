"""The traffic tab of a run: sites, sorting, live updates, refusals and their reasons."""

from __future__ import annotations

import json

import pytest

from fyke.domain.runs.service import StartRequest
from fyke.model.attempt import AttemptReport, SiteTraffic
from fyke.model.run import Origin, Outcome, UsageSample
from fyke.model.runner import AttemptUsage
from fyke.model.usage_marks import MarkKind, UsageMark
from support.app import SCHEMA, App
from support.pages import Visitor
from support.projects import python_project
from support.run_pages import started

SITES = (
    SiteTraffic("b.example", 3, 5_000, 10, statuses={"200": 1}, unseen=2),
    SiteTraffic("a.example", 1, 10, 90_000, 2, statuses={"403": 12, "429": 3}),
    SiteTraffic("c.example", refused=7),
)
FIRST = "//section[@id='traffic']//tbody/tr/td[1]//span"


async def working(app: App, egress: list[str] | None) -> str:
    """A run with one active attempt that has reported its sites."""
    declared = {} if egress is None else {"fyke.json": json.dumps({"egress": egress})}
    data = python_project("print(1)\n", schema=SCHEMA, **declared)
    worker, _, _ = await app.services.workers.publish(app.owner, data, name="reader")
    custom = {"urls": [{"url": "https://a.example/"}]}
    body = {"parameters": {"system": {}, "custom": custom}}
    request = StartRequest(worker.id, None, body, "", Origin.WEB)
    run = await app.services.runs.start(app.owner, request)
    [lease] = await app.begin()
    await app.attempts.report([AttemptReport(lease.attempt.key, AttemptUsage(), SITES)], 60_000)
    return run.id


async def test_sites_are_listed_with_their_refusals(app: App, owner: Visitor) -> None:
    run = await working(app, ["a.example", "b.example"])
    page = await owner.get(f"/runs/{run}/traffic")
    assert [one.text for one in page.all(FIRST)] == ["a.example", "b.example", "c.example"]
    assert "refused: not a declared site" in page.text
    bars = page.all("//section[@id='traffic']//tbody/tr/td[1]//svg")
    assert [[part.get("class") for part in bar.xpath("path")] for bar in bars] == [
        ["warned", "failed"], ["good", "unseen"], ["refused"],
    ]  # fmt: skip
    cells = page.all("//section[@id='traffic']//tbody/tr/td[@data-label='Answers']")
    assert [" ".join(cell.text_content().split()) for cell in cells] == [
        "403: 12 429: 3", "200: 1 2 not visible", "-",
    ]  # fmt: skip
    assert "because it decrypts nothing: 2." in page.text
    key = page.all("//section[@id='traffic']//ul/li")
    assert [" ".join(one.text_content().split()) for one in key][:2] == [
        "Answered (2xx) 1", "Rejected (4xx) 15",
    ]  # fmt: skip
    assert [code.text for code in page.all("//section[@id='traffic']//code")] == [
        "a.example",
        "b.example",
    ]
    assert "egress in the project" in page.text
    assert page.all("//@*[name()='hx-sse:connect'][contains(., 'tab=traffic')]")


async def test_refused_sites_lead_an_operator_to_the_private_targets(
    app: App, owner: Visitor
) -> None:
    run = await started(app)
    [lease] = await app.begin()
    sites = (SiteTraffic("10.1.2.3", refused=1),)
    await app.attempts.report([AttemptReport(lease.attempt.key, AttemptUsage(), sites)], 60_000)
    await app.end(lease, Outcome.EXIT_CODE)
    ending = "//*[@id='run-ending']"
    page = await owner.get(f"/runs/{run}")
    text = " ".join(page.one(ending).text_content().split())
    assert "ask the operator to allow 10.1.2.3 with the setting egress_allow." in text
    assert "throttled" not in text and "fyke run" not in text
    page.one(f"{ending}//a[@href='/admin/proxies#targets']")
    card = (await owner.get("/admin/proxies")).one("//section[@id='targets']")
    assert "The list cannot be changed here" in card.text_content()
    assert "FYKE_EGRESS_ALLOW=10.0.0.5:8080" in [code.text for code in card.iter("code")]


async def test_a_version_without_declared_sites_is_marked(app: App, owner: Visitor) -> None:
    run = await working(app, None)
    page = await owner.get(f"/runs/{run}/traffic")
    assert "declares no sites: it can connect to all public sites" in page.text
    assert "no public address" in page.text


async def test_the_usage_charts_mark_what_sites_answered(app: App, owner: Visitor) -> None:
    run = await working(app, None)
    [lease] = await app.storage.read(lambda tx: tx.runs.attempts(run))
    marks = (
        UsageMark(MarkKind.TOO_MANY, 5_000, 9_000, 3),
        UsageMark(MarkKind.CPU_LIMIT, 1_000, 2_000, 1_500),
        UsageMark("of a newer release", 1, 2, 3),
    )
    await app.attempts.report([AttemptReport(lease.key, AttemptUsage(), marks=marks)], 60_000)
    start = (await app.storage.read(lambda tx: tx.runs.attempts(run)))[0].started_at
    points = [UsageSample(run, start + n, n, n, n, n) for n in (1500, 4000, 10_000)]
    await app.storage.write(lambda tx: tx.samples.add(points))
    page = await owner.get(f"/runs/{run}/usage")
    items = page.all("//ol[@aria-label='Marked in the charts']/li")
    assert [item.get("data-chart") for item in items] == ["cpu", "traffic"]
    assert items[0].get("data-mark") == f"{start + 1000}"
    assert items[1].get("data-until") == f"{start + 9000}"
    assert "At the limit of its cores for 1.5 s" in items[0].text_content()
    assert "Answers with status 429 (too many requests): 3" in items[1].text_content()
    rows = page.all("//table[contains(@class, 'use-table')]/tbody/tr")
    assert [(row.xpath("td[last()]")[0].text or "") for row in rows][-3:] == ["1", "1", "2"]


@pytest.mark.parametrize(
    ("sort", "order", "next_sort"),
    [
        ("site", "abc", "-site"),
        ("-site", "cba", "site"),
        ("-requests", "bac", "requests"),
        ("up", "cab", "-up"),
        ("-down", "abc", "down"),
        ("-errors", "abc", "errors"),
        ("-failed", "abc", "failed"),
        ("-refused", "cba", "refused"),
        ("nonsense", "abc", "-requests"),
    ],
)
async def test_every_column_can_be_sorted(
    app: App, owner: Visitor, sort: str, order: str, next_sort: str
) -> None:
    run = await working(app, None)
    page = await owner.get(f"/runs/{run}/traffic?sort={sort}")
    shown = [(one.text or "")[0] for one in page.all(FIRST)]
    if sort != "-refused":  # two of them are equal
        assert shown == [*order]
    assert shown[0] == order[0]
    assert page.all(f"//th//a[contains(@href, '?sort={next_sort}')]")
    assert len(page.all("//th[@aria-sort]")) == (sort != "nonsense")


async def test_a_run_without_sites_has_an_explanation(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    body = {"parameters": {"custom": {"urls": [{"url": "https://a.example/"}]}}}
    request = StartRequest(worker.id, None, body, "", Origin.WEB)
    run = await app.services.runs.start(app.owner, request)
    assert "No site yet" in (await owner.get(f"/runs/{run.id}/traffic")).text
    await app.execute([])
    assert "No traffic" in (await owner.get(f"/runs/{run.id}/traffic")).text
