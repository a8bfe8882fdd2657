"""The settings of commands that work on a data folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.settings import existing_settings, load_settings


def test_a_missing_folder_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="There is no data folder") as caught:
        existing_settings(str(tmp_path / "none"))
    assert caught.value.code is Exit.NOT_FOUND
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("number", "rule"), [(0, "greater than or equal to 1"), (65, "less than or equal to 64")]
)
def test_a_number_of_servers_that_is_out_of_range_is_refused(
    home: Path, number: int, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandFailed, match=rf"setting servers \(--servers\): .*{rule}") as caught:
        load_settings(home=str(home), servers=number)
    assert caught.value.code is Exit.USAGE
    monkeypatch.setenv("FYKE_SERVERS", str(number))
    with pytest.raises(CommandFailed, match=rf"setting servers \(FYKE_SERVERS\): .*{rule}"):
        load_settings(home=str(home))


def test_a_folder_of_another_user_is_refused_unless_the_database_is_postgresql(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CommandFailed, match="belongs to another user") as caught:
        existing_settings(str(home))
    assert caught.value.code is Exit.AUTH
    monkeypatch.setenv("FYKE_DATABASE_URL", "postgresql://x/y")
    assert existing_settings(str(home)).home == home
    monkeypatch.delenv("FYKE_DATABASE_URL")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert existing_settings(str(home)).home == home
