"""Accounts and what is kept for their users, and the money."""

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
        """As ``get``, locked: its balance does not move meanwhile."""
        ...

    def by_name(self, name: str) -> Account | None: ...
    def operator(self) -> Account | None:
        """The one account that runs this installation, None before the first start."""
        ...

    def all(self) -> list[Account]: ...
    def add_user(self, user: User) -> None:
        """Raise ``Conflict`` when any account has a user of this name."""
        ...

    def user(self, user_id: str) -> User | None: ...
    def user_by_name(self, name: str) -> User | None: ...
    def users(self, account_id: str) -> list[User]: ...
    def change_user(self, user: User) -> bool:
        """Write role, state and password hash; False when it is gone."""
        ...

    def remove_user(self, user_id: str, at: int) -> bool:
        """Remove it with its sessions, links and preferences, and revoke its keys."""
        ...

    def set_time_zone(self, account_id: str, time_zone: str) -> None: ...
    def set_plan(self, account_id: str, plan: Plan) -> None: ...
    def set_caps(self, account_id: str, *, run_cap_micros: int, month_cap_micros: int) -> None: ...
    def add_key(self, key: ApiKey) -> None:
        """Raise ``Conflict`` when its id or digest exists."""
        ...

    def key_by_digest(self, digest: str) -> ApiKey | None: ...
    def keys(self, account_id: str) -> list[ApiKey]: ...
    def revoke_key(self, account_id: str, key_id: str, at: int) -> bool:
        """Revoke the valid key of this id, or all of this name: revoking a name means that no key
        of that name is accepted any more. False when there is none.
        """
        ...

    def touch_key(self, key_id: str, at: int) -> None:
        """Note the last use; callers do so at most once a minute per key."""
        ...


class SessionStore(Protocol):
    """Sessions. One that has ended stays until it would have expired: it shows which networks
    its user has signed in from.
    """

    def add(self, session: Session) -> None: ...
    def by_digest(self, digest: str) -> Session | None:
        """Also one that has ended or expired."""
        ...

    def of_user(self, user_id: str) -> list[Session]:
        """All that are stored, the last used first."""
        ...

    def last_seen(self, user_ids: Collection[str]) -> dict[str, int]:
        """By user, when a session of theirs was last used; those without one are left out."""
        ...

    def touch(self, session_id: str, at: int) -> None:
        """Note the last use; callers do so at most once a minute per session."""
        ...

    def end(self, user_id: str, at: int, *, session_id: str = "", except_id: str = "") -> int:
        """End the living sessions of a user, or the one named, all ``but`` one; return how many."""
        ...

    def keep_newest(self, user_id: str, count: int) -> int:
        """Remove all sessions of a user but the last used ``count``; return how many."""
        ...

    def remove_expired(self, now: int, limit: int) -> int:
        """Return how many are gone."""
        ...


class LinkStore(Protocol):
    """One-time links."""

    def put(self, link: OneTimeLink) -> None:
        """Add it, and remove every other one of its user."""
        ...

    def get(self, digest: str) -> OneTimeLink | None: ...
    def of_user(self, user_id: str) -> OneTimeLink | None: ...
    def use(self, digest: str, purpose: Purpose, now: int) -> OneTimeLink | None:
        """Remove and return it; None after its expiry, and for the second of two concurrent
        callers.
        """
        ...

    def remove_of_user(self, user_id: str) -> None: ...
    def remove_expired(self, now: int) -> int: ...


class PreferencesStore(Protocol):
    """Preferences, at most one record per user."""

    def get(self, user_id: str) -> Preferences:
        """The defaults for a user who has chosen none."""
        ...

    def put(self, user_id: str, preferences: Preferences) -> None: ...


class FavouriteStore(Protocol):
    """The workers that a user has marked."""

    def add(self, user_id: str, worker_id: str, at: int) -> None:
        """Adding it again changes nothing."""
        ...

    def remove(self, user_id: str, worker_id: str) -> None: ...
    def of_user(self, user_id: str) -> list[str]:
        """Ids of workers, the latest marked first."""
        ...


class InputDefaultStore(Protocol):
    """The input that a user's form for a worker begins with, as JSON text."""

    def get(self, user_id: str, worker_id: str) -> str | None: ...
    def put(self, user_id: str, worker_id: str, input_json: str, at: int) -> None:
        """Add it, or replace the existing one."""
        ...

    def remove(self, user_id: str, worker_id: str) -> bool:
        """False when there is none."""
        ...


class AuditStore(Protocol):
    """Actions of users, keys and sessions. Entries are added and, when they are old, removed."""

    def add(self, entry: NewAudit) -> None: ...
    def page(self, account_id: str, *, before: int, limit: int, action: str) -> list[AuditEntry]:
        """Newest first, with a number below ``before`` unless that is 0; of one action if named."""
        ...

    def remove_before(self, at: int, limit: int) -> int:
        """Remove at most ``limit`` entries older than that; return how many."""
        ...


class LedgerStore(Protocol):
    """Entries are only ever added, and the account's columns move with them."""

    def append(self, entry: LedgerEntry) -> None:
        """Add the entry and move the account's columns: HOLD, whose ``usd_micros`` is negative,
        and RELEASE, whose is positive, move ``held_micros`` by its opposite and leave balance and
        traffic alone; CREDIT and USAGE move balance and traffic by their signed amounts.
        """
        ...

    def entries(self, account_id: str, *, limit: int) -> list[LedgerEntry]:
        """Newest first."""
        ...

    def page(
        self, account_id: str, filter: LedgerFilter, after: str, limit: int
    ) -> list[LedgerEntry] | None:
        """Up to ``limit`` entries, newest first, after the one with the id ``after`` (``""`` =
        from the newest); None when the account has no such entry.
        """
        ...

    def sums(self, account_id: str) -> tuple[int, int, int]:
        """(balance, held, traffic) as the entries add up, to check the account's own columns."""
        ...


class UsageStore(Protocol):
    """What was used on each day of an account, summed up as it happens."""

    def add(self, key: UsageKey, sums: UsageSums) -> None: ...
    def days(self, account_id: str, first: int, last: int) -> dict[int, UsageSums]:
        """The sums of each day (20261124) from ``first`` to ``last``; days without any are left
        out.
        """
        ...

    def parts(
        self, account_id: str, first: int, last: int, part: UsageDimension, limit: int
    ) -> list[tuple[str, UsageSums]]:
        """The sums of each worker, task or key (``""`` for what has none), the most
        expensive first, then the one with most runs.
        """
        ...
