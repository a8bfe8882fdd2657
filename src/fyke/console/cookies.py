"""The cookies of the console: the session, the visitor's preferences, and one notice.

Only the session cookie is secret. Language, theme and time zone are cookies so that pages
without a session (sign-in, setup) use them too; a signed-in user's own preferences take
precedence.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from fyke.api.network import Visit

SESSION = "fyke_session"
SECURE_SESSION = "__Host-fyke_session"
LANGUAGE = "fyke_language"
THEME = "fyke_theme"
ZONE = "fyke_zone"
NOTICE = "fyke_notice"

SESSION_SECONDS = 30 * 24 * 3600
_YEAR = 365 * 24 * 3600
_MAX_TOKEN = 200

Tone = Literal["good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for the next page about the action just taken."""

    text: str
    tone: Tone = "good"


def session_token(request: Request, visit: Visit) -> str:
    """The token of the session cookie, or "". Over TLS only the ``__Host-`` cookie counts."""
    name = SECURE_SESSION if _secure(visit) else SESSION
    token = request.cookies.get(name, "")
    return token if len(token) <= _MAX_TOKEN else ""


def set_session(response: Response, visit: Visit, token: str) -> None:
    """Set the session cookie."""
    response.set_cookie(
        SECURE_SESSION if _secure(visit) else SESSION,
        token,
        max_age=SESSION_SECONDS,
        path="/",
        secure=_secure(visit),
        httponly=True,
        samesite="lax",
    )


def drop_session(response: Response, visit: Visit) -> None:
    """Delete the session cookie."""
    name = SECURE_SESSION if _secure(visit) else SESSION
    response.delete_cookie(name, path="/", secure=_secure(visit), httponly=True, samesite="lax")


def set_preference(response: Response, visit: Visit, name: str, value: str) -> None:
    """Store a preference; an empty value deletes it."""
    if not value:
        response.delete_cookie(name, path="/")
        return
    response.set_cookie(name, value, max_age=_YEAR, path="/", secure=_secure(visit), samesite="lax")


class Notices:
    """Notices travel in a signed cookie, so that other sites cannot forge them."""

    def __init__(self, secret: bytes) -> None:
        self._signer = URLSafeSerializer(
            secret,
            salt="fyke.console.notice",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def put(self, response: Response, notice: Notice) -> None:
        value = self._signer.dumps([notice.text[:500], notice.tone])
        text = value if isinstance(value, str) else value.decode()
        response.set_cookie(NOTICE, text, max_age=60, path="/", httponly=True, samesite="lax")

    def take(self, request: Request) -> Notice | None:
        """The pending notice, None without one. The caller that shows it then calls ``drop``."""
        try:
            text, tone = self._signer.loads(request.cookies.get(NOTICE, ""))
        except (BadSignature, ValueError, TypeError):
            return None
        return Notice(str(text), tone if tone in ("good", "warn", "bad") else "good")

    def drop(self, response: Response) -> None:
        response.delete_cookie(NOTICE, path="/", httponly=True, samesite="lax")


def _secure(visit: Visit) -> bool:
    return visit.origin.startswith("https://")
