"""The first start of an installation, and starts of other data folders on its database."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fyke.app import prepare as preparing
from fyke.app.folder import make_home
from fyke.app.state import open_state, replace_owner_key
from fyke.cli.main import app
from fyke.domain.accounts.service import Accounts
from fyke.errors import Conflict, InvalidKey
from fyke.kit.clock import SystemClock
from fyke.settings import Settings


def prepare(settings: Settings) -> None:
    preparing.prepare(settings, print)


def folder(path: Path, name: str) -> Settings:
    """A data folder on a database that others use as well."""
    return Settings(home=path / name, database_url=f"sqlite:///{path / 'shared.db'}")


@pytest.fixture
def first(tmp_path: Path) -> Settings:
    """The folder that has had the first start."""
    settings = folder(tmp_path, "first")
    prepare(settings)
    return settings


@pytest.fixture
def second(tmp_path: Path, first: Settings) -> Settings:
    """A new folder on the same database."""
    return folder(tmp_path, "second")


def key_is_valid(settings: Settings) -> bool:
    async def look() -> bool:
        async with open_state(settings) as storage:
            accounts = Accounts(storage, SystemClock())
            try:
                await accounts.authenticate(settings.owner_key_file.read_text().strip())
            except InvalidKey:
                return False
            return True

    return asyncio.run(look())


def copy_secret(source: Settings, target: Settings) -> None:
    make_home(target)
    shutil.copy(source.secret_file, target.secret_file)


def test_a_second_folder_is_refused_and_changes_nothing(first: Settings, second: Settings) -> None:
    for _ in range(2):
        with pytest.raises(Conflict, match=r"has no secret\.key.*copy secret\.key"):
            prepare(second)
    assert not second.secret_file.exists() and not second.owner_key_file.exists()
    assert key_is_valid(first)
    prepare(first)


def test_a_folder_with_another_secret_is_refused(first: Settings, second: Settings) -> None:
    make_home(second)
    second.secret_file.write_text("ab" * 32)
    with pytest.raises(Conflict, match=r"has another secret\.key.*fyke db accept-secret"):
        prepare(second)
    assert second.secret_file.read_text() == "ab" * 32


def test_a_folder_with_the_secret_starts_and_has_no_owner_key(
    first: Settings, second: Settings
) -> None:
    copy_secret(first, second)
    prepare(second)
    prepare(second)
    assert not second.owner_key_file.exists()
    assert key_is_valid(first)


def test_a_missing_owner_key_is_replaced_by_a_command(first: Settings, second: Settings) -> None:
    copy_secret(first, second)
    asyncio.run(replace_owner_key(second))
    assert key_is_valid(second)
    assert not key_is_valid(first)


def test_a_folder_with_a_database_of_its_own_replaces_a_missing_owner_key(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    prepare(settings)
    before = settings.owner_key_file.read_text()
    prepare(settings)
    assert settings.owner_key_file.read_text() == before
    settings.owner_key_file.unlink()
    prepare(settings)
    assert key_is_valid(settings)


def test_a_lost_secret_is_replaced_only_by_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    settings = Settings(home=tmp_path / "home")
    prepare(settings)
    lost = settings.secret_file.read_text()
    settings.secret_file.unlink()
    with pytest.raises(Conflict, match=r"no secret\.key"):
        prepare(settings)
    answer = CliRunner().invoke(app, ["db", "accept-secret", "--home", str(settings.home)])
    assert answer.exit_code == 0, answer.output
    assert settings.secret_file.read_text() != lost
    assert settings.secret_file.stat().st_mode & 0o777 == 0o600
    prepare(settings)
