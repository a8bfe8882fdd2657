"""Sessions and preferences of a user, and the audit log of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field

from fyke.domain.accounts.audit import MAX_ENTRIES
from fyke.domain.accounts.profiles import LANGUAGES, SNIPPETS, THEMES
from fyke.model.audit import AuditAction
from fyke.wire.common import Count, Items, TimeOrNever, known_values
from fyke.wire.fields import Answer, Integer, Request, Text
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.model.audit import AuditEntry
    from fyke.model.user import Preferences, Session


# --- requests ------------------------------------------------------------------------------


class PreferencesToChange(Request):
    """Absent members stay as they are; with empty ones the browser decides."""

    language: Annotated[Text, known_values(["", *LANGUAGES])] | None = None
    theme: Annotated[Text, known_values(THEMES)] | None = None
    time_zone: Annotated[Text, Meta(description="an IANA name")] | None = None
    snippets: Annotated[Text, known_values(["", *SNIPPETS], "of code samples")] | None = None


class ViewToSave(Request):
    query: Annotated[
        Text, Meta(description="the query that the page opens with; empty = the default")
    ] = ""


class AuditQuery(Request):
    before: Annotated[Integer, Meta(ge=0, description="`next` of the last answer")] = 0
    limit: Annotated[Integer, Meta(ge=1, le=MAX_ENTRIES, description="entries of a page")] = 50
    action: Annotated[Text, known_values(["", *AuditAction], "empty = all")] = ""


# --- answers -------------------------------------------------------------------------------


class SessionItem(Answer):
    id: str
    agent: Annotated[str, Meta(description="the User-Agent of the browser")]
    address: str
    created_at: TimeOrNever
    seen_at: TimeOrNever
    expires_at: Annotated[TimeOrNever, Meta(description="at the latest; earlier if unused")]

    @classmethod
    def of(cls, session: Session) -> SessionItem:
        return cls(
            id=session.id,
            agent=session.agent,
            address=session.address,
            created_at=seconds(session.created_at),
            seen_at=seconds(session.seen_at),
            expires_at=seconds(session.expires_at),
        )


class SessionList(Items[SessionItem]):
    pass


class EndedSessions(Answer):
    ended: Count


class UserPreferences(Answer):
    language: str
    theme: str
    time_zone: str
    snippets: Annotated[str, Meta(description="the language of code samples")]
    views: Annotated[dict[str, str], Meta(description="the query that each page opens with")]

    @classmethod
    def of(cls, preferences: Preferences) -> UserPreferences:
        return cls(
            preferences.language,
            preferences.theme,
            preferences.time_zone,
            preferences.snippets,
            dict(preferences.views),
        )


class AuditItem(Answer):
    id: Annotated[int, Meta(description="increases with time")]
    at: TimeOrNever
    user: Annotated[str, Meta(description="name of the user at that time")]
    user_id: str
    key_id: Annotated[str, Meta(description="for an action with a key")]
    session_id: Annotated[str, Meta(description="for an action in the console")]
    address: str
    action: AuditAction
    target: str
    detail: str

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditItem:
        return cls(
            id=entry.seq,
            at=seconds(entry.at),
            user=entry.user_name,
            user_id=entry.user_id,
            key_id=entry.key_id,
            session_id=entry.session_id,
            address=entry.address,
            action=entry.action,
            target=entry.target,
            detail=entry.detail,
        )


class AuditPage(Answer):
    items: list[AuditItem] = field(name="list")
    next: Annotated[Count, Meta(description="the `before` of the next page; 0 at the end")]
