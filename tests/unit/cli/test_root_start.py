"""Preparations of a start as root."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.app.folder import make_home
from fyke.cli import root_start
from fyke.cli.errors import CommandFailed
from fyke.settings import Settings

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="the root supervisor runs as root only")
USER = pwd.struct_passwd(("service", "x", 12_346, 12_346, "", "/", ""))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can traverse."""
    folder = Path(tempfile.mkdtemp(prefix="fyke-root-"))
    folder.chmod(0o711)
    before = os.umask(0o077)
    yield folder
    os.umask(before)
    shutil.rmtree(folder)


@ROOT_ONLY
def test_new_parents_of_the_data_folder_can_be_traversed(open_folder: Path) -> None:
    home = open_folder / "a" / "b" / "home"
    root_start.chown_home(Settings(home=home), USER)
    assert home.stat().st_uid == USER.pw_uid
    assert home.parent.stat().st_mode & 0o777 == 0o755


@ROOT_ONLY
def test_a_data_folder_that_the_user_cannot_reach_is_refused(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(CommandFailed, match=f"lies below {closed}.*service cannot enter"):
        root_start.chown_home(Settings(home=closed / "home"), USER)


@ROOT_ONLY
def test_no_folder_is_made_below_one_that_the_user_cannot_reach(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(CommandFailed, match="lies below"):
        root_start.chown_home(Settings(home=closed / "a" / "home"), USER)
    assert list(closed.iterdir()) == []


@ROOT_ONLY
def test_a_folder_that_another_user_works_in_is_refused_and_stays_as_it_is(
    open_folder: Path,
) -> None:
    home = open_folder / "home"
    make_home(Settings(home=home))
    os.chown(home, 54_321, 54_321)
    before = home.stat()
    with pytest.raises(CommandFailed, match=r"(?s)user 54321.*FYKE_SERVICE_USER=fyke-54321"):
        root_start.chown_home(Settings(home=home), USER)
    after = home.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (54_321, 54_321, before.st_mode)


@ROOT_ONLY
def test_a_folder_that_another_user_begins_to_work_in_stays_as_it_is(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, found = open_folder / "home", [[], ["a"]]
    home.mkdir(mode=0o770)
    os.chown(home, 54_321, 54_322)
    before = home.stat()
    monkeypatch.setattr(os, "listdir", lambda _: found.pop(0))
    with pytest.raises(CommandFailed, match="belongs to the user 54321"):
        root_start.chown_home(Settings(home=home), USER)
    after = home.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (54_321, 54_322, before.st_mode)


@ROOT_ONLY
def test_an_empty_folder_is_given_to_the_user(open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, 54_321, 54_321)
    root_start.chown_home(Settings(home=home), USER)
    assert home.stat().st_uid == USER.pw_uid


def test_other_users_cannot_list_the_cache(open_folder: Path) -> None:
    settings = Settings(home=open_folder / "home")
    make_home(settings)
    for folder in (settings.home / "cache", settings.bundles_dir):
        assert folder.stat().st_mode & 0o777 == 0o711


def test_the_error_for_a_missing_service_user_names_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, service_user="no-such-user")
    with pytest.raises(CommandFailed, match=r'no system user "no-such-user"\. Create one'):
        root_start.service_user_of(settings)


def test_the_service_user_must_not_be_root(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="must not be root"):
        root_start.service_user_of(Settings(home=tmp_path, service_user="root"))


def test_the_configuration_has_the_user_and_both_commands(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, attempt_uid_base=40_000, attempt_uids=16)
    orders = root_start._config(settings, USER, [Path("/wheels")], ["up", "--port", "0"])
    assert (orders.uid, orders.gid) == (USER.pw_uid, USER.pw_gid)
    assert orders.supervisor[-3:] == ["up", "--port", "0"]
    options = dict(zip(orders.launcher[4::2], orders.launcher[5::2], strict=True))
    assert options == {
        "--socket": orders.launcher_socket,
        "--home": str(tmp_path),
        "--uid": "12346",
        "--gid": "12346",
        "--uid-base": "40000",
        "--uid-count": "16",
        "--find-links": "/wheels",
    }
    local = root_start._config(settings, USER, [], ["local-work", "job", "1"])
    assert local.launcher[-1] == "--quiet"


def test_the_environment_of_the_service_user_has_no_names_of_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "admin")
    monkeypatch.setenv("LOGNAME", "root")
    monkeypatch.setenv("FYKE_LOG_LEVEL", "debug")
    environment = root_start._environment(Settings(home=tmp_path), USER)
    assert (environment["HOME"], environment["USER"]) == (str(tmp_path), "service")
    assert (environment["FYKE_LAUNCHER"], environment["FYKE_LOG_LEVEL"]) == ("1", "debug")
    assert not {"SUDO_USER", "LOGNAME"} & set(environment)
