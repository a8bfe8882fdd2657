"""Sessions, one-time links, second factors and preferences of users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Purpose(StrEnum):
    """What a one-time link is for. Each sets the password of one user."""

    SETUP = "setup"  # the first password of the installation's owner
    INVITE = "invite"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that is signed in as ``user_id``; ``digest`` is the SHA-256 of its token.

    Times are milliseconds since the epoch. ``seen_at`` is exact to a minute.
    """

    id: str
    user_id: str
    digest: str
    created_at: int
    seen_at: int
    expires_at: int  # an idle session ends earlier
    ended_at: int  # 0 = not signed out
    agent: str
    address: str
    verified_at: int = 0  # when the user last entered the password, and a code if one is needed


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """A link that sets a password, once; ``digest`` is the SHA-256 of its token."""

    digest: str
    purpose: Purpose
    user_id: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """The authenticator app of one user; ``sealed`` is the secret of its codes, sealed with the key
    ``key_id``. ``last_step`` numbers the 30 seconds of the last accepted code, 0 = none.
    """

    user_id: str
    key_id: str
    sealed: str = field(repr=False)
    created_at: int
    enabled_at: int = 0  # 0 = the user has not entered a first code yet
    last_step: int = 0


@dataclass(frozen=True, slots=True)
class Preferences:
    """How the console looks for one user. An empty text leaves the choice to the browser."""

    language: str = ""
    theme: str = "system"
    time_zone: str = ""
    snippets: str = ""  # the language of code samples
    views: Mapping[str, str] = field(default_factory=dict)  # page name to its query
