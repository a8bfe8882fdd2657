"""The shape of ``data`` in answers about people. Times end in ``_at``: Unix seconds, 0 = never."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer


class SessionItem(Answer):
    id: str
    agent: Annotated[str, Field(description="what the browser said it is")]
    address: str
    created_at: int
    seen_at: int
    expires_at: Annotated[int, Field(description="at the latest; without use it ends before")]


SessionItems = list[SessionItem]


class SessionList(Answer):
    list: SessionItems


class EndedSessions(Answer):
    ended: int


class Preferences(Answer):
    language: str
    theme: str
    time_zone: str
    snippets: str
    views: Annotated[dict[str, str], Field(description="the query that a page opens with")]


class AuditItem(Answer):
    id: Annotated[int, Field(description="grows with time")]
    at: int
    user: Annotated[str, Field(description="the name they had then")]
    user_id: str
    key_id: Annotated[str, Field(description="when it was done with a key")]
    session_id: Annotated[str, Field(description="when it was done in the console")]
    address: str
    action: str
    target: str
    detail: str


AuditItems = list[AuditItem]


class AuditPage(Answer):
    list: AuditItems
    next: Annotated[int, Field(description="to be sent as before; 0 at the end")]
