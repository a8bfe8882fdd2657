"""The data folder of ``script/up --nodes``."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fyke.cli import main, root_start
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.listening import lock_home
from fyke.cli.nodes_home import own_database
from fyke.settings import Settings

USER = pwd.struct_passwd(("service", "x", 12_346, 12_347, "", "/", ""))


@pytest.fixture(autouse=True)
def _own_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    monkeypatch.setattr(root_start, "service_user_of", lambda _: USER)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can traverse."""
    made = Path(tempfile.mkdtemp(prefix="fyke-nodes-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def lines(home: Path | str) -> list[str]:
    """What the command prints for the data folder. Raise what it raises."""
    arguments = ["nodes-home", "--home", str(home)]
    return CliRunner().invoke(main.app, arguments, catch_exceptions=False).output.splitlines()


def refused(home: Path, match: str) -> None:
    with pytest.raises(CommandFailed, match=match):
        CliRunner().invoke(
            main.app,
            ["nodes-home", "--home", str(home)],
            catch_exceptions=False,
            standalone_mode=False,
        )


def test_it_is_made_for_the_user_who_works_in_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    home = folder / "a" / "home"
    ids = (USER.pw_uid, USER.pw_gid) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    url = f"postgresql://fyke@/fyke?host={home}/postgres"
    assert lines("a/home") == [*map(str, ids), url, str(home)]
    state = home.stat()
    assert (state.st_uid, state.st_gid, state.st_mode & 0o777) == (*ids, 0o711)
    assert lines("a/home")[2] == url  # again


def test_an_installation_on_sqlite_is_refused_and_left_as_it_is(folder: Path) -> None:
    (folder / "state.db").touch()
    before = folder.stat()
    refused(folder, f"The installation in {folder} is on SQLite")
    assert (os.listdir(folder), folder.stat()) == (["state.db"], before)


def test_settings_without_a_database_are_refused_and_left_as_they_are(folder: Path) -> None:
    config = folder / "config.toml"
    config.write_text("port = 1\n")
    before = folder.stat()
    refused(folder, f"{config} has no database_url")
    assert (config.read_text(), folder.stat()) == ("port = 1\n", before)


def test_a_long_path_is_refused_before_it_is_made(folder: Path) -> None:
    refused(folder / ("a" * 90), "too long for the socket")
    assert os.listdir(folder) == []


def test_a_folder_that_another_fyke_uses_is_refused(folder: Path) -> None:
    settings = Settings(home=folder)
    settings.run_dir.mkdir()
    settings.run_dir.chmod(0o755)  # whatever the umask
    lock = lock_home(settings)
    settings.up_lock.chmod(0o666)
    try:
        with pytest.raises(CommandFailed, match="already running") as error:
            CliRunner().invoke(
                main.app,
                ["nodes-home", "--home", str(folder)],
                catch_exceptions=False,
                standalone_mode=False,
            )
        assert error.value.code == Exit.CONFLICT
    finally:
        os.close(lock)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_root_follows_no_link_of_another_user(folder: Path) -> None:
    (folder / "target").mkdir()
    (folder / "link").symlink_to("target")
    os.lchown(folder / "link", 54_321, 54_321)
    refused(folder / "link", "a link that root has not made")
    assert (folder / "target").stat().st_uid == 0


def test_the_script_runs_a_server_only_for_a_database_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config.toml").write_text('database_url = "postgresql://db.example/fyke"\n')
    assert own_database(Settings(home=folder)) == ""
    (folder / "postgres").mkdir()
    assert own_database(Settings(home=folder)).endswith(f"{folder}/postgres")
    monkeypatch.setenv("FYKE_DATABASE_URL", "postgresql://db.example/fyke")
    assert own_database(Settings(home=folder)) == ""
