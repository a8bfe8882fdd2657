"""The pages of links, sign-in, keys, users and the audit log, over HTTP."""

from __future__ import annotations

import re

import pytest

from fyke.model.run import Origin
from fyke.model.user import Purpose
from support.app import App
from support.pages import Page, Visitor, set_password, stranger

PASSWORD = "a long enough secret"
SITE = "https://example.com/"
pytestmark = pytest.mark.anyio


async def setup_path(app: App) -> str:
    return (await app.services.users.link(app.owner, "owner")).path


def token_of(page: Page) -> str:
    return page.value("token")


# --- links ----------------------------------------------------------------------------------


async def test_the_first_password_is_set_once_and_is_followed_by_the_example(
    app: App, guest: Visitor
) -> None:
    path = await setup_path(app)
    page = await guest.get(path)
    assert page.one("//h1").text == "Set up Fyke"
    assert page.value("username") == "owner"
    assert "/srv/fyke" in page.text
    form = {"token": token_of(page), "password": "short"}
    again = await guest.post("/setup", form, status=422)
    assert "5 characters are too few; use at least 10" in again.text
    assert again.one("//input[@name='password']").get("aria-invalid") == "true"
    done = await guest.post("/setup", form | {"password": PASSWORD})
    assert done.location == "/welcome"
    welcome = await guest.get("/welcome")
    assert "Fyke is ready" in welcome.text and "/srv/fyke" in welcome.text
    for used in (await guest.get(path, status=404), await guest.post("/setup", form, status=404)):
        assert "The link is no longer valid" in used.text
        assert "fyke user link owner" in used.text
    back = await guest.post("/login", {"name": " Owner", "password": PASSWORD})
    assert back.location == "/"


@pytest.mark.parametrize("purpose", list(Purpose))
async def test_an_unknown_link_is_reported_with_a_remedy(guest: Visitor, purpose: Purpose) -> None:
    for token in ("", "x" * 43, "x" * 5000, "\x00"):
        page = await guest.get(f"/{purpose}", params={"token": token}, status=404)
        assert "The link is no longer valid" in page.text


async def test_an_invited_user_sets_a_password_and_is_signed_in(
    app: App, owner: Visitor, guest: Visitor
) -> None:
    form = {"name": "ada@example.com", "role": "viewer"}
    made = await owner.post("/settings/users/invite", form, status=200)
    link = made.one("//output[@id='secret']").text
    assert link.startswith("http://127.0.0.1/invite?token=")
    page = await guest.get(link.removeprefix("http://127.0.0.1"))
    assert "You were invited to the account owner" in page.text
    assert re.search(r"The link expires .+ \(UTC\)", page.text)
    token = token_of(page)
    done = await guest.post("/invite", {"token": token, "password": PASSWORD})
    assert done.location == "/"
    own = await guest.get("/settings/account")
    assert "viewer" in own.text and "This is the only session" in own.text
    await guest.get("/settings/users/invite")
    refused = await guest.post("/settings/users/invite", {"name": "ben"}, status=403)
    assert "users with the role owner" in refused.text
    await guest.get("/settings/audit", status=403)


SAMPLE = {
    "description": "Pages",
    "b": "start_urls",
    "properties": [
        {"name": "start_urls", "type": "array", "editor": "requestList", "required": True},
        {"name": "max_results", "type": "integer", "editor": "number"},
        {"name": "max_depth", "type": "integer", "editor": "number"},
    ],
}


async def test_the_example_starts_a_run_or_reports_the_problem(app: App, owner: Visitor) -> None:
    assert "not in the catalog" in (await owner.get("/welcome")).text
    await app.publish("website-content-crawler", schema=SAMPLE)
    page = await owner.get("/welcome")
    assert page.value("url") == "https://example.com/"
    link = page.one("//*[@id='f-url-hint']/a").get("href")
    path, _, anchor = link.partition("#")
    (await owner.get(path)).one(f"//*[@id='{anchor}']")
    assert page.one("//form[@action='/welcome']").get("novalidate") is not None
    for address in ("", "127.0.0.1:8001", "example.com", "ftp://example.com/", "https:///x"):
        wrong = await owner.post("/welcome", {"url": address}, status=422)
        assert (
            "it begins with http:// or https://"
            in wrong.one("//*[@id='f-url-fault']").text_content()
        )
        assert wrong.value("url") == address
    started = await owner.post("/welcome", {"url": "https://example.com/"})
    run_id = started.location.removeprefix("/runs/")
    run = (await app.services.runs.get(app.owner, run_id)).run
    assert (run.origin, run.key_id) == (Origin.WEB, "")
    assert '"url":"https://example.com/"' in run.input_json


