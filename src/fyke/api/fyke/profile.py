"""Sessions and preferences of a user, and the audit log of the account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, put
from fyke.domain.accounts.audit import AuditLog
from fyke.domain.accounts.profiles import Profiles
from fyke.domain.accounts.sessions import Sessions
from fyke.errors import Forbidden, NotFound
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import profile as wire

SESSIONS = "/api/fyke/sessions"
PREFERENCES = "/api/fyke/preferences"


@dataclass(frozen=True, slots=True)
class ProfileRoutes:
    tag: ClassVar[str] = "Account"

    sessions: Sessions
    profiles: Profiles
    audit: AuditLog

    @get(SESSIONS, scope=Scope.ADMIN)
    async def list_sessions(self, call: Call) -> wire.SessionList:
        """The console sessions of the key's user.

        A session ends seven days after its last use, thirty days after sign-in at the latest, and
        with a new password.
        """
        sessions = await self.sessions.list(call.caller)
        return wire.SessionList([wire.SessionItem.of(session) for session in sessions])

    @delete(SESSIONS, scope=Scope.ADMIN)
    async def end_sessions(self, call: Call) -> wire.EndedSessions:
        """End all console sessions of the key's user."""
        return wire.EndedSessions(await self.sessions.revoke_others(call.caller))

    @delete(f"{SESSIONS}/{{id}}", scope=Scope.ADMIN, errors=(NotFound,))
    async def end_session(self, call: Call, id: Name) -> None:
        """End one session of the key's user."""
        await self.sessions.revoke(call.caller, id)

    @get(PREFERENCES, scope=Scope.READ)
    async def get_preferences(self, call: Call) -> wire.UserPreferences:
        """The preferences of the key's user for the console."""
        return wire.UserPreferences.of(await self.profiles.preferences(call.caller))

    @put(PREFERENCES, scope=Scope.WRITE)
    async def change_preferences(
        self, call: Call, body: wire.PreferencesToChange
    ) -> wire.UserPreferences:
        """Change preferences for the console."""
        preferences = await self.profiles.change_preferences(
            call.caller,
            language=body.language,
            theme=body.theme,
            time_zone=body.time_zone,
            snippets=body.snippets,
        )
        return wire.UserPreferences.of(preferences)

    @put(f"{PREFERENCES}/views/{{name}}", scope=Scope.WRITE)
    async def save_view(
        self, call: Call, name: Name, body: wire.ViewToSave
    ) -> wire.UserPreferences:
        """Save the query of a page of the console.

        The page opens with it; an empty query removes it. A user has at most 50.
        """
        preferences = await self.profiles.save_view(call.caller, name, body.query)
        return wire.UserPreferences.of(preferences)

    @get("/api/fyke/audit", scope=Scope.ADMIN, errors=(Forbidden,))
    async def get_audit(self, call: Call, query: wire.AuditQuery) -> wire.AuditPage:
        """The audit log of the account: every action with user and time.

        For users with the role owner. Send `next` as `before` for the next page. Entries are
        stored for `keep_days`, or a year when that is 0. Starts by a schedule are in the history of
        the task.
        """
        entries = await self.audit.page(
            call.caller, before=query.before, limit=query.limit, action=query.action
        )
        next_before = entries[-1].seq if len(entries) == query.limit else 0
        return wire.AuditPage([wire.AuditItem.of(entry) for entry in entries], next_before)
