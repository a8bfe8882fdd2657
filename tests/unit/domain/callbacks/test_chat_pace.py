"""Accounts that share a chat service: a flood of one does not delay the messages of others."""

from __future__ import annotations

import pytest

from fyke.domain.webhooks.outbox import send
from fyke.model.callback import CHAT_PACE_MS, Delivery, DeliveryKind
from fyke.model.webhook import Endpoint, MessageChannel, WebhookEvent
from support import records
from support.alerts import an_endpoint
from support.callbacks import Outbox

pytestmark = pytest.mark.anyio
SLACK = "https://hooks.slack.com/***"


def a_chat(
    owner: str, channel: MessageChannel = MessageChannel.SLACK, url: str = SLACK
) -> Endpoint:
    return an_endpoint(owner, channel=channel, url=url)


async def queue(outbox: Outbox, endpoint: Endpoint, worker: str, count: int = 1) -> list[int]:
    """Queue messages of as many runs; return when they are due, since the start."""

    async def one() -> int:
        run = await outbox.do(lambda tx: records.seed_run(tx, endpoint.account_id, worker))
        kind, event = DeliveryKind.ALERT, WebhookEvent.ALERT_RAISED
        await outbox.do(lambda tx: send(tx, [endpoint], run.id, kind, event, "{}"))
        [delivery] = await outbox.storage.read(lambda tx: tx.outbox.of_run(run.id))
        return delivery.next_at - records.START

    return [await one() for _ in range(count)]


async def add(outbox: Outbox, *endpoints: Endpoint) -> None:
    await outbox.do(lambda tx: [tx.webhooks.add(endpoint) for endpoint in endpoints])


async def sent(outbox: Outbox) -> Delivery:
    delivery = await outbox.claim()
    await outbox.tried(delivery)
    return delivery


async def test_an_alert_of_another_account_is_before_a_flood(outbox: Outbox) -> None:
    other, worker = await outbox.do(records.seed)
    flooded, quiet = a_chat(outbox.owner), a_chat(other)
    await add(outbox, flooded, quiet)
    assert await queue(outbox, flooded, outbox.worker, 4) == [n * CHAT_PACE_MS for n in range(4)]
    assert (await sent(outbox)).endpoint_id == flooded.id
    outbox.clock.advance(0.5)
    assert await queue(outbox, quiet, worker) == [500]
    assert (await sent(outbox)).endpoint_id == quiet.id
    outbox.clock.advance(0.5)
    assert (await sent(outbox)).endpoint_id == flooded.id


async def test_many_chats_of_an_account_share_its_pace(outbox: Outbox) -> None:
    chats = [a_chat(outbox.owner) for _ in range(3)]
    elsewhere = a_chat(outbox.owner, MessageChannel.DISCORD, "https://discord.com/***")
    await add(outbox, *chats, elsewhere)
    for chat in chats:
        assert await queue(outbox, chat, outbox.worker, 2) == [0, 3 * CHAT_PACE_MS]
    assert await queue(outbox, elsewhere, outbox.worker, 2) == [0, CHAT_PACE_MS]


async def test_messages_to_a_program_and_after_a_failed_one_are_due_at_once(outbox: Outbox) -> None:
    program, chat = an_endpoint(outbox.owner), a_chat(outbox.owner)
    await add(outbox, program, chat)
    assert await queue(outbox, program, outbox.worker, 2) == [0, 0]
    await queue(outbox, chat, outbox.worker)
    for delivery in await outbox.claims():
        if delivery.endpoint_id == chat.id:
            failed = await outbox.tried(delivery, 500)
            assert failed is not None and failed.next_at > records.START + CHAT_PACE_MS
    assert await queue(outbox, chat, outbox.worker) == [0], "a retry is not in line"
