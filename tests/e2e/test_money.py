"""A platform with prices: the amount that a run holds, its cost, and refused starts."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from fyke.reasons import HintCode, ReasonCode
from support.any_booted import any_booted
from support.booted import Booted
from support.projects import python_project, zoo
from support.reasons import reaches
from support.sites import counting_site

SUCCEEDED, FAILED, ABORTED = 3, 4, 5
PER_SECOND = Decimal("0.125")  # one core costs one dollar per second; the smallest device has 1/8
WAITS = "import time; time.sleep(2)\nfrom sdk import CoreSDK\nCoreSDK.Result.push_data({})"


@pytest.fixture(scope="module")
def priced() -> Iterator[Booted]:
    with any_booted(price_cpu_hour="3600", traffic_quota="true") as platform:
        yield platform


class Guest:
    """An account with its own key."""

    def __init__(self, platform: Booted, name: str) -> None:
        self.platform, self.name = platform, name
        self.key = str(platform.call("/api/fyke/accounts", {"name": name})["key"]["key"])

    def credit(self, usd: str, traffic_mb: str = "0") -> None:
        body = {"usd": usd, "traffic_mb": traffic_mb}
        self.platform.call(f"/api/fyke/accounts/{self.name}/credit", body)

    @property
    def account(self) -> dict[str, Any]:
        found: dict[str, Any] = self.platform.read("/api/fyke/account", key=self.key)
        return found

    @property
    def balance(self) -> Decimal:
        return Decimal(self.platform.call("/api/v1/account/info", key=self.key)["balance"])

    def ask(self, slug: str, custom: Any = None, **system: Any) -> httpx2.Response:
        parameters = {"system": system, "custom": custom or {}}
        body = {"scraper_slug": slug, "input": {"parameters": parameters}}
        return self.platform.raw("/api/v1/scraper/run", body, key=self.key)

    def start(self, slug: str, custom: Any = None, **system: Any) -> str:
        answer = self.ask(slug, custom, **system).json()
        assert answer["code"] == 0, answer
        return str(answer["data"]["run_slug"])

    def cap(self, **caps: str) -> None:
        url = f"{self.platform.url}/api/fyke/account/caps"
        answer = httpx2.put(url, json=caps, headers={"api-key": self.key})
        assert answer.json()["code"] == 0, answer.text

    def until_limit(self, run: str) -> int:
        """Milliseconds from the start of the Worker until a limit was detected."""
        events = self.platform.read(f"/api/fyke/runs/{run}/events", key=self.key)["list"]
        at = {event["kind"]: event["timestamp"] for event in events}
        return int(at["LimitReached"] - at["AttemptStarted"])

    def detail(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.platform.call(
            "/api/v1/run/detail", {"run_slug": run}, key=self.key
        )
        return found

    def ended(self, run: str) -> dict[str, Any]:
        def look() -> Any:
            detail = self.detail(run)
            return detail if detail["finished_at"] else None  # 5 also means that it is still ending

        detail: dict[str, Any] = self.platform.wait_for(look, "the end of the run")
        return detail


@pytest.fixture(scope="module")
def waits(priced: Booted) -> str:
    return priced.push(python_project(WAITS), "money-waits", public=True)


@pytest.fixture(scope="module")
def forever(priced: Booted) -> str:
    return priced.push(zoo("never_exits"), "money-never-exits", public=True)


@reaches(ReasonCode.BALANCE_TOO_LOW)
def test_without_balance_no_run_starts_and_nothing_is_charged(priced: Booted, waits: str) -> None:
    poor = Guest(priced, "poor")
    answer = poor.ask(waits, execute_limit_time_seconds=60)
    assert (answer.status_code, answer.json()["code"]) == (400, 30001)
    assert "7.5 USD" in answer.json()["message"]
    poor.credit("7.49", "10")
    assert poor.ask(waits, execute_limit_time_seconds=60).json()["code"] == 30001
    assert priced.call("/api/v1/run/list", key=poor.key)["count"] == 0
    assert (poor.account["balance"], poor.account["held"]) == ("7.49", "0.00")
    assert poor.ask(waits, execute_limit_time_seconds=59).json()["code"] == 0


@reaches(ReasonCode.TRAFFIC_QUOTA)
def test_without_remaining_traffic_no_run_starts(priced: Booted, waits: str) -> None:
    guest = Guest(priced, "without-traffic")
    guest.credit("100")
    answer = guest.ask(waits, execute_limit_time_seconds=60)
    assert (answer.status_code, answer.json()["code"]) == (400, 30002)
    assert guest.account["held"] == "0.00"
    assert guest.balance == 100


def test_a_run_reserves_its_maximum_and_pays_for_its_usage(priced: Booted, waits: str) -> None:
    guest = Guest(priced, "payer")
    guest.credit("50", "10")
    run = guest.start(waits, execute_limit_time_seconds=60)
    assert (guest.account["held"], guest.balance) == ("7.50", 50)
    priced.wait_for(lambda: Decimal(guest.detail(run)["usage"]) > 0, "the first cost")
    detail = guest.ended(run)
    usage = Decimal(detail["usage"])
    assert detail["status"] == SUCCEEDED
    assert 2 * PER_SECOND <= usage < 6 * PER_SECOND
    assert guest.account["held"] == "0.00"
    assert guest.balance == 50 - usage
    used = priced.read(f"/api/fyke/runs/{run}/usage", key=guest.key)
    assert sum(Decimal(line["cost"]) for line in used["lines"]) == Decimal(used["usage"])
    assert Decimal(used["usage"]) == usage
    first, *_, last = used["samples"]  # at the start, at a report and at the end
    assert (first["cpu_ms"], first["rows"], last["rows"]) == (0, 0, 1)
    assert last["cpu_ms"] == used["cpu_ms"] > 0
    assert max(sample["memory"] for sample in used["samples"]) > 2**20
    # at least 1 MiB for 2 s, and no more than its device for the whole time
    assert 0.002 <= used["memory_gb_seconds"] < 0.5 * float(usage / PER_SECOND)


def test_two_runs_cannot_spend_the_same_balance(priced: Booted, forever: str) -> None:
    guest = Guest(priced, "twice")
    guest.credit("10", "10")
    first = guest.start(forever, execute_limit_time_seconds=60)
    answer = guest.ask(forever, execute_limit_time_seconds=60)
    assert answer.json()["code"] == 30001
    assert "2.5 USD are free" in answer.json()["message"]
    second = guest.start(forever, execute_limit_time_seconds=20)
    assert guest.account["held"] == "10.00"
    for run in (first, second):
        priced.call("/api/v1/scraper/abort", {"run_slug": run}, key=guest.key)
    ends = [guest.ended(run) for run in (first, second)]
    assert [detail["status"] for detail in ends] == [ABORTED, ABORTED]
    spent = sum(Decimal(detail["usage"]) for detail in ends)
    assert guest.account["held"] == "0.00"
    assert guest.balance == 10 - spent


@reaches(ReasonCode.RUN_CHARGE_CAP, HintCode.CHARGE_CAP)
def test_a_charge_cap_stops_the_run_with_its_reason(priced: Booted, forever: str) -> None:
    guest = Guest(priced, "capped")
    guest.credit("10", "10")
    answer = guest.ask(forever, max_total_charge=1.2499)
    assert (answer.status_code, answer.json()["code"]) == (400, 4000)
    assert "must be at least 1.25 USD, the price of the first 10 seconds" in answer.text
    assert (guest.account["held"], guest.balance) == ("0.00", 10)
    run = guest.start(forever, max_total_charge=1.25)
    assert guest.account["held"] == "1.25"
    detail = guest.ended(run)
    assert detail["status"] == FAILED
    assert detail["err_msg"] == "Stopped: the cap of 1.25 USD on what this run may cost was reached"
    reason = priced.summary(run, key=guest.key)
    assert reason["reason_params"] == {"limit_micros": 1_250_000}
    assert detail["results"] == 1
    assert Decimal(detail["usage"]) == Decimal("1.25")  # however long the end takes
    assert guest.account["held"] == "0.00"
    assert guest.balance == Decimal("8.75")
    took = guest.until_limit(run)
    assert 0 <= took - int(Decimal("1.25") / PER_SECOND * 1000) <= 1000  # ms after the cap


@pytest.mark.long
@reaches(
    ReasonCode.ACCOUNT_RUN_CAP,
    ReasonCode.ACCOUNT_MONTH_CAP,
    ReasonCode.MONTH_CAP_REACHED,
    ReasonCode.RUN_CAP_TOO_LOW,
)
def test_caps_of_the_account_refuse_new_runs_and_stop_active_ones(
    priced: Booted, waits: str, forever: str
) -> None:
    guest = Guest(priced, "careful")
    guest.credit("100", "10")
    guest.cap(run_cap="1.24")
    answer = guest.ask(forever, execute_limit_time_seconds=60)
    assert (answer.status_code, answer.json()["code"]) == (400, 30001)
    assert "is 1.24 USD, and the first 10 seconds of this run cost 1.25" in answer.text
    guest.cap(run_cap="1.25")
    run = guest.start(forever, execute_limit_time_seconds=60)
    detail = guest.ended(run)
    assert priced.summary(run, key=guest.key)["reason_code"] == "account_run_cap"
    assert detail["err_msg"] == "Stopped: the account's cap of 1.25 USD for one run was reached"
    assert Decimal(detail["usage"]) == Decimal("1.25")
    guest.cap(run_cap="0", month_cap="2.6")
    run = guest.start(forever, execute_limit_time_seconds=60)
    detail = guest.ended(run)
    assert priced.summary(run, key=guest.key)["reason_code"] == "account_month_cap"
    assert detail["err_msg"].startswith("Stopped: the 1.35 USD that were left of the account's cap")
    answer = guest.ask(waits, execute_limit_time_seconds=60)
    assert (answer.status_code, answer.json()["code"]) == (400, 30001)
    assert "is 2.6 USD; 2.6 are spent. Raise month_cap, or wait until" in answer.text
    assert guest.balance == Decimal("97.4")
    guest.cap(month_cap="0")
    detail = guest.ended(guest.start(waits, execute_limit_time_seconds=60))
    assert detail["status"] == SUCCEEDED


@pytest.mark.long
@reaches(ReasonCode.BALANCE_USED_UP, HintCode.BALANCE_USED_UP)
def test_a_run_ends_when_its_cost_reaches_the_free_balance() -> None:
    """Without a cap on priced traffic, the whole free balance is held."""
    with any_booted(price_cpu_hour="3600", price_traffic_gb="1") as platform:
        guest = Guest(platform, "all-in")
        guest.credit("0.3")
        stays = platform.push(zoo("ignores_sigterm"), "money-ignores-sigterm", public=True)
        run = guest.start(stays, execute_limit_time_seconds=2)
        assert guest.account["held"] == "0.30"
        assert guest.ended(run)["status"] == FAILED
        ended = platform.summary(run, key=guest.key)
        assert (ended["reason_code"], ended["reason_params"]) == (
            "balance_used_up",
            {"limit_micros": 300_000},
        )


@reaches(ReasonCode.CHARGE_ESTIMATE)
def test_a_run_ends_when_its_reserved_amount_is_used_up(priced: Booted) -> None:
    """The held amount covers the time limit; a Worker that ignores SIGTERM would exceed it."""
    guest = Guest(priced, "estimate")
    guest.credit("10", "10")
    stays = priced.push(zoo("ignores_sigterm"), "money-ignores-sigterm", public=True)
    run = guest.start(stays, execute_limit_time_seconds=2)
    assert guest.ended(run)["status"] == FAILED
    assert priced.summary(run, key=guest.key)["reason_code"] == "charge_estimate"


@reaches(ReasonCode.BUDGET_EXCEEDED)
def test_a_month_over_its_budget_raises_an_alert(priced: Booted, waits: str) -> None:
    guest = Guest(priced, "budget")
    guest.credit("10", "10")
    rule = {"name": "Budget", "kind": "budget", "budget_usd": "0.000001"}
    priced.call("/api/fyke/alerts/rules", rule, key=guest.key)
    guest.ended(guest.start(waits, execute_limit_time_seconds=20))
    found = priced.wait_for(lambda: priced.alerts(key=guest.key), "the alert")
    params = found["budget_exceeded"]["reason_params"]
    assert params["used_micros"] > params["budget_micros"] == 1


def test_every_subtask_counts_for_the_hold_and_the_cost(priced: Booted) -> None:
    schema = {
        "properties": [{"name": "words", "type": "array"}],
        "concurrency": {"fields": ["words"]},
    }
    slug = priced.push(python_project(WAITS, schema=schema), "money-split", public=True)
    guest = Guest(priced, "splitter")
    guest.credit("10", "10")
    run = guest.start(slug, {"words": ["a", "b", "c"]}, execute_limit_time_seconds=20)
    assert guest.account["held"] == "7.50"
    detail = guest.ended(run)
    assert detail["status"] == SUCCEEDED
    assert Decimal(detail["usage"]) >= 3 * 2 * PER_SECOND
    assert guest.balance == 10 - Decimal(detail["usage"])


def test_the_remaining_traffic_decreases_by_the_bytes_transferred(priced: Booted) -> None:
    """Only the operator may reach the site of this test, so the operator pays."""
    name = priced.read("/api/fyke/account")["name"]
    priced.call(f"/api/fyke/accounts/{name}/credit", {"usd": "1000", "traffic_mb": "2"})
    before = priced.call("/api/v1/account/info")["traffic"]
    slug = priced.push(zoo("fetches"), "money-fetches")
    with counting_site() as site:
        run = priced.start_run(slug, {"url": site.url("/bytes/500000")}, egress_allow=[site.target])
        detail = priced.ended(run)
        assert detail["traffic"] == site.passed > 500_000
    after = priced.call("/api/v1/account/info")
    assert before - after["traffic"] == detail["traffic"]
    assert Decimal(after["balance"]) == 1000 - Decimal(detail["usage"])


def test_runs_that_never_started_cost_nothing(priced: Booted, waits: str) -> None:
    guest = Guest(priced, "never-ran")
    guest.credit("10", "10")
    body = {"scraper_slug": waits, "version": "v9.9.9", "input": {"parameters": {"custom": {}}}}
    assert priced.raw("/api/v1/scraper/run", body, key=guest.key).json()["code"] == 4000
    broken = python_project("print(1)", requirements="grpcio==1.80.0\ngrpcio==1.81.0\n")
    slug = priced.push(broken, "money-broken", public=True)
    detail = guest.ended(guest.start(slug, execute_limit_time_seconds=60))
    assert (detail["status"], detail["usage"]) == (FAILED, "0")
    assert (guest.account["balance"], guest.account["held"]) == ("10.00", "0.00")
