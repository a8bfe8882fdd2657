"""The second factor and the confirmation of sensitive actions, as pages."""

from __future__ import annotations

import json
import re
import time

import pytest
from pyotp import TOTP, parse_uri

from support.app import App
from support.pages import FROM_OUR_PAGE, Page, Visitor, set_password

PASSWORD = "a long enough secret"
PATH = "/settings/second-factor"
pytestmark = pytest.mark.anyio


async def choose_password(app: App, guest: Visitor) -> Page:
    """The owner chooses a password; the visitor is signed in."""
    token = (await app.services.users.link(app.owner, "owner")).token
    return await guest.post("/setup", {"token": token, "password": PASSWORD})


async def expire_confirmations(app: App) -> None:
    """Let the confirmations of the owner's sessions expire."""
    owner = app.owner.user_id
    sessions = await app.storage.read(lambda tx: tx.sessions.of_user(owner))
    await app.storage.write(
        lambda tx: [tx.sessions.verify(one.id, one.digest, 1) for one in sessions]
    )
    app.services.sessions.forget()


async def switch_on(visitor: Visitor) -> tuple[str, list[str]]:
    """Return the secret and the recovery codes as the pages show them."""
    assert (await visitor.post(f"{PATH}/new")).location == f"{PATH}/new"
    page = await visitor.get(f"{PATH}/new")
    secret = "".join(page.one("//output").text.split())
    valid = {TOTP(secret).at(time.time() + 30 * step) for step in range(-2, 3)}
    other = next(code for code in map(str, range(10**5, 10**5 + 6)) if code not in valid)
    for code, problem in (
        (other, "This is not the current code"),
        ("12", "Must be the six digits that the app shows"),
    ):
        wrong = await visitor.post(f"{PATH}/on", {"code": code}, status=422)
        assert problem in wrong.text
        assert "".join(wrong.one("//output").text.split()) == secret
    done = await visitor.post(f"{PATH}/on", {"code": TOTP(secret).now()}, status=200)
    return secret, done.one("//output").text.split()


def form_fields(page: Page) -> dict[str, str]:
    """The fields of the form, as a browser sends them."""
    return {item.get("name"): page.value(item.get("name")) for item in page.all("//form//*[@name]")}


# --- the second factor ----------------------------------------------------------------------


async def test_an_app_can_be_added_and_used_to_sign_in(app: App, guest: Visitor) -> None:
    await choose_password(app, guest)
    assert "Off" in (await guest.get(PATH)).text
    _, codes = await switch_on(guest)
    assert len(codes) == 10
    page = await guest.get(PATH)
    assert "Recovery codes left 10" in page.text and codes[0] not in page.raw
    await guest.post("/logout")
    form = {"name": "owner", "password": PASSWORD, "next": "/queue"}
    asked = await guest.post("/login", form, status=200)
    assert asked.one("//h1").text == "Enter a code"
    assert "set-cookie" not in asked.answer.headers
    wrong = await guest.post("/login/code", form_fields(asked) | {"code": "000000"}, status=401)
    assert "The code is wrong or has been used" in wrong.text
    done = await guest.post("/login/code", form_fields(wrong) | {"code": codes[0]})
    assert done.location == "/queue"
    assert "Recovery codes left 9" in (await guest.get(PATH)).text


async def test_the_qr_code_needs_no_style_and_names_user_and_host(app: App, guest: Visitor) -> None:
    await choose_password(app, guest)
    await guest.post(f"{PATH}/new")
    page = await guest.get(f"{PATH}/new")
    [picture] = page.all("//div[@role='img']/svg")
    assert picture.get("viewbox") or picture.get("viewBox")
    assert not picture.xpath(".//@style") and picture.xpath(".//path")
    assert re.fullmatch(r"([A-Z2-7]{4} ){7}[A-Z2-7]{4}", page.one("//output").text)


