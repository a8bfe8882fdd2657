"""The settings of commands that work on a data folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.main import get_command

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.main import app
from fyke.cli.settings import existing_settings, load_settings, settings_to_look_at
from fyke.settings import Settings
from support.commands import command

LOOKING = [
    ("doctor",),
    ("config", "show"),
    ("prune",),
    ("backup", "create", "{tmp}/new.tar.gz"),
    ("db", "check"),
    ("db", "migrate"),
    ("db", "convert"),
    ("db", "owner-key"),
    ("db", "accept-secret"),
    ("db", "accept-blobs"),
    ("db", "accept-lost-rows"),
    ("db", "copy-blobs"),
    ("node", "list"),
    ("node", "show", "n1"),
    ("node", "up"),
    ("user", "list"),
    ("run", "list"),
    ("queue", "list"),
]


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
@pytest.mark.parametrize("folder", ["none", "other"])
def test_a_folder_that_is_none_of_ours_is_refused_and_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], folder: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for name in ("FYKE_DATABASE_URL", "FYKE_HOME", "FYKE_URL", "FYKE_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    home = tmp_path / folder
    arguments = [word.format(tmp=tmp_path) for word in words]
    _, _, error = command(*arguments, "--home", home)
    assert isinstance(error, CommandFailed) and error.code is not Exit.OK
    text = str(error)
    assert str(home) in text and "--home" in text and ("fyke up" in text or words[1:] == ("up",))
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["other", "other/notes.txt"]


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("none", "it does not exist"),
        ("other", "it has none of state.db, rows.db, secret.key, owner.key, node, config.toml"),
    ],
)
def test_the_refusal_says_what_was_looked_for(tmp_path: Path, folder: str, found: str) -> None:
    (tmp_path / "other" / "node").mkdir(parents=True)  # a folder of this name is no sign
    home = tmp_path / folder
    with pytest.raises(CommandFailed) as caught:
        existing_settings(str(home))
    assert caught.value.code is Exit.NOT_FOUND
    assert str(caught.value) == (
        f"{home} is no data folder of Fyke: {found}. Name the right one with --home or FYKE_HOME; "
        "fyke up makes a new one"
    )


def test_a_node_has_no_database_but_can_be_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (tmp_path / "node.json").write_text("{}")
    (tmp_path / "node").write_text("01J\n")
    with pytest.raises(CommandFailed, match="folder of a node") as caught:
        existing_settings(str(tmp_path))
    assert caught.value.code is Exit.CONFLICT
    assert existing_settings(str(tmp_path), or_node=True).home == tmp_path


@pytest.mark.parametrize("name", ["config.toml", "node", "secret.key", "rows.db", "node.json"])
def test_what_fyke_or_its_operator_wrote_makes_a_folder_ours(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    assert settings_to_look_at(str(tmp_path)).home == tmp_path


def test_only_a_folder_that_was_named_has_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FYKE_HOME", raising=False)
    assert settings_to_look_at(None).home == tmp_path / ".fyke"
    with pytest.raises(CommandFailed, match=r"it does not exist\. Name the right one with "):
        settings_to_look_at(str(tmp_path / ".fyke"))
    (tmp_path / ".fyke" / "local").mkdir(parents=True)  # of fyke worker run
    assert settings_to_look_at(str(tmp_path / ".fyke")).home == tmp_path / ".fyke"


@pytest.mark.parametrize("content", [None, [], ["lost+found"]])
def test_before_the_first_start_the_variable_may_name_an_unused_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: list[str] | None
) -> None:
    home = tmp_path / "data"
    for name in content or []:
        (home / name).mkdir(parents=True)
    if content is not None:
        home.mkdir(exist_ok=True)
    monkeypatch.setenv("FYKE_HOME", str(home))
    assert settings_to_look_at(None).home == home
    assert home.exists() == (content is not None)
    with pytest.raises(CommandFailed, match="is no data folder") as caught:
        settings_to_look_at(str(home))
    assert caught.value.code is Exit.NOT_FOUND


@pytest.mark.parametrize("is_folder", [True, False])
def test_what_belongs_to_something_else_is_refused_by_the_name_of_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_folder: bool
) -> None:
    home = tmp_path / "other"
    if is_folder:
        home.mkdir()
        (home / "notes.txt").write_text("")
    else:
        home.write_text("")
    monkeypatch.setenv("FYKE_HOME", str(home))
    text = f"^{home}, which FYKE_HOME names, is no data folder .* Change this variable"
    for look in (settings_to_look_at, existing_settings):
        with pytest.raises(CommandFailed, match=text):
            look(None)
    with pytest.raises(CommandFailed, match="Name the right one with --home or FYKE_HOME;"):
        settings_to_look_at(str(home))


@pytest.mark.parametrize("number", ["0", "65", "many", "1.5"])
def test_a_number_of_servers_that_is_not_allowed_is_refused_with_the_range(
    home: Path, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = "must be a whole number from 1 to 64$"
    with pytest.raises(CommandFailed, match=rf"^setting servers \(--servers\): {rule}") as caught:
        load_settings(home=str(home), servers=number)
    assert caught.value.code is Exit.USAGE
    monkeypatch.setenv("FYKE_SERVERS", number)
    with pytest.raises(CommandFailed, match=rf"^setting servers \(FYKE_SERVERS\): {rule}"):
        load_settings(home=str(home))


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("FYKE_WARM_IDLE_SECONDS", "0", "must be a whole number of at least 1"),
        ("FYKE_BLOBS_URL", "https://x.example", "must be s3://BUCKET or s3://BUCKET/PREFIX"),
        ("FYKE_FAILED_ROWS", "odd", "must be 'hide' or 'keep'"),
    ],
)
def test_other_values_are_refused_in_the_same_words(
    home: Path, variable: str, value: str, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(CommandFailed, match=rf"\({variable}\): {rule}$"):
        load_settings(home=str(home))


@pytest.mark.parametrize("seconds", ["11", "601", "0", "soon", "12.5"])
def test_a_lease_that_leaves_no_time_to_stop_workers_is_refused_with_the_way_out(
    home: Path, seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYKE_LEASE_SECONDS", seconds)
    with pytest.raises(CommandFailed) as caught:
        load_settings(home=str(home))
    assert str(caught.value) == (
        "setting lease_seconds (FYKE_LEASE_SECONDS): must be a whole number of seconds from 12 to "
        "600, because a runner that is cut off needs 9 of them to stop its Workers; remove the "
        "setting for the default of 15"
    )


@pytest.mark.parametrize(("value", "seconds"), [("12", 12), ("600", 600), ("", 15)])
def test_a_lease_has_twelve_seconds_to_ten_minutes(
    home: Path, value: str, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYKE_LEASE_SECONDS", value)
    assert load_settings(home=str(home)).lease_seconds == seconds


@pytest.mark.parametrize("name", ["port", "servers"])
def test_the_options_of_up_have_the_ranges_of_the_settings(name: str) -> None:
    option = next(param for param in get_command(app).commands["up"].params if param.name == name)
    bounds = {k: v for item in Settings.model_fields[name].metadata for k, v in vars_of(item)}
    assert (option.min, option.max) == (bounds["ge"], bounds["le"])


def vars_of(constraint: object) -> list[tuple[str, int]]:
    return [(k, getattr(constraint, k)) for k in ("ge", "le") if hasattr(constraint, k)]


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
