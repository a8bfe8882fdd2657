"""The server and the key of a command."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fyke.cli.context import Location, ServerContext, data_folder, locate
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.settings import load_settings

LOCAL = "http://127.0.0.1:8100"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path / "home")


def make_home(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "server.json").write_text(json.dumps({"url": LOCAL, "pid": 1}))
    (folder / "owner.key").write_text("scraper_api_LOCAL\n")
    return folder


def test_the_data_folder_has_url_and_key(home: Path) -> None:
    assert locate(None, None, str(home), {}) == Location(LOCAL, "scraper_api_LOCAL")
    assert locate(None, None, None, {"FYKE_HOME": str(home)}) == Location(
        LOCAL, "scraper_api_LOCAL"
    )


def test_flags_take_precedence_over_the_environment(home: Path) -> None:
    environment = {"FYKE_URL": "https://a.example", "FYKE_KEY": "k1", "FYKE_HOME": str(home)}
    assert locate(None, None, None, environment) == Location("https://a.example", "k1")
    assert locate("https://b.example/", "k2", None, environment) == Location(
        "https://b.example", "k2"
    )


def test_the_local_key_is_sent_only_to_the_local_server(home: Path) -> None:
    assert locate("https://else.example", None, str(home), {}) == Location(
        "https://else.example", ""
    )
    assert locate(LOCAL + "/", None, str(home), {}) == Location(LOCAL, "scraper_api_LOCAL")


def test_another_key_can_be_used_for_the_local_server(home: Path) -> None:
    (home / "owner.key").unlink()
    assert locate(None, "mine", str(home), {}) == Location(LOCAL, "mine")
    with pytest.raises(CommandFailed, match=r"owner\.key") as caught:
        locate(None, None, str(home), {})
    assert caught.value.code is Exit.AUTH


@pytest.mark.parametrize(
    ("url", "key"), [(LOCAL, "SECRET\nx"), ("http://me:SECRET@127.0.0.1:8100", "k")]
)
def test_an_unusable_key_or_url_is_not_shown(url: str, key: str) -> None:
    context = ServerContext(url, key, None, as_json=False)
    with pytest.raises(CommandFailed, match=r"must not contain|key contains") as caught:
        _ = context.client
    assert "SECRET" not in str(caught.value) and caught.value.code is Exit.USAGE


def test_without_a_local_server_the_error_names_fyke_up(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="fyke up") as caught:
        locate(None, None, str(tmp_path), {})
    assert caught.value.code is Exit.UNREACHABLE


def test_in_the_folder_of_a_node_the_error_names_the_installation(tmp_path: Path) -> None:
    (tmp_path / "node.json").write_text("{}")
    with pytest.raises(CommandFailed, match=r"folder of a node .* --url") as caught:
        locate(None, None, str(tmp_path), {})
    assert caught.value.code is Exit.UNREACHABLE and "fyke up" not in str(caught.value)
    assert locate(LOCAL, "k1", str(tmp_path), {}) == Location(LOCAL, "k1")


def test_a_damaged_server_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text("{")
    with pytest.raises(CommandFailed, match="not running"):
        locate(None, None, str(tmp_path), {})


def test_an_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(CommandFailed, match="--url") as caught:
        locate("127.0.0.1:8100", None, None, {})
    assert caught.value.code is Exit.USAGE


def test_the_data_folder_depends_on_user_and_running_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    user_home = tmp_path / ".fyke"
    assert data_folder(None, {}, system) == user_home
    make_home(system)
    assert data_folder(None, {}, system) == system  # the only one with a server
    make_home(user_home)
    assert data_folder(None, {}, system) == user_home
    assert data_folder("x", {"FYKE_HOME": "/y"}, system) == Path.cwd() / "x"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert data_folder(None, {}, system) == system


def test_an_invalid_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"setting port \(--port\)") as caught:
        load_settings(home=str(tmp_path), port=99999)
    assert caught.value.code is Exit.USAGE


def test_a_wrong_setting_is_named_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text("port = 99999\n")
    with pytest.raises(CommandFailed, match=r"setting port \(config\.toml\)"):
        load_settings(home=str(tmp_path))
    monkeypatch.setenv("FYKE_PORT", "x")
    with pytest.raises(CommandFailed, match=r"setting port \(FYKE_PORT\)"):
        load_settings(home=str(tmp_path))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"port = \n", "config.toml cannot be read: Invalid value"),
        (b"port = '\xff'\n", "config.toml cannot be read: 'utf-8' codec"),
        (b"prot = 8100\n", "config.toml: there is no setting prot; did you mean port?"),
        (b"[server]\nport = 1\n", "config.toml: there is no setting server"),
    ],
)
def test_a_settings_file_with_an_error_is_refused_by_name(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(CommandFailed) as caught:
        load_settings(home=str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}/{problem}")
    assert caught.value.code is Exit.USAGE


def test_a_relative_data_folder_is_that_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FYKE_HOME", "data")
    assert load_settings().home == tmp_path / "data"


def test_a_folder_of_another_user_is_not_called_one_without_a_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(
        CommandFailed, match=r"server\.json may not be read .* --url and --key"
    ) as e:
        locate(None, None, str(home), {})
    assert e.value.code is Exit.AUTH
    assert locate("http://a.example", "mine", str(home), {}).key == "mine"
