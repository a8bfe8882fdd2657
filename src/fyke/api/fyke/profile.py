"""What a user has: sessions and preferences; and the audit log of the account."""

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
        found = await self.sessions.list(call.caller)
        return wire.SessionList([wire.SessionItem.of(session) for session in found])

    @delete(SESSIONS, scope=Scope.ADMIN)
    async def end_sessions(self, call: Call) -> wire.EndedSessions:
        """Sign the key's user out everywhere."""
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
        self, call: Call, wanted: wire.PreferencesToChange
    ) -> wire.UserPreferences:
        """Change preferences for the console."""
        chosen = await self.profiles.change_preferences(
            call.caller,
            language=wanted.language,
            theme=wanted.theme,
            time_zone=wanted.time_zone,
            snippets=wanted.snippets,
        )
        return wire.UserPreferences.of(chosen)

    @put(f"{PREFERENCES}/views/{{name}}", scope=Scope.WRITE)
    async def save_view(
        self, call: Call, name: Name, wanted: wire.ViewToSave
    ) -> wire.UserPreferences:
        """Set the query that a page of the console opens with.

        An empty query removes it. A user has at most 50.
        """
        chosen = await self.profiles.save_view(call.caller, name, wanted.query)
        return wire.UserPreferences.of(chosen)

    @get("/api/fyke/audit", scope=Scope.ADMIN, errors=(Forbidden,))
    async def get_audit(self, call: Call, wanted: wire.AuditQuery) -> wire.AuditPage:
        """The audit log of the account: every action with user and time.

        For users with the role owner. Send `next` as `before` for the page that follows. Entries
        are kept for `keep_days`, a year when that is 0. Starts by a schedule are in the history of
        the task.
        """
        found = await self.audit.page(
            call.caller, before=wanted.before, limit=wanted.limit, action=wanted.action
        )
        following = found[-1].seq if len(found) == wanted.limit else 0
        return wire.AuditPage([wire.AuditItem.of(entry) for entry in found], following)
