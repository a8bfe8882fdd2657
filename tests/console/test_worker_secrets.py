"""The secrets tab of a Worker: secrets are set, replaced and removed, and never shown."""

from __future__ import annotations

from support.app import App
from support.console_workers import add_versions
from support.pages import Page, Visitor, set_password, stranger, visitor
from support.projects import python_project

AT = "/w/owner/shop-prices/secrets"
VALUE = "canary & <ada>: p@ss"


def listed(page: Page) -> list[str]:
    return [item.text_content().split()[0] for item in page.all("//tbody/tr/td[1]")]


async def test_secrets_are_set_replaced_and_removed(app: App, owner: Visitor) -> None:
    await add_versions(app)
    empty = await owner.get(AT)
    assert "No secrets" in empty.text
    control = empty.one("//input[@name='value']")
    assert control.get("type") == "password" and control.get("autocomplete") == "new-password"
    assert empty.one("//input[@name='name']").get("autocomplete") == "off"
    for name in ("SHOP_LOGIN", "COOKIES"):
        done = await owner.post(AT, {"name": f" {name} ", "value": VALUE, "lines": ""})
        assert done.location == AT
    page = await owner.get(AT)
    assert listed(page) == ["COOKIES", "SHOP_LOGIN"]
    assert "COOKIES was set. It is available to runs that start from now on." in page.text
    assert "2 of 50" in page.text and "never" in page.text
    again = await owner.get(page.all("//a[contains(@href, '?name=')]")[1].get("href"))
    assert (again.value("name"), again.value("value")) == ("SHOP_LOGIN", "")
    await owner.post(AT, {"name": "SHOP_LOGIN", "value": "", "lines": "one line\r\nand another"})
    worker = await app.services.workers.find(app.owner, "owner/shop-prices")
    kept = await app.storage.read(lambda tx: tx.secrets.of(app.owner.account_id, worker.id))
    assert [one.name for one in kept] == ["COOKIES", "SHOP_LOGIN"]
    action = page.all("//form[contains(@action, '/remove')]")[0].get("action")
    assert (await owner.post(action, {})).location == AT
    assert (await owner.post(action, {})).location == AT
    page = await owner.get(AT)
    assert "The secret was already removed." in page.text and listed(page) == ["SHOP_LOGIN"]


async def test_no_page_contains_a_typed_value(app: App, owner: Visitor) -> None:
    await add_versions(app)
    seen = []
    for name, words in (
        ("LD_PRELOAD", "add a prefix, as in"),
        ("low", "1 to 64 characters"),
        ("", "1 to 64 characters"),
    ):
        page = await owner.post(AT, {"name": name, "value": VALUE, "lines": VALUE}, status=422)
        assert words in page.text and page.value("name") == name
        assert page.one("//*[@id='faults']//a").get("href") == "#f-name"
        seen.append(page.raw)
    short = await owner.post(AT, {"name": "LOGIN", "value": "canar"}, status=422)
    assert "Must have at least 6 characters" in short.text and "cannot be masked" in short.text
    assert (short.value("value"), short.value("name")) == ("", "LOGIN")
    await owner.post(AT, {"name": "LOGIN", "value": VALUE})
    for path in (AT, "/settings/audit", "/w/owner/shop-prices", "/"):
        seen.append((await owner.get(path)).raw)
    assert "Set a secret of a Worker" in seen[-3]
    assert "canar" not in "".join([*seen, short.raw])


async def test_a_form_kept_during_the_sign_in_has_no_value(app: App) -> None:
    await add_versions(app)
    await set_password(app)
    async with stranger(app) as guest:
        typed = {"name": "LOGIN", "value": VALUE, "lines": VALUE}
        held = await guest.post(AT, typed, status=401)
        assert "canary" not in held.raw
        assert [item.get("name") for item in held.all("//textarea")] == ["pending.name"]
        passwords = {"old": VALUE, "new": VALUE}
        held = await guest.post("/settings/account/password", passwords, status=401)
        assert "canary" not in held.raw


async def test_missing_secrets_are_reported_before_a_run(app: App, owner: Visitor) -> None:
    data = python_project("print(1)\n", **{"fyke.json": '{"secrets": ["LOGIN", "TOKEN"]}'})
    await app.services.workers.publish(app.owner, data, name="needs", title="Needs", public=False)
    base = "/w/owner/needs"
    form = await owner.get(base)
    assert "2 secrets are missing" in form.text and "requires LOGIN, TOKEN." in form.text
    link = form.one("//main//div[contains(@class, 'note')]//a").get("href")
    assert link == f"{base}/secrets?name=LOGIN#set"
    tab = await owner.get(f"{base}/secrets")
    assert listed(tab) == ["LOGIN", "TOKEN"] and "missing: required by this Worker" in tab.text
    await owner.post(f"{base}/secrets", {"name": "LOGIN", "value": VALUE})
    assert "A secret is missing" in (await owner.get(base)).text
    assert listed(await owner.get(f"{base}/secrets")) == ["TOKEN", "LOGIN"]
    await owner.post(f"{base}/secrets", {"name": "TOKEN", "value": VALUE})
    for path in (base, f"{base}/secrets"):
        assert "missing" not in (await owner.get(path)).text


async def test_each_account_sees_its_own_secrets_and_a_viewer_changes_none(
    app: App, owner: Visitor
) -> None:
    await add_versions(app)
    await owner.post(AT, {"name": "OWNERS", "value": VALUE})
    async with visitor(app, app.other.user_id) as other:
        page = await other.get(AT)
        assert "OWNERS" not in page.text and "This Worker belongs to another account" in page.text
        await other.post(AT, {"name": "THEIRS", "value": VALUE})
        assert listed(await other.get(AT)) == ["THEIRS"]
        await other.post(f"{AT}/OWNERS/remove", {})
    assert listed(await owner.get(AT)) == ["OWNERS"]
    vera, _ = await app.services.users.invite(app.owner, "vera", "viewer")
    async with visitor(app, vera.id) as viewer:
        page = await viewer.get(AT)
        assert listed(page) == ["OWNERS"]
        assert not page.all("//input[@name='value']") and "Remove" not in page.text
        await viewer.post(AT, {"name": "OWNERS", "value": VALUE}, status=403)
        await viewer.post(f"{AT}/OWNERS/remove", {}, status=403)
    assert listed(await owner.get(AT)) == ["OWNERS"]
