"""The shares of sites fit into a packet, whatever they are."""

from __future__ import annotations

from fyke.egress.messages import DivideSites, decode_request, encode_shares
from fyke.kit.channel import MAX_MESSAGE
from fyke.kit.hostports import MAX_NAME
from fyke.model.sites import (
    MAX_PAUSE_NUMBER,
    MAX_PAUSES,
    MAX_SHARED_SITES,
    SitePause,
    SiteShares,
)


def shares_of(length: int, char: str) -> SiteShares:
    """As many as there may be, with names of this length."""
    sharers = {f"{n:03}".ljust(length, "x"): 1000 for n in range(MAX_SHARED_SITES)}
    pauses = tuple(
        SitePause(f"{n:03}".ljust(length, char), 604_799.123_456_789, MAX_PAUSE_NUMBER, 503)
        for n in range(MAX_PAUSES)
    )
    return SiteShares(1000, sharers, pauses)


def sent(shares: SiteShares) -> SiteShares:
    """What arrives of them."""
    message = encode_shares(2**31, shares)
    assert len(message) <= MAX_MESSAGE
    request = decode_request(message)
    assert isinstance(request, DivideSites)
    return request.shares


def test_the_largest_that_a_gateway_accepts_are_sent_as_they_are() -> None:
    shares = shares_of(MAX_NAME, "x")
    assert sent(shares) == shares


def test_of_larger_ones_the_last_pauses_are_left_out() -> None:
    shares = shares_of(250, "\x01")  # six bytes each
    arrived = sent(shares)
    assert arrived.sharers == shares.sharers
    assert 0 < len(arrived.pauses) < MAX_PAUSES
    assert arrived.pauses == shares.pauses[: len(arrived.pauses)]


def test_without_pauses_sites_are_left_out_which_have_the_smallest_part_then() -> None:
    arrived = sent(shares_of(1000, "x"))
    assert not arrived.pauses and 0 < len(arrived.sharers) < MAX_SHARED_SITES
    assert arrived.of("000".ljust(1000, "x")) == arrived.of("a site that was left out") == 1000
