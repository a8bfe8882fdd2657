"""Settings that are handed on to roles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.app.egress_policy import own_policy
from fyke.app.role_settings import store, stored
from fyke.settings import Settings

PRICES = {"price_cpu_hour", "price_memory_gb_hour", "price_traffic_gb"}
LEFT_OUT = {"metrics_token", "s3_secret"} | PRICES


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path,
        egress_allow="10.0.0.5:80,10.1.0.0/16",
        egress_upstreams={"US": "http://u:pw@a.example:1"},
        runner_labels={"gpu": "none"},
        runner_cpus=1.5,
        metrics_token="only-for-servers",
        s3_secret="only-for-servers",
        price_cpu_hour="0.05",
    )


@pytest.fixture
def file(settings: Settings) -> Iterator[int]:
    made = store(settings)
    yield made
    os.close(made)


def test_a_role_gets_the_settings_and_paths_but_for_prices_and_secrets_of_servers(
    settings: Settings, file: int
) -> None:
    names = Settings.model_fields.keys()
    assert stored(file).egress_upstreams == {"US": "http://u:pw@a.example:1"}
    for _ in range(2):  # a role that is started again reads the same file
        found: Any = stored(file)
        expected = {name: getattr(settings, name) for name in names - LEFT_OUT}
        assert {name: getattr(found, name) for name in names - LEFT_OUT} == expected
        assert found.egress_socket == settings.egress_socket
        assert own_policy(found) == own_policy(settings)
    for name in LEFT_OUT:
        with pytest.raises(AttributeError):
            getattr(found, name)
    assert b"only-for-servers" not in os.pread(file, 2**20, 0)


def test_no_role_changes_them(file: int) -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        stored(file).runner_cpus = 9
    for change in (lambda: os.pwrite(file, b"x", 0), lambda: os.truncate(file, 0)):
        with pytest.raises(PermissionError):
            change()
