"""The messages between runner and egress process, one JSON object per packet.

Requests carry a ``seq``; each is answered by exactly one ``AttemptClosed`` (``ProxiesChecked`` for
a ``CheckProxies``) with the same number. Sockets and the shared counters are sent with the packet
as descriptors: for ``OpenAttempt`` the counters first, then the listeners; for
``AnswerNoBrowser`` the one listener.
"""

from __future__ import annotations

import msgspec


class OpenAttempt(msgspec.Struct, frozen=True, tag="open"):
    """Serve an attempt, starting from the counts in the shared memory."""

    seq: int
    attempt_id: str
    secret: str
    region: str
    allow: tuple[str, ...]
    limit_bytes: int | None
    domains: tuple[str, ...] | None
    session: str
    guarded: bool
    passwordless: bool


class AnswerNoBrowser(msgspec.Struct, frozen=True, tag="refuse_browser"):
    seq: int
    attempt_id: str


class CloseAttempt(msgspec.Struct, frozen=True, tag="close"):
    """Cut everything of an attempt; once ``AttemptClosed`` comes the shared counters are final."""

    seq: int
    attempt_id: str


class CheckProxies(msgspec.Struct, frozen=True, tag="look"):
    """Ask for the state of the regions' proxies; answered by ``ProxiesChecked``."""

    seq: int


class ProxyChecked(msgspec.Struct, frozen=True):
    """One proxy of a region; ``why`` is empty while it works; ``seconds`` since it failed."""

    region: str
    proxy: str
    why: str
    seconds: float


class ProxiesChecked(msgspec.Struct, frozen=True, tag="seen"):
    seq: int
    proxies: tuple[ProxyChecked, ...]


class AttemptClosed(msgspec.Struct, frozen=True, tag="done"):
    """The answer to a request; ``error`` is empty on success."""

    seq: int
    error: str = ""


class TrafficLimitReached(msgspec.Struct, frozen=True, tag="tripped"):
    """The attempt's limit is reached; sent at once."""

    attempt_id: str


class SiteThrottled(msgspec.Struct, frozen=True, tag="site_throttled"):
    """A connection was refused by a site's throttle; sent once for each of the first ten sites."""

    attempt_id: str
    why: str


class BrowserAsked(msgspec.Struct, frozen=True, tag="browser_asked"):
    """Something connected to the attempt's browser port for the first time."""

    attempt_id: str


Request = OpenAttempt | AnswerNoBrowser | CloseAttempt | CheckProxies
Reply = AttemptClosed | TrafficLimitReached | SiteThrottled | BrowserAsked | ProxiesChecked

encode = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(Request).decode
decode_reply = msgspec.json.Decoder(Reply).decode
