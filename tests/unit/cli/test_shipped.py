"""The setup link of a start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fyke.cli import shipped
from fyke.client import ApiError
from fyke.settings import Settings
from fyke.wire.fyke.users import UserItem, UserLink


def user(name: str, role: str, state: str) -> UserItem:
    return UserItem("id", name, role, state, 0, 0, "", 0, False, False)


class Client:
    """A client with the two methods that are called."""

    existing_users: list[UserItem] = []
    error: ApiError | None = None

    def __init__(self, *_: Any) -> None: ...

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None: ...

    def users(self) -> list[UserItem]:
        return self.existing_users

    def link_user(self, name: str) -> UserLink:
        if self.error:
            raise self.error
        return UserLink(name, "setup", f"http://here/setup?token={name}", 1)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(shipped, "FykeClient", Client)
    (tmp_path / "owner.key").write_text("key")
    return Settings(home=tmp_path)


@pytest.mark.parametrize(
    ("users", "link"),
    [
        ([user("owner", "owner", "invited")], "http://here/setup?token=owner"),
        ([user("owner", "owner", "active")], ""),
        ([user("owner", "owner", "invited"), user("ada", "member", "active")], ""),
        ([user("gone", "owner", "disabled"), user("ada", "owner", "invited")], "=ada"),
        ([user("ada", "viewer", "invited")], ""),
    ],
)
def test_a_setup_link_exists_until_a_user_has_a_password(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, users: list[UserItem], link: str
) -> None:
    monkeypatch.setattr(Client, "existing_users", users)
    setup = shipped.setup_link(settings, "http://here")
    assert setup.endswith(link) and bool(setup) == bool(link)


def test_an_error_of_the_setup_link_does_not_stop_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Client, "existing_users", [user("owner", "owner", "invited")])
    monkeypatch.setattr(Client, "error", ApiError(503, 5000, "Service temporarily unavailable"))
    assert shipped.setup_link(settings, "http://here") == ""
    assert "no link for the owner's password: " in capsys.readouterr().err
