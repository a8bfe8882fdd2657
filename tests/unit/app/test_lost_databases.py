"""A database that an installation has had and that is missing is never created anew silently."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.app.lost_databases import accept_lost_rows, find_loss
from fyke.app.maintenance import check, migrate
from fyke.app.prepare import prepare
from fyke.errors import Conflict
from fyke.settings import Settings
from fyke.storage.sql import presence as looking
from fyke.storage.sql.results.migrate import SCHEMA as RESULTS
from fyke.storage.sql.state.schema import SCHEMA as STATE
from support.commands import command
from support.prepared import leased_in, rows_in, state_in


def start(settings: Settings) -> None:
    prepare(settings, print)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A data folder that was started once."""
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    home = tmp_path / "home"
    home.mkdir()
    state_in(home)
    rows_in(home)
    settings = Settings(home=home)
    start(settings)
    return settings


ROWS_LOST = r"^rows\.db \(.*\) is missing from the data folder .*fyke db accept-lost-rows"
STATE_LOST = r"^state\.db \(.*\) is missing from the data folder .*move the data folder away"


@pytest.mark.parametrize("name, message", [("rows.db", ROWS_LOST), ("state.db", STATE_LOST)])
@pytest.mark.parametrize("emptied", [False, True])
def test_a_missing_or_empty_database_is_refused_and_not_created(
    settings: Settings, name: str, message: str, emptied: bool
) -> None:
    file = settings.home / name
    backup = shutil.copy(file, settings.home.with_name("backup"))
    file.unlink()
    if emptied:
        file.touch()
    for act in (start, migrate):
        with pytest.raises(Conflict, match=message):
            act(settings)
        assert (file.stat().st_size if file.exists() else None) == (0 if emptied else None)
    [finding] = check(settings)
    assert finding.startswith(f"{name} (") and "fyke db migrate" not in finding
    shutil.copy(backup, file)
    start(settings)
    assert check(settings) == []


def test_a_folder_of_which_both_databases_are_missing_is_refused(settings: Settings) -> None:
    for name in ("state.db", "rows.db"):
        (settings.home / name).unlink()
    with pytest.raises(Conflict, match=r"state\.db .*has owner\.key.*set FYKE_DATABASE_URL"):
        start(settings)
    assert not (settings.home / "state.db").exists()


@pytest.mark.parametrize("files", [(), ("secret.key",), ("state.db",)])
def test_a_first_start_that_was_interrupted_is_repeated(
    tmp_path: Path, files: tuple[str, ...]
) -> None:
    settings = Settings(home=tmp_path)
    if "secret.key" in files:
        settings.secret_file.write_text("ab" * 32)
    if "state.db" in files:
        state_in(tmp_path)
    start(settings)
    assert find_loss(settings) is None
    start(settings)


def test_a_first_start_of_another_process_is_not_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far it has come at each look."""
    order = [STATE.version_table, RESULTS.version_table, "accounts"]
    for progress in itertools.combinations_with_replacement(range(len(order) + 1), 4):
        looks = iter(progress)

        def has_row(url: str, table: str, column: str, looks: Iterator[int] = looks) -> bool:
            return table in order[: next(looks)]

        monkeypatch.setattr(looking, "_has_row", has_row)
        assert find_loss(Settings(home=tmp_path)) is None


def lose_rows(settings: Settings) -> None:
    """A run of which one attempt has ended with three rows; then ``rows.db`` is lost."""
    leased_in(settings.home)
    start(settings)
    with sqlite3.connect(settings.home / "state.db") as state:
        state.execute(
            "UPDATE attempts SET outcome = 'succeeded', rows = 3, finished_at = 5 WHERE ordinal = 0"
        )
        state.execute("UPDATE subtasks SET state = 'succeeded' WHERE ordinal = 0")
        state.execute("UPDATE runs SET ended_rows = 3")
    state.close()
    (settings.home / "rows.db").unlink()


def test_the_loss_of_the_rows_is_accepted_by_a_command(settings: Settings) -> None:
    lose_rows(settings)
    code, out, _ = command("db", "accept-lost-rows", "--home", settings.home)
    assert (code, out) == (0, "")
    start(settings)
    assert comparison(settings) == []
    with sqlite3.connect(settings.home / "state.db") as state:
        state.execute("UPDATE attempts SET finished_at = 9000000000000 WHERE ordinal = 0")
    state.close()
    [finding] = comparison(settings)
    assert "ended with 3 rows but 0 are stored" in finding


def comparison(settings: Settings) -> list[str]:
    """The findings except for the bundle of the seeded Worker, which has none."""
    return [finding for finding in check(settings) if not finding.startswith("the bundle ")]


def test_only_lost_rows_can_be_accepted(settings: Settings) -> None:
    with pytest.raises(Conflict, match="not missing"):
        accept_lost_rows(settings)
    (settings.home / "state.db").unlink()
    with pytest.raises(Conflict, match=STATE_LOST):
        accept_lost_rows(settings)
    assert not (settings.home / "state.db").exists()
