"""The user's own settings: preferences and password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from zoneinfo import available_timezones

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit_actions import action_by
from fyke.domain.accounts.codes import is_enabled
from fyke.domain.accounts.confirmation import OwnPassword
from fyke.domain.accounts.links import set_password
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.accounts.rights import require_confirmed
from fyke.domain.accounts.sessions import NewSession, Sessions
from fyke.errors import Conflict, InvalidRequest, UserMissing
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.user import Preferences

LANGUAGES = ("en", "zh-Hans")
THEMES = ("system", "light", "dark")
SNIPPETS = ("curl", "python", "node", "java", "php", "go")
MAX_VIEWS = 50
_MAX_VIEW_NAME = 64
_MAX_VIEW = 2000

_Work = Callable[[Transaction], Preferences]


class Profiles:
    """The preferences and the password of the caller's user."""

    def __init__(
        self,
        storage: Storage,
        own_password: OwnPassword,
        passwords: Passwords,
        sessions: Sessions,
    ) -> None:
        self._storage = storage
        self._own_password = own_password
        self._passwords = passwords
        self._sessions = sessions

    async def preferences(self, caller: Caller) -> Preferences:
        """The preferences of the caller's user, or the defaults."""
        return await self._storage.read(lambda tx: tx.preferences.get(caller.user_id))

    async def change_preferences(
        self,
        caller: Caller,
        *,
        language: str | None = None,
        theme: str | None = None,
        time_zone: str | None = None,
        snippets: str | None = None,
    ) -> Preferences:
        """Change the preferences that are not None; an empty text means the browser's. Raises
        ``InvalidRequest``.
        """
        _one_of("language", language, ("", *LANGUAGES))
        _one_of("theme", theme, THEMES)
        _one_of("snippets", snippets, ("", *SNIPPETS))
        if time_zone and time_zone not in zone_names():
            raise InvalidRequest(
                f'"{time_zone[:60]}" is not a time zone; use an IANA name, for example '
                "Europe/Berlin, or leave it empty for the browser's",
                field="time_zone",
            )

        def work(tx: Transaction) -> Preferences:
            current = tx.preferences.get(caller.user_id)
            preferences = replace(
                current,
                language=current.language if language is None else language,
                theme=current.theme if theme is None else theme,
                time_zone=current.time_zone if time_zone is None else time_zone,
                snippets=current.snippets if snippets is None else snippets,
            )
            _put(tx, caller, preferences)
            return preferences

        return await self._change(work)

    async def save_view(self, caller: Caller, page: str, query: str) -> Preferences:
        """Save ``query`` as the initial filter of the page ``page``; an empty one removes it.
        Raises ``InvalidRequest`` when name, query or number of views are too large.
        """
        if not page or len(page) > _MAX_VIEW_NAME or not page.isprintable():
            raise InvalidRequest(
                f"a name has 1 to {_MAX_VIEW_NAME} printable characters", field="view"
            )
        if len(query) > _MAX_VIEW:
            raise InvalidRequest(f"a query has at most {_MAX_VIEW} characters", field="view")

        def work(tx: Transaction) -> Preferences:
            current = tx.preferences.get(caller.user_id)
            views = {name: view for name, view in current.views.items() if name != page}
            if query:
                views[page] = query
            if len(views) > MAX_VIEWS:
                raise InvalidRequest(
                    f"at most {MAX_VIEWS} views can be saved; reset another one", field="view"
                )
            preferences = replace(current, views=views)
            _put(tx, caller, preferences)
            return preferences

        return await self._change(work)

    async def change_password(
        self, caller: Caller, old: str, new: str, agent: str, address: str
    ) -> NewSession:
        """Set a new password, and start a new session that replaces all others.

        Raises ``InvalidRequest`` for the field ``old`` or ``new``, ``RateLimited`` after too many
        wrong passwords, ``Conflict`` when the password was changed at the same time, and
        ``ConfirmationNeeded`` for a user with a second factor.
        """
        await self._storage.read(lambda tx: _require_code(tx, caller))
        user = await self._own_password.verify(caller, old, "old")
        self._passwords.check_new(new, user.name, caller.account_name, field="new")
        if new == old:
            raise InvalidRequest("this is your present password; choose another one", field="new")
        password_hash = await self._passwords.hash(new)

        def work(tx: Transaction) -> NewSession:
            current = tx.accounts.user(user.id)
            if current is None or current.password_hash != user.password_hash:
                raise Conflict("The password was changed at the same time; sign in again")
            session = set_password(tx, current, password_hash, agent, address)
            tx.audit.add(action_by(current, AuditAction.PASSWORD, address, session.id))
            return session

        session = await self._storage.write(work)
        self._sessions.forget()
        return session

    async def _change(self, work: _Work) -> Preferences:
        preferences = await self._storage.write(work)
        self._sessions.forget()
        return preferences


@cache
def zone_names() -> tuple[str, ...]:
    """All IANA time zones of this machine, sorted; reading their files takes a while."""
    return tuple(sorted(available_timezones()))


def _require_code(tx: Transaction, caller: Caller) -> None:
    """Require a confirmation of users with a second factor: the new session counts as confirmed."""
    if is_enabled(tx, caller.user_id):
        require_confirmed(tx, caller)


def _put(tx: Transaction, caller: Caller, preferences: Preferences) -> None:
    if tx.accounts.user(caller.user_id) is None:
        raise UserMissing
    tx.preferences.put(caller.user_id, preferences)


def _one_of(field: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        options = ", ".join(f'"{option}"' for option in allowed)
        raise InvalidRequest(f'unknown value "{value[:40]}"; use one of {options}', field=field)
