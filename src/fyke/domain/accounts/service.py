"""Accounts and their keys: authentication, creation, credits and plans.

A key is looked up by its digest and then compared in constant time, so neither the database nor
response times reveal it. A valid key is cached for at most a second, which is also the longest that
a revoked key can still be used in another process.
"""

from __future__ import annotations

import contextlib
import hmac
import re
from dataclasses import dataclass
from decimal import Decimal

from fyke.contracts.inline import InlineStorage, NotInline, at_once
from fyke.contracts.signals import WORK
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record_for
from fyke.domain.accounts.keys import (
    MAX_KEY_NAME,
    MAX_RATE,
    NewKey,
    digest,
    generate,
    has_key_form,
    shown_prefix,
)
from fyke.domain.accounts.plans import parse_plan
from fyke.domain.accounts.rights import (
    require_confirmed,
    require_editor,
    require_operator,
    require_scope,
)
from fyke.domain.accounts.scopes import scope_text
from fyke.domain.billing.days import add_credit
from fyke.errors import (
    Conflict,
    ExpiredKey,
    Forbidden,
    InvalidKey,
    InvalidRequest,
    NotFound,
    Unauthenticated,
    Unavailable,
    UserDisabled,
    UserMissing,
)
from fyke.kit.clock import Clock
from fyke.kit.ids import is_ulid, new_ulid
from fyke.model.account import ALL_SCOPES, Account, ApiKey, Caller, Plan, Role, Scope, User
from fyke.model.audit import AuditAction
from fyke.model.billing import MICROS, EntryKind, LedgerEntry

OPERATOR_NAME = "owner"
LOCAL_KEY_NAME = "local"
FIRST_KEY_NAME = "first"

CACHE_SECONDS = 1.0
_CACHE_ENTRIES = 4096
_TOUCH_EVERY_MS = 60_000
_MB = 1_000_000
_MAX_AMOUNT = 10**18  # millionths of a dollar, or bytes; it fits into 64 bits

_ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,38}")


@dataclass(frozen=True, slots=True)
class _CachedKey:
    """A key that was valid at the last check."""

    caller: Caller
    expires_at: int  # ms, 0 = never
    until: float  # monotonic seconds


