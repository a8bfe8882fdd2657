"""The callbacks of an account: their log, replays and receivers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fyke.contracts.signals import OUTBOX
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.accounts.rights import require_editor
from fyke.domain.callbacks.receivers import DISABLED, enabled
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
    """A delivery with its tries, oldest first."""

    delivery: Delivery
    tries: list[DeliveryAttempt]


class Callbacks:
    """The callbacks of all accounts, each seen only by its own."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def of_run(self, caller: Caller, run_id: str) -> list[LoggedDelivery]:
        """The deliveries of a run, oldest first. Raises ``RunNotFound``."""

        def work(tx: Transaction) -> list[LoggedDelivery]:
            return _logged(tx, tx.outbox.of_run(own_run(tx, caller, run_id).id))

        return await self._storage.read(work)

    async def page(
        self, caller: Caller, wanted: DeliveryFilter, *, offset: int, limit: int
    ) -> tuple[int, list[LoggedDelivery]]:
        """Total count, and one page, newest first."""

        def work(tx: Transaction) -> tuple[int, list[LoggedDelivery]]:
            count, found = tx.outbox.page(caller.account_id, wanted, offset=offset, limit=limit)
            return count, _logged(tx, found)

        return await self._storage.read(work)

    async def get(self, caller: Caller, delivery_id: str) -> LoggedDelivery:
        """Raises ``DeliveryNotFound``."""

        def work(tx: Transaction) -> LoggedDelivery:
            found = tx.outbox.get(delivery_id)
            if found is None or found.account_id != caller.account_id:
                raise DeliveryNotFound
            return _logged(tx, [found])[0]

        return await self._storage.read(work)

    async def replay(self, caller: Caller, delivery_id: str) -> LoggedDelivery:
        """Send it again, under the same id and with a schedule of its own.

        To a webhook it goes at the address that this has now. Raises ``DeliveryNotFound``, and
        ``Refused`` while it is being sent, for a receiver or a webhook that is switched off or
        gone, and for a running call of a run that has ended.
        """
        require_editor(caller, "Replaying callbacks")

        def work(tx: Transaction) -> LoggedDelivery:
            found = tx.outbox.lock(delivery_id)
            if found is None or found.account_id != caller.account_id:
                raise DeliveryNotFound
            endpoint = _endpoint(tx, found)
            _check_replay(tx, found, endpoint.url if endpoint else found.url)
            again = replace(found, state=DeliveryState.PENDING, tries=0, next_at=tx.now, ended_at=0)
            tx.outbox.save(again)
            if endpoint is not None and endpoint.url != found.url:
                redirect(tx, endpoint.id, endpoint.url)
                again = tx.outbox.get(again.id) or again
            tx.notify(OUTBOX)
            return _logged(tx, [again])[0]

        return await self._storage.write(work)

    async def receivers(self, caller: Caller) -> list[Receiver]:
        """All receivers that were called, disabled ones first."""
        found = await self._storage.read(lambda tx: tx.receivers.of_account(caller.account_id))
        return sorted(found, key=lambda one: (not one.disabled_at, one.receiver))

    async def enable(self, caller: Caller, url: str) -> Receiver:
        """Use a receiver again; ``url`` may be any of its URLs. What failed meanwhile can be
        replayed. Raises ``NotFound``, and ``InvalidRequest`` for what is no URL.
        """
        require_editor(caller, "Enabling receivers")
        name = receiver_of(url, "receiver")

        def work(tx: Transaction) -> Receiver:
            if tx.receivers.get(caller.account_id, name) is None:
                raise NotFound(f"No callback was ever sent to {name}")
            again = enabled(tx.receivers.lock(caller.account_id, name))
            tx.receivers.save(again)
            return again

        return await self._storage.write(work)


def _endpoint(tx: Transaction, found: Delivery) -> Endpoint | None:
    """The webhook that it is for, None for a callback or a mail. Raises ``Refused``."""
    if not found.endpoint_id:
        return None
    endpoint = tx.webhooks.get(found.endpoint_id)
    if endpoint is None:
        raise Refused("The webhook that this was for has been removed")
    if not endpoint.enabled:
        raise Refused(f"The webhook {endpoint.name!r} is switched off; switch it on to send again")
    return endpoint


def _check_replay(tx: Transaction, found: Delivery, url: str) -> None:
    if found.claimed_until > tx.now and found.state is DeliveryState.PENDING:
        raise Refused("The callback is being sent at this moment; look again in a few seconds")
    running = found.kind is DeliveryKind.RUNNING
    if running and tx.outbox.has_terminal(found.run_id, found.endpoint_id):
        raise Refused(
            "This callback says that the run is running, and the run has ended; "
            "replay the callback about the end"
        )
    name = receiver_of(url)
    receiver = tx.receivers.get(found.account_id, name)
    if receiver is not None and receiver.disabled_at:
        raise Refused(f"{name}: {DISABLED}")


def _logged(tx: Transaction, found: list[Delivery]) -> list[LoggedDelivery]:
    tries = tx.outbox.tries_of([delivery.id for delivery in found])
    return [LoggedDelivery(delivery, tries.get(delivery.id, [])) for delivery in found]
