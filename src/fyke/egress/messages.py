"""The messages between runner and egress process, one JSON object per packet.

Each request has a ``seq``, and is answered by one ``RequestDone`` (``ProxiesChecked`` for a
``CheckProxies``) with the same number. Sockets and the shared counters are sent with the packet as
descriptors: for ``OpenAttempt`` the counters, the listeners, and the address of the browser if
there is one; for ``RefuseBrowser`` and ``AddListener`` one listener; for ``ChangePolicy`` the
policy, which may be larger than a packet.
"""

from __future__ import annotations

import os
from dataclasses import replace

import msgspec

from fyke.kit.channel import MAX_MESSAGE
from fyke.kit.requests import RequestDone
from fyke.model.node import EgressPolicy
from fyke.model.sites import SiteShares, SiteUse


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
    browser: bool = False  # whether the address of the browser is among the descriptors


class RefuseBrowser(msgspec.Struct, frozen=True, tag="refuse_browser"):
    seq: int
    attempt_id: str


class AddListener(msgspec.Struct, frozen=True, tag="add"):
    """Serve one more listener of an open attempt. Its key is the inode of the socket, which is the
    same in each process that has a copy.
    """

    seq: int
    attempt_id: str
    passwordless: bool


class RemoveListener(msgspec.Struct, frozen=True, tag="remove"):
    """Stop to serve an added listener; unknown ones are ignored."""

    seq: int
    attempt_id: str
    key: int


class CloseAttempt(msgspec.Struct, frozen=True, tag="close"):
    """Cut all connections of an attempt. After ``RequestDone`` the shared counters are final."""

    seq: int
    attempt_id: str


class ChangePolicy(msgspec.Struct, frozen=True, tag="policy"):
    """Use other rules, proxies and limits of sites for attempts that are opened from now on."""

    seq: int


class DivideSites(msgspec.Struct, frozen=True, tag="sites"):
    """Share sites with other machines; ``SitesUsed`` comes before the answer, and from now on a
    ``SitesPaused`` when a pause begins.
    """

    seq: int
    shares: SiteShares


class CheckProxies(msgspec.Struct, frozen=True, tag="look"):
    """Ask for the state of the regions' proxies; answered by ``ProxiesChecked``."""

    seq: int


class ProxyChecked(msgspec.Struct, frozen=True):
    """One proxy of a region. ``why`` is empty while it works; ``seconds`` since it failed."""

    region: str
    proxy: str
    why: str
    seconds: float


class ProxiesChecked(msgspec.Struct, frozen=True, tag="seen"):
    seq: int
    proxies: tuple[ProxyChecked, ...]


class TrafficLimitReached(msgspec.Struct, frozen=True, tag="tripped"):
    """The attempt's limit is reached; sent at once."""

    attempt_id: str


class ConnectionRefused(msgspec.Struct, frozen=True, tag="connection_refused"):
    """A connection was refused: by a site's throttle, or because its name has no address, sent once
    for each of the first ten sites; or the first one of the attempt's browser.
    """

    attempt_id: str
    why: str


class BrowserRequested(msgspec.Struct, frozen=True, tag="browser_asked"):
    """The first connection to the attempt's browser port."""

    attempt_id: str


class SitesUsed(msgspec.Struct, frozen=True, tag="used"):
    """The sites that are used here."""

    use: SiteUse


class SitesPaused(msgspec.Struct, frozen=True, tag="paused"):
    """A site has answered 429 or 503: other machines have to know soon."""


AttemptRequest = (
    ChangePolicy
    | OpenAttempt
    | RefuseBrowser
    | AddListener
    | RemoveListener
    | CloseAttempt
    | DivideSites
)
Request = AttemptRequest | CheckProxies
Notice = TrafficLimitReached | ConnectionRefused | BrowserRequested | SitesUsed | SitesPaused
Reply = RequestDone | ProxiesChecked | Notice

encode = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(Request).decode
decode_reply = msgspec.json.Decoder(Reply).decode
_decode_policy = msgspec.json.Decoder(EgressPolicy).decode


def encode_shares(seq: int, shares: SiteShares) -> bytes:
    """A ``DivideSites`` that fits into a packet: a longer one would end the connection, and with it
    all attempts. Pauses are left out first, the last ones before the others, then sites, which are
    then divided by the number of machines.
    """
    while len(message := encode(DivideSites(seq, shares))) > MAX_MESSAGE:
        if shares.pauses:
            shares = replace(shares, pauses=shares.pauses[: len(shares.pauses) // 2])
        else:
            sites = list(shares.sharers.items())
            shares = replace(shares, sharers=dict(sites[: len(sites) // 2]))
    return message


def write_policy(policy: EgressPolicy) -> int:
    """A descriptor with the policy; the caller closes it."""
    descriptor = os.memfd_create("egress-policy", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(encode(policy))
    return descriptor


def read_policy(descriptor: int) -> EgressPolicy:
    """What ``write_policy`` has written. Raise ``ValueError``."""
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    try:
        return _decode_policy(data)
    except msgspec.MsgspecError as error:
        raise ValueError(f"the policy cannot be read: {error}") from None