class Accounts:
    """The accounts of this installation, their users and keys."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        *,
        default_plan: Plan = Plan.FREE,
        rate_limit: int = 0,
        inline: InlineStorage | None = None,
    ) -> None:
        """``default_plan`` is the plan of new accounts; ``rate_limit`` is the number of requests a
        second for keys without a limit of their own, 0 = unlimited. Keys are looked up ``inline``
        where that is possible.
        """
        self._storage = storage
        self._clock = clock
        self._default_plan = default_plan
        self._rate_limit = rate_limit
        self._inline = inline
        self._cache: dict[str, _CachedKey] = {}

    # --- authentication --------------------------------------------------------------------

    async def authenticate(self, key_text: str, key_digest: str = "") -> Caller:
        """Return the caller of a key. Raises ``InvalidKey`` (unknown or revoked), ``ExpiredKey``,
        ``UserMissing``, ``UserDisabled``. ``key_digest``: the ``digest`` of the key, if known.
        """
        if not has_key_form(key_text):
            raise InvalidKey
        key_digest = key_digest or digest(key_text)
        recent = self.recent(key_digest)
        if recent is not None:
            return recent
        caller, key, now = await self._found(key_digest)
        if now - key.last_used_at >= _TOUCH_EVERY_MS:
            await self._touch(key.id)
        self._remember(key_digest, caller, key.expires_at)
        return caller

    def recent(self, key_digest: str) -> Caller | None:
        """The caller of a key that was valid at most a second ago, else None."""
        cached = self._cache.get(key_digest)
        return cached.caller if cached is not None and self._is_fresh(cached) else None

    def current(self, key_digest: str) -> Caller | None:
        """Like ``recent``, but a key that was valid before is looked up again if that needs no
        thread. None: ``authenticate`` decides.
        """
        caller = self.recent(key_digest)
        if caller is not None or self._inline is None or key_digest not in self._cache:
            return caller
        try:
            caller, key, now = at_once(self._inline.read(lambda tx: _look_up(tx, key_digest)))
        except NotInline:
            return None
        except Unauthenticated:
            del self._cache[key_digest]
            return None
        if now - key.last_used_at >= _TOUCH_EVERY_MS:
            return None
        self._remember(key_digest, caller, key.expires_at)
        return caller

    async def _found(self, key_digest: str) -> tuple[Caller, ApiKey, int]:
        """What ``_look_up`` returns, without a thread if possible."""
        if self._inline is not None:
            with contextlib.suppress(NotInline):
                return await self._inline.read(lambda tx: _look_up(tx, key_digest))
        return await self._storage.read(lambda tx: _look_up(tx, key_digest))

    def forget(self) -> None:
        """Drop the cached keys, because a user or a role changed."""
        self._cache.clear()

    def _is_fresh(self, cached: _CachedKey) -> bool:
        if self._clock.monotonic() >= cached.until:
            return False
        return cached.expires_at == 0 or self._clock.now_ms() < cached.expires_at

    def _remember(self, key_digest: str, caller: Caller, expires_at: int) -> None:
        if len(self._cache) >= _CACHE_ENTRIES:
            self._cache.clear()
        until = self._clock.monotonic() + CACHE_SECONDS
        self._cache[key_digest] = _CachedKey(caller, expires_at, until)

    async def _touch(self, key_id: str) -> None:
        try:
            await self._storage.write(lambda tx: tx.accounts.touch_key(key_id, tx.now))
        except Unavailable:
            # The time of last use is optional: with a full disk reading must still work.
            return

    # --- accounts --------------------------------------------------------------------------

    async def bootstrap(self, account_id: str = "") -> tuple[Account, str | None]:
        """Return the operator's account. The first start creates it, with this id if one is given,
        and also returns its key; later the key is None.
        """
        key = generate()

        def work(tx: Transaction) -> tuple[Account, str | None]:
            existing = tx.accounts.operator()
            if existing is not None:
                return existing, None
            account = _add_account(
                tx, OPERATOR_NAME, Plan.UNLIMITED, operator=True, account_id=account_id
            )
            user = _add_user(tx, account)
            _add_key(tx, account.id, user.id, LOCAL_KEY_NAME, key)
            return account, key

        try:
            return await self._storage.write(work)
        except Conflict:
            # Another server of the same database was faster; use its account.
            return await self._storage.write(work)

    async def add_account(self, caller: Caller, name: str) -> tuple[Account, NewKey]:
        """Create an account with one user of the same name and a first key.

        Raises ``Forbidden``, ``InvalidRequest`` for the name, ``Conflict`` when it is taken.
        """
        require_operator(caller, "Adding accounts")
        require_editor(caller, "Adding accounts")
        if not _ACCOUNT_NAME.fullmatch(name):
            raise InvalidRequest(
                f'"{name[:60]}" cannot name an account; use 1 to 39 lower-case letters, '
                "digits and hyphens, beginning with a letter or digit",
                field="name",
            )
        key = generate()

        def work(tx: Transaction) -> tuple[Account, NewKey]:
            require_confirmed(tx, caller)
            if tx.accounts.by_name(name) is not None:
                raise Conflict(
                    f'the account "{name}" already exists; choose another name', field="name"
                )
            account = _add_account(tx, name, self._default_plan, operator=False)
            user = _add_user(tx, account)
            record_for(tx, account.id, caller, AuditAction.ACCOUNT_CREATED, name)
            return account, _add_key(tx, account.id, user.id, FIRST_KEY_NAME, key)

        return await self._storage.write(work)

    async def get(self, caller: Caller) -> Account:
        """The caller's own account. Raises ``UserMissing`` when it has been removed."""
        account = await self._storage.read(lambda tx: tx.accounts.get(caller.account_id))
        if account is None:
            raise UserMissing
        return account

    async def list_accounts(self, caller: Caller) -> list[Account]:
        """Every account of the installation, for its operator."""
        require_operator(caller, "Listing accounts")
        return await self._storage.read(lambda tx: tx.accounts.all())

    async def credit(self, caller: Caller, name: str, usd: Decimal, traffic_mb: Decimal) -> Account:
        """Add US dollars and megabytes (10^6 bytes) to the named account; return it as it is now.

        Raises ``Forbidden``, ``NotFound``, ``InvalidRequest`` for amounts that are negative, not
        finite, or finer than a millionth of a dollar or one byte.
        """
        require_operator(caller, "Crediting accounts")
        require_editor(caller, "Crediting accounts")
        micros = _to_units(usd, MICROS, "usd", "a millionth of a dollar")
        traffic = _to_units(traffic_mb, _MB, "traffic_mb", "one byte")
        if micros == 0 and traffic == 0:
            raise InvalidRequest("usd, traffic_mb: at least one of them must be above 0")

        def work(tx: Transaction) -> Account:
            account = _account_named(tx, name)
            if (
                account.balance_micros + micros > _MAX_AMOUNT
                or account.traffic_bytes + traffic > _MAX_AMOUNT
            ):
                raise InvalidRequest("usd, traffic_mb: this is more than an account can have")
            tx.ledger.append(
                LedgerEntry(
                    id=new_ulid(),
                    account_id=account.id,
                    at=tx.now,
                    kind=EntryKind.CREDIT,
                    usd_micros=micros,
                    traffic_bytes=traffic,
                    run_id="",
                    note=f"credited by {caller.account_name}",
                )
            )
            add_credit(tx, account.id, micros)
            amounts = f"{usd} USD, {traffic_mb} MB"
            record_for(tx, account.id, caller, AuditAction.CREDITED, account.name, amounts)
            return tx.accounts.get(account.id) or account

        return await self._storage.write(work)

    async def set_plan(self, caller: Caller, name: str, plan: str) -> Account:
        """Change the plan of the named account. Active runs continue in any case.

        Raises ``Forbidden``, ``NotFound``, ``InvalidRequest`` for an unknown plan.
        """
        require_operator(caller, "Changing plans")
        require_editor(caller, "Changing plans")
        new_plan = parse_plan(plan)

        def work(tx: Transaction) -> Account:
            account = _account_named(tx, name)
            tx.accounts.set_plan(account.id, new_plan)
            change = f"{account.plan} to {new_plan}"
            record_for(tx, account.id, caller, AuditAction.PLAN, account.name, change)
            tx.notify(WORK)  # runs that waited because of the old plan may start now
            return tx.accounts.get(account.id) or account

        return await self._storage.write(work)

    # --- keys ------------------------------------------------------------------------------

    async def create_key(
        self,
        caller: Caller,
        name: str,
        *,
        account: str | None = None,
        expires_at: int = 0,
        rate_limit: int = 0,
        scopes: frozenset[Scope] = ALL_SCOPES,
    ) -> NewKey:
        """Create a key for the caller's account, or (operator only) for the account named.

        ``expires_at`` is in ms since the epoch, 0 = never; ``rate_limit`` in requests a second, 0 =
        the installation's limit, and only the operator may grant more than that. ``scopes`` must be
        among the caller's own. The text of the key is only in the result and is not stored. Raises
        ``Forbidden``, ``NotFound``, ``InvalidRequest``, ``Conflict`` when a valid key of the
        account has this name.
        """
        require_editor(caller, "Creating keys")
        key_name = _key_name(name)
        self._check_rate(caller, rate_limit)
        for scope in sorted(scopes):
            require_scope(caller, scope)
        key = generate()

        def work(tx: Transaction) -> NewKey:
            require_confirmed(tx, caller)
            target, user_id = _target(tx, caller, account)
            if expires_at and expires_at <= tx.now:
                raise InvalidRequest(
                    "must be in the future; omit it for a key that does not expire",
                    field="expires_at",
                )
            if any(k.name == key_name and not k.revoked_at for k in tx.accounts.keys(target)):
                raise Conflict(
                    f'a key named "{key_name}" already exists; revoke it or choose another name',
                    field="name",
                )
            operator = tx.accounts.operator()
            if key_name == LOCAL_KEY_NAME and operator and operator.id == target:
                raise InvalidRequest("this name is reserved; choose another one", field="name")
            new_key = _add_key(tx, target, user_id, key_name, key, expires_at, rate_limit, scopes)
            record_for(tx, target, caller, AuditAction.KEY_CREATED, key_name, scope_text(scopes))
            return new_key

        return await self._storage.write(work)

    def _check_rate(self, caller: Caller, rate_limit: int) -> None:
        if not 0 <= rate_limit <= MAX_RATE:
            raise InvalidRequest(f"must be 0 to {MAX_RATE} requests a second", field="rate_limit")
        if self._rate_limit and rate_limit > self._rate_limit and not caller.operator:
            raise Forbidden(
                f"rate_limit: only the operator may grant more than {self._rate_limit} requests "
                "a second"
            )

    async def list_keys(self, caller: Caller, *, account: str | None = None) -> list[ApiKey]:
        """The keys of the caller's account, or (operator only) of the account named."""

        def work(tx: Transaction) -> list[ApiKey]:
            return tx.accounts.keys(_account_id(tx, caller, account))

        return await self._storage.read(work)

    async def revoke_key(
        self, caller: Caller, id_or_name: str, *, account: str | None = None
    ) -> None:
        """Revoke a key of the caller's account at once. Raises ``NotFound`` when no valid key has
        that id or name, ``Forbidden`` for another user's key unless the caller is the owner."""
        require_editor(caller, "Revoking keys")

        def work(tx: Transaction) -> None:
            target = _account_id(tx, caller, account)
            matches = [
                k
                for k in tx.accounts.keys(target)
                if not k.revoked_at and id_or_name in (k.id, k.name)
            ]
            if not matches:
                raise NotFound(
                    f'There is no valid key "{id_or_name[:60]}"; list the keys to see their names'
                )
            if caller.role is not Role.OWNER and matches[0].user_id != caller.user_id:
                raise Forbidden("Only the account's owner may revoke the keys of other users")
            tx.accounts.revoke_key(target, matches[0].id, tx.now)
            record_for(tx, target, caller, AuditAction.KEY_REVOKED, matches[0].name)

        await self._storage.write(work)
        self._cache.clear()

    async def create_local_key(self, account_id: str) -> NewKey:
        """Replace the local key after its file was lost; the old key is revoked."""
        key = generate()

        def work(tx: Transaction) -> NewKey:
            user_id = _owner_of(tx, account_id)
            for old in tx.accounts.keys(account_id):
                if old.name == LOCAL_KEY_NAME and not old.revoked_at:
                    tx.accounts.revoke_key(account_id, old.id, tx.now)
            return _add_key(tx, account_id, user_id, LOCAL_KEY_NAME, key)

        new_key = await self._storage.write(work)
        self._cache.clear()
        return new_key


