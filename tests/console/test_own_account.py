"""The settings of the user and the account: preferences, password, sessions, saved views."""

from __future__ import annotations

import pytest

from fyke.kit.ids import new_ulid
from fyke.model.account import Role, User
from fyke.model.user import Purpose
from support.app import App
from support.pages import Visitor, visitor

PASSWORD = "a long enough secret"

pytestmark = pytest.mark.anyio


async def test_preferences_are_saved_and_apply_at_once(owner: Visitor) -> None:
    form = {"language": "zh-Hans", "theme": "dark", "time_zone": "Asia/Tokyo", "snippets": "go"}
    assert (await owner.post("/settings/account/preferences", form)).location
    page = await owner.get("/settings/account")
    assert "偏好设置已保存。" in page.text
    assert page.one("/html").get("lang") == "zh-Hans"
    assert page.one("/html").get("data-theme") == "dark"
    assert {name: page.value(name) for name in form} == form
    bad = await owner.post(
        "/settings/account/preferences", form | {"time_zone": "Mars/<b>"}, status=422
    )
    assert bad.value("time_zone") == "Mars/<b>"
    assert bad.one("//p[@id='f-time_zone-fault']") is not None


async def test_the_parents_of_addresses_lead_to_the_first_page_below(owner: Visitor) -> None:
    assert (await owner.get("/settings", status=303)).location == "/settings/account"
    assert (await owner.get("/dev", status=303)).location == "/dev/workers"


async def test_the_sidebar_repeats_no_word(app: App, owner: Visitor) -> None:
    async def shown(someone: Visitor) -> str:
        page = await someone.get("/settings/account")
        return " ".join(page.one("//*[@class='who']").text_content().split())

    assert await shown(owner) == "owner"
    async with visitor(app, app.other.user_id) as other:
        assert await shown(other) == "otherowner"
    named = User(new_ulid(), app.owner.account_id, "viewer", Role.VIEWER, False, "", 1)
    await app.storage.write(lambda tx: tx.accounts.add_user(named))
    async with visitor(app, named.id) as viewer:
        assert await shown(viewer) == "viewerowner · viewer", "the role is no repetition"


async def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(app: App) -> None:
    link = await app.services.users.link(app.owner, "owner")
    await app.services.links.use(Purpose.SETUP, link.token, PASSWORD, "a test", "127.0.0.1")
    async with visitor(app) as here, visitor(app) as there:
        wrong = {"old": "not this one", "new": "another long secret"}
        page = await here.post("/settings/account/password", wrong, status=422)
        assert "This is not your password" in page.one("//p[@id='f-old-fault']/span").text
        weak = await here.post(
            "/settings/account/password", {"old": PASSWORD, "new": "password123"}, status=422
        )
        assert "lists of leaked ones" in weak.one("//p[@id='f-new-fault']/span").text
        await there.get("/settings/account")
        await here.post(
            "/settings/account/password", {"old": PASSWORD, "new": "another long secret"}
        )
        assert "This is the only session" in (await here.get("/settings/account")).text
        gone = await there.get("/settings/account", status=303)
        assert gone.location.startswith("/login")


async def test_sessions_are_listed_and_ended(app: App) -> None:
    async with visitor(app) as here, visitor(app) as there:
        page = await here.get("/settings/account")
        assert "This session" in page.text
        [end] = page.all("//section[@aria-labelledby='sessions']//td//form")
        assert (await here.post(end.get("action"))).location == "/settings/account"
        await there.get("/settings/account", status=303)
        late = await here.post(end.get("action"))
        assert late.location == "/settings/account"
    async with visitor(app) as here, visitor(app) as there, visitor(app) as third:
        await here.post("/settings/account/sessions/others/end")
        for one in (there, third):
            await one.get("/settings/account", status=303)
        await here.get("/settings/account")


async def test_a_saved_view_can_be_removed(app: App, owner: Visitor) -> None:
    await app.services.profiles.save_view(app.owner, "runs", "state=failed")
    page = await owner.get("/settings/account")
    assert page.one("//a[@href='/runs?state=failed']").text == "Runs: Failed"
    await app.services.profiles.save_view(app.owner, "runs", "worker=a&outcome=timeout&col=none")
    link = (await owner.get("/settings/account")).one("//a[contains(@href, 'outcome=')]")
    assert link.text == "Runs: Timeout, a · no columns"
    await owner.post("/settings/account/views/forget", {"name": "runs"})
    assert "outcome=" not in (await owner.get("/settings/account")).text