async def test_the_setup_page_can_be_reloaded_and_reopened(app: App, guest: Visitor) -> None:
    await choose_password(app, guest)
    assert (await guest.get(f"{PATH}/new", status=303)).location == PATH
    await guest.post(f"{PATH}/new")
    page = await guest.get(f"{PATH}/new")
    secret = page.one("//button[@data-copy]").get("data-copy")
    [app_link] = page.all("//a[starts-with(@href, 'otpauth:')]")
    assert parse_uri(app_link.get("href")).secret == secret
    again = await guest.get(f"{PATH}/new")
    assert again.one("//button[@data-copy]").get("data-copy") == secret
    await guest.post(f"{PATH}/on", {"code": TOTP(secret).now()}, status=200)
    repeated = await guest.post(f"{PATH}/on", {"code": TOTP(secret).now()})
    assert repeated.location == PATH
    assert "did not keep the recovery codes, create new ones" in (await guest.get(PATH)).text
    for path in ("new", "on", "codes"):
        assert (await guest.get(f"{PATH}/{path}", status=303)).location == PATH


async def test_opening_a_path_that_only_accepts_forms_refers_to_the_menu(
    app: App, guest: Visitor
) -> None:
    await choose_password(app, guest)
    page = await guest.get(f"{PATH}/off", status=405)
    assert "Open the page from the menu" in page.text


async def test_an_expired_ticket_redirects_to_the_sign_in_page(app: App, guest: Visitor) -> None:
    await set_password(app)
    page = await guest.post(
        "/login/code", {"ticket": "x", "code": "1", "next": "/queue"}, status=401
    )
    assert page.one("//h1").text == "Sign in" and page.value("next") == "/queue"
    assert "Sign in again" in page.text


async def test_codes_can_be_renewed_and_the_factor_switched_off(app: App, guest: Visitor) -> None:
    await choose_password(app, guest)
    _, codes = await switch_on(guest)
    renewed = (await guest.post(f"{PATH}/codes", status=200)).one("//output").text.split()
    assert len(renewed) == 10 and not set(renewed) & set(codes)
    assert (await guest.post(f"{PATH}/off")).location == PATH
    await guest.post("/logout")
    back = await guest.post("/login", {"name": "owner", "password": PASSWORD})
    assert back.location == "/"


async def test_a_password_link_asks_for_the_second_factor(app: App, guest: Visitor) -> None:
    await choose_password(app, guest)
    _, codes = await switch_on(guest)
    link = await app.services.users.link(app.owner, "owner")
    page = await guest.get(link.path)
    form = form_fields(page) | {"password": "another long secret"}
    wrong = await guest.post("/reset", form | {"code": "000000"}, status=422)
    assert wrong.one("//input[@name='code']").get("aria-invalid") == "true"
    assert (await guest.post("/reset", form | {"code": codes[3]})).location == "/"


async def test_the_list_of_users_shows_their_second_factor(app: App, guest: Visitor) -> None:
    await choose_password(app, guest)
    assert "reset-second-factor" not in (await guest.get("/settings/users/owner")).text
    await switch_on(guest)
    assert "fyke user reset-second-factor owner" in (await guest.get("/settings/users/owner")).text


# --- confirmation ---------------------------------------------------------------------------


async def test_a_key_is_created_after_the_password_is_confirmed(app: App, guest: Visitor) -> None:
    await choose_password(app, guest)
    await expire_confirmations(app)
    form = {"name": "reports", "scopes": ["read", "run"], "expires": "", "rate_limit": ""}
    asked = await guest.post("/settings/keys/new", form, status=403)
    assert asked.one("//h1").text == "Confirm that it is you"
    assert "Enter your password for this action under API keys." in asked.text
    assert not asked.all("//input[@name='code']")
    scopes = [item.text.strip() for item in asked.all("//*[@name='pending.scopes']")]
    assert scopes == ["read", "run"]
    answer = {**form_fields(asked), "pending.scopes": scopes}
    wrong = await guest.post("/settings/confirm", answer | {"password": "wrong"}, status=422)
    assert "This is not your password; if you forgot it, ask an owner of your account" in wrong.text
    assert "Enter your password for this action under API keys." in wrong.text
    ready = await guest.post("/settings/confirm", answer | {"password": PASSWORD}, status=200)
    assert "Your password is confirmed" in ready.text
    assert ready.one("//form[@action='/settings/keys/new']") is not None
    made = await guest.post("/settings/keys/new", form, status=200)
    assert made.one("//output[@id='secret']").text.startswith("scraper_api_")


