"""Private receivers that an operator allows while servers run: what an entry may be and covers."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.callbacks.neighbours import Neighbours, is_private
from fyke.domain.callbacks.url import CallbackRules
from fyke.errors import InvalidRequest
from fyke.kit.addresses import AddressRules
from fyke.kit.hostports import parse_host

OWN = ("127.0.0.1", "10.0.0.5", "fd00::5", "fe80::1%eth0", "db.internal", "8.8.4.4")
NONE = Neighbours(OWN)


def allowing(*entries: str) -> Neighbours:
    return NONE.with_entries(entries)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (" 10.0.0.7:5678 ", "10.0.0.7:5678"),
        ("10.0.0.7/32:443", "10.0.0.7:443"),
        ("192.168.7.0/24:1024", "192.168.7.0/24:1024"),
        ("100.64.0.0/10:65535", "100.64.0.0/10:65535"),
        ("[fd00::7]:80", "[fd00::7]:80"),
        ("[fd00::]/64:5678", "fd00::/64:5678"),
        ("[::ffff:10.0.0.7]:5678", "10.0.0.7:5678"),
        ("N8N:5678", "n8n:5678"),
        ("n8n.lan.:5678", "n8n.lan:5678"),
        ("10.0.0.0/8:5678", "10.0.0.0/8:5678"),  # contains our own, which it does not cover
    ],
)
def test_entries_have_one_form(typed: str, text: str) -> None:
    entry = NONE.parse(typed)
    assert entry.text == text
    assert NONE.parse(text) == entry  # what is stored is read again


@pytest.mark.parametrize(
    ("typed", "rule"),
    [
        ("", "it must have 1 to 300 characters; write host:port or network:port"),
        ("x" * 301, "it must have 1 to 300 characters"),
        ("10.0.0.7", "the port is missing; write host:port or network:port, such as 10.0.0.5:5678"),
        ("10.0.0.0/8", "Only the setting FYKE_CALLBACK_ALLOW can allow every port"),
        ("n8n", "the port is missing; write host:port"),
        ("10.0.0.7:70000", "the port must be a number from 1 to 65535"),
        ("10.0.0.7:22", "callbacks do not use port 22; choose 80, 443 or one from 1024 to 65535"),
        ("10.0.0.7:1023", "callbacks do not use port 1023"),
        ("10.0.0.7/24:5678", "has host bits set; write host:port"),
        ("a_b:5678", "the host may contain letters, digits, hyphens and dots only"),
        ("8.8.8.8:5678", "8.8.8.8 is on the public internet, where callbacks are allowed anyway"),
        ("[2606:4700::1]:443", "is on the public internet"),
        ("0.0.0.0/0:5678", "0.0.0.0/0 is not in a private network (10.0.0.0/8, "),
        ("10.0.0.0/7:5678", "is not in a private network"),
        ("127.0.0.1:5678", "127.0.0.1 is not in a private network"),
        ("127.0.0.0/8:5678", "only the setting FYKE_CALLBACK_ALLOW can allow it"),
        ("[::1]:5678", "::1 is not in a private network"),
        ("169.254.169.254:80", "169.254.169.254 is not in a private network"),
        ("168.63.129.16:80", "is not in a private network"),
        ("[64:ff9b::a00:7]:80", "is not in a private network"),
        ("localhost:5678", "localhost is this installation itself; only the setting"),
        ("x.localhost:5678", "x.localhost is this installation itself"),
        ("db.internal:5432", "db.internal is this installation itself"),
        ("10.0.0.5:8100", "10.0.0.5 is an address of this installation or its cloud; only the"),
        ("[fd00::5]:8100", "fd00::5 is an address of this installation or its cloud"),
        ("100.100.100.200:80", "100.100.100.200 is an address of this installation or its cloud"),
        ("[fd00:ec2::254]:80", "fd00:ec2::254 is an address of this installation or its cloud"),
    ],
)
def test_a_refusal_names_the_rule_and_the_way_out(typed: str, rule: str) -> None:
    with pytest.raises(ValueError, match=re.escape(rule)):
        NONE.parse(typed)


def test_an_entry_allows_its_addresses_at_its_port() -> None:
    rules = allowing("10.0.0.0/24:5678", "[fd00::7]:443", "n8n:5678")
    allowed = [
        ("10.0.0.7", 5678),
        ("10.0.0.255", 5678),
        ("fd00::7", 443),
        ("::ffff:10.0.0.7", 5678),
    ]
    refused = [
        *(("10.0.0.7", 5679), ("10.0.1.7", 5678), ("fd00::7", 80), ("fd00::8", 443)),
        *(("10.0.0.5", 5678), ("fd00::5", 443), ("127.0.0.1", 5678)),  # our own
    ]
    assert all(rules.covers(ip_address(host), port) for host, port in allowed)
    assert not any(rules.covers(ip_address(host), port) for host, port in refused)


def test_a_network_leaves_out_our_own_addresses() -> None:
    assert NONE.left_out(NONE.parse("10.0.0.0/8:5678")) == ["10.0.0.5"]
    assert NONE.left_out(NONE.parse("100.64.0.0/10:5678")) == ["100.100.100.200"]
    assert (
        NONE.left_out(NONE.parse("n8n:5678")) == NONE.left_out(NONE.parse("10.9.0.0/16:80")) == []
    )
    wide = allowing("100.64.0.0/10:5678")
    assert wide.covers(ip_address("100.64.0.1"), 5678)
    assert not wide.covers(ip_address("100.100.100.200"), 5678)


def test_a_name_allows_what_it_resolves_to_but_never_ourselves() -> None:
    rules = allowing("n8n:5678", "10.7.0.0/16:80")
    answers = ["10.0.0.7", "10.0.0.5", "127.0.0.1", "169.254.169.254", "8.8.8.8", "8.8.4.4", "::1"]
    assert rules.select("n8n", answers, 5678) == ["10.0.0.7", "8.8.8.8"]
    assert rules.select("n8n", answers, 5679) == rules.select("other", answers, 5678) == []
    assert rules.select("other", ["10.7.0.1", "10.8.0.1"], 80) == ["10.7.0.1"]
    assert rules.select("n8n", ["fe80::7%eth0", "::ffff:127.0.0.1"], 5678) == []


def test_entries_of_a_later_release_allow_nothing() -> None:
    rules = allowing("every:neighbour", "127.0.0.1:5678", "10.0.0.7:5678")
    assert rules.covers(ip_address("10.0.0.7"), 5678)
    assert not rules.covers(ip_address("127.0.0.1"), 5678)


@given(st.ip_addresses(), st.sampled_from([80, 443, 5678]))
def test_no_entry_covers_what_is_not_private(address: object, port: int) -> None:
    everything = [
        f"{network}:{at}"
        for network in (
            "10.0.0.0/8",
            "100.64.0.0/10",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "fc00::/7",
        )
        for at in (80, 443, 5678)
    ]
    host = ip_address(str(address))
    expected = is_private(host) and not any(
        host == ip_address(own.partition("%")[0]) for own in OWN if own[0] not in "d"
    )
    metadata = ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")
    assert allowing(*everything).covers(host, port) == (expected and str(host) not in metadata)


# --- in the rules of callbacks ----------------------------------------------------------------


def test_an_allowed_neighbour_is_accepted_until_it_is_taken_back() -> None:
    rules = CallbackRules(AddressRules(["127.0.0.1:9000"], ["10.0.0.5"]), OWN)
    url = "http://10.0.0.7:5678/hook"
    assert rules.entry_for(url) == "10.0.0.7:5678"
    with pytest.raises(InvalidRequest) as refused:
        rules.check(url)
    assert refused.value.message == (
        "callback_url: 10.0.0.7 port 5678 is not on the public internet; an operator can allow it "
        "in Admin > Proxies and regions, or with FYKE_CALLBACK_ALLOW=10.0.0.7:5678"
    )
    rules.allow([rules.entry_for(url)])
    assert rules.check(url).port == 5678 and rules.entry_for(url) == ""
    assert rules.select(parse_host("10.0.0.7"), ["10.0.0.7"], 5678) == ["10.0.0.7"]
    assert rules.check("http://127.0.0.1:9000/").port == 9000  # by the setting
    rules.allow([])
    with pytest.raises(InvalidRequest):
        rules.check(url)
    assert rules.select(parse_host("10.0.0.7"), ["10.0.0.7"], 5678) == []


def test_the_refusal_does_not_tell_which_private_addresses_are_our_own() -> None:
    rules = CallbackRules(AddressRules(), OWN)
    sentences = set()
    for host in ("10.0.0.5", "10.0.0.7"):
        with pytest.raises(InvalidRequest) as refused:
            rules.check(f"http://{host}:5678/")
        sentences.add(refused.value.message.replace(host, "HOST"))
    assert len(sentences) == 1
    assert rules.entry_for("http://10.0.0.5:5678/") == ""  # this is for the operator


@pytest.mark.parametrize(
    "url",
    ["", "http://127.0.0.1:5678/", "http://localhost:5678/", "http://a.example/", "http://8.8.8.8/",
     "http://10.0.0.7:22/", "ftp://10.0.0.7/", "http://a_b/", "http://169.254.169.254/"],
)  # fmt: skip
def test_no_entry_is_offered_where_none_would_help(url: str) -> None:
    assert CallbackRules(AddressRules(), OWN).entry_for(url) == ""
