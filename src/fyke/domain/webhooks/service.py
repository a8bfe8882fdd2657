"""The webhook endpoints of an account."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fyke.contracts.delivery import DeliveryStep, Prober, ReceiverResponse
from fyke.contracts.signals import OUTBOX
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_endpoint
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_confirmed, require_editor
from fyke.domain.callbacks.record import ENDPOINT_OFF, redirect
from fyke.domain.callbacks.url import CallbackRules, receiver_of
from fyke.domain.webhooks.chat_answers import ChatProblem, chat_problem
from fyke.domain.webhooks.chats import shown_address
from fyke.domain.webhooks.messages import test_message
from fyke.domain.webhooks.requests import EndpointRequests, UnreadableAddress
from fyke.domain.webhooks.rules import EndpointFields, validate_endpoint
from fyke.domain.webhooks.secrets import secret_of
from fyke.errors import InvalidRequest, Refused
from fyke.kit.clock import Clock
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.callback import Receiver
from fyke.model.webhook import MAX_ENDPOINTS, OLD_SECRET_MS, Endpoint, MessageChannel, WebhookEvent


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint, the state of its receiver (None before the first call), and the time of the next
    attempt (ms, 0 = no pending delivery).
    """

    endpoint: Endpoint
    receiver: Receiver | None
    next_at: int

    @property
    def disabled_at(self) -> int:
        """When (ms) the endpoint was disabled because all calls failed for days; 0 = never."""
        return self.receiver.disabled_at if self.receiver else 0


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint with its secret, which is shown only once; "" for a chat."""

    endpoint: Endpoint
    secret: str


@dataclass(frozen=True, slots=True)
class EndpointTest:
    """The result of a test call: the request, the response, and each step with its time.
    ``problem`` is what the response of a chat means, if that is known.
    """

    message_id: str
    body: str
    answer: ReceiverResponse
    steps: list[DeliveryStep]
    duration_ms: int
    problem: ChatProblem | None = None

    @property
    def accepted(self) -> bool:
        return 200 <= self.answer.status < 300


class Webhooks:
    """The endpoints of all accounts; each account can read only its own."""

    def __init__(
        self,
        storage: Storage,
        addresses: CallbackRules,
        prober: Prober,
        clock: Clock,
        master_secret: bytes,
        links: str = "",
    ) -> None:
        """``links``: the address of the console, for links in chats."""
        self._requests = EndpointRequests(master_secret, links)
        self._storage = storage
        self._addresses = addresses
        self._prober = prober
        self._clock = clock
        self._master = master_secret

    async def list(self, caller: Caller) -> list[EndpointView]:
        """The endpoints, by name."""
        return await self._storage.read(
            lambda tx: _views(tx, tx.webhooks.of_account(caller.account_id))
        )

    async def get(self, caller: Caller, endpoint_id: str) -> EndpointView:
        """One webhook of the account. Raises ``NotFound``."""
        return await self._storage.read(
            lambda tx: _views(tx, [own_endpoint(tx, caller, endpoint_id)])[0]
        )

    async def add(self, caller: Caller, fields: EndpointFields) -> NewEndpoint:
        """Add an endpoint. Raises ``InvalidRequest``, ``Conflict`` for a name that is taken,
        ``Refused`` when the account has the maximum, ``Forbidden``.
        """
        require_editor(caller, "Adding webhooks")
        fields = replace(fields, channel=fields.channel or MessageChannel.WEBHOOK)
        valid = validate_endpoint(self._addresses, fields)
        endpoint_id, salt = new_ulid(), new_ulid()
        url, sealed = self._stored_address(caller, endpoint_id, valid)

        def work(tx: Transaction) -> Endpoint:
            require_confirmed(tx, caller)
            if len(tx.webhooks.of_account(caller.account_id)) >= MAX_ENDPOINTS:
                raise Refused(
                    f"An account has at most {MAX_ENDPOINTS} webhooks; remove one that is not used"
                )
            endpoint = Endpoint(
                id=endpoint_id,
                account_id=caller.account_id,
                name=valid.name,
                url=url,
                events=_events(valid),
                description=valid.description,
                enabled=valid.enabled,
                salt=salt,
                old_salt="",
                old_until=0,
                created_at=tx.now,
                updated_at=tx.now,
                channel=MessageChannel(valid.channel),
                sealed=sealed,
            )
            tx.webhooks.add(endpoint)
            record(tx, caller, AuditAction.WEBHOOK_ADDED, endpoint.name, endpoint.url)
            return endpoint

        endpoint = await self._storage.write(work)
        if endpoint.channel is not MessageChannel.WEBHOOK:
            return NewEndpoint(endpoint, "")
        return NewEndpoint(endpoint, secret_of(self._master, endpoint.id, endpoint.salt))

    async def change(
        self, caller: Caller, endpoint_id: str, fields: EndpointFields
    ) -> EndpointView:
        """Replace the fields of an endpoint. Pending deliveries go to the new URL; when it is
        disabled, they fail. Without a channel it keeps its own, and a chat without an address, or
        with the one that is shown, keeps that, too. Raises ``NotFound``, ``InvalidRequest``,
        ``Conflict``, ``Forbidden``.
        """
        require_editor(caller, "Changing webhooks")
        known = await self._storage.read(lambda tx: own_endpoint(tx, caller, endpoint_id))
        fields, kept = _completed(known, fields)
        # an address from before the services were known stays as it is
        same = (fields.channel, fields.url.strip()) == (known.channel, known.url)
        valid = validate_endpoint(self._addresses, fields, address=not kept, service=not same)
        url, sealed = self._stored_address(caller, endpoint_id, valid)

        def work(tx: Transaction) -> EndpointView:
            require_confirmed(tx, caller)
            before = own_endpoint(tx, caller, endpoint_id, lock=True)
            after = replace(
                before,
                name=valid.name,
                url=before.url if kept else url,
                events=_events(valid),
                description=valid.description,
                enabled=valid.enabled,
                updated_at=tx.now,
                channel=before.channel if kept else MessageChannel(valid.channel),
                sealed=before.sealed if kept else sealed,
            )
            tx.webhooks.save(after)
            record(tx, caller, AuditAction.WEBHOOK_CHANGED, after.name, after.url)
            if not after.enabled:
                tx.outbox.fail_pending_of(after.id, ENDPOINT_OFF, tx.now)
            elif after.url != before.url:
                redirect(tx, after.id, after.url)
                tx.notify(OUTBOX)
            return _views(tx, [after])[0]

        return await self._storage.write(work)

    async def rotate(self, caller: Caller, endpoint_id: str) -> NewEndpoint:
        """Replace the secret; messages are also signed with the old one for another 24 hours.
        Raises ``NotFound``, ``Refused`` for a chat, ``Forbidden``.
        """
        require_editor(caller, "Changing secrets")
        salt = new_ulid()

        def work(tx: Transaction) -> Endpoint:
            require_confirmed(tx, caller)
            before = own_endpoint(tx, caller, endpoint_id, lock=True)
            if before.channel is not MessageChannel.WEBHOOK:
                raise Refused("Messages to a chat are not signed, so it has no secret")
            after = replace(
                before,
                salt=salt,
                old_salt=before.salt,
                old_until=tx.now + OLD_SECRET_MS,
                updated_at=tx.now,
            )
            tx.webhooks.save(after)
            record(tx, caller, AuditAction.WEBHOOK_SECRET, after.name)
            return after

        endpoint = await self._storage.write(work)
        return NewEndpoint(endpoint, secret_of(self._master, endpoint.id, endpoint.salt))

    async def remove(self, caller: Caller, endpoint_id: str, confirm: str | None = None) -> None:
        """Remove an endpoint; its pending deliveries fail. ``confirm``, if given, must be its name.
        Raises ``NotFound``, ``InvalidRequest``, ``Forbidden``.
        """
        require_editor(caller, "Removing webhooks")

        def work(tx: Transaction) -> None:
            require_confirmed(tx, caller)
            endpoint = own_endpoint(tx, caller, endpoint_id, lock=True)
            if confirm is not None and confirm.strip() != endpoint.name:
                raise InvalidRequest(
                    f"must be the name of the webhook, {endpoint.name!r}", field="confirm"
                )
            tx.outbox.fail_pending_of(endpoint.id, ENDPOINT_OFF, tx.now)
            tx.webhooks.delete(endpoint.id)
            record(tx, caller, AuditAction.WEBHOOK_REMOVED, endpoint.name)

        await self._storage.write(work)

    async def test(self, caller: Caller, endpoint_id: str) -> EndpointTest:
        """Send a test message now, even to a disabled endpoint, and return the result. It is
        not retried or recorded. Raises ``NotFound``, ``Forbidden``.
        """
        require_editor(caller, "Testing webhooks")
        endpoint = await self._storage.read(lambda tx: own_endpoint(tx, caller, endpoint_id))
        now, started = self._clock.now_ms(), self._clock.monotonic()
        payload, message_id = test_message(endpoint, now), f"msg_{new_ulid()}"
        try:
            request = self._requests.to(endpoint, message_id, payload, now, "")
        except UnreadableAddress as error:
            return EndpointTest(message_id, payload, ReceiverResponse(0, str(error)), [], 0)
        answer, steps = await self._prober.probe(request.url, request.body, request.headers)
        duration_ms = round((self._clock.monotonic() - started) * 1000)
        problem = chat_problem(endpoint.channel, answer)
        return EndpointTest(message_id, request.body.decode(), answer, steps, duration_ms, problem)

    def _stored_address(
        self, caller: Caller, endpoint_id: str, fields: EndpointFields
    ) -> tuple[str, str]:
        """The address to store, and the sealed one of a chat."""
        if fields.channel == MessageChannel.WEBHOOK:
            return fields.url, ""
        sealed = self._requests.seal(caller.account_id, endpoint_id, fields.url)
        return shown_address(fields.url), sealed


def _completed(known: Endpoint, fields: EndpointFields) -> tuple[EndpointFields, bool]:
    """The fields with a channel, and whether the endpoint keeps its address."""
    fields = replace(fields, channel=fields.channel or known.channel)
    if known.channel is MessageChannel.WEBHOOK or fields.channel != known.channel:
        return fields, False
    return fields, fields.url.strip() in ("", known.url)


def _events(fields: EndpointFields) -> tuple[WebhookEvent, ...]:
    return tuple(WebhookEvent(event) for event in fields.events)


def _views(tx: Transaction, endpoints: list[Endpoint]) -> list[EndpointView]:
    next_attempts = tx.outbox.next_tries([endpoint.id for endpoint in endpoints])
    return [
        EndpointView(
            endpoint,
            tx.receivers.get(endpoint.account_id, receiver_of(endpoint.url)),
            next_attempts.get(endpoint.id, 0),
        )
        for endpoint in endpoints
    ]
