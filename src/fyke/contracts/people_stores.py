"""People who sign in: their sessions, one-time links and preferences; what was done by whom."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fyke.model.audit import AuditEntry, NewAudit
from fyke.model.user import OneTimeLink, Preferences, Purpose, Session


class SessionStore(Protocol):
    """Sessions. One that has ended stays until it would have expired anyway: it says which
    networks its user is known in.
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

    def end(self, user_id: str, at: int, *, session_id: str = "", but: str = "") -> int:
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
        """Remove and return it. Of two who use it at once, the other gets None, as does whoever
        comes after its expiry.
        """
        ...

    def remove_of_user(self, user_id: str) -> None: ...
    def remove_expired(self, now: int) -> int: ...


class PreferencesStore(Protocol):
    """Preferences, at most one record per user."""

    def get(self, user_id: str) -> Preferences:
        """The defaults for a user who never chose anything."""
        ...

    def put(self, user_id: str, preferences: Preferences) -> None: ...


class AuditStore(Protocol):
    """What was done by whom; entries are added and, when they are old, removed."""

    def add(self, entry: NewAudit) -> None: ...
    def page(self, account_id: str, *, before: int, limit: int, action: str) -> list[AuditEntry]:
        """Newest first, with a number below ``before`` unless that is 0; of one action if named."""
        ...

    def remove_before(self, at: int, limit: int) -> int:
        """Remove at most ``limit`` entries older than that; return how many."""
        ...
