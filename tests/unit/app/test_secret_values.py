"""The secrets that a command knows."""

from __future__ import annotations

from pathlib import Path

from fyke.app.node_folder import write_node
from fyke.app.secret_values import secret_values
from fyke.settings import Settings
from support.node_folders import a_node


def values(home: Path, **more: object) -> set[str]:
    environment = more.pop("environment", {})
    assert isinstance(environment, dict)
    return set(secret_values(Settings(home=home, **more), environment).values())


def test_passwords_of_urls_are_found_as_written_and_as_meant(tmp_path: Path) -> None:
    found = values(
        tmp_path,
        database_url="postgresql://fyke:s%2Fcret-1@db/fyke?sslpassword=second-2",
        egress_upstreams={"US": "rotating http://a:third-3@p:1 http://a:fourth-4@p:1"},
        smtp_url="smtps://fyke:short@mail.example.org",
    )
    assert found == {"s%2Fcret-1", "s/cret-1", "second-2", "third-3", "fourth-4"}


def test_variables_that_are_named_like_secrets_are_found(tmp_path: Path) -> None:
    environment = {
        "FYKE_KEY": "key-of-mine",
        "PGPASSWORD": "password-1",
        "HTTP_PROXY": "http://u:of-a-proxy@proxy:3128",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20of-mine,x-tenant=a",
        "SSH_PUBLIC_KEY": "ssh-ed25519 AAAA",
        "PATH": "/usr/bin",
    }
    assert values(tmp_path, environment=environment) == {
        *("key-of-mine", "password-1", "of-a-proxy", "Bearer%20of-mine", "Bearer of-mine")
    }


def test_files_of_the_data_folder_are_found(tmp_path: Path) -> None:
    assert values(tmp_path) == set()
    (tmp_path / "owner.key").write_text("scraper_api_1\n")
    (tmp_path / "setup-link").write_text("http://localhost:8100/welcome/abcdef\n")
    (tmp_path / "node.json").write_text("not JSON")
    assert values(tmp_path) == {"scraper_api_1", "abcdef"}
    node = a_node(("gateway.example.com:8110",))
    write_node(tmp_path, node)
    assert set(node.own.key.split("\n")[1:-2]) <= values(tmp_path)
