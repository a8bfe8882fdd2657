"""Allowed hosts, trusted proxies and origins."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.api.errors import Refusal
from fyke.api.network import Network, limiter_key


def _scope(host: str = "localhost", peer: str = "9.9.9.9", **headers: str) -> dict[str, Any]:
    listed = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return {
        "method": "GET",
        "path": "/",
        "scheme": "http",
        "client": (peer, 1),
        "headers": [(b"host", host.encode()), *listed],
    }


def _network(**config: Any) -> Network:
    values: dict[str, Any] = {
        "bound_host": "127.0.0.1",
        "public_url": "",
        "allowed_hosts": (),
        "trusted_proxies": (),
    }
    return Network(**(values | config))


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8100", "localhost."]
)
def test_loopback_names_are_always_allowed(host: str) -> None:
    assert _network().visit(_scope(host)).origin == f"http://{host}"


@pytest.mark.parametrize(
    "host", ["evil", "", "127.0.0.2", "[::2]", "localhost@evil", "local\thost"]
)
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(Refusal):
        _network().visit(_scope(host))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_three_paths_are_read_under_any_name(path: str, method: str) -> None:
    for host in ("10.1.2.3:8100", "fyke.fyke.svc:8100", "evil"):
        visit = _network().visit(_scope(host) | {"path": path, "method": method})
        assert (visit.origin, visit.is_known_host) == ("http://localhost", False)
    assert _network().visit(_scope() | {"path": path}).is_known_host
    for host in ("", "a b", "evil/x"):  # none, several, or no name
        with pytest.raises(Refusal):
            _network().visit(_scope(host) | {"path": path, "method": method})


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "DELETE"])
def test_they_are_only_read(method: str) -> None:
    with pytest.raises(Refusal):
        _network().visit(_scope("evil") | {"path": "/healthz", "method": method})


@pytest.mark.parametrize(
    "path", ["/healthz/", "/readyz/x", "/version", "/metricsx", "//metrics", "/api/metrics", ""]
)
def test_no_other_path_is_read_under_an_unknown_name(path: str) -> None:
    with pytest.raises(Refusal):
        _network().visit(_scope("evil") | {"path": path})


def test_the_bound_public_and_allowed_hosts_are_allowed() -> None:
    network = _network(
        bound_host="fd00::5",
        public_url="https://Fyke.Example:444/base/",
        allowed_hosts=["A.example", "[fd00::6]", ""],
    )
    for host in ("[fd00::5]:1", "fyke.example", "a.EXAMPLE", "[fd00::6]"):
        assert network.visit(_scope(host)).origin == "https://Fyke.Example:444/base"


def test_forwarded_headers_are_used_only_from_trusted_proxies() -> None:
    network = _network(trusted_proxies=["10.0.0.0/8", "::1"], allowed_hosts=["pub.example"])
    headers = {
        "x_forwarded_host": "pub.example",
        "x_forwarded_proto": "https",
        "x_forwarded_for": "6.6.6.6, 7.7.7.7, 10.0.0.2",
    }
    behind = network.visit(_scope(peer="10.0.0.1", **headers))
    assert (behind.origin, behind.address) == ("https://pub.example", "7.7.7.7")
    direct = network.visit(_scope(peer="8.8.8.8", **headers))
    assert (direct.origin, direct.address) == ("http://localhost", "8.8.8.8")


@pytest.mark.parametrize("value", ["", "nonsense", "1.2.3.4:80", "unknown, x"])
def test_an_invalid_forwarded_address_is_ignored(value: str) -> None:
    network = _network(trusted_proxies=["10.0.0.1"])
    assert network.visit(_scope(peer="10.0.0.1", x_forwarded_for=value)).address == "10.0.0.1"


def test_a_forwarded_scheme_must_be_http_or_https() -> None:
    network = _network(trusted_proxies=["10.0.0.1"])
    odd = network.visit(_scope(peer="10.0.0.1", x_forwarded_proto="javascript"))
    assert odd.origin == "http://localhost"


def test_a_trusted_proxy_must_be_an_address() -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        _network(trusted_proxies=["proxy.example"])


def test_addresses_of_one_ipv6_64_share_a_bucket() -> None:
    assert limiter_key("1.2.3.4") == "1.2.3.4"
    assert limiter_key("2001:db8::1") == limiter_key("2001:db8::ffff:1")
    assert limiter_key("2001:db8::1") != limiter_key("2001:db8:0:1::1")
    assert limiter_key("") == ""
