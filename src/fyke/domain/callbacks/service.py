"""The callbacks of an account: their log, replays and receivers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fyke.contracts.signals import OUTBOX
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.accounts.rights import require_editor
from fyke.domain.callbacks.receivers import DISABLED, enable_receiver
from fyke.domain.callbacks.record import redirect
from fyke.domain.callbacks.url import receiver_of
from fyke.errors import DeliveryNotFound, NotFound, Refused
from fyke.model.account import Caller
from fyke.model.callback import (
    Delivery,
    DeliveryAttempt,
    DeliveryFilter,
    DeliveryKind,
    DeliveryState,
    Receiver,
)
from fyke.model.webhook import Endpoint


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """A delivery with its attempts, oldest first."""

    delivery: Delivery
    tries: list[DeliveryAttempt]


class Callbacks:
    """The callbacks of all accounts; each account can read only its own."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def of_run(self, caller: Caller, run_id: str) -> list[LoggedDelivery]:
        """The deliveries of a run, oldest first. Raises ``RunNotFound``."""

        def work(tx: Transaction) -> list[LoggedDelivery]:
            return _logged(tx, tx.outbox.of_run(own_run(tx, caller, run_id).id))

        return await self._storage.read(work)

    async def page(
        self, caller: Caller, filter: DeliveryFilter, *, offset: int, limit: int
    ) -> tuple[int, list[LoggedDelivery]]:
        """Total count, and one page, newest first."""

        def work(tx: Transaction) -> tuple[int, list[LoggedDelivery]]:
            count, deliveries = tx.outbox.page(
                caller.account_id, filter, offset=offset, limit=limit
            )
            return count, _logged(tx, deliveries)

        return await self._storage.read(work)

    async def get(self, caller: Caller, delivery_id: str) -> LoggedDelivery:
        """One delivery of the account. Raises ``DeliveryNotFound``."""

        def work(tx: Transaction) -> LoggedDelivery:
            delivery = tx.outbox.get(delivery_id)
            if delivery is None or delivery.account_id != caller.account_id:
                raise DeliveryNotFound
            return _logged(tx, [delivery])[0]

        return await self._storage.read(work)

    async def replay(self, caller: Caller, delivery_id: str) -> LoggedDelivery:
        """Send a delivery again, under the same id and with a new retry schedule.

        A delivery to a webhook goes to the current URL of the webhook. Raises ``DeliveryNotFound``,
        and ``Refused`` while it is being sent, when the receiver or webhook is switched off or
        removed, and for the running callback of a run that has ended.
        """
        require_editor(caller, "Replaying callbacks")

        def work(tx: Transaction) -> LoggedDelivery:
            delivery = tx.outbox.lock(delivery_id)
            if delivery is None or delivery.account_id != caller.account_id:
                raise DeliveryNotFound
            endpoint = _endpoint(tx, delivery)
            _check_replay(tx, delivery, endpoint.url if endpoint else delivery.url)
            pending = replace(
                delivery, state=DeliveryState.PENDING, tries=0, next_at=tx.now, ended_at=0
            )
            tx.outbox.save(pending)
            if endpoint is not None and endpoint.url != delivery.url:
                redirect(tx, endpoint.id, endpoint.url)
                pending = tx.outbox.get(pending.id) or pending
            tx.notify(OUTBOX)
            return _logged(tx, [pending])[0]

        return await self._storage.write(work)

    async def receivers(self, caller: Caller) -> list[Receiver]:
        """All receivers of the account, disabled ones first."""
        receivers = await self._storage.read(lambda tx: tx.receivers.of_account(caller.account_id))
        return sorted(receivers, key=lambda receiver: (not receiver.disabled_at, receiver.receiver))

    async def enable(self, caller: Caller, url: str) -> Receiver:
        """Enable a receiver; ``url`` may be any of its URLs. Deliveries that have failed in the
        meantime can be replayed. Raises ``NotFound``, and ``InvalidRequest`` for an invalid URL.
        """
        require_editor(caller, "Enabling receivers")
        name = receiver_of(url, "receiver")

        def work(tx: Transaction) -> Receiver:
            if tx.receivers.get(caller.account_id, name) is None:
                raise NotFound(f"No callback was ever sent to {name}")
            receiver = enable_receiver(tx.receivers.lock(caller.account_id, name))
            tx.receivers.save(receiver)
            return receiver

        return await self._storage.write(work)


def _endpoint(tx: Transaction, delivery: Delivery) -> Endpoint | None:
    """The webhook of a delivery, None for a callback or a mail. Raises ``Refused``."""
    if not delivery.endpoint_id:
        return None
    endpoint = tx.webhooks.get(delivery.endpoint_id)
    if endpoint is None:
        raise Refused("The webhook that this was for has been removed")
    if not endpoint.enabled:
        raise Refused(f"The webhook {endpoint.name!r} is switched off; switch it on to send again")
    return endpoint


def _check_replay(tx: Transaction, delivery: Delivery, url: str) -> None:
    if delivery.claimed_until > tx.now and delivery.state is DeliveryState.PENDING:
        raise Refused("The callback is being sent at this moment; try again in a few seconds")
    running = delivery.kind is DeliveryKind.RUNNING
    terminal = DeliveryKind.TERMINAL
    if running and tx.outbox.has_call(delivery.run_id, terminal, delivery.endpoint_id):
        raise Refused(
            "This callback says that the run is running, and the run has ended; "
            "replay the callback about the end"
        )
    name = receiver_of(url)
    receiver = tx.receivers.get(delivery.account_id, name)
    if receiver is not None and receiver.disabled_at:
        raise Refused(f"{name}: {DISABLED}")


def _logged(tx: Transaction, deliveries: list[Delivery]) -> list[LoggedDelivery]:
    tries = tx.outbox.tries_of([delivery.id for delivery in deliveries])
    return [LoggedDelivery(delivery, tries.get(delivery.id, [])) for delivery in deliveries]
