"""What a user has of their own: sessions and preferences; and the audit log of the account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.call import Call
from fyke.api.decode import Wire, WireInt, WireName, WireText
from fyke.api.envelope import NULL, encode
from fyke.api.operations import Nothing, Operation
from fyke.api.own import people_answers as answers
from fyke.api.v1.errors import TABLE, UNKNOWN_PATH
from fyke.api.v1.vocabulary import seconds
from fyke.domain.accounts.audit import AuditLog
from fyke.domain.accounts.profiles import Profiles
from fyke.domain.accounts.sessions import Sessions
from fyke.errors import Forbidden
from fyke.model.audit import AuditEntry
from fyke.model.user import Preferences, Session


class SessionRef(Wire):
    id: WireName


class PreferenceFields(Wire):
    language: WireText | None = None
    theme: WireText | None = None
    time_zone: WireText | None = None
    snippets: WireText | None = None


class ViewFields(Wire):
    name: WireName
    query: WireText = ""


class AuditFields(Wire):
    before: WireInt = 0
    limit: WireInt = 50
    action: WireText = ""


@dataclass(frozen=True, slots=True)
class SelfOperations:
    sessions: Sessions
    profiles: Profiles
    audit: AuditLog

    def operations(self) -> list[Operation[Any]]:
        return [*self._of_sessions(), *self._of_preferences(), self._of_audit()]

    def _of_sessions(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/sessions",
                id="listSessions",
                tag="Account",
                summary="Where the key's user is signed in",
                fields=Nothing,
                handler=self.list,
                answer=answers.SessionList,
            ),
            Operation(
                "DELETE",
                "/api/fyke/sessions",
                id="endSessions",
                tag="Account",
                summary="Sign the key's user out everywhere",
                fields=Nothing,
                handler=self.end_all,
                answer=answers.EndedSessions,
            ),
            Operation(
                "DELETE",
                "/api/fyke/sessions/{id}",
                id="endSession",
                tag="Account",
                summary="End one session of the key's user",
                fields=SessionRef,
                handler=self.end,
                errors=(UNKNOWN_PATH,),
                path_fields=("id",),
            ),
        ]

    def _of_preferences(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/preferences",
                id="getPreferences",
                tag="Account",
                summary="How the key's user wants to see the console",
                fields=Nothing,
                handler=self.preferences,
                answer=answers.Preferences,
            ),
            Operation(
                "PUT",
                "/api/fyke/preferences",
                id="changePreferences",
                tag="Account",
                summary="Change what is given of them",
                fields=PreferenceFields,
                handler=self.prefer,
                answer=answers.Preferences,
            ),
            Operation(
                "PUT",
                "/api/fyke/preferences/views/{name}",
                id="saveView",
                tag="Account",
                summary="Say what query a page of the console opens with",
                fields=ViewFields,
                handler=self.save_view,
                answer=answers.Preferences,
                path_fields=("name",),
            ),
        ]

    def _of_audit(self) -> Operation[Any]:
        return Operation(
            "GET",
            "/api/fyke/audit",
            id="getAudit",
            tag="Account",
            summary="What was done in the account, by whom and when",
            fields=AuditFields,
            handler=self.page,
            answer=answers.AuditPage,
            errors=(TABLE[Forbidden],),
        )

    async def list(self, call: Call, _wanted: Nothing) -> bytes:
        found = await self.sessions.list(call.caller)
        return encode({"list": [_session(session) for session in found]})

    async def end(self, call: Call, wanted: SessionRef) -> bytes:
        await self.sessions.revoke(call.caller, wanted.id)
        return NULL

    async def end_all(self, call: Call, _wanted: Nothing) -> bytes:
        return encode({"ended": await self.sessions.revoke_others(call.caller)})

    async def preferences(self, call: Call, _wanted: Nothing) -> bytes:
        return encode(_preferences(await self.profiles.preferences(call.caller)))

    async def prefer(self, call: Call, wanted: PreferenceFields) -> bytes:
        chosen = await self.profiles.prefer(
            call.caller,
            language=wanted.language,
            theme=wanted.theme,
            time_zone=wanted.time_zone,
            snippets=wanted.snippets,
        )
        return encode(_preferences(chosen))

    async def save_view(self, call: Call, wanted: ViewFields) -> bytes:
        chosen = await self.profiles.save_view(call.caller, wanted.name, wanted.query)
        return encode(_preferences(chosen))

    async def page(self, call: Call, wanted: AuditFields) -> bytes:
        found = await self.audit.page(
            call.caller, before=wanted.before, limit=wanted.limit, action=wanted.action
        )
        full = len(found) == wanted.limit
        following = found[-1].seq if full else 0
        return encode({"list": [_entry(entry) for entry in found], "next": following})


def _session(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "agent": session.agent,
        "address": session.address,
        "created_at": seconds(session.created_at),
        "seen_at": seconds(session.seen_at),
        "expires_at": seconds(session.expires_at),
    }


def _preferences(chosen: Preferences) -> dict[str, Any]:
    return {
        "language": chosen.language,
        "theme": chosen.theme,
        "time_zone": chosen.time_zone,
        "snippets": chosen.snippets,
        "views": dict(chosen.views),
    }


def _entry(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.seq,
        "at": seconds(entry.at),
        "user": entry.user_name,
        "user_id": entry.user_id,
        "key_id": entry.key_id,
        "session_id": entry.session_id,
        "address": entry.address,
        "action": entry.action.value,
        "target": entry.target,
        "detail": entry.detail,
    }
