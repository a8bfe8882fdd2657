"""The work of every start, even if the server is unreachable for a while."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fyke.cli import shipped
from fyke.cli.errors import CommandFailed, Exit
from fyke.settings import Settings
from fyke_client import ApiError, ClientError, Unreachable
from fyke_client.types.fyke.users import UserItem, UserLink


def user(name: str, role: str, state: str) -> UserItem:
    return UserItem("id", name, role, state, 0, 0, "", 0, False, False)


class Client:
    """A client with the two methods that are called."""

    existing_users: list[UserItem] = []
    error: ApiError | None = None
    away: list[ClientError] = []  # raised by the next calls
    pushed: list[str] = []
    reasons: list[str] = []  # why it is not ready

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def not_ready(self) -> str:
        self._answer()
        return self.reasons.pop() if self.reasons else ""

    def push_worker(self, bundle: bytes, *, name: str, public: bool) -> Any:
        self._answer()
        self.pushed.append(name)
        return SimpleNamespace(path=f"owner/{name}")

    def _answer(self) -> None:
        if self.away:
            raise self.away.pop()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None: ...

    def users(self) -> list[UserItem]:
        self._answer()
        return self.existing_users

    def link_user(self, name: str) -> UserLink:
        if self.error:
            raise self.error
        return UserLink(name, "setup", f"http://here/setup?token={name}", 1)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(shipped, "FykeAdmin", Client)
    monkeypatch.setattr(shipped, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(shipped, "LONG_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(shipped, "delay", lambda *_, **__: 0)
    for name in ("away", "pushed", "reasons"):
        monkeypatch.setattr(Client, name, [])
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
    monkeypatch.setattr(shipped, "RETRY_SECONDS", 0)
    assert shipped.setup_link(settings, "http://here") == ""
    assert "no link for the owner's password: " in capsys.readouterr().err


AWAY = [
    Unreachable("http://here cannot be reached: Server disconnected"),
    ApiError(503, 5000, "Service temporarily unavailable"),
]


def test_requests_to_a_server_that_dies_during_the_start_are_retried(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    Client.away += AWAY
    published = shipped.publish_shipped(settings, "http://here")
    assert published and published == [f"owner/{name}" for name in Client.pushed]
    monkeypatch.setattr(Client, "existing_users", [user("owner", "owner", "invited")])
    Client.away += AWAY
    assert shipped.setup_link(settings, "http://here").endswith("=owner")


def test_a_server_that_stays_away_does_not_stop_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shipped, "RETRY_SECONDS", 0)
    Client.away += AWAY[:1] * 2
    assert shipped.publish_shipped(settings, "http://here") == []
    assert shipped.setup_link(settings, "http://here") == ""
    said = capsys.readouterr().err
    assert "the Workers were not published: http://here cannot be reached" in said
    assert "no link for the owner's password: http://here cannot be reached" in said


def test_a_start_does_not_wait_for_blobs_that_do_not_answer(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server has already waited for them, and would for each Worker and each repetition."""
    Client.away.append(ApiError(503, 5000, "Blob storage: no answer in time", key="blobs_away"))
    assert shipped.publish_shipped(settings, "http://here") == []
    assert Client.pushed == []
    assert "the Workers were not published: Blob storage" in capsys.readouterr().err


def test_a_refused_worker_is_skipped(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    Client.away.append(ApiError(400, 4000, "Invalid request parameters"))
    published = shipped.publish_shipped(settings, "http://here")
    assert published == [f"owner/{name}" for name in Client.pushed]
    assert "was refused: Invalid request parameters" in capsys.readouterr().err


def test_a_slow_start_says_so_once_and_keeps_waiting(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    Client.reasons += ["no runner is alive"] * 3
    Client.away += AWAY
    shipped.wait_until_ready("http://here", 0, give_up=False)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "did not become ready within 0 s (Service temporarily unavailable)" in said
    assert Client.reasons == []


def test_a_tour_gives_up(settings: Settings) -> None:
    Client.reasons += ["the process egress has not reported for 8 s"] * 9
    with pytest.raises(CommandFailed, match="has not reported for 8 s") as failure:
        shipped.wait_until_ready("http://here", 0, give_up=True)
    assert failure.value.code is Exit.UNREACHABLE
