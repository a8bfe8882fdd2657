"""The common parts of package clients: addresses, certificates, logins and proxies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fyke.sandbox.packages.package_client import (
    CA_FILE,
    MAX_FILE,
    PackageClient,
    Registry,
    certificates,
    expand_variables,
    is_web,
    netrc_logins,
    netrc_text,
    proxy_variable,
    read_text,
    url_credentials,
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
def test_only_valid_addresses_with_http_or_https_are_web_addresses(url: str, web: bool) -> None:
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
    assert url_credentials("https://a.invalid/") is None
    assert url_credentials("https://us%40er:p%2Fss@a.invalid/") == ("us@er", "p/ss")
    assert url_credentials("https://token@a.invalid/") == ("token", "")


def test_a_file_is_read_up_to_its_limit_and_decoded_leniently(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a\0\xffb")
    assert read_text(tmp_path / "file") == "a\ufffdb"
    (tmp_path / "large").write_bytes(b"x" * (MAX_FILE + 1))
    assert len(read_text(tmp_path / "large")) == MAX_FILE
    assert read_text(tmp_path) == read_text(tmp_path / "none") == ""


# --- certificates


def write_certificate(file: Path, content: str) -> str:
    file.parent.mkdir(exist_ok=True)
    file.write_text(CERTIFICATE.format(content))
    return str(file)


def test_certificates_of_a_file_and_of_a_folder_are_joined(tmp_path: Path) -> None:
    write_certificate(tmp_path / "folder" / "b.pem", "B")
    write_certificate(tmp_path / "folder" / "a.pem", "A")
    environ = {
        "SSL_CERT_FILE": write_certificate(tmp_path / "ca.pem", "C"),
        "SSL_CERT_DIR": f"{tmp_path / 'folder'}:{tmp_path / 'none'}",
    }
    env, files = certificates(environ)
    assert env == {"SSL_CERT_FILE": NAMED, "NODE_EXTRA_CA_CERTS": NAMED}
    assert [line for line in files[CA_FILE].splitlines() if len(line) == 1] == ["C", "A", "B"]


def test_certificates_that_are_mounted_in_the_sandbox_are_not_copied() -> None:
    environ = {"SSL_CERT_FILE": SYSTEM, "SSL_CERT_DIR": "/etc/ssl/certs/"}
    assert certificates(environ) == (environ, {})
    assert certificates({}) == ({}, {})


def test_extra_certificates_of_node_do_not_replace_those_of_the_system(tmp_path: Path) -> None:
    """uv trusts only the file that SSL_CERT_FILE names."""
    more = write_certificate(tmp_path / "more.pem", "M")
    env, files = certificates({"NODE_EXTRA_CA_CERTS": more})
    assert (env, files[CA_FILE]) == ({"NODE_EXTRA_CA_CERTS": NAMED}, CERTIFICATE.format("M"))
    env, _ = certificates({"NODE_EXTRA_CA_CERTS": more, "SSL_CERT_FILE": SYSTEM})
    assert env == {"NODE_EXTRA_CA_CERTS": NAMED, "SSL_CERT_FILE": SYSTEM}


def test_a_file_without_a_certificate_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----")
    assert certificates({"SSL_CERT_FILE": str(tmp_path / "key.pem")}) == ({}, {})


# --- logins of a netrc file


def test_only_the_logins_of_the_hosts_are_read(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text(
        "machine a.invalid login user password pass\nmachine b.invalid password token\n"
        "machine bank.invalid login me password rich\ndefault login any password any\n"
    )
    hosts = ["b.invalid", "a.invalid", "a.invalid", "c.invalid"]
    logins = netrc_logins({"NETRC": str(file)}, hosts)
    assert logins == {"b.invalid": ("", "token"), "a.invalid": ("user", "pass")}
    assert netrc_text(logins) == (
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
def test_the_variable_of_a_proxy_is_found(environ: dict[str, str], name: str) -> None:
    assert proxy_variable(environ, [Registry("https://corp.invalid/")]) == name


def test_one_registry_behind_a_proxy_is_enough() -> None:
    both = [Registry("https://corp.invalid/"), Registry("http://plain.invalid/")]
    environ = {"http_proxy": "http://p"}
    assert proxy_variable(environ, both) == "http_proxy"
    assert proxy_variable(environ, both[:1]) == proxy_variable(environ, []) == ""


def test_only_variables_that_are_set_are_expanded() -> None:
    assert expand_variables("${A}-${B}-$A", {"A": "1"}) == "1-${B}-$A"


def test_sources_differ_with_registries_and_not_with_passwords() -> None:
    one = PackageClient({}, {}, (Registry("https://a.invalid/simple"),))
    login = replace(
        one, registries=(Registry("https://u:one@a.invalid/simple"),), credentials=("one",)
    )
    other = replace(
        one, registries=(Registry("https://u:two@a.invalid/simple"),), credentials=("two",)
    )
    assert login.sources == other.sources
    changed = [
        one,
        login,
        replace(one, registries=(Registry("https://b.invalid/simple"),)),
        replace(one, env={"UV_INDEX_STRATEGY": "first-index"}),
        replace(one, env={"UV_INDEX_STRATEGY": "unsafe-best-match"}),
        replace(one, env={"GONOSUMDB": "corp.invalid"}),
        replace(one, env={"GONOSUMDB": "other.invalid"}),
        replace(one, env={"UV_FIND_LINKS": "https://links.invalid"}),
        replace(one, offline=True),
    ]
    assert len({client.sources for client in changed}) == len(changed)


def test_sources_differ_with_the_scopes_and_the_order_of_registries() -> None:
    registries = Registry("https://a.invalid/"), Registry("https://b.invalid/")
    one = PackageClient({}, {}, registries, scopes={"@a:registry": "https://u:one@b.invalid/"})
    same = replace(one, scopes={"@a:registry": "https://u:two@b.invalid/"})
    assert one.sources == same.sources
    changed = [
        one,
        replace(one, scopes={"@b:registry": "https://b.invalid/"}),
        replace(one, scopes={"@a:registry": "https://a.invalid/"}),
        replace(one, registries=registries[::-1]),
    ]
    assert len({client.sources for client in changed}) == len(changed)


@pytest.mark.parametrize("links", ["/one", "https://links.invalid, /one", "file:///one"])
def test_a_local_folder_of_packages_has_no_digest(links: str) -> None:
    assert PackageClient({"UV_FIND_LINKS": links}, {}, ()).sources == ""
