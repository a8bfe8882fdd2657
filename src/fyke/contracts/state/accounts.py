"""Accounts, users and their settings, the audit log, and billing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fyke.model.account import Account, ApiKey, Plan, User
from fyke.model.audit import AuditEntry, NewAudit
from fyke.model.billing import LedgerEntry, LedgerFilter, UsageDimension, UsageKey, UsageSums
from fyke.model.user import OneTimeLink, Preferences, Purpose, Session


class AccountStore(Protocol):
    """Accounts, their users and keys. Balances change only through ``LedgerStore.append``."""

    def add(self, account: Account) -> None:
        """Raise ``Conflict`` when the name is taken."""
        ...

    def get(self, account_id: str) -> Account | None: ...
    def lock(self, account_id: str) -> Account | None:
        """As ``get``, locked, so that its balance cannot change."""
        ...

    def by_name(self, name: str) -> Account | None: ...
    def operator(self) -> Account | None:
        """The account that operates this installation, None before the first start."""
        ...

    def all(self) -> list[Account]: ...
    def add_user(self, user: User) -> None:
        """Raise ``Conflict`` when any account has a user of this name."""
        ...

    def user(self, user_id: str) -> User | None: ...
    def user_by_name(self, name: str) -> User | None: ...
    def users(self, account_id: str) -> list[User]: ...
    def change_user(self, user: User) -> bool:
        """Write role, ``disabled`` and password hash; False when the user does not exist."""
        ...

    def remove_user(self, user_id: str, at: int) -> bool:
        """Remove the user with sessions, links and preferences, and revoke the user's keys."""
        ...

    def set_time_zone(self, account_id: str, time_zone: str) -> None: ...
    def set_plan(self, account_id: str, plan: Plan) -> None: ...
    def set_caps(self, account_id: str, *, run_cap_micros: int, month_cap_micros: int) -> None: ...
    def add_key(self, key: ApiKey) -> None:
        """Raise ``Conflict`` when its id or digest exists."""
        ...

    def key(self, key_id: str) -> ApiKey | None:
        """Also one that was revoked or has expired."""
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
    """Sessions. An ended one is kept until it would have expired, because it shows from which
    networks its user has signed in.
    """

    def add(self, session: Session) -> None: ...
    def get(self, session_id: str) -> Session | None:
        """Also one that has ended or expired."""
        ...

    def by_digest(self, digest: str) -> Session | None:
        """Including ended and expired ones."""
        ...

    def of_user(self, user_id: str) -> list[Session]:
        """All stored sessions, the last used first."""
        ...

    def last_seen(self, user_ids: Collection[str]) -> dict[str, int]:
        """When each user last used a session; users without sessions are left out."""
        ...

    def touch(self, session_id: str, at: int) -> None:
        """Write the time of the last use; called at most once a minute per session."""
        ...

    def end(self, user_id: str, at: int, *, session_id: str = "", except_id: str = "") -> int:
        """End the active sessions of a user, or only ``session_id``, but not ``except_id``; return
        how many.
        """
        ...

    def keep_newest(self, user_id: str, count: int) -> int:
        """Remove all sessions of a user except the ``count`` last used; return how many."""
        ...

    def remove_expired(self, now: int, limit: int) -> int:
        """Remove at most ``limit``; return how many."""
        ...


class LinkStore(Protocol):
    """One-time links."""

    def put(self, link: OneTimeLink) -> None:
        """Add it, and remove all others of its user."""
        ...

    def get(self, digest: str) -> OneTimeLink | None: ...
    def of_user(self, user_id: str) -> OneTimeLink | None: ...
    def use(self, digest: str, purpose: Purpose, now: int) -> OneTimeLink | None:
        """Remove and return it; None when it has expired. Of several concurrent callers one gets
        it.
        """
        ...

    def remove_of_user(self, user_id: str) -> None: ...
    def remove_expired(self, now: int) -> int: ...


class PreferencesStore(Protocol):
    """Preferences, at most one record per user."""

    def get(self, user_id: str) -> Preferences:
        """The defaults for a user without a record."""
        ...

    def put(self, user_id: str, preferences: Preferences) -> None: ...


class FavouriteStore(Protocol):
    """The favourite workers of each user."""

    def add(self, user_id: str, worker_id: str, at: int) -> None:
        """May be repeated."""
        ...

    def remove(self, user_id: str, worker_id: str) -> None: ...
    def of_user(self, user_id: str) -> list[str]:
        """Ids of workers, the last added first."""
        ...


class InputDefaultStore(Protocol):
    """The default input of a user for a worker, as JSON text."""

    def get(self, user_id: str, worker_id: str) -> str | None: ...
    def put(self, user_id: str, worker_id: str, input_json: str, at: int) -> None:
        """Add or replace it."""
        ...

    def remove(self, user_id: str, worker_id: str) -> bool:
        """False when there is none."""
        ...


class AuditStore(Protocol):
    """The audit log. Entries are never changed; old ones are removed."""

    def add(self, entry: NewAudit) -> None: ...
    def page(self, account_id: str, *, before: int, limit: int, action: str) -> list[AuditEntry]:
        """Newest first. ``before`` 0 and ``action`` "" do not filter; else only smaller ``seq``."""
        ...

    def remove_before(self, at: int, limit: int) -> int:
        """Remove at most ``limit`` entries older than that; return how many."""
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
        """Newest first."""
        ...

    def page(
        self, account_id: str, filter: LedgerFilter, after: str, limit: int
    ) -> list[LedgerEntry] | None:
        """Up to ``limit`` entries, newest first, that follow the entry ``after`` (``""`` = from the
        newest); None when the account has no such entry.
        """
        ...

    def sums(self, account_id: str) -> tuple[int, int, int]:
        """(balance, held, traffic) as sums of the entries, to check those of the account."""
        ...


class UsageStore(Protocol):
    """Daily usage of each account, updated as runs end."""

    def add(self, key: UsageKey, sums: UsageSums) -> None: ...
    def days(self, account_id: str, first: int, last: int) -> dict[int, UsageSums]:
        """Usage by day (20261124) from ``first`` to ``last``; days without usage are left out."""
        ...

    def parts(
        self, account_id: str, first: int, last: int, part: UsageDimension, limit: int
    ) -> list[tuple[str, UsageSums]]:
        """Usage by the id of worker, task or key (``""`` = none), the most expensive first, then
        the one with most runs.
        """
        ...