def _look_up(tx: Transaction, key_digest: str) -> tuple[Caller, ApiKey, int]:
    key = tx.accounts.key_by_digest(key_digest)
    if key is None or not hmac.compare_digest(key.digest, key_digest) or key.revoked_at:
        raise InvalidKey
    if key.expires_at and key.expires_at <= tx.now:
        raise ExpiredKey
    user = tx.accounts.user(key.user_id)
    account = tx.accounts.get(key.account_id)
    if user is None or account is None:
        raise UserMissing
    if user.disabled:
        raise UserDisabled
    caller = Caller(
        account_id=account.id,
        account_name=account.name,
        operator=account.operator,
        user_id=user.id,
        key_id=key.id,
        role=user.role,
        rate_limit=key.rate_limit,
        scopes=key.scopes,
        user_name=user.name,
        local=account.operator and key.name == LOCAL_KEY_NAME,
    )
    return caller, key, tx.now


def _add_account(
    tx: Transaction, name: str, plan: Plan, *, operator: bool, account_id: str = ""
) -> Account:
    account = Account(
        id=account_id or new_ulid(),
        name=name,
        operator=operator,
        balance_micros=0,
        held_micros=0,
        traffic_bytes=0,
        traffic_expires_at=0,
        created_at=tx.now,
        plan=plan,
    )
    tx.accounts.add(account)
    return account


