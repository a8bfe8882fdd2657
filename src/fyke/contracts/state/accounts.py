"""Accounts, users and their settings, the audit log, and billing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fyke.model.account import Account, ApiKey, Plan, User
from fyke.model.audit import AuditEntry, NewAudit
from fyke.model.billing import (
    LedgerEntry,
    LedgerFilter,
    UsageDimension,
    UsageKey,
    UsageOrder,
    UsageSums,
)
from fyke.model.user import OneTimeLink, Preferences, Purpose, SecondFactor, Session


class AccountStore(Protocol):
    """Accounts, their users and keys. Balances change only through ``LedgerStore.append``."""

    def add(self, account: Account) -> None:
        """Add an account; raise ``Conflict`` when the name is taken."""
        ...

    def get(self, account_id: str) -> Account | None: ...
    def get_all(self, account_ids: Collection[str]) -> dict[str, Account]:
        """Those that exist, by id."""
        ...

    def lock(self, account_id: str) -> Account | None:
        """Like ``get``, but lock the account, so that its balance cannot change."""
        ...

    def by_name(self, name: str) -> Account | None: ...
    def operator(self) -> Account | None:
        """The operator's account; None before the first start."""
        ...

    def all(self) -> list[Account]: ...
    def add_user(self, user: User) -> None:
        """Add a user; raise ``Conflict`` when any account has a user with this name."""
        ...

    def user(self, user_id: str) -> User | None: ...
    def user_by_name(self, name: str) -> User | None: ...
    def users(self, account_id: str) -> list[User]: ...
    def has_passwords(self) -> bool:
        """Whether a user of any account has a password."""
        ...

    def change_user(self, user: User) -> bool:
        """Write role, ``disabled`` and password hash; False when the user does not exist."""
        ...

    def confirm_user(self, user_id: str, at: int) -> bool:
        """Record when the user confirmed the address; False when the user does not exist."""
        ...

    def remove_user(self, user_id: str, at: int) -> bool:
        """Remove the user and their sessions, links, second factor and preferences; revoke their
        keys.
        """
        ...

    def set_time_zone(self, account_id: str, time_zone: str) -> None: ...
    def set_plan(self, account_id: str, plan: Plan) -> None: ...
    def set_caps(self, account_id: str, *, run_cap_micros: int, month_cap_micros: int) -> None: ...
    def add_key(self, key: ApiKey) -> None:
        """Add a key; raise ``Conflict`` when its id or digest already exists."""
        ...

    def key(self, key_id: str) -> ApiKey | None:
        """The key, even when it is revoked or expired."""
        ...

    def key_by_digest(self, digest: str) -> ApiKey | None: ...
    def keys(self, account_id: str) -> list[ApiKey]: ...
    def revoke_key(self, account_id: str, key_id: str, at: int) -> bool:
        """Revoke the valid key with this id, or all valid keys with this name. False when there is
        none.
        """
        ...

    def touch_key(self, key_id: str, at: int) -> None:
        """Write the time of the last use; called at most once a minute per key."""
        ...


class SessionStore(Protocol):
    """Sessions. Ended sessions are kept until they would have expired: they show the networks that
    their users have signed in from.
    """

    def add(self, session: Session) -> None: ...
    def get(self, session_id: str) -> Session | None:
        """The session, even when it has ended or expired."""
        ...

    def by_digest(self, digest: str) -> Session | None:
        """The session, even when it has ended or expired."""
        ...

    def of_user(self, user_id: str) -> list[Session]:
        """All stored sessions, most recently used first."""
        ...

    def last_seen(self, user_ids: Collection[str]) -> dict[str, int]:
        """When each user last used a session; users without sessions are left out."""
        ...

    def touch(self, session_id: str, at: int) -> None:
        """Write the time of the last use; called at most once a minute per session."""
        ...

    def verify(self, session_id: str, digest: str, at: int) -> None:
        """Store the digest of a new token, and when the user last entered the password."""
        ...

    def end(self, user_id: str, at: int, *, session_id: str = "", except_id: str = "") -> int:
        """End the user's active sessions except ``except_id``, or only ``session_id``; return how
        many were ended.
        """
        ...

    def keep_newest(self, user_id: str, count: int) -> int:
        """Keep the user's ``count`` most recently used sessions; return how many were removed."""
        ...

    def remove_expired(self, now: int, limit: int) -> int:
        """Remove at most ``limit``; return how many."""
        ...


class LinkStore(Protocol):
    """One-time links."""

    def put(self, link: OneTimeLink) -> None:
        """Add the link and remove the user's other links."""
        ...

    def get(self, digest: str) -> OneTimeLink | None: ...
    def of_user(self, user_id: str) -> OneTimeLink | None: ...
    def use(self, digest: str, purpose: Purpose, now: int) -> OneTimeLink | None:
        """Remove and return the link; None when it is missing or expired. Only one of several
        concurrent callers gets it.
        """
        ...

    def remove_of_user(self, user_id: str) -> None: ...
    def remove_expired(self, now: int) -> int: ...


