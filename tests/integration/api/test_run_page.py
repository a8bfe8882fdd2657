"""Fyke's own routes for one run: its end, log from any position, usage, subtasks and links."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fyke.domain.logs import reading
from fyke.model.attempt import AttemptReport
from fyke.model.billing import Prices
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.model.run import Outcome
from fyke.model.runner import AttemptUsage
from fyke.reasons import Reason, ReasonCode
from support.api import Api, client, fails, start_body
from support.app import MACHINE, App, open_app

pytestmark = pytest.mark.anyio


async def data(api: Api, path: str, **options: object) -> dict[str, object]:
    answer = await api.get(path, **options)
    assert answer.status_code == 200, answer.text
    content: dict[str, object] = answer.json()["data"]
    return content


async def test_a_failed_run_has_its_cause_and_the_next_step(
    api: Api, app: App, run_slug: str
) -> None:
    path = f"/api/fyke/runs/{run_slug}"
    waiting = await data(api, path)
    assert (waiting["state"], waiting["outcome"], waiting["hint"]) == ("ready", "", None)
    for index, lease in enumerate(await app.begin()):
        line = NewLogEntry(4, lease.attempt.number, "ModuleNotFoundError: No module named 'bs4'", 5)
        lines = [line] if index == 0 else []
        await app.results.commit([AttemptBatch(run_slug, lease.attempt.id, log=lines)])
        await app.end(lease, Outcome.EXIT_CODE, "The Worker exited with code 1")
    ended = await data(api, path)
    assert (ended["state"], ended["outcome"]) == ("failed", "exit_code")
    assert ended["reason"] == "The Worker exited with code 1"
    hint = ended["hint"]
    assert isinstance(hint, dict)
    assert hint["code"] == "module_missing"
    assert "requirements.txt" in hint["next_step"]
    errors = ended["errors"]
    assert isinstance(errors, list)
    assert [error["content"] for error in errors] == [line.content]


@pytest.mark.parametrize("memory", [{}, {"free_mb": 300, "needed_mb": 400}], ids=str)
async def test_a_partly_failed_run_says_that_browsers_were_missing(
    api: Api, app: App, run_slug: str, memory: dict[str, int]
) -> None:
    good, failed = await app.begin()
    await app.push(good, [{"n": 1}])
    await app.end(good)
    busy = Reason.of(ReasonCode.BROWSER_BUSY, seconds=55, exit_code=1, **memory)
    await app.end(failed, Outcome.EXIT_CODE, "none was free", busy)
    ended = await data(api, f"/api/fyke/runs/{run_slug}")
    assert ended["state"] == "succeeded"
    hint = ended["hint"]
    assert isinstance(hint, dict)
    short = {"short_of_memory": 1} if memory else {}
    assert hint["params"] == {"failed": 1, "subtasks": 2, "browser_busy": 1, **short}
    assert "(browser_busy)" in hint["cause"]
    assert ("runner_memory_mb" if memory else "runner_browsers") in hint["next_step"]


async def test_the_log_can_be_read_from_any_position(api: Api, app: App, run_slug: str) -> None:
    await app.execute([{"n": 1}], log=[f"line {n}" for n in range(1, 31)])
    path = f"/api/fyke/runs/{run_slug}/log/page"

    async def positions(**query: object) -> list[int]:
        page = await data(api, path, params=query)
        assert page["count"] == 30
        return [line["position"] for line in page["list"]]  # type: ignore[attr-defined]  # a list

    assert await positions(limit=3) == [28, 29, 30]
    assert await positions(before=28, limit=3) == [25, 26, 27]
    assert await positions(after=0, limit=2) == [1, 2]
    assert await positions(search="LINE 2", after=0) == [2, *range(20, 30)]
    assert await positions(level=4) == []
    both = await api.get(path, params={"after": 1, "before": 2})
    fails(both, 400, 4000, "either after or before")
    line = await data(api, f"/api/fyke/runs/{run_slug}/log/lines/7")
    assert (line["content"], line["length"]) == ("line 7", 6)
    fails(await api.get(f"/api/fyke/runs/{run_slug}/log/lines/31"), 404, 4040)


@pytest.mark.slow
async def test_a_hundred_thousand_lines_are_searched_in_one_request(
    api: Api, app: App, run_slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The duration is measured by ``bench/console_pages.py``."""
    monkeypatch.setattr(reading, "SECONDS", 60)
    [lease, *_] = await app.begin()
    lines = [
        NewLogEntry(2 if n % 1000 else 4, lease.attempt.number, f"GET /page/{n} took {n} ms", n)
        for n in range(1, 100_001)
    ]
    await app.results.commit([AttemptBatch(run_slug, lease.attempt.id, log=lines)])
    path = f"/api/fyke/runs/{run_slug}/log/page"
    matching = await data(api, path, params={"search": "page/99999 ", "after": 0})
    assert [line["position"] for line in matching["list"]] == [99_999]  # type: ignore[attr-defined]  # a list
    assert matching["complete"]
    errors = await data(api, path, params={"level": 4, "limit": 5})
    assert [line["position"] for line in errors["list"]][-1] == 100_000  # type: ignore[attr-defined]  # a list


