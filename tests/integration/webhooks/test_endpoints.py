"""Endpoints and a real receiver: messages, signatures of two secrets, failures, test calls."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from fyke.domain.webhooks.rules import EndpointFields
from fyke.errors import InvalidRequest, Refused
from fyke.model.callback import DeliveryFilter, DeliveryState
from fyke.model.run import Outcome
from fyke.model.webhook import OLD_SECRET_MS
from support.alerts import a_run
from support.app import App
from support.receivers import Received, Receiver, Reply

pytestmark = pytest.mark.anyio
ENDS = ("run.succeeded", "run.failed", "run.aborted")


async def wait_for(receiver: Receiver, path: str, count: int = 1) -> list[Received]:
    return await asyncio.to_thread(receiver.wait, path, count)


def verify(secret: str, received: Received) -> dict[str, Any]:
    payload: dict[str, Any] = Webhook(secret).verify(received.body, received.headers)
    return payload


async def test_an_endpoint_is_notified_of_the_start_and_then_of_the_end(
    working: App, receiver: Receiver
) -> None:
    fields = EndpointFields("All", receiver.url("/all"), ("run.started", *ENDS))
    created = await working.services.webhooks.add(working.owner, fields)
    await working.services.webhooks.add(
        working.owner, replace(fields, name="Failures", url=receiver.url("/bad"), events=ENDS[1:2])
    )
    run = await a_run(working)
    failed = await a_run(working, Outcome.EXIT_CODE)
    messages = [verify(created.secret, message) for message in await wait_for(receiver, "/all", 4)]
    assert [message["type"] for message in messages if message["data"]["run_slug"] == run.id] == [
        "run.started", "run.succeeded",
    ]  # fmt: skip
    last = next(message for message in messages if message["type"] == "run.succeeded")
    assert last["data"]["result_count"] == 1
    assert (last["data"]["worker_slug"], last["data"]["version"]) == (run.worker_id, run.version)
    assert last["timestamp"].endswith("Z")
    [bad] = await wait_for(receiver, "/bad")
    assert (bad.data["type"], bad.data["data"]["run_slug"]) == ("run.failed", failed.id)
    assert bad.data["data"]["error_message"]
    with pytest.raises(WebhookVerificationError):
        verify(created.secret, bad)


async def test_both_secrets_verify_for_a_day_after_a_rotation(
    working: App, receiver: Receiver
) -> None:
    webhooks = working.services.webhooks
    fields = EndpointFields("All", receiver.url("/x"), ENDS)
    old = await webhooks.add(working.owner, fields)
    new = await webhooks.rotate(working.owner, old.endpoint.id)
    assert new.secret != old.secret
    await a_run(working)
    [message] = await wait_for(receiver, "/x")
    assert len(message.headers["webhook-signature"].split()) == 2
    assert verify(old.secret, message) == verify(new.secret, message)
    # a day later
    view = await webhooks.get(working.owner, old.endpoint.id)
    expired = replace(view.endpoint, old_until=view.endpoint.old_until - OLD_SECRET_MS)
    await working.storage.write(lambda tx: tx.webhooks.save(expired))
    await a_run(working)
    _, message = await wait_for(receiver, "/x", 2)
    assert verify(new.secret, message)["type"] == "run.succeeded"
    with pytest.raises(WebhookVerificationError):
        verify(old.secret, message)


async def test_a_failing_endpoint_is_marked_and_a_new_address_gets_the_pending_messages(
    working: App, receiver: Receiver
) -> None:
    webhooks, owner = working.services.webhooks, working.owner
    receiver.reply("/old", Reply(503))
    created = await webhooks.add(owner, EndpointFields("One", receiver.url("/old"), ENDS))
    await a_run(working)
    await wait_for(receiver, "/old")
    async with asyncio.timeout(10):
        while not (view := await webhooks.get(owner, created.endpoint.id)).endpoint.last_at:
            await asyncio.sleep(0.01)
    assert (view.endpoint.last_status, view.endpoint.failing_since > 0) == (503, True)
    assert view.next_at > view.endpoint.last_at
    moved = EndpointFields("One", receiver.url("/new"), ENDS)
    await webhooks.change(owner, created.endpoint.id, moved)
    [message] = await wait_for(receiver, "/new")
    assert verify(created.secret, message)["type"] == "run.succeeded"
    async with asyncio.timeout(10):
        while (view := await webhooks.get(owner, created.endpoint.id)).endpoint.failing_since:
            await asyncio.sleep(0.01)
    assert (view.endpoint.last_status, view.next_at) == (200, 0)
    assert len(receiver.at("/old")) == 1


async def test_a_disabled_endpoint_gets_nothing_and_its_messages_can_be_replayed(
    app: App, receiver: Receiver
) -> None:
    """Without the timers: deliveries are written, fail, and are replayed."""
    webhooks, callbacks, owner = app.services.webhooks, app.services.callbacks, app.owner
    fields = EndpointFields("One", receiver.url("/x"), ENDS)
    created = await webhooks.add(owner, fields)
    of_endpoint = DeliveryFilter(endpoint_id=created.endpoint.id)
    await a_run(app)
    await webhooks.change(owner, created.endpoint.id, replace(fields, enabled=False))
    await a_run(app)
    count, deliveries = await callbacks.page(owner, of_endpoint, offset=0, limit=9)
    assert (count, deliveries[0].delivery.state) == (1, DeliveryState.FAILED)
    assert "switched off" in deliveries[0].delivery.last_error
    with pytest.raises(Refused, match="'One' is switched off"):
        await callbacks.replay(owner, deliveries[0].delivery.id)
    on = replace(fields, url=receiver.url("/y"))
    await webhooks.change(owner, created.endpoint.id, on)
    replayed = await callbacks.replay(owner, deliveries[0].delivery.id)
    assert (replayed.delivery.state, replayed.delivery.url) == (DeliveryState.PENDING, on.url)
    await webhooks.remove(owner, created.endpoint.id)
    with pytest.raises(Refused, match="has been removed"):
        await callbacks.replay(owner, deliveries[0].delivery.id)


async def test_a_webhook_keeps_an_address_that_would_be_refused_today(app: App) -> None:
    webhooks, owner = app.services.webhooks, app.owner
    fields = EndpointFields("One", "https://relay.example/x", ENDS)
    created = (await webhooks.add(owner, fields)).endpoint
    slack = replace(created, url="https://hooks.slack.com/services/T0/B0/x")
    await app.storage.write(lambda tx: tx.webhooks.save(slack))
    changed = replace(fields, name="Old", url=slack.url, enabled=False)
    view = await webhooks.change(owner, created.id, changed)
    assert (view.endpoint.name, view.endpoint.url, view.endpoint.enabled) == (
        "Old", slack.url, False,
    )  # fmt: skip
    other = replace(changed, url="https://hooks.slack.com/services/T0/B0/y")
    teams = replace(changed, channel="teams")
    for refused in (other, teams):
        with pytest.raises(InvalidRequest, match="an address of Slack; choose Slack"):
            await webhooks.change(owner, created.id, refused)


async def test_a_test_call_reports_its_steps(app: App, receiver: Receiver) -> None:
    webhooks, owner = app.services.webhooks, app.owner
    fields = EndpointFields("One", receiver.url("/x"), ENDS, enabled=False)
    created = await webhooks.add(owner, fields)
    receiver.reply("/x", Reply(200, text="thanks"), Reply(500, text="x" * 5000))
    trial = await webhooks.test(owner, created.endpoint.id)
    assert (trial.accepted, trial.answer.status, trial.answer.reply) == (True, 200, "thanks")
    assert [step.name for step in trial.steps] == ["resolve", "connect", "send", "answer"]
    assert all(step.ok for step in trial.steps)
    times = [step.at_ms for step in trial.steps]
    assert times == sorted(times) and times[-1] <= trial.duration_ms + 1
    [message] = receiver.at("/x")
    assert verify(created.secret, message)["type"] == "webhook.test"
    assert message.body.decode() == trial.body
    assert message.headers["webhook-id"] == trial.message_id
    trial = await webhooks.test(owner, created.endpoint.id)
    assert (trial.accepted, trial.answer.status, len(trial.answer.reply)) == (False, 500, 1000)
    unreachable = replace(fields, url="http://127.0.0.1:1024/")
    await webhooks.change(owner, created.endpoint.id, unreachable)
    trial = await webhooks.test(owner, created.endpoint.id)
    assert (trial.accepted, trial.answer.status) == (False, 0)
    assert [(step.name, step.ok) for step in trial.steps] == [("resolve", True), ("connect", False)]
    assert "refused" in trial.steps[-1].detail
    count, _ = await app.services.callbacks.page(owner, DeliveryFilter(), offset=0, limit=9)
    assert count == 0


async def test_a_chat_gets_its_own_form_at_an_address_that_is_not_stored_in_the_clear(
    working: App, receiver: Receiver
) -> None:
    webhooks = working.services.webhooks
    url = receiver.url("/services/T0/secret")
    fields = EndpointFields("Ops", url, ("run.failed",), channel="slack")
    created = await webhooks.add(working.owner, fields)
    assert created.secret == ""
    await a_run(working, Outcome.EXIT_CODE)
    [message] = await wait_for(receiver, "/services/T0/secret")
    assert "webhook-signature" not in message.headers
    assert list(message.data) == ["text", "unfurl_links"]
    assert message.data["text"].startswith("*The reader: failed*\n")
    kept = replace(fields, url="", description="quiet")
    view = await webhooks.change(working.owner, created.endpoint.id, kept)
    assert "secret" not in repr(view) and view.endpoint.description == "quiet"
    assert (await webhooks.test(working.owner, created.endpoint.id)).accepted
    assert "Test message" in (await wait_for(receiver, "/services/T0/secret", 2))[1].data["text"]
    _, listed = await working.services.callbacks.page(
        working.owner, DeliveryFilter(endpoint_id=view.endpoint.id), offset=0, limit=9
    )
    assert [item.delivery.url for item in listed] == [receiver.url("/***")]
    with pytest.raises(Refused, match="not signed"):
        await webhooks.rotate(working.owner, created.endpoint.id)


async def test_a_change_without_a_channel_keeps_the_chat(app: App, receiver: Receiver) -> None:
    webhooks, owner = app.services.webhooks, app.owner
    fields = EndpointFields("Ops", receiver.url("/a/secret"), ("run.failed",), channel="slack")
    chat = (await webhooks.add(owner, fields)).endpoint
    for url in (chat.url, ""):
        await webhooks.change(owner, chat.id, replace(fields, url=url, channel="", enabled=False))
        after = (await webhooks.get(owner, chat.id)).endpoint
        assert (after.channel, after.url, after.sealed) == (chat.channel, chat.url, chat.sealed)
    with pytest.raises(InvalidRequest, match="how the address of a chat is shown"):
        await webhooks.change(owner, chat.id, replace(fields, url=chat.url, channel="webhook"))
    moved = replace(fields, url=receiver.url("/b/secret"), channel="")
    await webhooks.change(owner, chat.id, moved)
    after = (await webhooks.get(owner, chat.id)).endpoint
    assert after.channel == "slack" and after.sealed != chat.sealed
    plain = replace(fields, name="Program", channel="")
    assert (await webhooks.add(owner, plain)).endpoint.channel == "webhook"
