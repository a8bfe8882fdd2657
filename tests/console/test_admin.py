"""The admin pages of the console, which only the operator can open."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fyke.console.pages import admin
from fyke.model.account import Plan
from fyke.model.health import HealthCheck, Level
from support.app import App
from support.pages import Visitor, visitor

pytestmark = pytest.mark.anyio
PARTS = ("accounts", "plans", "proxies", "storage", "versions", "settings", "health/disk")
PAGES = ("/admin", *(f"/admin/{part}" for part in PARTS))


async def test_other_accounts_cannot_open_the_admin_pages(app: App, owner: Visitor) -> None:
    assert (await owner.get("/")).all("//nav//a[@href='/admin']")
    async with visitor(app, app.other.user_id) as stranger:
        assert not (await stranger.get("/")).all("//nav//a[@href='/admin']")
        for page in PAGES:
            await stranger.get(page, status=403)
        for action in ("", "/owner/credit", "/owner/plan"):
            await stranger.post(f"/admin/accounts{action}", {"name": "x"}, status=403)


async def test_viewers_of_the_operators_account_do_not_see_the_installation(
    app: App, owner: Visitor
) -> None:
    user, _ = await app.services.users.invite(app.owner, "ben", "viewer")
    async with visitor(app, user.id) as viewer:
        page = await viewer.get("/")
        assert not page.all("//nav//a[starts-with(@href, '/admin')]")
        assert not page.all("//*[@id='card-health']")
        for address in (*PAGES, "/admin/review", "/admin/nodes"):
            await viewer.get(address, status=403)
        found = await viewer.get("/find?q=admin")
        assert not found.all("//main//a[starts-with(@href, '/admin')]")


async def test_health_is_shown_in_cards(app: App, owner: Visitor) -> None:
    await app.register_runner()
    page = await owner.get("/admin")
    titles = [item.text for item in page.all("//section//h2")]
    assert titles == [
        *("Egress", "Database", "Disk", "Runners and sandbox", "Proxies", "Timers", "Processes")
    ], "what needs attention comes first, what has no data last"
    assert page.all("//*[@id='card-database']//details//li"), "what is in order is folded"
    assert not page.all("//*[@id='card-egress']//details")
    assert "SQLite answers" in page.text and "the proxy does not answer" in page.text
    one = await owner.get("/admin/health/egress")
    assert "Unhealthy" in one.text and "wait" in one.text
    part = await owner.get("/admin/health/disk", part=True)
    assert part.one("//section").get("id") == "card-disk"
    await owner.get("/admin/health/nothing", status=404)


async def test_a_remedy_of_several_checks_is_shown_once(
    app: App, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    remedies = {"n1": "look", "n2": "look", "n3": "wait"}

    async def card(*_: Any) -> list[HealthCheck]:
        return [HealthCheck(name, Level.BAD, "silent", remedy) for name, remedy in remedies.items()]

    monkeypatch.setattr(type(app.services.installation), "card", card)
    page = await owner.get("/admin/health/runners")
    shown = [item.text_content().split() for item in page.all("//main//li/div")]
    assert shown == [["n1", "silent"], ["n2", "silent", "look"], ["n3", "silent", "wait"]]


async def test_a_slow_card_is_loaded_by_a_separate_request(
    app: App, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "CARD_WAIT", 0.05)

    async def slow(*_: Any) -> Any:
        await asyncio.Event().wait()  # never set

    monkeypatch.setattr(type(app.services.installation), "card", slow)
    page = await owner.get("/admin")
    cards = page.all("//section[@aria-busy='true']")
    assert len(cards) == 7 and cards[0].get("hx-get") == "/admin/health/database"
    assert page.all("//noscript//a[@href='/admin/health/database']")


async def test_accounts_are_created_credited_and_moved(app: App, owner: Visitor) -> None:
    page = await owner.post("/admin/accounts", {"name": "fresh"}, status=200)
    [key] = page.all("//output[@id='secret']/text()")
    assert (await app.services.accounts.authenticate(key)).account_name == "fresh"
    await owner.post("/admin/accounts/fresh/credit", {"usd": "12,50", "traffic_mb": ""})
    await owner.post("/admin/accounts/fresh/plan", {"plan": "pro"})
    page = await owner.get("/admin/accounts")
    row = page.one("//tr[td/span/span[text()='fresh']]")
    assert "$12.50" in row.text_content() and "pro" in row.text_content()
    found = {
        account.name: account for account in await app.services.accounts.list_accounts(app.owner)
    }
    assert found["fresh"].plan is Plan.PRO
    page = await owner.post("/admin/accounts/fresh/credit", {"usd": "much"}, status=422)
    assert "fresh was not credited" in page.text and "Enter a number" in page.text
    assert "much" in [item.get("value") for item in page.all("//input[@name='usd']")]
    page = await owner.post("/admin/accounts", {"name": "fresh"}, status=422)
    assert page.one("//*[@id='f-name-fault']").text_content().strip()
    assert page.value("name") == "fresh"
    await owner.post("/admin/accounts/guest/plan", {"plan": "pro"}, status=404)


async def test_health_checks_are_in_the_language_of_the_reader(owner: Visitor) -> None:
    assert "are free" in (await owner.get("/admin/health/disk")).text
    await owner.post(
        "/settings/account/preferences",
        {"language": "zh-Hans", "theme": "dark", "time_zone": "UTC", "snippets": "go"},
    )
    page = await owner.get("/admin/health/disk")
    check = " ".join(page.one("//*[@id='card-disk']//li").text_content().split())
    assert "磁盘" in check and "可用" in check and "are free" not in check
    assert "没有在线的运行器" in (await owner.get("/admin/health/runners")).text


async def test_the_configuration_is_shown_without_passwords(owner: Visitor) -> None:
    page = await owner.get("/admin/settings")
    assert "postgresql://fyke:***@db/fyke" in page.text and "file (config.toml)" in page.text
    page = await owner.get("/admin/proxies")
    assert "socks5h://de.proxy.example:1080" in page.text and "Not usable" in page.text
    assert "db.example:5432" in page.text
    page = await owner.get("/admin/plans")
    assert "No prices are set" in page.text and "default for new accounts" in page.text
    page = await owner.get("/admin/versions")
    assert "not found; only for Node.js" in page.text


async def test_a_private_receiver_is_checked_allowed_and_removed(app: App, owner: Visitor) -> None:
    place, entry = "/admin/proxies", "10.0.0.7:5678"
    page = await owner.get(f"{place}?entry=10.0.0.7", status=422)
    assert (
        "The port is missing; write host:port"
        in page.one("//*[@id='f-entry-fault']").text_content()
    )
    assert page.value("entry") == "10.0.0.7"
    page = await owner.get(f"{place}?entry=10.0.0.7/32:5678")
    assert "Every account may call 10.0.0.7 at port 5678." in page.text
    assert "Nothing was changed yet." in page.text
    [form] = page.all(f"//form[@action='{place}/callbacks']")
    assert form.xpath(".//input[@name='entry']/@value") == [entry]
    assert (
        "each of the 256 addresses of 10.0.0.0/24"
        in (await owner.get(f"{place}?entry=10.0.0.0/24:5678")).text
    )
    assert "whatever address the name has" in (await owner.get(f"{place}?entry=n8n:5678")).text

    page = await owner.post(f"{place}/callbacks", {"entry": entry})
    assert page.location == f"{place}#callbacks"
    page = await owner.get(f"{place}?entry={entry}")
    assert "Callbacks to 10.0.0.7:5678 are allowed already." in page.text
    assert "an operator, on this page or with the fyke command" in page.text
    assert "allowed 10.0.0.7:5678" in (await owner.get("/settings/audit")).text
    page = await owner.post(f"{place}/callbacks", {"entry": "127.0.0.1:80"}, status=422)
    assert "127.0.0.1 is not in a private network" in page.text
    [remove] = (await owner.get(place)).all(f"//form[@action='{place}/callbacks/remove']")
    await owner.post(remove.get("action"), {"entry": remove.xpath(".//input/@value")[0]})
    assert not (await owner.get(place)).all(f"//form[@action='{place}/callbacks/remove']")
    async with visitor(app, app.other.user_id) as stranger:
        for action in ("callbacks", "callbacks/remove"):
            await stranger.post(f"{place}/{action}", {"entry": entry}, status=403)


async def test_storage_and_the_effect_of_retention_are_shown(app: App, owner: Visitor) -> None:
    page = await owner.get("/admin/storage")
    assert "at least 12.6 MB" in page.text and "Runs are never removed." in page.text
    page = await owner.get("/admin/storage?days=30")
    assert "No run ended more than 30 days ago." in page.text
    assert "This is a preview. Nothing was removed." in page.text
    page = await owner.get("/admin/storage?days=many", status=422)
    assert "Enter a whole number of days." in page.text and page.value("days") == "many"