# --- before the setup -----------------------------------------------------------------------


async def test_without_a_password_pages_say_how_to_get_the_setup_link(
    app: App, guest: Visitor
) -> None:
    link = await app.services.users.link(app.owner, "owner")
    form = {"name": "owner", "password": "wrong"}
    for page in (
        await guest.get("/login?next=/runs"),
        await guest.post("/login", form, status=401),
        await guest.post("/welcome", {"url": SITE}, status=401),
    ):
        assert page.one("//h1").text == "Fyke is not set up yet"
        assert page.one("//pre").text == "fyke user link owner"
        assert not page.all("//form")
        assert link.token not in page.raw and "/srv/fyke" not in page.raw
    await guest.post("/setup", {"token": link.token, "password": PASSWORD})
    guest.http.cookies.clear()
    forgotten = await guest.get("/login")
    assert forgotten.one("//h1").text == "Sign in"
    assert "If you are the only owner, run this command on the server" in forgotten.text
    assert forgotten.one("//main//code").text == "fyke user link NAME"
    assert "run it as script/fyke" in forgotten.text


# --- signing in -----------------------------------------------------------------------------


async def test_too_many_wrong_passwords_are_reported_with_the_time_to_wait(
    app: App, guest: Visitor
) -> None:
    await set_password(app)
    for _ in range(6):
        wrong = await guest.post("/login", {"name": "owner", "password": "wrong"}, status=401)
        assert "The user name or the password is wrong" in wrong.text
    slow = await guest.post("/login", {"name": "owner", "password": "wrong"}, status=429)
    wait = re.search(r"try again in (\d+) seconds", slow.text)
    assert wait and 20 < int(wait[1]) <= 30
    assert slow.value("name") == "owner"


# --- keys -----------------------------------------------------------------------------------


async def test_a_key_is_shown_once_and_has_the_chosen_properties(app: App, owner: Visitor) -> None:
    empty = await owner.get("/settings/keys/new")
    assert empty.all("//input[@name='scopes'][@checked]/@value") == ["read", "run"]
    form = {"name": "reports", "scopes": ["read"], "expires": "2099-12-31", "rate_limit": "3"}
    made = await owner.post("/settings/keys/new", form, status=200)
    key = made.one("//output[@id='secret']").text
    caller = await app.services.accounts.authenticate(key)
    assert (sorted(caller.scopes), caller.rate_limit) == (["read"], 3)
    page = await owner.get("/settings/keys")
    assert "reports" in page.text and key not in page.raw
    row = page.one("//tr[td='reports']")
    assert row.xpath("string(td[3])").strip() == "read"
    revoke = row.xpath(".//form")[0].get("action")
    await owner.post(revoke)
    assert "Inactive keys" in (await owner.get("/settings/keys")).text
    assert (await owner.post(revoke)).location == "/settings/keys"


@pytest.mark.parametrize(
    ("changed", "field", "text"),
    [
        ({"name": ""}, "name", "A key needs a name"),
        ({"name": "local"}, "name", "already exists"),
        ({"expires": "2001-01-01"}, "expires", "Must be in the future"),
        ({"expires": "soon"}, "expires", "Enter a date such as"),
        ({"rate_limit": "many"}, "rate_limit", "Enter a whole number"),
        ({"rate_limit": "-1"}, "rate_limit", "Must be 0 to"),
        ({"scopes": []}, "scopes", "Choose at least one"),
    ],
)
async def test_errors_of_a_key_are_shown_at_their_fields(
    owner: Visitor, changed: dict[str, str | list[str]], field: str, text: str
) -> None:
    form = {"name": "a", "scopes": ["read", "run"], "expires": "", "rate_limit": ""} | changed
    page = await owner.post("/settings/keys/new", form, status=422)
    assert text in page.one(f"//p[@id='f-{field}-fault']/span").text
    assert page.one(f"//*[@id='faults']//a[@href='#f-{field}']") is not None
    assert page.all(f"//*[@id='f-{field}']")
    kept = [checkbox.get("value") for checkbox in page.all("//input[@name='scopes'][@checked]")]
    assert kept == list(form["scopes"])


