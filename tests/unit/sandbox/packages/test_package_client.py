"""What all package clients share: addresses, certificates, logins and proxies."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.sandbox.packages.package_client import (
    CA_FILE,
    MAX_FILE,
    Registry,
    basic,
    certificates,
    expanded,
    is_web,
    netrc_logins,
    netrc_text,
    outer_proxy,
    read_text,
)

CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\n"
NAMED = f"/work/{CA_FILE}"
SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


@pytest.mark.parametrize(
    ("url", "web"),
    [
        ("https://a.invalid/simple", True),
        ("http://[::1]:8080", True),
        ("ftp://a.invalid", False),
        ("https://", False),
        ("a.invalid", False),
        ("https://a.invalid:port", False),
        ("https://a.invalid:70000", False),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_only_addresses_that_can_be_parsed_are_of_the_web(url: str, web: bool) -> None:
    assert is_web(url) is web


def test_a_registry_has_the_port_of_its_scheme() -> None:
    assert (Registry("https://A.invalid").host, Registry("https://a.invalid").port) == (
        "a.invalid",
        443,
    )
    assert Registry("http://a.invalid").port == 80
    assert Registry("http://[::1]:8080").host == "::1"
    assert Registry("http://[::1]:8080").port == 8080


def test_a_login_is_read_from_an_address() -> None:
    assert basic("https://a.invalid/") is None
    assert basic("https://us%40er:p%2Fss@a.invalid/") == ("us@er", "p/ss")
    assert basic("https://token@a.invalid/") == ("token", "")


def test_a_file_of_the_administrator_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a\0\xffb")
    assert read_text(tmp_path / "file") == "a\ufffdb"
    (tmp_path / "large").write_bytes(b"x" * (MAX_FILE + 1))
    assert len(read_text(tmp_path / "large")) == MAX_FILE
    assert read_text(tmp_path) == read_text(tmp_path / "none") == ""


# --- certificates


def put(file: Path, word: str) -> str:
    file.parent.mkdir(exist_ok=True)
    file.write_text(CERTIFICATE.format(word))
    return str(file)


def test_certificates_of_a_file_and_of_a_folder_travel_together(tmp_path: Path) -> None:
    put(tmp_path / "folder" / "b.pem", "B")
    put(tmp_path / "folder" / "a.pem", "A")
    environ = {
        "SSL_CERT_FILE": put(tmp_path / "ca.pem", "C"),
        "SSL_CERT_DIR": f"{tmp_path / 'folder'}:{tmp_path / 'none'}",
    }
    env, files = certificates(environ)
    assert env == {"SSL_CERT_FILE": NAMED, "NODE_EXTRA_CA_CERTS": NAMED}
    assert [line for line in files[CA_FILE].splitlines() if len(line) == 1] == ["C", "A", "B"]


def test_certificates_that_the_sandbox_has_itself_are_named_only() -> None:
    environ = {"SSL_CERT_FILE": SYSTEM, "SSL_CERT_DIR": "/etc/ssl/certs/"}
    assert certificates(environ) == (environ, {})
    assert certificates({}) == ({}, {})


def test_certificates_that_node_adds_do_not_replace_those_of_the_system(tmp_path: Path) -> None:
    """uv trusts only the file that SSL_CERT_FILE names."""
    more = put(tmp_path / "more.pem", "M")
    env, files = certificates({"NODE_EXTRA_CA_CERTS": more})
    assert (env, files[CA_FILE]) == ({"NODE_EXTRA_CA_CERTS": NAMED}, CERTIFICATE.format("M"))
    env, _ = certificates({"NODE_EXTRA_CA_CERTS": more, "SSL_CERT_FILE": SYSTEM})
    assert env == {"NODE_EXTRA_CA_CERTS": NAMED, "SSL_CERT_FILE": SYSTEM}


def test_a_file_without_a_certificate_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----")
    assert certificates({"SSL_CERT_FILE": str(tmp_path / "key.pem")}) == ({}, {})


# --- logins of a netrc file


def test_only_the_logins_of_the_hosts_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text(
        "machine a.invalid login user password pass\nmachine b.invalid password token\n"
        "machine bank.invalid login me password rich\ndefault login any password any\n"
    )
    found = netrc_logins({"NETRC": str(file)}, ["b.invalid", "a.invalid", "a.invalid", "c.invalid"])
    assert found == {"b.invalid": ("", "token"), "a.invalid": ("user", "pass")}
    assert netrc_text(found) == (
        "machine b.invalid password token\nmachine a.invalid login user password pass\n"
    )


@pytest.mark.parametrize("content", [b"machine", b"nonsense\n", b"machine a.invalid login \xff\n"])
def test_a_netrc_file_that_cannot_be_read_has_no_logins(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".netrc").write_bytes(content)
    assert netrc_logins({"HOME": str(tmp_path)}, ["a.invalid"]) == {}
    assert netrc_logins({"NETRC": str(tmp_path / "none")}, ["a.invalid"]) == {}


# --- proxies


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"http_proxy": "http://p"}, ""),
        ({"https_proxy": "http://p"}, "https_proxy"),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "notcorp.invalid, other"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "CORP.invalid"}, ""),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": ".invalid"}, ""),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": ""}, "HTTPS_PROXY"),
        ({"ALL_PROXY": "socks5://p", "no_proxy": "x", "NO_PROXY": "*"}, "ALL_PROXY"),
    ],
)
def test_the_variable_of_a_proxy_is_named(environ: dict[str, str], name: str) -> None:
    assert outer_proxy(environ, [Registry("https://corp.invalid/")]) == name


def test_one_registry_behind_a_proxy_is_enough() -> None:
    both = [Registry("https://corp.invalid/"), Registry("http://plain.invalid/")]
    environ = {"http_proxy": "http://p"}
    assert outer_proxy(environ, both) == "http_proxy"
    assert outer_proxy(environ, both[:1]) == outer_proxy(environ, []) == ""


def test_variables_in_a_setting_are_replaced_where_they_are_set() -> None:
    assert expanded("${A}-${B}-$A", {"A": "1"}) == "1-${B}-$A"
