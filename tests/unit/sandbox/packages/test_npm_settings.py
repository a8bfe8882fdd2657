"""The settings that npm gets from those of the administrator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fyke.sandbox.packages.npm_settings import NPMRC, query_environment, read_npm
from fyke.sandbox.packages.package_client import CA_FILE, PackageClient, SettingsUnusable
from unit.sandbox.packages.test_uv_settings import CERTIFICATE, urls, write


def npm(tmp_path: Path, rc: str = "", **settings: Any) -> PackageClient:
    file = write(tmp_path / ".npmrc", rc)
    defaults = {"registry": "https://r.invalid/", "userconfig": str(file), "strict-ssl": True}
    return read_npm(
        {"HOME": str(tmp_path), "TOKEN": "t-1"}, json.loads(json.dumps(defaults | settings))
    )


def test_npm_config_runs_with_the_settings_of_npm_only() -> None:
    environment = query_environment(
        {
            "FYKE_SECRET": "s",
            "PATH": "/evil",
            "LD_PRELOAD": "x",
            "NODE_OPTIONS": "x",
            "HTTPS_PROXY": "http://p",
            "NPM_CONFIG_REGISTRY": "http://r",
            "npm_config_strict-ssl": "false",
            "npm_config_@a-b:registry": "http://s",
            "npm_config_script_shell": "x",
            "npm_config_ignore_scripts": "false",
            "HOME": "/h",
        }
    )
    assert environment == {
        "HOME": "/h",
        "npm_config_registry": "http://r",
        "npm_config_strict_ssl": "false",
        "npm_config_@a-b:registry": "http://s",
    }
    assert query_environment({}) == {"HOME": "/nonexistent"}


def test_npm_is_configured_with_its_registries(tmp_path: Path) -> None:
    client = npm(tmp_path, **{"@corp:registry": "https://corp.invalid/npm/"})
    assert urls(client) == ["https://r.invalid/", "https://corp.invalid/npm/"]
    assert client.files[NPMRC].splitlines() == [
        "registry=https://r.invalid/",
        "@corp:registry=https://corp.invalid/npm/",
    ]
    assert client.env["npm_config_userconfig"] == f"/work/{NPMRC}"
    assert client.secrets == ()


@pytest.mark.parametrize("url", ["file:///x", "htps://corp.invalid", "${UNSET}", "https://"])
@pytest.mark.parametrize("key", ["registry", "@corp:registry"])
def test_a_registry_that_is_not_an_address_is_an_error(tmp_path: Path, key: str, url: str) -> None:
    """Packages of the scope would come from the default registry."""
    with pytest.raises(SettingsUnusable, match=f"{key} is not an http") as refused:
        npm(tmp_path, f"{key} = {url}\n", **{key: url})
    assert refused.value.source == str(tmp_path / ".npmrc")


def test_a_file_of_npm_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SettingsUnusable, match="Is a directory") as refused:
        npm(tmp_path, globalconfig=str(tmp_path / "folder"))
    assert refused.value.source == str(tmp_path / "folder")
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(SettingsUnusable, match="not UTF-8"):
        npm(tmp_path, globalconfig=str(tmp_path / "binary"))


def test_each_registry_names_the_file_or_variable_it_is_from(tmp_path: Path) -> None:
    machine = write(tmp_path / "npmrc", "registry=https://r.invalid/\n@a:registry=https://a/\n")
    settings = {
        "registry": "https://r.invalid/",
        "globalconfig": str(machine),
        "@a:registry": "https://a/",
        "@b:registry": "https://b/",
    }
    environ = {"NPM_CONFIG_@B:REGISTRY": "https://b/"}
    assert [(one.url, one.source) for one in read_npm(environ, settings).registries] == [
        ("https://r.invalid/", str(machine)),
        ("https://a/", str(machine)),
        ("https://b/", "NPM_CONFIG_@B:REGISTRY"),
    ]
    assert read_npm({}, {"registry": "https://r/"}).registries[0].source == "npm's default"


def test_credentials_are_sent_only_to_their_registry(tmp_path: Path) -> None:
    rc = (
        "//r.invalid/:_authToken=${TOKEN}\n//other.invalid/:_authToken=no\n"
        "//corp.invalid/npm/:username=user\n//corp.invalid/npm/:_password=cGFzcw==\n"
        "script-shell=/bin/evil\nemail=me@example.com\n"
    )
    client = npm(tmp_path, rc, **{"@corp:registry": "https://corp.invalid/npm/"})
    lines = client.files[NPMRC].splitlines()
    assert "//r.invalid/:_authToken=t-1" in lines
    assert "//corp.invalid/npm/:_password=cGFzcw==" in lines
    assert not any("other" in line or "shell" in line or "email" in line for line in lines)
    assert client.secrets == ("npm's configuration",)
    assert client.credentials == ("t-1", "cGFzcw==", "pass")
    assert [registry.headers for registry in client.registries] == [
        {"Authorization": "Bearer t-1"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
    ]


def test_certificates_and_the_proxy_of_npm_are_read(tmp_path: Path) -> None:
    file = write(tmp_path / "ca.pem", CERTIFICATE)
    client = npm(tmp_path, cafile=str(file))
    assert client.files[CA_FILE].strip() == CERTIFICATE.strip()
    assert f"cafile=/work/{CA_FILE}" in client.files[NPMRC]
    system = "/etc/ssl/certs/ca-certificates.crt"
    client = npm(tmp_path, cafile=system, **{"strict-ssl": False, "offline": True})
    assert {f"cafile={system}", "strict-ssl=false"} <= set(client.files[NPMRC].splitlines())
    assert (client.offline, client.proxy) == (True, "")
    assert npm(tmp_path, **{"https-proxy": "http://p:1"}).proxy == "https-proxy"


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://r.invalid/npm/", True),
        ("https://r.invalid/npm", True),
        ("https://r.invalid/npm/deeper/", True),
        ("https://r.invalid/npm-public/", False),
        ("https://r.invalid.other/npm/", False),
        ("https://r.invalid:8443/npm/", False),
        ("https://r.invalid/", False),
    ],
)
def test_a_token_is_sent_only_below_its_address(tmp_path: Path, url: str, sent: bool) -> None:
    client = npm(tmp_path, "//r.invalid/npm/:_authToken=t-1\n", registry=url)
    assert client.registries[0].headers == ({"Authorization": "Bearer t-1"} if sent else {})
    assert ("t-1" in client.files[NPMRC]) is sent
    assert client.secrets == (("npm's configuration",) if sent else ())


@pytest.mark.parametrize("host", ["r.invalid.other", "r.invalid:8443", "sub.r.invalid"])
def test_a_token_is_not_sent_to_a_host_with_a_similar_name(tmp_path: Path, host: str) -> None:
    client = npm(tmp_path, "//r.invalid/:_authToken=t-1\n", registry=f"https://{host}/")
    assert client.registries[0].headers == {}
    assert "t-1" not in client.files[NPMRC]


@pytest.mark.parametrize(
    ("rc", "header"),
    [
        ("//r.invalid/:_auth=dXNlcjpwYXNz\n", "Basic dXNlcjpwYXNz"),
        ('//r.invalid/:_authToken="quoted"\n', "Bearer quoted"),
        ("//r.invalid/:_authToken=${MISSING}\n", "Bearer ${MISSING}"),
        ("//r.invalid/:username=user\n//r.invalid/:_password=odd_length\n", None),
    ],
)
def test_each_kind_of_credentials_has_its_header(
    tmp_path: Path, rc: str, header: str | None
) -> None:
    headers = npm(tmp_path, rc).registries[0].headers
    assert headers == ({} if header is None else {"Authorization": header})


def test_the_users_file_of_npm_overrides_the_machines(tmp_path: Path) -> None:
    machine = write(tmp_path / "machine", "//r.invalid/:_authToken=machine\n")
    client = npm(tmp_path, "//r.invalid/:_authToken=own\n", globalconfig=str(machine))
    assert client.registries[0].headers == {"Authorization": "Bearer own"}


def test_a_login_in_the_address_of_a_registry_is_a_secret(tmp_path: Path) -> None:
    client = npm(tmp_path, registry="https://user:pass@r.invalid/")
    assert client.secrets == ("the registry r.invalid",)


def test_a_certificate_in_the_settings_is_written_to_a_file(tmp_path: Path) -> None:
    client = npm(tmp_path, ca=[CERTIFICATE, CERTIFICATE])
    assert client.files[CA_FILE].count("BEGIN CERTIFICATE") == 2
    assert f"cafile=/work/{CA_FILE}" in client.files[NPMRC]
    assert CA_FILE not in npm(tmp_path, cafile=str(tmp_path / "none")).files
