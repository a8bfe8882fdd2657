"""What the services of a server take from its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fyke.app.services import _installation_hosts
from fyke.settings import Settings


@pytest.mark.parametrize(
    ("database", "hosts"),
    [
        ("postgresql://fyke:pa[ss@db/fyke", {"db"}),
        ("postgresql://fyke:pa]ss@db:5433/fyke", {"db"}),
        ("postgresql://fyke:pa#ss@db/fyke", {"db"}),
        ("postgresql://fyke:pa?ss@db/fyke", {"db"}),
        ("postgres://fyke@[fd00::9]:5432/fyke", {"fd00::9"}),
        ("postgresql://fyke@db1,db2/fyke", {"db1", "db2"}),
        ("postgresql:///fyke?host=db1,db2", {"db1", "db2"}),
        ("postgresql:///fyke?host=db1:5432&host=db2:5433", {"db1", "db2"}),
        ("postgresql://db/fyke?hostaddr=10.0.0.9", {"db", "10.0.0.9"}),
        ("postgresql:///fyke?host=/run/postgresql", {"/run/postgresql"}),
        ("postgresql:///fyke", set()),
        ("sqlite:////var/lib/fyke/state.db", set()),
        ("", set()),
    ],
)
def test_the_hosts_of_the_database_are_the_installations(database: str, hosts: set[str]) -> None:
    settings = Settings(home=Path("/h"), database_url=database, host="h", gateway_host="h")
    assert _installation_hosts(settings) == {"h", *hosts}


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ({"public_url": "https://fyke.example.com/f"}, {"fyke.example.com"}),
        ({"s3_endpoint": "http://minio.internal:9000"}, {"minio.internal"}),
        ({"s3_endpoint": "http://[fd00::1"}, set()),
        ({"public_url": "https://[x]/"}, set()),
        ({"gateway_addresses": ("10.0.0.2", "[fd00::2]:9110", "gw:9110")},
         {"10.0.0.2", "fd00::2", "gw"}),
    ],
)  # fmt: skip
def test_other_addresses_name_hosts_as_far_as_they_are_addresses(
    given: dict[str, Any], hosts: set[str]
) -> None:
    settings = Settings.model_construct(
        **Settings(home=Path("/h"), host="h", gateway_host="h").model_dump() | given
    )
    assert _installation_hosts(settings) == {"h", *hosts}
