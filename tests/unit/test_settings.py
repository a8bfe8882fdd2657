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
        ("runner_labels", {"region": "de"}, "the label region must be two capital letters, not de"),
    ],
)
def test_pools_and_labels_are_checked(tmp_path: Path, name: str, value: Any, rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        Settings(home=tmp_path, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("gateway_addresses", "a.example, user@b.example", "must be HOST, HOST:PORT"),
        ("smtp_url", "http://mail.example", "smtp"),
        ("mail_from", "Fyke", "must be an email address"),
    ],
)
def test_addresses_are_checked_and_not_shown(
    tmp_path: Path, name: str, value: str, rule: str
) -> None:
    with pytest.raises(ValidationError, match=rule) as refused:
        Settings(home=tmp_path, **{name: value})
    assert value not in str(refused.value)


def test_mail_may_be_switched_off_where_the_file_has_it(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        'smtp_url = "smtp://mail.example"\nmail_from = "fyke@example.org"\n'
    )
    settings = Settings(home=tmp_path, smtp_url="", mail_from="")
    assert (settings.smtp_url, settings.mail_from) == ("", "")


def test_lists_are_written_with_commas_or_as_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text('allowed_hosts = ["a.example", "b.example"]\n')
    assert Settings(home=tmp_path).allowed_hosts == ("a.example", "b.example")
    monkeypatch.setenv("FYKE_ALLOWED_HOSTS", " c.example ,, d.example,")
    assert Settings(home=tmp_path).allowed_hosts == ("c.example", "d.example")


def test_proxies_of_a_region_are_written_with_spaces_or_as_a_list(tmp_path: Path) -> None:
    proxies = "rotating http://a.example:1 http://b.example:2"
    (tmp_path / "config.toml").write_text(
        f'egress_upstreams = {{US = "{proxies}", DE = {proxies.split()}}}\n'
    )
    assert Settings(home=tmp_path).egress_upstreams == {"US": proxies, "DE": proxies}


def test_a_flag_wins_over_a_variable_and_an_empty_variable_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text("keep_days = 30\n")
    monkeypatch.setenv("FYKE_PORT", "9001")
    monkeypatch.setenv("FYKE_KEEP_DAYS", "")
    settings = Settings(home=tmp_path, port=9002)
    assert (settings.port, settings.keep_days) == (9002, 30)


def test_the_file_is_the_one_in_the_chosen_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, port in (("one", 9001), ("other", 9002)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text(f"port = {port}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FYKE_HOME", "one")
    assert (Settings().port, Settings().home) == (9001, tmp_path / "one")
    assert (Settings(home="other").port, Settings(home="other").home) == (9002, tmp_path / "other")
