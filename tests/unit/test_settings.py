"""Settings are read from the environment and from a file as the page about them shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fyke.app.configuration import masked
from fyke.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_the_example_of_a_setting_is_accepted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = Settings.model_fields[name]
    assert field.examples, f"{name}: give it an example"
    monkeypatch.setenv("FYKE_HOME", str(tmp_path))
    default = field.get_default(call_default_factory=True)
    monkeypatch.setenv(f"FYKE_{name.upper()}", field.examples[0])
    assert getattr(Settings(), name) != default


def test_the_example_of_a_file_is_accepted(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    (tmp_path / "config.toml").write_text(found[1], encoding="utf-8")
    settings = Settings(home=tmp_path)
    assert (settings.port, settings.keep_days) == (9000, 30)
    assert settings.trusted_proxies == ("127.0.0.1",)
    assert list(settings.egress_upstreams) == ["US"]


def test_rows_are_sealed_with_postgresql_only_if_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings(home=tmp_path).seal_rows == 10_000
    (tmp_path / "config.toml").write_text('database_url = "postgresql:///fyke"\n')
    assert Settings(home=tmp_path).seal_rows == 0
    assert Settings(home=tmp_path, blobs_url="s3://bucket").seal_rows == 10_000
    monkeypatch.setenv("FYKE_SEAL_ROWS", "7")
    assert Settings(home=tmp_path).seal_rows == 7


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("blobs_url", "https://bucket.s3.amazonaws.com", "must be s3://BUCKET"),
        ("s3_endpoint", "minio.example.com", "must be http:// or https://"),
        ("s3_endpoint", "https://user:secret@minio.example.com", "no login"),
    ],
)
def test_a_place_in_s3_is_checked(tmp_path: Path, name: str, value: str, rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        Settings(home=tmp_path, **{name: value})


def test_the_secret_of_s3_is_not_shown(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, s3_secret="wJalrXUtnFEMI")
    assert "wJalr" not in f"{settings!r} {masked(settings.s3_secret)}"


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("default_pool", "", "at least 1 character"),
        ("default_pool", "EU", "must have 1 to 63 lower-case letters"),
        ("runner_pool", "e u", "must have 1 to 63 lower-case letters"),
        ("runner_labels", {"gpu": ""}, "the value of the label gpu has 1 to 63"),
    ],
)
def test_pools_and_labels_are_checked(tmp_path: Path, name: str, value: Any, rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        Settings(home=tmp_path, **{name: value})
