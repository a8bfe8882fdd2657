"""Output of the commands that change a Worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.worker_change import delete, promote, restore_version, tag, withdraw
from fyke_client import ApiError, Unreachable
from fyke_client.types.fyke import changes
from support.scripted import ScriptedServer


@pytest.mark.parametrize(
    ("failed_runs", "text"),
    [(0, ""), (1, " 1 waiting run failed."), (2, " 2 waiting runs failed.")],
)
def test_deleting_a_worker_names_the_waiting_runs_that_failed(failed_runs: int, text: str) -> None:
    server: Any = ScriptedServer(delete_worker=failed_runs)
    delete(server, "owner/hello", yes=True)
    assert server.messages == f"owner/hello is deleted.{text}\n"


def test_a_promotion_says_what_changes_before_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    preview = changes.PromotionPreview(
        before="v1.0.2",
        after="v1.0.1",
        others="v1.0.2",
        schema_changes=[
            changes.SchemaChangeItem("input", "removed", "b", "", "", True, "The field b is gone")
        ],
        declared_changes=[
            changes.DeclaredChangeItem("added", "example.org", "", True),
            changes.DeclaredChangeItem("browser", "", "required", False),
        ],
        tasks=[
            changes.FollowingTaskItem("T1", "Every morning", 1_700_000_000),
            changes.FollowingTaskItem("T2", "By hand", 0),
        ],
        more_tasks=1,
    )
    asked: list[str] = []
    monkeypatch.setattr("fyke.cli.worker_change.confirm", asked.append)
    server: Any = ScriptedServer(
        preview_promotion=preview, promote=SimpleNamespace(version="v1.0.1")
    )
    promote(server, "owner/hello", "v1.0.1")
    said = server.messages.splitlines()
    assert said[0] == "Now: v1.0.2. Then: v1.0.1."
    assert "The field b is gone (may be incompatible)" in said[1]
    assert said[2] == "  It can now connect to example.org (may do more)"
    assert said[3] == "  It uses a browser: required"
    assert "'Every morning' follows the current version, next at 2023-11-14" in said[4]
    assert said[5].endswith("'By hand' follows the current version.")
    assert said[6] == "  And 1 more task."
    assert "keep v1.0.2 until v1.0.1 is approved" in said[7]
    assert said[8] == "owner/hello v1.0.1 is the current version."
    assert asked == ["Make v1.0.1 the current version of owner/hello?"]
    promote(server, "owner/hello", "v1.0.1", yes=True)
    assert len(asked) == 1


def test_a_tag_is_moved_or_removed_after_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("fyke.cli.worker_change.confirm", asked.append)
    versions = [SimpleNamespace(version="v1.0.1", tags=["stable"])]
    server: Any = ScriptedServer(tag=None, untag=None, versions=versions)
    tag(server, "owner/hello", "stable", "v1.0.1")
    tag(server, "owner/hello", "beta", "v1.0.2")
    assert asked == [], "no version loses it"
    tag(server, "owner/hello", "Stable", "v1.0.2")
    tag(server, "owner/hello", "stable", remove=True)
    assert asked == [
        "Move stable of owner/hello from v1.0.1? Runs and tasks that name it use v1.0.2.",
        "Remove stable of owner/hello? Runs and tasks that name it can no longer start.",
    ]
    tag(server, "owner/hello", "stable", remove=True, yes=True)
    assert len(asked) == 2


def test_a_tag_is_given_or_removed() -> None:
    server: Any = ScriptedServer(tag=None, untag=None)
    tag(server, "owner/hello", "stable", "v1.0.1", yes=True)
    tag(server, "owner/hello", "stable", remove=True, yes=True)
    assert server.client.calls == [
        ("tag", "owner/hello", "v1.0.1", "stable"),
        ("untag", "owner/hello", "stable"),
    ]
    assert server.messages == "stable is v1.0.1.\nstable is removed.\n"
    for version, remove in (("", False), ("v1.0.1", True)):
        with pytest.raises(CommandFailed, match="name a version, or --remove") as caught:
            tag(server, "owner/hello", "stable", version, remove=remove)
        assert caught.value.code is Exit.USAGE


def test_a_withdrawal_and_its_end_name_the_current_version() -> None:
    versions = [
        SimpleNamespace(version="v1.0.2", latest=True),
        SimpleNamespace(version="v1.0.1", latest=False),
    ]
    answer = SimpleNamespace(version="v1.0.1")
    server: Any = ScriptedServer(withdraw=answer, restore=answer, versions=versions)
    withdraw(server, "owner/hello", "v1.0.1")
    restore_version(server, "owner/hello", "v1.0.1")
    assert server.messages.splitlines() == [
        "owner/hello v1.0.1 can no longer be started.",
        "The current version is v1.0.2.",
        "owner/hello v1.0.1 can be started again.",
        "The current version is v1.0.2.",
        "To make it current: fyke worker promote owner/hello v1.0.1",
    ]
    server = ScriptedServer(withdraw=answer, versions=versions[1:])
    withdraw(server, "owner/hello", "v1.0.1")
    assert server.messages.endswith("No version is left that can be started.\n")


@pytest.mark.parametrize(
    "failure",
    [
        ApiError(401, 4010, "the key lacks the scope read"),
        ApiError(503, 5030, "the server is starting"),
        Unreachable("no answer"),
    ],
)
def test_a_withdrawal_succeeds_if_the_current_version_cannot_be_read(failure: Exception) -> None:
    server: Any = ScriptedServer(withdraw=SimpleNamespace(version="v1.0.1"), versions=failure)
    withdraw(server, "owner/hello", "v1.0.1")
    assert server.messages == "owner/hello v1.0.1 can no longer be started.\n"