def _add_user(tx: Transaction, account: Account) -> User:
    user = User(
        id=new_ulid(),
        account_id=account.id,
        name=account.name,
        role=Role.OWNER,
        disabled=False,
        password_hash="",
        created_at=tx.now,
    )
    tx.accounts.add_user(user)
    return user


def _add_key(
    tx: Transaction,
    account_id: str,
    user_id: str,
    name: str,
    key: str,
    expires_at: int = 0,
    rate_limit: int = 0,
    scopes: frozenset[Scope] = ALL_SCOPES,
) -> NewKey:
    stored = ApiKey(
        id=new_ulid(),
        account_id=account_id,
        user_id=user_id,
        name=name,
        prefix=shown_prefix(key),
        digest=digest(key),
        created_at=tx.now,
        expires_at=expires_at,
        revoked_at=0,
        last_used_at=0,
        rate_limit=rate_limit,
        scopes=scopes,
    )
    tx.accounts.add_key(stored)
    return NewKey(stored.id, name, expires_at, scopes, key)


def _account_named(tx: Transaction, name: str) -> Account:
    account = tx.accounts.by_name(name)
    if account is None:
        raise NotFound(f'There is no account "{name[:60]}"; list the accounts to see their names')
    return account


def _account_id(tx: Transaction, caller: Caller, account: str | None) -> str:
    if account is None or account == caller.account_name:
        return caller.account_id
    require_operator(caller, "Managing the keys of another account")
    return _account_named(tx, account).id


def _target(tx: Transaction, caller: Caller, account: str | None) -> tuple[str, str]:
    """The account and the user of a new key."""
    account_id = _account_id(tx, caller, account)
    if account_id == caller.account_id:
        return account_id, caller.user_id
    return account_id, _owner_of(tx, account_id)


def _owner_of(tx: Transaction, account_id: str) -> str:
    for user in tx.accounts.users(account_id):
        if user.role is Role.OWNER and not user.disabled:
            return user.id
    raise NotFound("The account has no enabled user with the role owner; enable one first")


def _key_name(name: str) -> str:
    key_name = name.strip()
    if not key_name or len(key_name) > MAX_KEY_NAME or not key_name.isprintable():
        raise InvalidRequest(
            f"a key needs a name of 1 to {MAX_KEY_NAME} printable characters", field="name"
        )
    if is_ulid(key_name):
        raise InvalidRequest("a key cannot be named like an id; choose another name", field="name")
    return key_name


def _to_units(amount: Decimal, per: int, field: str, unit: str) -> int:
    if not amount.is_finite() or amount < 0 or amount > _MAX_AMOUNT // per:
        raise InvalidRequest(
            f"must be 0 or a positive number of at most {_MAX_AMOUNT // per}", field=field
        )
    units = amount * per
    if units != units.to_integral_value():
        raise InvalidRequest(f"must be a multiple of {unit}", field=field)
    return int(units)
