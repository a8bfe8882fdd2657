"""The settings that uv gets from those of the administrator."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from fyke.reasons import ReasonCode
from fyke.sandbox.packages.package_client import (
    CA_FILE,
    NETRC_FILE,
    PackageClient,
    SettingsUnusable,
)
from fyke.sandbox.packages.uv_settings import CLIENT_CERTIFICATE, find_links, other_index, read_uv

DEFAULT = "https://default.invalid/simple"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nx\n"


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def uv(environ: dict[str, str]) -> PackageClient:
    return read_uv({"HOME": "/nonexistent", "XDG_CONFIG_DIRS": "/nonexistent"} | environ, DEFAULT)


def urls(client: PackageClient) -> list[str]:
    return [registry.url for registry in client.registries]


def test_only_client_settings_are_passed() -> None:
    environ = {
        "FYKE_SECRET": "s",
        "PATH": "/evil",
        "LD_PRELOAD": "x",
        "PYTHONPATH": "x",
        "NODE_OPTIONS": "x",
        "UV_COMPILE_BYTECODE": "1",
        "UV_PYTHON": "x",
        "UV_FIND_LINKS": "/l",
        "UV_EXCLUDE_NEWER": "2026-01-01",
        "HTTPS_PROXY": "http://p",
        "PIP_CONFIG_FILE": os.devnull,
    }
    client = uv(environ)
    fixed = {"UV_NO_CONFIG": "1", "UV_KEYRING_PROVIDER": "disabled"}
    assert client.env == {"UV_FIND_LINKS": "/l", "UV_EXCLUDE_NEWER": "2026-01-01"} | fixed
    assert (client.files, client.secrets, client.offline) == ({}, (), False)
    assert urls(client) == [DEFAULT]


def test_pip_settings_are_translated(tmp_path: Path) -> None:
    write(
        tmp_path / ".config/pip/pip.conf",
        "[global]\nindex-url = https://index/simple\ncert = /ca.pem\n"
        "[install]\nextra_index_url =\n  https://a\n  https://b\n"
        "find-links = /one /two\ntrusted-host = index\n",
    )
    client = uv({"HOME": str(tmp_path)})
    assert client.env["UV_DEFAULT_INDEX"] == "https://index/simple"
    assert client.env["UV_INDEX"] == "https://a https://b"
    assert client.env["UV_FIND_LINKS"] == "/one,/two"
    assert client.env["UV_INSECURE_HOST"] == "index"
    assert urls(client) == ["https://a", "https://b", "https://index/simple"]
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": "/nonexistent"}
    assert find_links(environ) == [Path("/one"), Path("/two")]


@pytest.mark.parametrize("source", ["variable", "file"])
def test_settings_of_uv_override_those_of_pip(tmp_path: Path, source: str) -> None:
    environ = {"HOME": str(tmp_path), "PIP_INDEX_URL": "https://pip/"}
    if source == "variable":
        environ["UV_INDEX_URL"] = "https://uv/"
    else:
        write(tmp_path / ".config/uv/uv.toml", "")
    client = uv(environ)
    assert "UV_DEFAULT_INDEX" not in client.env
    assert urls(client) == (["https://uv/"] if source == "variable" else [DEFAULT])


def test_files_of_uv_become_variables(tmp_path: Path) -> None:
    write(
        tmp_path / ".config/uv/uv.toml",
        'native-tls = true\nindex-strategy = "unsafe-best-match"\nfind-links = ["/wheels"]\n'
        '[[index]]\nname = "corp"\nurl = "https://corp/simple"\n'
        '[[index]]\nurl = "https://other/simple"\ndefault = true\n'
        '[[index]]\nname = "only"\nurl = "https://only/simple"\nexplicit = true\n'
        '[pip]\nextra-index-url = ["https://more/simple"]\n',
    )
    write(tmp_path / "machine/uv/uv.toml", 'exclude-newer = "2026-01-01"\nfind-links = ["/no"]\n')
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "machine")}
    client = uv(environ)
    assert client.env["UV_NATIVE_TLS"] == "true"
    assert client.env["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert client.env["UV_EXCLUDE_NEWER"] == "2026-01-01"
    assert client.env["UV_INDEX"] == "https://more/simple corp=https://corp/simple"
    assert urls(client) == ["https://more/simple", "https://corp/simple", "https://other/simple"]
    assert find_links(environ) == [Path("/wheels")]
    assert urls(uv(environ | {"UV_NO_CONFIG": "1"})) == [DEFAULT]
    named = write(tmp_path / "named.toml", 'index-url = "https://named/"')
    assert urls(uv(environ | {"UV_CONFIG_FILE": str(named)})) == ["https://named/"]


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"UV_INDEX_URL": "https://user:pass@corp.invalid/simple"}, "corp.invalid"),
        ({"PIP_EXTRA_INDEX_URL": "https://user:pass@corp.invalid/simple"}, "corp.invalid"),
        ({"UV_FIND_LINKS": "https://user:pass@corp.invalid/files"}, "corp.invalid"),
        (
            {
                "UV_INDEX": "corp=https://corp.invalid/simple",
                "UV_INDEX_CORP_USERNAME": "user",
                "UV_INDEX_CORP_PASSWORD": "pass",
            },
            "UV_INDEX_CORP_PASSWORD",
        ),
    ],
)
def test_settings_with_credentials_are_secrets(environ: dict[str, str], name: str) -> None:
    client = uv(environ)
    assert any(name in secret for secret in client.secrets), client.secrets
    assert not any("pass" in secret for secret in client.secrets)
    assert client.credentials == ("pass",)
    if "UV_FIND_LINKS" not in environ:
        assert client.registries[0].headers == {"Authorization": "Basic dXNlcjpwYXNz"}


def test_only_the_matching_lines_of_a_netrc_are_passed(tmp_path: Path) -> None:
    text = "machine corp.invalid login user password pass\nmachine bank login me password rich\n"
    file = write(tmp_path / "netrc", text)
    file.chmod(0o600)
    environ = {"NETRC": str(file), "UV_INDEX_URL": "https://corp.invalid/simple"}
    client = uv(environ)
    assert client.files[NETRC_FILE] == "machine corp.invalid login user password pass\n"
    assert client.env["NETRC"] == f"/work/{NETRC_FILE}"
    assert (client.secrets, client.credentials) == (("the netrc file",), ("pass",))
    assert client.registries[0].headers == {"Authorization": "Basic dXNlcjpwYXNz"}
    assert uv(environ | {"UV_INDEX_URL": "https://other.invalid/"}).files == {}


def test_certificates_are_passed_by_content(tmp_path: Path) -> None:
    file = write(tmp_path / "ca.pem", CERTIFICATE)
    for environ in ({"SSL_CERT_FILE": str(file)}, {"PIP_CERT": str(file)}):
        client = uv(environ)
        assert client.files == {CA_FILE: CERTIFICATE}
        assert client.env["SSL_CERT_FILE"] == f"/work/{CA_FILE}"
    system = "/etc/ssl/certs/ca-certificates.crt"
    client = uv({"SSL_CERT_FILE": system})
    assert (client.env["SSL_CERT_FILE"], client.files) == (system, {})
    key = write(tmp_path / "key.pem", "-----BEGIN PRIVATE KEY-----")
    assert uv({"SSL_CERT_FILE": str(key)}).files == {}
    assert uv({"SSL_CLIENT_CERT": str(key)}).secrets == ("SSL_CLIENT_CERT",)


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, "HTTPS_PROXY"),
        ({"all_proxy": "http://p:1"}, "all_proxy"),
        ({"HTTP_PROXY": "http://p:1"}, ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a, .invalid"}, ""),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "*"}, ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "t.invalid"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": ""}, ""),
    ],
)
def test_a_proxy_of_the_machine_is_found(environ: dict[str, str], proxy: str) -> None:
    assert uv(environ).proxy == proxy


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("true", True), ("0", False)])
def test_the_client_is_offline_when_uv_is(value: str, offline: bool) -> None:
    assert uv({"UV_OFFLINE": value}).offline is offline


def test_a_netrc_entry_without_a_user_has_a_password(tmp_path: Path) -> None:
    file = write(tmp_path / "netrc", "machine corp.invalid password token\n")
    client = uv({"NETRC": str(file), "UV_INDEX_URL": "https://corp.invalid/simple"})
    assert client.files[NETRC_FILE] == "machine corp.invalid password token\n"
    assert client.registries[0].headers == {"Authorization": "Basic OnRva2Vu"}


def test_the_login_in_an_address_overrides_the_netrc(tmp_path: Path) -> None:
    file = write(tmp_path / "netrc", "machine corp.invalid login other password other\n")
    address = "https://user:pass@corp.invalid/simple"
    client = uv({"NETRC": str(file), "UV_INDEX_URL": address})
    assert client.registries[0].headers == {"Authorization": "Basic dXNlcjpwYXNz"}


def test_a_client_certificate_is_a_secret_and_passed_by_content(tmp_path: Path) -> None:
    key = write(tmp_path / "client.pem", "-----BEGIN PRIVATE KEY-----")
    client = uv({"SSL_CLIENT_CERT": str(key)})
    assert client.files[CLIENT_CERTIFICATE] == "-----BEGIN PRIVATE KEY-----"
    assert client.env["SSL_CLIENT_CERT"] == f"/work/{CLIENT_CERTIFICATE}"
    assert uv({"SSL_CLIENT_CERT": str(tmp_path / "none")}).secrets == ()


def test_an_index_with_two_names_is_used_once() -> None:
    client = uv(
        {
            "UV_INDEX": "corp=https://corp.invalid/simple https://corp.invalid/simple not-a-url",
            "UV_EXTRA_INDEX_URL": "https://more.invalid/?a=b",
            "UV_DEFAULT_INDEX": "https://corp.invalid/simple",
        }
    )
    assert urls(client) == ["https://corp.invalid/simple", "https://more.invalid/?a=b"]


def test_find_links_are_folders_or_pages() -> None:
    environ = {"UV_FIND_LINKS": "/a, file:///b%20c ,https://pages.invalid/", "HOME": "/nonexistent"}
    assert find_links(environ) == [Path("/a"), Path("/b c")]
    assert urls(uv(environ)) == [DEFAULT, "https://pages.invalid/"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[index]\nurl = ", "(at line 1, column 8)"),
        ('index-url = "https://user:pass@corp"\nindex-url = "x"', "Cannot overwrite a value"),
        ("extra-index-url = 'https://corp'", "Expected `array`, got `str` at `extra-index-url`"),
        ("index-url = 3", "Expected `str`, got `int` at `index-url`"),
        ("[[index]]\nname = 'corp'", "missing required field `url` at `index[0]`"),
        ("pip = 3", "at `pip`"),
        ("[pip]\nfind-links = 'x'", "at `find-links`"),
    ],
)
def test_a_file_that_uv_would_refuse_is_an_error_that_names_it(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = write(tmp_path / ".config/uv/uv.toml", text)
    environ = {"HOME": str(tmp_path), "PIP_INDEX_URL": "https://pip.invalid/"}
    for read in (uv, find_links):
        with pytest.raises(SettingsUnusable, match=re.escape(problem)) as refused:
            read(environ)
        assert refused.value.source == str(file)
        assert refused.value.reason.code is ReasonCode.REGISTRY_SETTINGS
        assert "pass" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / ".config/uv/uv.toml").mkdir(parents=True)
    with pytest.raises(SettingsUnusable, match=r"/uv\.toml .* cannot be used: Is a directory"):
        uv({"HOME": str(tmp_path)})
    (tmp_path / ".config/uv/uv.toml").rmdir()
    (tmp_path / ".config/uv/uv.toml").write_bytes(b"# \xff")
    with pytest.raises(SettingsUnusable, match="it is not UTF-8 at byte 3"):
        uv({"HOME": str(tmp_path)})
    with pytest.raises(SettingsUnusable, match=r"none\.toml .*it does not exist"):
        uv({"UV_CONFIG_FILE": str(tmp_path / "none.toml")})


def test_each_index_names_the_file_or_variable_it_is_from(tmp_path: Path) -> None:
    file = write(tmp_path / ".config/uv/uv.toml", 'index-url = "https://corp/simple"\n')
    client = uv({"HOME": str(tmp_path), "UV_INDEX": "https://more/simple"})
    assert [(one.url, one.source) for one in client.registries] == [
        ("https://more/simple", "UV_INDEX"),
        ("https://corp/simple", str(file)),
    ]
    client = uv({"PIP_EXTRA_INDEX_URL": "https://pip/simple", "UV_FIND_LINKS": "https://links/"})
    assert [one.source for one in client.registries] == [
        "PIP_EXTRA_INDEX_URL",
        "uv's default",
        "UV_FIND_LINKS",
    ]


def test_an_index_that_no_sandbox_reaches_is_found() -> None:
    assert other_index({"UV_INDEX": "corp=https://corp/simple https://x/?a=b"}) == ""
    assert other_index({"UV_INDEX": "https://a/", "UV_EXTRA_INDEX_URL": "corp"}) == (
        "UV_EXTRA_INDEX_URL"
    )
