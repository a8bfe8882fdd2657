"""What is said when a data folder cannot be made ready, and the wait for PostgreSQL."""

from __future__ import annotations

import errno
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fyke.app import prepare as module
from fyke.app.prepare import prepare
from fyke.errors import Unavailable
from fyke.kit.file_lock import locked
from fyke.settings import Settings


@pytest.mark.parametrize(
    ("error", "first"),
    [
        (Unavailable("The database cannot be reached or is full"), "The database"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    ],
)
def test_a_full_disk_is_named_with_its_free_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, first: str
) -> None:
    def fail(settings: Settings) -> None:
        raise error

    monkeypatch.setattr(module, "migrate_all", fail)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=16_384))
    with pytest.raises(
        Unavailable, match=rf"^{first}.*\. The data folder .* has 16,384 bytes free"
    ):
        prepare(Settings(home=tmp_path / "home"), print)


def test_another_error_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(settings: Settings) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module, "migrate_all", fail)
    with pytest.raises(PermissionError):
        prepare(Settings(home=tmp_path / "home"), print)


class Database:
    """PostgreSQL that is unreachable for some tries."""

    def __init__(self, failures: int) -> None:
        self.failures, self.tries = failures, 0

    def migrate(self, settings: Settings) -> None:
        self.tries += 1
        if self.tries <= self.failures:
            raise Unavailable("The database cannot be reached or is full")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(module, "refuse_loss", lambda settings: None)
    monkeypatch.setattr(module, "bootstrap", _bootstrapped)
    monkeypatch.setattr(module, "claim_secret", _bootstrapped)
    monkeypatch.setattr(module, "check_blobs", _bootstrapped)
    monkeypatch.setattr(module, "agree", _agreed)
    monkeypatch.setattr(module, "open_state", lambda settings: nullcontext())
    return Settings(home=tmp_path / "home", database_url="postgresql://fyke@127.0.0.1/fyke")


async def _bootstrapped(settings: Settings, *_: object) -> None: ...


async def _agreed(settings: Settings, *_: object, **__: object) -> None: ...


def test_postgresql_that_still_starts_is_awaited_and_the_wait_is_reported(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, said = Database(3), list[str]()
    monkeypatch.setattr(module, "migrate_all", database.migrate)
    prepare(settings, said.append)
    assert database.tries == 4
    assert said == [
        "The database cannot be reached or is full; waiting up to 60 s for PostgreSQL",
        "PostgreSQL answered after 0 s",
    ]


def test_the_wait_for_postgresql_ends(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    database, said = Database(10**9), list[str]()
    monkeypatch.setattr(module, "migrate_all", database.migrate)
    with pytest.raises(Unavailable, match=r"cannot be reached.*; gave up after 0\.05 s$"):
        prepare(settings, said.append, seconds=0.05)
    assert len(said) == 1
    assert database.tries > 1


def test_only_one_process_prepares_a_folder_at_a_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    free: list[bool] = []

    async def claim(settings: Settings, storage: object) -> None:
        with locked(settings.run_dir / module.LOCK, wait=False) as unused:
            free.append(unused)

    monkeypatch.setattr(module, "migrate_all", lambda settings: None)
    monkeypatch.setattr(module, "claim_secret", claim)
    prepare(settings, print)
    assert free == [False]


def test_sqlite_is_not_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(1)
    monkeypatch.setattr(module, "migrate_all", database.migrate)
    with pytest.raises(Unavailable):
        prepare(Settings(home=tmp_path / "home"), print)
    assert database.tries == 1
