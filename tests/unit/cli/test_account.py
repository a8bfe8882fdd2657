"""Output and requests of ``fyke account``."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import typer

from fyke.cli.account import add, caps, credit, list_accounts, plan, show, zone
from fyke.model.account import Plan
from fyke_client.types.fyke.accounts import AccountItem, CreatedAccount, CreatedKey, OwnAccount
from fyke_client.types.fyke.caps import CapsReport
from support.scripted import ScriptedServer

ACCOUNT = AccountItem(
    id="A1",
    name="marketing",
    operator=False,
    balance="12.5",
    held="1",
    traffic=5_000_000,
    traffic_expiration_at=0,
    time_zone="UTC",
    created_at=0,
    plan=Plan.STARTER,
    most_runs=8,
    run_cap="0",
    month_cap="0",
)
CAPS = CapsReport("0", "100", "2026-11", "UTC", "40", "2.5", "57.5", True)


def run(command: Any, *arguments: Any, **answers: Any) -> ScriptedServer:
    server = ScriptedServer(**answers)
    command(server, *arguments)
    return server


def test_a_new_account_is_shown_with_its_key() -> None:
    created = CreatedAccount(ACCOUNT, CreatedKey("K1", "first", "scraper_api_X", 0, []))
    server = run(add, "marketing", create_account=created)
    assert server.fields == {"account": "marketing", "key": "scraper_api_X"}
    assert "not shown again" in server.messages
    data = json.loads(run(add, "marketing", as_json=True, create_account=created).data)
    assert data["key"] == {"name": "first", "key": "scraper_api_X"}


def test_a_plan_is_shown_with_its_limit() -> None:
    server = run(plan, "marketing", "starter", change_plan=ACCOUNT)
    assert server.fields["plan"] == "starter (8 runs at once)"
    assert server.client.calls == [("change_plan", "marketing", "starter")]
    unlimited = msgspec.structs.replace(ACCOUNT, plan=Plan.UNLIMITED, most_runs=0)
    assert run(plan, "marketing", "unlimited", change_plan=unlimited).fields["plan"] == (
        "unlimited (no limit)"
    )


def test_the_own_account_is_shown_with_its_secret() -> None:
    own = OwnAccount(**msgspec.structs.asdict(ACCOUNT), webhook_secret="whsec_1")
    fields = run(show, account=own, caps=CAPS).fields
    assert (fields["balance"], fields["traffic left"]) == ("12.5 USD", "5.0 MB")
    assert (fields["operator"], fields["traffic expires"]) == ("no", "-")
    assert fields["webhook secret"] == "whsec_1"
    free = msgspec.structs.replace(own, balance="0", held="0")
    caps_of_free = msgspec.structs.replace(CAPS, priced=False)
    assert "balance" not in run(show, account=free, caps=caps_of_free).fields
    assert run(show, account=free, caps=CAPS).fields["balance"] == "0 USD"


def test_a_zone_is_shown_or_set() -> None:
    own = OwnAccount(**msgspec.structs.asdict(ACCOUNT), webhook_secret="")
    assert run(zone, account=own).data == "UTC\n"
    server = run(zone, "Europe/Berlin", set_time_zone="Europe/Berlin")
    assert server.client.calls == [("set_time_zone", "Europe/Berlin")]
    assert server.data == "Europe/Berlin\n"


def test_caps_are_shown_without_options() -> None:
    server = run(caps, None, None, "", caps=CAPS)
    assert server.fields == {
        "one run": "no cap",
        "month (2026-11)": "at most 100 USD",
        "spent": "40 USD",
        "held for runs": "2.5 USD",
        "left": "57.5 USD",
    }
    assert server.messages == ""


@pytest.mark.parametrize(("one", "month"), [("2.50", None), (None, "0"), ("0", "0")])
def test_caps_in_options_are_sent(one: str | None, month: str | None) -> None:
    server = run(caps, one, month, "marketing", change_caps=CAPS)
    assert server.client.calls == [("change_caps", one, month, "marketing")]


def test_the_caps_of_another_account_cannot_be_shown() -> None:
    with pytest.raises(typer.BadParameter, match="--run or --month"):
        run(caps, None, None, "marketing")


def test_missing_prices_are_reported_with_the_caps() -> None:
    report = msgspec.structs.replace(CAPS, month_cap="0", left=None, priced=False)
    server = run(caps, None, None, "", caps=report)
    assert "left" not in server.fields
    assert "no cap is ever reached" in server.messages


def test_a_credit_is_sent_unchanged() -> None:
    server = run(credit, "marketing", "25", "0", credit=ACCOUNT)
    assert server.client.calls == [("credit", "marketing", "25", "0")]
    assert server.fields["balance"] == "12.5 USD"


@pytest.mark.parametrize("as_json", [False, True])
def test_all_accounts_are_listed(as_json: bool) -> None:
    server = run(list_accounts, as_json=as_json, accounts=[ACCOUNT])
    if as_json:
        assert json.loads(server.data)[0]["balance"] == "12.5"
    else:
        title, line = server.data.splitlines()
        assert title.split()[:3] == ["NAME", "PLAN", "BALANCE"]
        assert line.split() == ["marketing", "starter", "12.5", "USD", "1", "USD", "5.0", "MB", "-"]
