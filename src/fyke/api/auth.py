"""Authentication and rate limit of every operation.

The limit comes before the credentials, so that a flood costs no look-up. Invalid keys are also
counted per address, which slows down guessing. A key that was valid recently is always checked, so
its owner cannot be locked out.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Protocol
from urllib.parse import unquote_plus

from starlette.types import Scope

from fyke.api.network import header, limiter_key
from fyke.api.ratelimit import TokenBuckets
from fyke.domain.accounts.keys import digest as digest_of
from fyke.errors import Forbidden, InvalidKey, MissingKey, RateLimited, Unauthenticated
from fyke.model.account import Caller

MAX_KEY_CHARS = 512
# Key in the ASGI scope of the caller of a request that this process sends to itself, for the
# playground of the console. A request from the network cannot set it.
INSIDE = "fyke.inside"
KEY_PARAMETER = "token"  # of the query
# The paths of the original web console that publishing scripts call. Scripts send the cookie of a
# session there, and so can send a key in it here. No page of ours sets this cookie, and it is not
# read from requests of browsers, so those that other sites make in one have no key.
UPLOAD_ICON = "/api/common/upload"
CREATE_WORKER = "/api/actors/create"
KEY_COOKIE = "x-coreclaw-t"
_OF_BROWSERS = (b"origin", b"sec-fetch-site")  # headers that no script sends
_COOKIE_PATHS = frozenset({UPLOAD_ICON, CREATE_WORKER})
RATE_FIELDS = "fyke.rate_fields"  # key of the rate-limit headers in the ASGI scope
_BUCKET = "fyke.bucket"  # key in the ASGI scope: the bucket that the request was counted in
_ADMITTED = "fyke.admitted"  # key in the ASGI scope: what ``admit`` has returned or caught
_CALLER = "fyke.caller"  # key in the ASGI scope: the authenticated caller
BYTES_PER_REQUEST = 64 * 1024  # this many bytes of a body count as one more request
_REMEMBERED_KEYS = 10_000
KEYS_AT_ONCE = 5  # all keys of an account together may send as many requests as five keys


class Authenticator(Protocol):
    """The methods of the accounts service that ``AccessControl`` needs."""

    async def authenticate(self, key_text: str, key_digest: str = "") -> Caller: ...
    def current(self, key_digest: str) -> Caller | None: ...


def credential(scope: Scope) -> str | None:
    """The key as sent: ``Authorization`` first, then ``api-key``, then ``?token=``; for scripts of
    the original console, then its cookie.
    """
    authorization = header(scope, b"authorization")
    if authorization is not None:
        scheme, _, rest = authorization.strip().partition(" ")
        if scheme.lower() == "bearer" and rest.strip():
            return rest.strip()
    for name in (b"api-key", b"x-api-key"):
        value = header(scope, name)
        if value is not None and value.strip():
            return value.strip()
    for part in scope.get("query_string", b"").split(b"&"):
        name, _, text = part.partition(b"=")
        if name == KEY_PARAMETER.encode():
            value = unquote_plus(text.decode("latin-1")).strip()
            if value:
                return value
    return _from_cookie(scope) if scope.get("path") in _COOKIE_PATHS else None


def _from_cookie(scope: Scope) -> str | None:
    """The key in the cookie of a script. Not of a browser, which may send it for another site."""
    if any(header(scope, name) is not None for name in _OF_BROWSERS):
        return None
    for part in (header(scope, b"cookie") or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == KEY_COOKIE and value.strip():
            return value.strip()
    return None


class RefusalRecorder(Protocol):
    """The part of ``Refusals`` that ``AccessControl`` needs."""

    async def forbidden(
        self, caller: Caller, address: str, operation: str, error: Forbidden
    ) -> None: ...

    async def invalid_key(self, address: str, operation: str, error: Unauthenticated) -> None: ...


class AccessControl:
    """Rate limit of the key, credentials, then rate limit of the account. ``guesses`` counts
    invalid keys per address; ``refusals`` records refused requests.
    """

    def __init__(
        self,
        accounts: Authenticator,
        requests: TokenBuckets,
        guesses: TokenBuckets,
        refusals: RefusalRecorder,
    ) -> None:
        self._accounts = accounts
        self._refusals = refusals
        self._requests = requests
        self._large_bodies = asyncio.Lock()
        self._guesses = guesses
        self._valid_keys: OrderedDict[str, int] = (
            OrderedDict()
        )  # key digest to the rate of the key, 0 for the default

    async def require(self, scope: Scope, address: str) -> Caller:
        """The caller; raise ``RateLimited`` or one of ``Unauthenticated``."""
        admitted: Caller | Exception | None = scope.pop(_ADMITTED, None)
        if isinstance(admitted, Exception):
            raise admitted
        if admitted is not None:
            return admitted
        inside: Caller | None = scope.get(INSIDE)
        if inside is not None:
            self._spend(scope, inside.user_id)
            scope[_CALLER] = inside
            return inside
        key = credential(scope)
        digest = digest_of(key) if key else ""
        self._spend(scope, digest or limiter_key(address))
        if key is None:
            raise MissingKey
        caller = await self._authenticate(scope, key, digest, address)
        self._spend_of_account(caller)
        return caller

    def admit(self, digest: str, scope: Scope) -> Caller | None:
        """``require`` for the hot path, without waiting: of the key with this digest, which was
        valid before. If the full path answers the request after all, it gets the
        same caller or error from ``scope``. None when there is an error, or ``require`` must
        decide.
        """
        caller = self._accounts.current(digest)
        if caller is None:
            return None
        try:
            self._spend(scope, digest)
            self._spend_of_account(caller)
        except RateLimited as error:
            scope[_ADMITTED] = error
            return None
        self._remember(scope, digest, caller)
        scope[_ADMITTED] = caller
        return caller

    async def recognise(self, scope: Scope, address: str) -> Caller | None:
        """The caller of a public operation, or None without a valid key. Raises ``RateLimited``."""
        if scope.get(INSIDE) is not None:
            return await self.require(scope, address)
        key = credential(scope)
        if key is None:
            self._spend(scope, limiter_key(address))
            return None
        digest = digest_of(key)
        self._spend(scope, digest)
        try:
            caller = await self._authenticate(scope, key, digest, address)
        except (Unauthenticated, RateLimited):
            # Invalid keys must not bypass the limit of the address.
            self._spend(scope, limiter_key(address))
            return None
        self._spend_of_account(caller)
        return caller

    def charge(self, scope: Scope, size: int) -> None:
        """Count a body of ``size`` bytes after the request itself; raise ``RateLimited``."""
        key, cost = scope[_BUCKET], size // BYTES_PER_REQUEST
        if cost:
            own_rate = self._valid_keys.get(key, 0)
            wait = self._requests.debit(key, cost, own_rate)
            self._limited(scope, key, own_rate, wait)

    def turn(self, size: int) -> AbstractAsyncContextManager[None]:
        """Wait until a body of ``size`` bytes may be decoded. Large ones are decoded one at a time,
        and the event loop serves other requests between them.
        """
        return nullcontext() if size < BYTES_PER_REQUEST else self._turn_of_large()

    @asynccontextmanager
    async def _turn_of_large(self) -> AsyncIterator[None]:
        async with self._large_bodies:
            try:
                yield
            finally:
                await asyncio.sleep(0)

    async def record_forbidden(self, scope: Scope, address: str, error: Forbidden) -> None:
        """Record that the caller of this request was refused."""
        caller: Caller | None = scope.get(_CALLER)
        if caller is not None:
            await self._refusals.forbidden(caller, address, operation_of(scope), error)

    async def _authenticate(self, scope: Scope, key: str, digest: str, address: str) -> Caller:
        if len(key) > MAX_KEY_CHARS:
            raise InvalidKey
        recently_valid = digest in self._valid_keys
        if not recently_valid:
            self._check_guesses(address)
        try:
            caller = await self._accounts.authenticate(key, digest)
        except Unauthenticated as error:
            self._valid_keys.pop(digest, None)
            self._guesses.take(limiter_key(address))
            await self._refusals.invalid_key(address, operation_of(scope), error)
            raise
        self._remember(scope, digest, caller)
        return caller

    def _remember(self, scope: Scope, digest: str, caller: Caller) -> None:
        self._valid_keys[digest] = caller.rate_limit
        if len(self._valid_keys) > _REMEMBERED_KEYS:
            self._valid_keys.popitem(last=False)
        scope[_CALLER] = caller

    def _spend_of_account(self, caller: Caller) -> None:
        """Count the request for the account, whose keys are not limited in number. Keys to which
        the operator has granted more than the default are not counted.
        """
        default = self._requests.rate
        if not default or caller.rate_limit > default:
            return
        rate = default * KEYS_AT_ONCE
        wait = self._requests.take(f"account {caller.account_id}", rate)
        if wait > 0:
            raise RateLimited(
                math.ceil(wait),
                f"all keys of the account together may send {rate:g} requests a second",
            )

    def _check_guesses(self, address: str) -> None:
        wait = self._guesses.peek(limiter_key(address))
        if wait > 0:
            raise RateLimited(math.ceil(wait))

    def _spend(self, scope: Scope, key: str) -> None:
        """Count the request and store the rate-limit headers; raise ``RateLimited``."""
        own_rate = self._valid_keys.get(key, 0)
        scope[_BUCKET] = key
        self._limited(scope, key, own_rate, self._requests.take(key, own_rate))

    def _limited(self, scope: Scope, key: str, own_rate: float, wait: float) -> None:
        scope[RATE_FIELDS] = self._requests.fields(key, own_rate)
        if wait > 0:
            raise RateLimited(math.ceil(wait))


def operation_of(scope: Scope) -> str:
    """Method and path template of the request."""
    return f"{scope['method'][:16]} {getattr(scope.get('route'), 'path', '')}".strip()
