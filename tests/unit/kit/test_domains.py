"""The list of domains that a version declares."""

from __future__ import annotations

import pytest

from fyke.kit.domains import MAX_DOMAINS, Domain, Domains
from fyke.kit.hostports import parse_host


@pytest.mark.parametrize(
    ("entry", "host", "port", "covered"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "www.example.com", 80, True),
        ("example.com", "a.b.example.com", 80, True),
        ("example.com", "EXAMPLE.com.", 80, True),
        ("Example.COM.", "example.com", 80, True),
        ("example.com", "notexample.com", 80, False),
        ("example.com", "example.com.evil.net", 80, False),
        ("example.com", "com", 80, False),
        ("*.example.com", "www.example.com", 80, True),
        ("*.example.com", "example.com", 80, False),
        ("*.example.com:8443", "www.example.com", 8443, True),
        ("*.example.com:8443", "www.example.com", 443, False),
        ("example.com:443", "www.example.com", 443, True),
        ("example.com:443", "www.example.com", 80, False),
        ("münchen.example", "xn--mnchen-3ya.example", 80, True),
        ("xn--mnchen-3ya.example", "MÜNCHEN.example", 80, True),
        ("example.com", "example。com", 80, True),
        ("8.8.8.8", "8.8.8.8", 1, True),
        ("8.8.8.8", "::ffff:8.8.8.8", 1, True),
        ("8.8.8.8:53", "8.8.8.8", 54, False),
        ("8.8.8.8", "8.8.8.9", 1, False),
        ("example.com", "93.184.216.34", 80, False),
        ("2001:db8::1", "2001:0DB8::0:1", 80, True),
        ("[2001:db8::1]:80", "2001:db8::1", 80, True),
        ("[2001:db8::1]:80", "[2001:db8::1]", 81, False),
    ],
)
def test_hosts_that_an_entry_covers(entry: str, host: str, port: int, covered: bool) -> None:
    assert Domains([entry]).covers(parse_host(host), port) is covered


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "*.",
        "*.8.8.8.8",
        "a.*.example",
        "http://example.com",
        "example.com/path",
        "a b.example",
        *[
            "example.com:0",
            "example.com:65536",
            "example.com:x",
            "[::1]x",
            "010.0.0.1",
            "10.0.0.0/8",
        ],
    ],
)
def test_other_forms_are_refused_with_the_rule(entry: str) -> None:
    with pytest.raises(ValueError, match="write example"):
        Domain.parse(entry)


def test_entries_are_normalised() -> None:
    wanted = ["*.Example.com:443", "MÜNCHEN.example.", "[2001:DB8::1]:80", "2001:db8::1", "8.8.8.8"]
    assert [str(entry) for entry in Domains(wanted)] == [
        "*.example.com:443",
        "xn--mnchen-3ya.example",
        "[2001:db8::1]:80",
        "2001:db8::1",
        "8.8.8.8",
    ]


def test_an_empty_list_covers_nothing_and_a_long_one_is_refused() -> None:
    assert not Domains([]).covers("example.com", 80)
    with pytest.raises(ValueError, match="at most 100"):
        Domains(["example.com"] * (MAX_DOMAINS + 1))
