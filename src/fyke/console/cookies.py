"""The cookies of the console: the session, the visitor's preferences, and one notice.

Only the session cookie is secret. Language, theme and time zone are cookies so that pages
without a session (sign-in, setup) use them too; a signed-in user's own preferences take
precedence.

Over TLS every cookie is ``Secure`` and its name begins with ``__Host-``, so that no other host and
no page over http can set one. Then cookies without that prefix are not read.
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
LANGUAGE = "fyke_language"
THEME = "fyke_theme"
ZONE = "fyke_zone"
KEYS = "fyke_keys"  # "off": no shortcuts of a single key
NOTICE = "fyke_notice"

SESSION_SECONDS = 30 * 24 * 3600
_YEAR = 365 * 24 * 3600
_NOTICE_SECONDS = 60
_MAX_TOKEN = 200

Tone = Literal["good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for the next page about the action just taken."""

    text: str
    tone: Tone = "good"


def name_of(visit: Visit, name: str) -> str:
    """The name of the cookie ``name`` as this visitor's browser stores it."""
    return f"__Host-{name}" if _secure(visit) else name


def read(request: Request, visit: Visit, name: str) -> str:
    """The value of the cookie ``name``, or ""."""
    return request.cookies.get(name_of(visit, name), "")


def session_token(request: Request, visit: Visit) -> str:
    """The token of the session cookie, or ""."""
    token = read(request, visit, SESSION)
    return token if len(token) <= _MAX_TOKEN else ""


def set_session(response: Response, visit: Visit, token: str) -> None:
    """Set the session cookie."""
    _set(response, visit, SESSION, token, SESSION_SECONDS, httponly=True)


def drop_session(response: Response, visit: Visit) -> None:
    """Delete the session cookie."""
    _set(response, visit, SESSION, "", 0, httponly=True)


def set_preference(response: Response, visit: Visit, name: str, value: str) -> None:
    """Store a preference; an empty value deletes it."""
    _set(response, visit, name, value, _YEAR if value else 0, httponly=False)


class Notices:
    """Notices travel in a signed cookie, so that other sites cannot forge them."""

    def __init__(self, secret: bytes) -> None:
        self._signer = URLSafeSerializer(
            secret,
            salt="fyke.console.notice",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def put(self, response: Response, visit: Visit, notice: Notice) -> None:
        value = self._signer.dumps([notice.text[:500], notice.tone])
        text = value if isinstance(value, str) else value.decode()
        _set(response, visit, NOTICE, text, _NOTICE_SECONDS, httponly=True)

    def take(self, request: Request, visit: Visit) -> Notice | None:
        """The pending notice, or None. The caller that shows it then calls ``drop``."""
        try:
            text, tone = self._signer.loads(read(request, visit, NOTICE))
        except (BadSignature, ValueError, TypeError):
            return None
        return Notice(str(text), tone if tone in ("good", "warn", "bad") else "good")

    def drop(self, response: Response, visit: Visit) -> None:
        _set(response, visit, NOTICE, "", 0, httponly=True)


def _set(
    response: Response, visit: Visit, name: str, value: str, seconds: int, *, httponly: bool
) -> None:
    """Set a cookie for ``seconds``; 0 deletes it."""
    response.set_cookie(
        name_of(visit, name),
        value,
        max_age=seconds,
        path="/",
        secure=_secure(visit),
        httponly=httponly,
        samesite="lax",
    )


def _secure(visit: Visit) -> bool:
    return visit.origin.startswith("https://")
