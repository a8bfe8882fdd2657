"""The checks before every page: sessions, origins, kept forms, errors as pages."""

from __future__ import annotations

import pytest

from support.app import App
from support.pages import BASE, FROM_OUR_PAGE, Visitor, set_password


@pytest.fixture
async def password(app: App) -> str:
    return await set_password(app)


async def test_a_visitor_is_redirected_to_the_sign_in_page_and_back(
    guest: Visitor, password: str
) -> None:
    away = await guest.get("/nothing/of/ours?a=1", status=404)
    assert "There is no such page" in away.text and "deleted" not in away.text
    shown = await guest.get("/login?next=/runs")
    assert shown.value("next") == "/runs"
    wrong = await guest.post("/login", {"name": "owner", "password": "wrong"}, status=401)
    assert wrong.value("name") == "owner"
    back = await guest.post("/login", {"name": "owner", "password": password, "next": "/runs"})
    assert back.location == "/runs"
    assert "HttpOnly" in back.answer.headers["set-cookie"]
    assert "SameSite=lax" in back.answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
async def test_signing_in_redirects_to_this_server_only(
    guest: Visitor, password: str, target: str
) -> None:
    form = {"name": "owner", "password": password, "next": target}
    assert (await guest.post("/login", form)).location == "/"


async def test_a_form_sent_after_the_session_has_expired_is_returned_after_sign_in(
    guest: Visitor, password: str
) -> None:
    typed = {"title": "  two\r\nlines <b>", "again": ["1", "2"]}
    returned = await guest.post("/logout", typed, status=401)
    assert "Your input is kept" in returned.text
    carried = {
        control.get("name"): (control.text or "").removeprefix("\n")
        for control in returned.all("//textarea")
    }
    # a browser normalises every kind of line break, and sends it as CRLF
    assert carried == {"pending.title": "  two\nlines <b>", "pending.again": "2"}
    form = {"name": "owner", "password": password, "pending_path": "/logout", **carried}
    ready = await guest.post("/login", form, status=200)
    assert ready.one("//form").get("action") == "/logout"
    assert [control.get("name") for control in ready.all("//textarea")] == ["title", "again"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "origin": BASE},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
    ],
)
async def test_other_sites_cannot_sign_a_visitor_out(
    owner: Visitor, headers: dict[str, str]
) -> None:
    answer = await owner.http.post("/logout", headers={"accept": "text/html", **headers})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_signing_out_ends_the_session(owner: Visitor) -> None:
    assert (await owner.post("/logout")).location == "/login?signed-out"
    assert (await owner.http.post("/logout", headers=FROM_OUR_PAGE)).status_code == 401


async def test_signing_out_clears_what_the_browser_stored(owner: Visitor) -> None:
    answer = await owner.http.post("/logout", headers=FROM_OUR_PAGE)
    assert answer.headers["clear-site-data"] == '"cache", "storage"'


async def test_a_client_that_does_not_accept_html_gets_the_json_envelope(guest: Visitor) -> None:
    answer = await guest.http.get("/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    below_api = await guest.http.get("/api/nothing", headers={"accept": "text/html"})
    assert below_api.headers["content-type"] == "application/json"


async def test_the_response_to_a_wrong_method_lists_the_allowed_ones(owner: Visitor) -> None:
    page = await owner.get("/logout", status=405)
    assert "POST" in page.text


async def test_assets_of_a_page_are_cached_without_expiry(guest: Visitor) -> None:
    page = await guest.get("/login")
    [sheet] = page.all("//link[@rel='stylesheet']/@href")
    answer = await guest.http.get(sheet)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert (await guest.http.get(sheet.replace("app.css", "none.css"))).status_code == 404


async def test_keyboard_shortcuts_are_listed_and_work_without_modifiers_only(
    owner: Visitor,
) -> None:
    page = await owner.get("/help/keys")
    assert page.one("//*[@class='side-foot']//a[@accesskey='?']").get("href") == "/help/keys"
    pressed = {" ".join(item.text_content().split()) for item in page.all("//main//dt")}
    assert {"Access key + ?", "Access key + /", "Ctrl + Enter", "F", "Home", "End"} <= pressed
    place = page.one("//section[.//kbd='F']//h2").text_content()
    assert place == "Log, while its lines are focused"
    store = await owner.get("/store")
    assert store.one("//main//input[@name='q']").get("accesskey") == "/"
