"""The file with the owner's first password, and the start that reads it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from pydantic import ValidationError

from fyke.app.owner_password import read_password, set_owner_password
from fyke.app.prepare import prepare
from fyke.app.state import bootstrap, open_state, owner_has_password
from fyke.cli.listening import check_exposure
from fyke.domain.accounts import passwords as passwords_module
from fyke.errors import InvalidRequest
from fyke.settings import Settings
from support.prepared import rows_in, state_in

PASSWORD = "kelp-Lantern-27 ü"


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords_module, "PasswordHasher", lambda: PasswordHasher(1, 8, 1))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "password"
    write(file, PASSWORD + "\n")
    home = tmp_path / "home"
    home.mkdir()
    return Settings(home=home, host="0.0.0.0", owner_password_file=str(file))


def write(file: Path, text: str | bytes, mode: int = 0o600) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)


def first_start(settings: Settings) -> list[str]:
    """Bootstrap an installation and set the password; return what was reported."""
    said: list[str] = []

    async def start() -> None:
        async with open_state(settings) as storage:
            await bootstrap(settings, storage)
            await set_owner_password(settings, storage, said.append)

    if not (settings.home / "state.db").exists():
        state_in(settings.home)
        rows_in(settings.home)
    asyncio.run(start())
    return said


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_end_of_the_line_is_not_part_of_the_password(tmp_path: Path, end: str) -> None:
    write(tmp_path / "p", f" {PASSWORD} {end}", 0o400)
    assert read_password(str(tmp_path / "p")) == f" {PASSWORD} "


@pytest.mark.parametrize(("mode", "own"), [(0o640, False), (0o604, True), (0o444, True)])
def test_a_file_that_others_can_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, own: bool
) -> None:
    write(tmp_path / "p", PASSWORD, mode)
    group = (tmp_path / "p").stat().st_gid
    monkeypatch.setattr(os, "getegid", lambda: group if own else group + 1)
    with pytest.raises(InvalidRequest, match=f"can be read by other users, .* {mode:04o}") as no:
        read_password(str(tmp_path / "p"))
    assert PASSWORD not in str(no.value)


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o460])
def test_a_file_that_others_can_change_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    write(tmp_path / "p", PASSWORD, mode)
    group = (tmp_path / "p").stat().st_gid
    monkeypatch.setattr(os, "getegid", lambda: group)
    with pytest.raises(InvalidRequest, match=f"can be changed by other users, .* {mode:04o}"):
        read_password(str(tmp_path / "p"))


def test_the_group_of_the_process_may_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "p", PASSWORD, 0o440)
    group = (tmp_path / "p").stat().st_gid
    monkeypatch.setattr(os, "getegid", lambda: group)
    assert read_password(str(tmp_path / "p")) == PASSWORD


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("", "one line"),
        ("\n", "one line"),
        ("one line\nand another\n", "one line"),
        (b"kelp-Lantern-\xff", "UTF-8"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: str | bytes, rule: str) -> None:
    write(tmp_path / "p", content)
    with pytest.raises(InvalidRequest, match=rule) as no:
        read_password(str(tmp_path / "p"))
    assert "Lantern" not in str(no.value)


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=rf"number {os.geteuid()}: No such file.*mode 0400"):
        read_password(str(tmp_path / "missing"))
    with pytest.raises(InvalidRequest, match="Is a directory"):
        read_password(str(tmp_path))
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(InvalidRequest, match="one line"):
        read_password(str(tmp_path / "pipe"))


def test_the_first_start_sets_the_password_and_may_listen(settings: Settings) -> None:
    said = first_start(settings)
    assert len(said) == 1 and settings.owner_password_file in said[0]
    assert PASSWORD not in said[0]
    check_exposure(settings)


def test_later_starts_do_not_open_the_file(settings: Settings) -> None:
    first_start(settings)
    Path(settings.owner_password_file).unlink()
    assert first_start(settings) == []
    check_exposure(settings)


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("short-1", "7 characters are too few"),
        ("1234567890", "leaked"),
        ("owner-acme-2026", "hardly more than"),
    ],
)
def test_a_weak_password_stops_the_start(settings: Settings, password: str, rule: str) -> None:
    write(Path(settings.owner_password_file), password)
    with_words = settings.model_copy(update={"password_words": ("acme",)})
    with pytest.raises(InvalidRequest, match=rule) as no:
        first_start(with_words)
    assert "(owner_password_file) is refused: " in str(no.value)
    assert password not in str(no.value)
    assert not asyncio.run(owner_has_password(settings))


def test_without_the_setting_nothing_is_set(settings: Settings) -> None:
    assert first_start(settings.model_copy(update={"owner_password_file": ""})) == []
    assert not asyncio.run(owner_has_password(settings))


def test_the_path_must_be_absolute(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="must be an absolute path"):
        Settings(home=tmp_path, owner_password_file="password")


def test_a_start_reads_the_file_after_it_has_made_the_account(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[Any] = []
    prepare(settings, said.append)
    assert [text for text in said if "owner_password_file" in text]
    assert asyncio.run(owner_has_password(settings))
    assert PASSWORD not in "".join([*said, *capsys.readouterr()])


def test_only_a_server_reads_the_file(settings: Settings) -> None:
    Path(settings.owner_password_file).unlink()
    prepare(settings, print, owner_password=False)
    with pytest.raises(InvalidRequest, match="owner_password_file"):
        prepare(settings, print)
