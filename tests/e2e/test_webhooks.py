"""A whole platform notifies an endpoint and a mailbox: of a run, of its end, of an alert."""

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from standardwebhooks import Webhook

from support.booted import Booted, booted
from support.mail_servers import Mailbox, mailing
from support.projects import zoo
from support.receivers import Receiver, listening

CARDS = ("database", "disk", "runners", "egress", "proxies", "timers")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


@contextmanager
def mail_box() -> Iterator[Mailbox]:
    """A mail server in a separate thread."""
    mailbox, ready, stop = Mailbox(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with mailing(mailbox):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def test_an_endpoint_is_notified_and_the_installation_is_healthy(
    platform: Booted, receiver: Receiver
) -> None:
    run_and_receive(platform, receiver)
    assert_healthy(platform)


@pytest.mark.long
def test_an_alert_is_sent_by_mail(receiver: Receiver) -> None:
    with mail_box() as mailbox, booted(callback_allow="127.0.0.1/32") as platform:
        name_mail_server(platform, mailbox)
        join(platform, mailbox, "ada@example.org")
        run = run_and_receive(platform, receiver, "ada@example.org")
        platform.wait_for(lambda: len(mailbox.messages) > 1, "the mail")
        page = platform.read("/api/fyke/alerts")
        assert (page["count"], page["unread"], page["list"][0]["run_slug"]) == (1, 1, run)
    [_, (sender, to, text)] = mailbox.messages
    assert (sender, to) == ("fyke@example.org", ["ada@example.org"])
    message = email.message_from_bytes(text, policy=email.policy.default)
    assert message["subject"].startswith("[Fyke] ") and " failed: " in message["subject"]
    body = message.get_content()
    assert "Rule: Failures" in body and f"/runs/{run}" in body


def name_mail_server(platform: Booted, mailbox: Mailbox) -> None:
    """Name it while the platform runs, as its operator."""
    server = {"host": "127.0.0.1", "port": mailbox.port, "tls": "none"}
    server["sender"] = "fyke@example.org"
    path = f"{platform.url}/api/fyke/installation/mail"
    answer = httpx2.put(path, json=server, headers={"api-key": platform.key})
    assert answer.json()["data"]["origin"] == "operator", answer.text


def join(platform: Booted, mailbox: Mailbox, name: str) -> None:
    """Invite a user of this name, who accepts and confirms the address; others get no mail."""
    body = {"name": name, "role": "viewer"}
    link = platform.call("/api/fyke/users", body)["link"]["url"]
    address, _, token = link.partition("?token=")
    form = {"token": token, "password": "a mailbox beside the harbour"}
    with httpx2.Client(base_url=platform.url, headers={"origin": platform.url}) as browser:
        for path, data in ((address, form), ("/settings/account/address", {})):
            answer = browser.post(path, data=data)
            assert answer.status_code == 303, answer.text
    [(_, [to], text)] = mailbox.messages
    assert to == name
    mail = email.message_from_bytes(text, policy=email.policy.default).get_content()
    address, _, token = next(line for line in mail.splitlines() if "?token=" in line).partition(
        "?token="
    )
    assert address == f"{platform.url}/confirm-address"
    answer = httpx2.post(address, data={"token": token}, headers={"origin": platform.url})
    assert answer.status_code == 303, answer.text


def run_and_receive(platform: Booted, receiver: Receiver, *emails: str) -> str:
    """Let a run fail and follow its notifications; return the run. Leaves no webhook behind."""
    slug = platform.push(zoo("raises"), "webhook-raises")
    events = ["run.started", "run.failed", "alert.raised"]
    wanted = {"name": "Ops", "url": receiver.url("/ops"), "events": events}
    hook = platform.call("/api/fyke/webhooks", wanted)
    rule = {"name": "Failures", "kind": "failed", "worker": slug, "emails": emails}
    made = platform.call("/api/fyke/alerts/rules", rule)
    try:
        trial = platform.call(f"/api/fyke/webhooks/{hook['id']}/test")
        assert trial["taken"] and trial["steps"][-1]["name"] == "answer"
        body = {"scraper_slug": slug, "input": {"parameters": {"custom": {}}}}
        run = str(platform.call("/api/v1/scraper/run", body)["run_slug"])
        came = receiver.wait("/ops", 4)
        platform.wait_for(
            lambda: platform.read(f"/api/fyke/webhooks/{hook['id']}")["last_status"] == 200,
            "the note of the answer",
        )
    finally:
        remove(platform, f"/api/fyke/webhooks/{hook['id']}")
        remove(platform, f"/api/fyke/alerts/rules/{made['id']}")
    messages = [Webhook(hook["secret"]).verify(one.body, one.headers) for one in came]
    assert [one["type"] for one in messages] == ["webhook.test", *events]
    assert {one["data"]["run_slug"] for one in messages[1:]} == {run}
    assert "ValueError: price not found on page 7" in messages[3]["data"]["sentence"]
    return run


def remove(platform: Booted, path: str) -> None:
    answer = httpx2.delete(f"{platform.url}{path}", headers={"api-key": platform.key})
    assert answer.json()["code"] == 0, answer.text


def assert_healthy(platform: Booted) -> None:
    """Check the health pages of a platform that has executed a run."""
    for card in CARDS:
        checks = platform.read(f"/api/fyke/installation/health/{card}")["list"]
        levels = {check["level"] for check in checks}
        wanted = {"good", "warning"} if card in ("runners", "disk") else {"good"}
        assert levels <= wanted, checks
    timers = platform.read("/api/fyke/installation/health/timers")["list"]
    assert {"alert", "callback", "lease", "schedule"} <= {check["name"] for check in timers}
    storage = platform.read("/api/fyke/installation/storage")
    assert storage["runs"] >= 1 and storage["used"] > 0 and storage["free"] > 0
    settings = platform.read("/api/fyke/installation/settings")["list"]
    origins = {one["name"]: one["origin"] for one in settings}
    assert origins["callback_allow"].startswith(("environment", "file"))
    names = {piece["name"] for piece in platform.read("/api/fyke/installation/versions")["list"]}
    assert {"Fyke", "tables of state", "uv", "bubblewrap"} <= names
