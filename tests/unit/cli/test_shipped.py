"""The link for the owner's first password, as a start asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fyke.cli import shipped
from fyke.client import ApiError
from fyke.settings import Settings
from fyke.wire.fyke.users import UserItem, UserLink


def user(name: str, role: str, state: str) -> UserItem:
    return UserItem("id", name, role, state, 0, 0, "", 0)


class Client:
    """The two calls that are made."""

    found: list[UserItem] = []
    error: ApiError | None = None

    def __init__(self, *_: Any) -> None: ...

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None: ...

    def users(self) -> list[UserItem]:
        return self.found

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
    ("found", "link"),
    [
        ([user("owner", "owner", "invited")], "http://here/setup?token=owner"),
        ([user("owner", "owner", "active")], ""),
        ([user("owner", "owner", "invited"), user("ada", "member", "active")], ""),
        ([user("gone", "owner", "disabled"), user("ada", "owner", "invited")], "=ada"),
        ([user("ada", "viewer", "invited")], ""),
    ],
)
def test_there_is_a_link_while_no_user_has_a_password(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, found: list[UserItem], link: str
) -> None:
    monkeypatch.setattr(Client, "found", found)
    made = shipped.setup_link(settings, "http://here")
    assert made.endswith(link) and bool(made) == bool(link)


def test_a_full_disk_does_not_keep_the_platform_from_starting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Client, "found", [user("owner", "owner", "invited")])
    monkeypatch.setattr(Client, "error", ApiError(503, 5000, "Service temporarily unavailable"))
    assert shipped.setup_link(settings, "http://here") == ""
    assert "no link for the owner's password: " in capsys.readouterr().err