class SecondFactorStore(Protocol):
    """Second factors, at most one per user, and the recovery codes of each user."""

    def get(self, user_id: str) -> SecondFactor | None: ...
    def put(self, factor: SecondFactor) -> None:
        """Add or replace the second factor."""
        ...

    def enable(self, user_id: str, at: int) -> bool:
        """Write ``enabled_at``; False when there is none, or it was enabled before."""
        ...

    def enabled(self, user_ids: Collection[str]) -> frozenset[str]:
        """The ids among ``user_ids`` of users whose second factor is enabled."""
        ...

    def use_step(self, user_id: str, step: int) -> bool:
        """Write ``last_step``; False unless it was lower. Only one of several concurrent callers
        succeeds.
        """
        ...

    def remove(self, user_id: str) -> bool:
        """Remove the factor and the recovery codes; False when there is no factor."""
        ...

    def put_codes(self, user_id: str, digests: Collection[str]) -> None:
        """Replace the recovery codes; ``digests`` is not empty."""
        ...

    def use_code(self, user_id: str, digest: str) -> bool:
        """Remove the code; False when there is none. Only one of several concurrent callers
        succeeds.
        """
        ...

    def count_codes(self, user_id: str) -> int: ...


class PreferencesStore(Protocol):
    """Preferences, at most one record per user."""

    def get(self, user_id: str) -> Preferences:
        """The defaults for a user without a record."""
        ...

    def put(self, user_id: str, preferences: Preferences) -> None: ...


class FavouriteStore(Protocol):
    """The favourite workers of each user."""

    def add(self, user_id: str, worker_id: str, at: int) -> None:
        """Add a favourite. Idempotent."""
        ...

    def remove(self, user_id: str, worker_id: str) -> None: ...
    def of_user(self, user_id: str) -> list[str]:
        """Ids of workers, most recently added first."""
        ...


class InputDefaultStore(Protocol):
    """The default input of a user for a worker, as JSON text."""

    def get(self, user_id: str, worker_id: str) -> str | None: ...
    def put(self, user_id: str, worker_id: str, input_json: str, at: int) -> None:
        """Add or replace the default input."""
        ...

    def remove(self, user_id: str, worker_id: str) -> bool:
        """Remove the default input; False when there is none."""
        ...


class AuditStore(Protocol):
    """The audit log. Entries are never changed; old ones are removed."""

    def add(self, entry: NewAudit) -> None: ...
    def page(
        self, account_id: str, *, before: int, limit: int, action: str, target: str = ""
    ) -> list[AuditEntry]:
        """Entries of ``action`` and about ``target`` ("" = any) with ``seq`` below ``before`` (0 =
        no limit), newest first.
        """
        ...

    def remove_before(self, at: int, limit: int) -> int:
        """Remove at most ``limit`` entries older than ``at``; return how many."""
        ...


class LedgerStore(Protocol):
    """The ledger. Entries are never changed or removed; adding one updates its account."""

    def append(self, entry: LedgerEntry) -> None:
        """Add the entry and update its account. HOLD (negative ``usd_micros``) and RELEASE
        (positive) subtract ``usd_micros`` from ``held_micros``; CREDIT and USAGE add their signed
        amounts to balance and traffic.
        """
        ...

    def entries(self, account_id: str, *, limit: int) -> list[LedgerEntry]:
        """The latest entries, newest first."""
        ...

    def page(
        self, account_id: str, filter: LedgerFilter, after: str, limit: int
    ) -> list[LedgerEntry] | None:
        """Up to ``limit`` entries, newest first, that follow the entry ``after`` (``""`` = from the
        newest); None when the account has no such entry.
        """
        ...

    def sums(self, account_id: str) -> tuple[int, int, int]:
        """(balance, held, traffic) summed from the entries, to check the account's own values."""
        ...


class UsageStore(Protocol):
    """Daily usage of each account, updated as runs end."""

    def add(self, key: UsageKey, sums: UsageSums) -> None: ...
    def days(self, account_id: str, first: int, last: int) -> dict[int, UsageSums]:
        """Usage by day (20261124) from ``first`` to ``last``; days without usage are left out."""
        ...

    def parts(
        self,
        account_id: str,
        first: int,
        last: int,
        part: UsageDimension,
        limit: int,
        order: UsageOrder = UsageOrder.SPENT,
    ) -> list[tuple[str, UsageSums]]:
        """Usage by the id of worker, task or key (``""`` = none), in this order."""
        ...
