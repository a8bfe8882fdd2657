"""Regions and their proxies' URLs. The conversations are in the integration tests."""

from __future__ import annotations

import pytest

from fyke.egress.upstream import Upstream, Upstreams


def test_a_region_finds_its_proxy() -> None:
    upstreams = Upstreams({"us": "socks5://u:p%40@a.example:1080", "*": "http://b.example:3128"})
    first = upstreams.of_region("US")
    assert first == Upstream("socks5", "a.example", 1080, "u", "p@")
    assert not first.resolves
    assert (
        upstreams.of_region("de")
        == upstreams.of_region("")
        == Upstream("http", "b.example", 3128, "", "")
    )
    assert Upstreams({"us": "socks5h://a:1"}).of_region("us").resolves  # type: ignore[union-attr]
    assert Upstreams({}).of_region("us") is None


@pytest.mark.parametrize(
    ("region", "url"),
    [("usa", "http://a:1"), ("", "http://a:1"), ("us", "ftp://a:1"), ("us", "http://a"),
     ("us", "http://:1"), ("us", "http://a:x"), ("us", "a:1")],
)  # fmt: skip
def test_malformed_settings_name_the_region_and_no_password(region: str, url: str) -> None:
    with pytest.raises(ValueError, match="FYKE_EGRESS_UPSTREAMS: region"):
        Upstreams({region: url})
    with pytest.raises(ValueError) as error:
        Upstreams({"us": "ftp://user:hidden@a:1"})
    assert "hidden" not in str(error.value)