async def test_an_account_without_keys_has_an_explanation(app: App, owner: Visitor) -> None:
    for key in await app.services.accounts.list_keys(app.owner):
        await app.services.accounts.revoke_key(app.owner, key.id)
    assert "No keys" in (await owner.get("/settings/keys")).text


# --- users ----------------------------------------------------------------------------------


async def test_an_owner_manages_users(app: App, owner: Visitor) -> None:
    await owner.post("/settings/users/invite", {"name": "Ada", "role": "member"}, status=200)
    assert "No password yet" in (await owner.get("/settings/users")).text
    path = "/settings/users/ada"
    assert "invitation" in (await owner.get(path)).text
    await owner.post(f"{path}/role", {"role": "viewer"})
    assert (await owner.get(path)).value("role") == "viewer"
    await owner.post(f"{path}/disable")
    assert "Disabled" in (await owner.get(path)).text
    await owner.post(f"{path}/enable")
    link = await owner.post(f"{path}/link", status=200)
    assert "/invite?token=" in link.one("//output[@id='secret']").text
    await owner.post(f"{path}/remove")
    await owner.get(path, status=404)


async def test_the_last_owner_cannot_be_removed_and_the_page_explains_why(owner: Visitor) -> None:
    path = "/settings/users/owner"
    for action, form in (("role", {"role": "viewer"}), ("disable", {}), ("remove", {})):
        page = await owner.post(f"{path}/{action}", form, status=409)
        assert "last owner" in page.text


async def test_errors_of_an_invitation_are_shown_at_their_fields(owner: Visitor) -> None:
    for name, text in (("<b>", "cannot name a user"), ("owner", "is a user already")):
        form = {"name": name, "role": "viewer"}
        page = await owner.post("/settings/users/invite", form, status=422)
        assert text in page.one("//p[@id='f-name-fault']/span").text
        assert (page.value("name"), page.value("role")) == (name, "viewer")


async def test_users_of_other_accounts_are_not_found(owner: Visitor) -> None:
    await owner.get("/settings/users/other", status=404)
    for action in ("link", "role", "disable", "enable", "remove"):
        await owner.post(f"/settings/users/other/{action}", {"role": "member"}, status=404)


# --- audit ----------------------------------------------------------------------------------


async def test_the_audit_log_is_paged_and_filtered(app: App, owner: Visitor) -> None:
    for number in range(60):
        await app.services.accounts.create_key(app.owner, f"<i>key {number}</i>")
    await owner.post("/settings/users/invite", {"name": "ada", "role": "member"}, status=200)
    page = await owner.get("/settings/audit")
    assert len(page.all("//tbody/tr")) == 50
    assert "Invited a user" in page.text and "127.0.0.1" in page.text
    [older] = page.all("//a[@rel='next']")
    rest = await owner.get(older.get("href"))
    assert 10 < len(rest.all("//tbody/tr")) < 50
    assert rest.one("//a[@rel='prev']").get("href") == "/settings/audit"
    only = await owner.get("/settings/audit?action=user.invite&before=rubbish")
    assert len(only.all("//tbody/tr")) == 1
    none = await owner.get("/settings/audit?action=worker.withdraw")
    assert "No matching entries" in none.text
    assert await owner.get("/settings/audit?action=nonsense&before=9999999999999999999999")


async def test_account_pages_require_a_session(app: App) -> None:
    async with stranger(app) as someone:
        for path in ("account", "keys", "keys/new", "users", "users/invite", "audit"):
            page = await someone.get(f"/settings/{path}", status=303)
            assert page.location.startswith("/login?next=")
        assert (await someone.get("/welcome", status=303)).location.startswith("/login")