async def test_a_confirmation_requires_the_second_factor(app: App, guest: Visitor) -> None:
    await choose_password(app, guest)
    _, codes = await switch_on(guest)
    await expire_confirmations(app)
    asked = await guest.post("/settings/users/owner/link", status=403)
    answer = form_fields(asked) | {"password": PASSWORD}
    wrong = await guest.post("/settings/confirm", answer | {"code": "000000"}, status=422)
    assert wrong.one("//input[@name='code']").get("aria-invalid") == "true"
    ready = await guest.post("/settings/confirm", answer | {"code": codes[0]}, status=200)
    assert ready.one("//form[@action='/settings/users/owner/link']") is not None


async def test_passwords_are_not_kept_in_the_pending_form(app: App, guest: Visitor) -> None:
    await choose_password(app, guest)
    _, codes = await switch_on(guest)
    await expire_confirmations(app)
    form = {"old": PASSWORD, "new": "another long secret"}
    asked = await guest.post("/settings/account/password", form, status=403)
    assert PASSWORD not in asked.raw and form["new"] not in asked.raw
    answer = form_fields(asked) | {"password": PASSWORD, "code": codes[0]}
    assert (await guest.post("/settings/confirm", answer)).location == "/settings/account"


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/settings/users/invite", {"name": "eve", "role": "member"}),
        ("/settings/users/owner/role", {"role": "member"}),
        ("/settings/users/owner/disable", {}),
        ("/settings/users/owner/enable", {}),
        ("/settings/users/owner/remove", {}),
        (
            "/settings/webhooks/new",
            {
                "name": "w",
                "channel": "webhook",
                "url": "https://a.example",
                "events": "run.failed",
            },
        ),
        (f"{PATH}/new", {}),
        (f"{PATH}/codes", {}),
        (f"{PATH}/off", {}),
        ("/admin/accounts", {"name": "second"}),
    ],
)
async def test_a_sensitive_form_asks_for_the_password(
    app: App, guest: Visitor, path: str, form: dict[str, str]
) -> None:
    await choose_password(app, guest)
    await expire_confirmations(app)
    page = await guest.post(path, form, status=403)
    assert page.value("pending_path") == path
    hx = {"hx-request": "true", "accept": "text/html", **FROM_OUR_PAGE}
    part = await guest.http.post(path, data=form, headers=hx)
    assert part.headers["hx-redirect"].startswith("/settings/confirm?next=")
    confirm = await guest.get(part.headers["hx-redirect"])
    assert confirm.one("//h1").text == "Confirm that it is you"


async def test_the_playground_asks_for_the_password_too(app: App, guest: Visitor) -> None:
    await choose_password(app, guest)
    await expire_confirmations(app)
    form = {"body": json.dumps({"name": "from the playground"})}
    tried = await guest.post("/docs/createKey/try", form, status=200)
    answer = json.loads(tried.one("//*[@id='trial']//pre").text_content())
    assert "Confirm your password at /settings/confirm first" in answer["message"]
    confirm = await guest.get("/settings/confirm?next=/docs/createKey")
    done = await guest.post("/settings/confirm", form_fields(confirm) | {"password": PASSWORD})
    assert done.location == "/docs/createKey"
    tried = await guest.post("/docs/createKey/try", form, status=200)
    assert json.loads(tried.one("//*[@id='trial']//pre").text_content())["code"] == 0
