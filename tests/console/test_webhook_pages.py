"""Webhooks in the console: creation, secrets, test calls, changes, replays and removal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from standardwebhooks import Webhook

from fyke.domain.webhooks.rules import EndpointFields
from fyke.model.account import Role, User
from fyke.model.callback import DeliveryAttempt
from support.alerts import a_run
from support.app import App
from support.chat_services import chat_services
from support.pages import Visitor, visitor
from support.receivers import Receiver, Reply, listening
from support.webhook_seed import seed_webhooks

pytestmark = pytest.mark.anyio
LIST = "/settings/webhooks"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


async def a_webhook(owner: Visitor, url: str, name: str = "Ops") -> tuple[str, str]:
    """Create a webhook by the form; return its address in the console, and its secret."""
    page = await owner.post(
        f"{LIST}/new",
        {"name": name, "url": url, "events": ["run.failed", "run.succeeded"], "enabled": "on"},
        status=200,
    )
    [secret] = page.all("//output[@id='secret']/text()")
    return page.one("//a[text()='Done']").get("href"), secret


async def test_an_empty_list_explains_webhooks(owner: Visitor) -> None:
    page = await owner.get(LIST)
    assert "No webhooks" in page.text
    page.one(f"//main//a[@href='{LIST}/new']")


async def test_a_secret_is_shown_once(owner: Visitor, receiver: Receiver) -> None:
    here, secret = await a_webhook(owner, receiver.url("/x"))
    assert secret.startswith("whsec_")
    page = await owner.get(here)
    assert secret not in page.raw and "No deliveries yet" in page.text
    rotated = await owner.post(f"{here}/rotate", status=200)
    [other] = rotated.all("//output[@id='secret']/text()")
    assert other != secret and "also signed with the previous secret" in rotated.text
    assert "The previous secret is also valid until" in (await owner.get(here)).text


async def test_errors_are_shown_at_their_fields_and_values_are_kept(owner: Visitor) -> None:
    typed = {"name": "Ops", "url": "http://10.0.0.7/x", "description": "<b>mine</b>"}
    page = await owner.post(f"{LIST}/new", typed, status=422)
    links = {item.get("href"): item.text_content() for item in page.all("//*[@id='faults']//a")}
    assert set(links) == {"#f-url", "#f-events"}
    assert "10.0.0.7 port 80 is not on the public internet" in links["#f-url"]
    assert "FYKE_CALLBACK_ALLOW" in links["#f-url"]
    page.one("//a[@href='/admin/proxies?entry=10.0.0.7%3A80#callbacks']")
    assert (page.value("name"), page.value("url")) == ("Ops", "http://10.0.0.7/x")
    assert page.value("description") == "<b>mine</b>"
    assert not page.one("//input[@name='enabled']").get("checked")
    bare = await owner.post(f"{LIST}/new", typed | {"url": "not a url"}, status=422)
    assert "start with http:// or https://" in bare.one("//*[@id='f-url-fault']").text_content()
    empty = await owner.post(f"{LIST}/new", typed | {"url": " "}, status=422)
    assert "Enter the address." in empty.one("//*[@id='f-url-fault']").text_content()
    await a_webhook(owner, "http://127.0.0.1:9000/x")
    again = {"name": "Ops", "url": "http://127.0.0.1:9000/y", "events": "run.failed"}
    page = await owner.post(f"{LIST}/new", again, status=422)
    assert (
        "There is a webhook named 'Ops' already"
        in page.one("//*[@id='f-name-fault']").text_content()
    )


async def test_a_test_call_shows_its_steps(owner: Visitor, receiver: Receiver) -> None:
    here, secret = await a_webhook(owner, receiver.url("/x"))
    receiver.reply("/x", Reply(200, text="thanks <b>a lot</b>"), Reply(404, text="no"))
    page = await owner.post(f"{here}/test", status=200)
    steps = [item.text_content().strip() for item in page.all("//ol/li//p[@class='strong']")]
    assert steps == ["Name resolved", "Connected", "Sent", "Response received"]
    assert "thanks <b>a lot</b>" in page.one("//section[@id='trial']").text_content()
    [message] = receiver.at("/x")
    Webhook(secret).verify(message.body, message.headers)
    part = await owner.post(f"{here}/test", part=True, status=200)
    assert "Not accepted" in part.text and "HTTP 404" in part.text
    assert "Any status from 200 to 299 counts" in part.text


async def test_deliveries_are_listed_shown_and_replayed(app: App, owner: Visitor) -> None:
    await app.register_runner()
    addresses = await seed_webhooks(app)
    here = addresses["/settings/webhooks/{id}"]
    page = await owner.get(here)
    assert "Calls are failing" in page.text and "HTTP 503" in page.text
    assert "the queue behind this address is full" in page.text
    assert page.all("//table//a[starts-with(@href, '/runs/')]")
    one = await owner.get(addresses["/settings/webhooks/{id}/deliveries/{delivery}"])
    assert '"type": "' in one.one("//pre").text_content()
    waiting = await owner.get(f"{here}?state=pending")
    assert not waiting.all("//button[contains(., 'Retry delivery')]")
    done = await owner.get(f"{here}?state=delivered")
    [form] = done.all("//form[contains(@action, '/replay')]")
    await owner.post(form.get("action"))
    assert "No deliveries in this state" in (await owner.get(f"{here}?state=delivered")).text
    listed = await owner.get(LIST)
    assert [item.text_content().strip() for item in listed.all("//td[@data-label='State']")] == [
        "Off", "Failing", "Working",
    ]  # fmt: skip


async def test_a_webhook_can_be_changed_and_switched_off(app: App, owner: Visitor) -> None:
    here, _ = await a_webhook(owner, "http://127.0.0.1:1024/a")
    form = await owner.get(f"{here}/edit")
    assert form.value("url") == "http://127.0.0.1:1024/a"
    assert [item.get("value") for item in form.all("//input[@name='events'][@checked]")] == [
        "run.succeeded", "run.failed",
    ]  # fmt: skip
    changed = {"name": "Ops 2", "url": "http://127.0.0.1:1024/b", "events": "run.aborted"}
    assert (await owner.post(f"{here}/edit", changed)).location == here
    page = await owner.get(here)
    assert "The webhook was changed." in page.text
    assert page.one("//h1").text == "Ops 2" and "Off" in page.text


async def test_a_webhook_is_removed_after_a_question(owner: Visitor) -> None:
    here, _ = await a_webhook(owner, "http://127.0.0.1:1024/a")
    page = await owner.get(here)
    assert "Tests are not." in page.text and "Remove Ops?" in page.text
    form = page.one("//*[@popover]//form[contains(@action, '/delete')]")
    assert (await owner.post(form.get("action"))).location == LIST
    await owner.get(here, status=404)


async def test_a_disabled_receiver_can_be_enabled(app: App, owner: Visitor) -> None:
    here, _ = await a_webhook(owner, "http://127.0.0.1:1024/a")

    def give_up(tx: Any) -> None:
        known = tx.receivers.lock(app.owner.account_id, "http://127.0.0.1:1024")
        tx.receivers.save(type(known)(known.account_id, known.receiver, 1, 0, 2, 3))

    await app.storage.write(give_up)
    assert "Every call failed for 5 days" in (await owner.get(here)).text
    await owner.post(f"{here}/enable")
    assert "Every call failed for 5 days" not in (await owner.get(here)).text


async def test_a_viewer_can_only_read_and_other_accounts_find_nothing(
    app: App, owner: Visitor
) -> None:
    await app.register_runner()
    here, _ = await a_webhook(owner, "http://127.0.0.1:1024/a")
    await a_run(app)
    viewer = User("01HFVIEWER0000000000000000", app.owner.account_id, "vera", Role.VIEWER,
                  False, "x", 1)  # fmt: skip
    await app.storage.write(lambda tx: tx.accounts.add_user(viewer))
    async with visitor(app, viewer.id) as someone:
        page = await someone.get(here)
        assert not page.all("//main//form")
        await someone.post(f"{here}/test", status=403)
        await someone.post(f"{LIST}/new", {"name": "x"}, status=403)
    async with visitor(app, app.other.user_id) as stranger:
        for address in (here, f"{here}/edit", f"{here}/deliveries/msg_1"):
            await stranger.get(address, status=404)
        for action in ("test", "rotate", "delete", "enable", "edit"):
            await stranger.post(f"{here}/{action}", {"name": "x"}, status=404)


async def test_a_chat_is_added_tested_and_changed_without_its_address(
    owner: Visitor, receiver: Receiver
) -> None:
    typed = {
        "name": "Team",
        "channel": "slack",
        "url": receiver.url("/services/T0/zebra"),
        "events": "alert.raised",
        "enabled": "on",
    }
    here = (await owner.post(f"{LIST}/new", typed)).location
    for address in (here, f"{here}/edit", LIST):
        page = await owner.get(address)
        assert "zebra" not in page.raw and "Slack" in page.text
    assert not page.all("//button[contains(., 'Rotate')]")
    trial = await owner.post(f"{here}/test", status=200)
    assert "Accepted" in trial.text and "Test message from Fyke" in trial.text
    await owner.post(f"{here}/edit", {**typed, "url": "", "events": "run.failed"})
    await owner.post(f"{here}/test", status=200)
    assert len(receiver.at("/services/T0/zebra")) == 2
    bad = {**typed, "name": "T", "channel": "telegram", "token": "7:secret", "chat": "x y"}
    page = await owner.post(f"{LIST}/new", bad, status=422)
    page.one("//*[@id='faults']//a[@href='#f-token']")
    page.one("//*[@id='faults']//a[@href='#f-chat']")
    assert (
        "Must be a number, such as -1001234567890"
        in page.one("//*[@id='f-chat-fault']").text_content()
    )
    assert page.value("chat") == "x y"
    assert "7:secret" not in page.raw


async def test_the_page_says_what_the_service_of_a_chat_means(owner: Visitor, app: App) -> None:
    with chat_services() as services:
        fields = EndpointFields("team", services.url("slack", "gone"), ("run.failed",))
        fields = replace(fields, channel="slack")
        hook = (await app.services.webhooks.add(app.owner, fields)).endpoint
        page = await owner.post(f"{LIST}/{hook.id}/test", status=200)
    assert "HTTP 404" in page.text and "no_service" in page.text
    sentence = "The service does not know this address any more."
    assert sentence in page.text
    attempt = DeliveryAttempt("", 5, 404, "", 9, "no_service")
    await app.storage.write(lambda tx: tx.webhooks.note_try(hook.id, attempt, accepted=False))
    failing = await owner.get(f"{LIST}/{hook.id}")
    assert "Calls are failing" in failing.text and sentence in failing.text


async def test_a_chat_that_becomes_a_program_is_offered_a_secret(owner: Visitor) -> None:
    typed = {"name": "Team", "channel": "slack", "url": "http://127.0.0.1:1024/chat"}
    typed |= {"events": "alert.raised", "enabled": "on"}
    here = (await owner.post(f"{LIST}/new", typed)).location
    field = (await owner.get(f"{here}/edit")).one("//input[@name='url']")
    assert field.get("type") == "text", "a hidden address that is invalid would block the form"
    program = {**typed, "channel": "webhook", "url": "http://127.0.0.1:1024/program"}
    await owner.post(f"{here}/edit", program)
    page = await owner.get(here)
    assert "Rotate its secret to get one" in page.text and "at creation" not in page.text
    page.one("//form[contains(@action, '/rotate')]")
    await owner.post(f"{here}/edit", program)
    assert "Rotate its secret to get one" not in (await owner.get(here)).text
