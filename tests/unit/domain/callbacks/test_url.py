"""Callback URLs at start."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.callbacks.url import CallbackRules, CallbackUrl, receiver_of
from fyke.errors import InvalidRequest
from fyke.kit.addresses import AddressRules

RULES = CallbackRules(AddressRules())
UNPRINTABLE = "it contains a space, a backslash or a control character; encode it with %"


@pytest.mark.parametrize(
    ("url", "expected", "authority"),
    [
        ("https://a.example/x?y=1#z", CallbackUrl(True, "a.example", 443, "/x?y=1"), "a.example"),
        ("http://A.example", CallbackUrl(False, "a.example", 80, "/"), "a.example"),
        ("http://a.example:443/", CallbackUrl(False, "a.example", 443, "/"), "a.example:443"),
        ("https://a.example:1024/", CallbackUrl(True, "a.example", 1024, "/"), "a.example:1024"),
        ("http://a.example:65535?q", CallbackUrl(False, "a.example", 65535, "/?q"),
         "a.example:65535"),
        ("http://8.8.8.8/", CallbackUrl(False, ip_address("8.8.8.8"), 80, "/"), "8.8.8.8"),
        ("http://[2606:4700::1]:8080/", CallbackUrl(False, ip_address("2606:4700::1"), 8080, "/"),
         "[2606:4700::1]:8080"),
        ("https://b\u00fccher.example/", CallbackUrl(True, "xn--bcher-kva.example", 443, "/"),
         "xn--bcher-kva.example"),
    ],
)  # fmt: skip
def test_valid_urls_are_parsed(url: str, expected: CallbackUrl, authority: str) -> None:
    assert RULES.check(url) == expected
    assert expected.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "", "/hook", "a.example/hook", "//a.example/", "ftp://a.example/", "file:///etc/passwd",
        "gopher://a.example/", "javascript:alert(1)", "http:/a.example", "http://", "http://:80/",
        "http://user@a.example/", "http://u:p@a.example/", "http://a.example@127.0.0.1/",
        "http://a.example:0/", "http://a.example:22/", "http://a.example:25/",
        "http://a.example:1023/", "http://a.example:65536/", "http://a.example:x/",
        "http://a.example:/", "http://a.example:-1/", "http://a b.example/", "http://a.example/ x",
        "http://a.example/\r\nX: y", "http://a.example/\x00", "http://a.example\\@b.example/",
        "http://a_b.example/", "http://a..example/", "http://[::1/", "http://[fe80::1%25eth0]/",
        "http://a%2eexample/", "http://a.example/\u00fc", "http://a.example/" + "x" * 2050,
    ],
)  # fmt: skip
def test_the_refusal_of_an_invalid_url_names_the_field_and_the_rule(url: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        RULES.check(url)
    assert error.value.message.startswith("callback_url: ")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "x.localhost", "127.0.0.1", "127.0.0.1.", "10.0.0.1", "192.168.1.1",
     "169.254.169.254", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[fd00::1]",
     "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "100.100.100.200", "192.0.0.192", "168.63.129.16",
     "\uff11\uff12\uff17.0.0.1"],
)  # fmt: skip
def test_private_addresses_are_refused_with_the_name_of_the_setting(host: str) -> None:
    with pytest.raises(InvalidRequest, match=r"callback_url: .*FYKE_CALLBACK_ALLOW="):
        RULES.check(f"http://{host}:8000/hook")


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.0x1"])
def test_odd_numbers_are_refused(host: str) -> None:
    with pytest.raises(InvalidRequest, match="four decimal numbers"):
        RULES.check(f"http://{host}/")


def test_the_remedy_that_is_named_works() -> None:
    for target in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000"):
        with pytest.raises(InvalidRequest) as error:
            RULES.check(f"http://{target}/")
        entry = error.value.message.partition("FYKE_CALLBACK_ALLOW=")[2]
        assert entry == target
        assert CallbackRules(AddressRules([entry])).check(f"http://{target}/").port == 8000
        with pytest.raises(InvalidRequest):
            CallbackRules(AddressRules([entry])).check(f"http://{target[:-1]}1/")


@given(st.text(max_size=60), st.sampled_from(["", "http://", "https://", "http://a.example/"]))
def test_any_text_is_accepted_or_refused_with_a_message(text: str, start: str) -> None:
    try:
        parts = RULES.check(start + text)
    except InvalidRequest as error:
        assert error.message.startswith("callback_url: ")
        return
    assert (f"POST {parts.target} HTTP/1.1").isascii() and " " not in parts.target


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("https://a.example/x?y=1", "https://a.example:443"),
        ("http://A.Example:8080", "http://a.example:8080"),
        ("http://a.example:80/", "http://a.example:80"),
        ("http://[2001:DB8::1]/x", "http://[2001:db8::1]:80"),
        ("http://192.0.2.7/x", "http://192.0.2.7:80"),
    ],
)
def test_receivers_are_normalized(url: str, receiver: str) -> None:
    assert receiver_of(url) == receiver
    assert receiver_of(receiver) == receiver


@pytest.mark.parametrize(
    "url",
    [
        "", "a.example", "ftp://a.example", "https://u@a.example", "http://a.example:22",
        "http://:80",
    ],
)  # fmt: skip
def test_an_invalid_receiver_names_the_field(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^receiver: "):
        receiver_of(url, "receiver")
    with pytest.raises(InvalidRequest, match=r"^callback_url: "):
        receiver_of(url)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("", "it must have 1 to 2048 characters"),
        ("http://a.example/" + "x" * 2032, "it must have 1 to 2048 characters"),
        ("http://a.example/ x", UNPRINTABLE),
        ("http://a.example/\\", UNPRINTABLE),
        ("http://a.example/\x7f", UNPRINTABLE),
        ("http://[::1/", "it is not a well-formed URL"),
        ("ftp://a.example/", "it must be absolute and start with http:// or https://"),
        ("http:///path", "it must be absolute and start with http:// or https://"),
        ("http://u@a.example/",
         "it must not carry a user name or password; use a random path instead"),
        ("http://a.example/\u00fc", "path and query must be ASCII; encode other characters with %"),
        ("http://a.example/?\u00fc",
         "path and query must be ASCII; encode other characters with %"),
        ("http://a.example:x/", "the port must be a number from 1 to 65535"),
        ("http://a.example:65536/", "the port must be a number from 1 to 65535"),
        ("http://a.example:/", "the port after the colon is missing"),
        ("http://a.example:22/", "port 22 is not accepted; use 80, 443 or one from 1024 to 65535"),
    ],
)  # fmt: skip
def test_each_error_names_what_is_accepted(url: str, rule: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        RULES.check(url)
    assert error.value.message == f"callback_url: {rule}"


def test_the_longest_url_and_every_printable_character_are_accepted() -> None:
    longest = "http://a.example/" + "x" * 2031
    assert len(longest) == 2048
    assert RULES.check(longest).target == "/" + "x" * 2031
    assert RULES.check("http://a.example/!~").target == "/!~"


def test_each_mail_address_is_a_receiver() -> None:
    assert receiver_of("mailto:a@a.example") == "mailto://a@a.example:25"
    assert receiver_of("mailto:b@a.example") == "mailto://b@a.example:25"


def test_a_refusal_names_the_field_once_and_the_rule() -> None:
    for host in ("127.1", "a_b.example"):
        with pytest.raises(InvalidRequest) as of_check:
            RULES.check(f"http://{host}/callback_url")
        with pytest.raises(InvalidRequest) as of_receiver:
            receiver_of(f"http://{host}/callback_url", "receiver")
        rule = of_check.value.message.removeprefix("callback_url: ")
        assert of_receiver.value.message == f"receiver: {rule}"
    with pytest.raises(InvalidRequest, match=r"^receiver: .*must be absolute"):
        receiver_of("callback_url", "receiver")


@pytest.mark.anyio
async def test_a_mail_server_is_no_address_of_the_installation() -> None:
    async def resolve(name: str) -> list[str]:
        return {"db.internal": ["10.0.0.6"]}[name]

    rules = CallbackRules(
        AddressRules(["127.0.0.1:2525"], ["10.0.0.5", "8.8.4.4"]),
        ["10.0.0.5", "db.internal"],
        resolve,
    )
    answers = ["8.8.8.8", "10.0.0.7", "10.0.0.5", "10.0.0.6", "8.8.4.4", "127.0.0.1", "fe80::1%e0",
               "169.254.169.254", "100.100.100.200", "::ffff:10.0.0.7"]  # fmt: skip
    dialled = await rules.select_mail("relay.internal", answers, 587)
    assert dialled == ["8.8.8.8", "10.0.0.7", "::ffff:10.0.0.7"]
    assert await rules.select_mail("relay.internal", ["127.0.0.1"], 2525) == ["127.0.0.1"]
    assert await rules.select_mail("db.internal", ["10.0.0.9"], 25) == []
    assert rules.mail_fault(ip_address("10.0.0.6"), 25), "the name was looked up"
    assert not rules.mail_fault("relay.internal", 25)
    for own in ("localhost", "db.internal"):
        assert "only the setting FYKE_SMTP_URL" in rules.mail_fault(own, 25)
