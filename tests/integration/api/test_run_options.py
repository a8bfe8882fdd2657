"""The default run options of a worker over the API: set, inherited, and applied to runs."""

from __future__ import annotations

from typing import Any

from fyke.wire.fyke.estimates import RunOptions
from support.answers import data_as
from support.api import Api, fails
from support.app import App
from support.matrix import INPUT

AT = "/api/fyke/workers/owner~reader/run-options"
PLAIN = {
    "memory": 512, "execute_limit_time_seconds": 1800,
    "max_total_charge": 0, "max_total_traffic": 0, "max_retries": 0,
}  # fmt: skip


async def test_a_start_without_options_uses_the_defaults(app: App, api: Api) -> None:
    worker = await app.publish("reader")
    assert (await api.get(AT)).json()["data"] == PLAIN
    options = {
        "memory": 1000, "execute_limit_time_seconds": "60",
        "max_total_charge": 0.25, "max_total_traffic": 2, "max_retries": 3,
    }  # fmt: skip
    before = (await api.ok("/api/v1/scraper/run", {"scraper_slug": worker.id, "input": INPUT}))[
        "run_slug"
    ]
    answer = await api.send("PUT", AT, json=options)
    set_to = options | {"memory": 1024, "execute_limit_time_seconds": 60}
    assert data_as(RunOptions, answer) == set_to
    after = (await api.ok("/api/v1/scraper/run", {"scraper_slug": worker.id, "input": INPUT}))[
        "run_slug"
    ]
    runs = app.services.runs
    old, new = [(await runs.get(app.owner, run)).run.limits for run in (before, after)]
    assert (old.memory_mb, old.max_charge_micros) == (512, 0), "what was started keeps its own"
    assert (new.memory_mb, new.timeout_s) == (1024, 60)
    assert (new.max_charge_micros, new.max_traffic_bytes) == (250_000, 2_000_000)
    assert (old.max_retries, new.max_retries) == (0, 3)
    given = {"parameters": {"system": {"max_retries": 0}, "custom": INPUT["parameters"]["custom"]}}
    own = await api.ok("/api/v1/scraper/run", {"scraper_slug": worker.id, "input": given})
    assert (await runs.get(app.owner, own["run_slug"])).run.limits.max_retries == 0


async def test_the_next_version_inherits_the_defaults(app: App, api: Api) -> None:
    await app.publish("reader")
    await api.send("PUT", AT, json={"memory": 2048})
    await app.publish("reader", main="print(2)\n")
    versions = await app.services.workers.versions(app.owner, "owner/reader")
    assert [version.defaults.memory_mb for version in versions] == [2048, 2048]
    assert (await api.send("PUT", AT, json={})).json()["data"] == PLAIN, "what is left out is ours"


async def test_options_are_checked_like_those_of_a_start_and_set_by_the_owner_only(
    app: App, api: Api
) -> None:
    await app.publish("reader")
    for name, value, words in (
        ("memory", 20_000, "memory must be at most 16384"),
        ("max_total_charge", -1, "max_total_charge must be 0 (no limit)"),
        ("execute_limit_time_seconds", "x", "number"),
    ):
        fails(await api.send("PUT", AT, json={name: value}), 400, 4000, words)
    for method in ("GET", "PUT"):
        options: dict[str, Any] = {"json": {}} if method == "PUT" else {}
        answer = await api.send(method, AT, key=app.other_key, **options)
        fails(answer, 401, 4010, "only the owner")