async def test_usage_has_a_curve_and_cost_lines_that_add_up(
    tmp_path: Path, templates: Path
) -> None:
    prices = Prices(Decimal("0.3"), Decimal("0.07"), Decimal("1.9"))
    async with open_app(tmp_path, templates, prices=prices) as app:
        await app.services.accounts.credit(
            app.owner, app.owner.account_name, usd=Decimal(1000), traffic_mb=Decimal(0)
        )
        async with client(app.asgi()) as http:
            api = Api(http, app.owner_key)
            worker = await app.publish()
            started = await api.ok("/api/v1/scraper/run", start_body(worker.id))
            run = started["run_slug"]
            leases = await app.begin()
            used = AttemptUsage(12_345_678, 900, 5 * 2**20, 4 * 2**20, 3)
            stale = AttemptReport(leases[1].attempt.key, AttemptUsage(1, 1, 1, 1, 1))
            reports = [AttemptReport(leases[0].attempt.key, used), stale]
            await app.attempts.report(reports, 15_000)
            path = f"/api/fyke/runs/{run}/usage"
            during = await data(api, path)
            samples = during["samples"]
            assert isinstance(samples, list)
            assert samples[-1] | {"timestamp": 0} == {
                "timestamp": 0, "cpu_ms": 901, "memory": 4 * 2**20 + 1,
                "traffic": 12_345_679, "rows": 4, "browser_memory": 0,
            }  # fmt: skip
            for lease in leases:
                await app.end(lease)
            after = await data(api, path)
            lines = after["lines"]
            assert isinstance(lines, list)
            assert [line["kind"] for line in lines] == ["cpu", "memory", "traffic", "rounding"]
            total = sum(Decimal(line["cost"]) for line in lines)
            assert total == Decimal(str(after["usage"])) > 0
            assert len(after["samples"]) > len(samples) - 1  # type: ignore[arg-type]  # a list


async def test_subtasks_show_their_input_and_attempts(api: Api, app: App, run_slug: str) -> None:
    await app.execute([{"n": 1}], Outcome.TIMEOUT, "too long")
    page = await data(api, f"/api/fyke/runs/{run_slug}/subtasks", params={"limit": 1, "offset": 1})
    assert page["count"] == 2
    [second] = page["list"]  # type: ignore[misc]  # a list
    assert (second["ordinal"], second["state"], second["outcome"]) == (1, "ended", "timeout")
    assert "https://b.example" in second["input"]
    [attempt] = second["attempts"]
    assert (attempt["outcome"], attempt["reason"], attempt["traffic"]) == (
        "timeout", "too long", 2048,
    )  # fmt: skip
    assert attempt["node"] == MACHINE
    assert (await data(api, f"/api/fyke/runs/{run_slug}"))["nodes"] == [MACHINE]
    events = (await data(api, f"/api/fyke/runs/{run_slug}/events"))["list"]
    [start] = [event for event in events if event["kind"] == "AttemptStarted"]  # type: ignore[union-attr]
    assert start["node"] == MACHINE and len(start["number"]) == len(second["number"])


async def test_a_subtask_that_is_tried_again_shows_why_and_which_rows_count(
    api: Api, app: App
) -> None:
    worker = await app.publish("reader")
    custom = {"urls": [{"url": "https://a.example"}]}
    parameters = {"system": {"max_retries": 2}, "custom": custom}
    body = start_body(worker.id, input={"parameters": parameters})
    run = (await api.ok("/api/v1/scraper/run", body))["run_slug"]
    await app.register_runner()
    [first] = await app.begin()
    await app.push(first, [{"n": 1}])
    lost = Reason(ReasonCode.NODE_DRAINED)
    await app.end(first, Outcome.RUNNER_LOST, reason=lost)
    at = f"/api/fyke/runs/{run}"
    waiting = await data(api, f"{at}/waiting")
    text = f"it is tried again (1 of 2), because the machine {MACHINE} was taken out of service"
    assert (waiting["code"], waiting["reason"]) == ("retry", text)
    [subtask] = (await data(api, f"{at}/subtasks"))["list"]  # type: ignore[misc]  # a list
    assert (subtask["state"], subtask["reason_code"]) == ("waiting", "retry")
    [second] = await app.begin()
    await app.push(second, [{"n": 1}, {"n": 2}])
    await app.end(second)
    [subtask] = (await data(api, f"{at}/subtasks"))["list"]  # type: ignore[misc]  # a list
    assert [attempt["replaced"] for attempt in subtask["attempts"]] == [True, False]
    summary = await data(api, at)
    assert (summary["results"], summary["hidden"], summary["max_retries"]) == (2, 0, 2)
    kinds = [event["kind"] for event in (await data(api, f"{at}/events"))["list"]]  # type: ignore[union-attr]
    started = "AttemptStarted"
    assert kinds == ["Accepted", started, "AttemptLost", started, "SubtaskEnded"]


async def test_a_share_link_is_created_listed_and_revoked(
    api: Api, app: App, run_slug: str
) -> None:
    path = f"/api/fyke/runs/{run_slug}/shares"
    share = await api.ok(path, {"days": 3, "log": True})
    assert share["url"].startswith("http://127.0.0.1:8100/shared/")
    assert (share["rows"], share["log"]) == (True, True)
    assert share["expires_at"] - share["created_at"] == 3 * 24 * 3600
    assert (await data(api, path))["list"] == [share]
    token = share["url"].rpartition("/")[2]
    assert (await app.services.shares.open(token)).run.id == run_slug
    for days in (0, 366, -1):
        fails(await api.post(path, {"days": days}), 400, 4000, "days must be 1 to 365")
    fails(await api.send("DELETE", f"/api/fyke/shares/{run_slug}"), 404, 4040)
    stranger = await api.send("DELETE", f"/api/fyke/shares/{share['id']}", key=app.other_key)
    fails(stranger, 404, 4040)
    answer = await api.send("DELETE", f"/api/fyke/shares/{share['id']}")
    assert answer.status_code == 200
    assert (await data(api, path))["list"] == []
