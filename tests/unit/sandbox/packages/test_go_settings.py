"""The settings that Go gets from those of the administrator."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.sandbox.packages.go_settings import query_environment, read_go
from fyke.sandbox.packages.package_client import NETRC_FILE, PackageClient

PROXY = "https://proxy.invalid"


def go(environ: dict[str, str] | None = None, **settings: str) -> PackageClient:
    return read_go({"HOME": "/nonexistent"} | (environ or {}), settings)


def urls(client: PackageClient) -> list[str]:
    return [registry.url for registry in client.registries]


def test_only_module_proxies_on_the_web_are_used() -> None:
    client = go(GOPROXY=f"{PROXY},file:///srv/modules|http://b.invalid|direct", GOSUMDB="off")
    assert client.env["GOPROXY"] == f"{PROXY},http://b.invalid"
    assert urls(client) == [PROXY, "http://b.invalid"]
    assert (client.env["GOVCS"], client.env["GONOPROXY"], client.offline) == (
        "*:off",
        "none",
        False,
    )


@pytest.mark.parametrize("setting", ["off", "direct", "", "file:///srv/modules,direct"])
def test_without_a_module_proxy_go_is_offline(setting: str) -> None:
    client = go(GOPROXY=setting, GOSUMDB="sum.golang.org")
    assert (client.env["GOPROXY"], client.registries, client.offline) == ("off", (), True)


@pytest.mark.parametrize(
    ("setting", "database", "address"),
    [
        ("sum.golang.org", "sum.golang.org", "https://sum.golang.org"),
        ("sum.corp+033de0ae+Ac4z", "sum.corp+033de0ae+Ac4z", "https://sum.corp"),
        (
            "sum.corp http://mirror.invalid/db",
            "sum.corp http://mirror.invalid/db",
            "http://mirror.invalid/db",
        ),
        ("off", "off", None),
        ("", "off", None),
        ("sum.corp file:///srv/sums", "off", None),
    ],
)
def test_the_checksum_database_is_an_additional_registry(
    setting: str, database: str, address: str | None
) -> None:
    client = go(GOPROXY=PROXY, GOSUMDB=setting)
    assert client.env["GOSUMDB"] == database
    assert urls(client) == [PROXY, *([address] if address else [])]


def test_go_env_runs_with_the_settings_of_go_only() -> None:
    environ = {"GOPROXY": "off", "GOENV": "/x", "GOFLAGS": "-toolexec=evil", "PATH": "/evil"}
    assert query_environment(environ) == {"GOPROXY": "off", "GOENV": "/x"}


def test_logins_and_proxies_of_the_machine_are_found(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(
        "machine proxy.invalid login user password pass\nmachine bank login me password rich\n"
    )
    environ = {"HOME": str(tmp_path), "HTTPS_PROXY": "http://p"}
    client = go(environ, GOPROXY=PROXY, GOSUMDB="off")
    assert client.files == {NETRC_FILE: "machine proxy.invalid login user password pass\n"}
    assert client.env["NETRC"] == f"/work/{NETRC_FILE}"
    assert (client.secrets, client.credentials) == (("the netrc file",), ("pass",))
    assert client.proxy == "HTTPS_PROXY"
    assert "NETRC" not in go(environ, GOPROXY="https://other.invalid").env


def test_a_login_may_name_the_port_of_a_module_proxy(tmp_path: Path) -> None:
    line = "machine proxy.invalid:8443 login user password pass\n"
    (tmp_path / ".netrc").write_text(line)
    client = go({"HOME": str(tmp_path)}, GOPROXY="https://proxy.invalid:8443", GOSUMDB="off")
    assert client.files == {NETRC_FILE: line}


def test_credentials_in_an_address_are_known() -> None:
    client = go({}, GOPROXY="https://user:pass@proxy.invalid", GOSUMDB="off")
    assert client.secrets == ("the module proxy proxy.invalid",)
    assert client.credentials == ("pass",)


def test_each_module_proxy_names_the_file_or_variable_it_is_from(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(f"GOPROXY={PROXY}\n")
    settings = {"GOPROXY": PROXY, "GOSUMDB": "sum.golang.org", "GOENV": str(file)}
    assert [one.source for one in go({}, **settings).registries] == [str(file), "Go's default"]
    found = go({"GOPROXY": PROXY, "GOSUMDB": "sum.golang.org"}, **settings).registries
    assert [one.source for one in found] == ["GOPROXY", "GOSUMDB"]
