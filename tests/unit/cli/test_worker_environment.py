"""Waiting for the dependencies of a version, with a scripted server."""

from __future__ import annotations

import io
from typing import Any

import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import Output
from fyke.cli.worker_environment import EnvironmentWatch, environment_fields
from fyke.model.worker import EnvironmentState
from fyke_client import ApiError
from fyke_client.types.fyke.versions import EnvironmentItem

PREPARING = EnvironmentItem(EnvironmentState.PREPARING, "", "", {})
AWAY = EnvironmentItem(EnvironmentState.PREPARING, "It was away", "internal", {})
READY = EnvironmentItem(EnvironmentState.READY, "", "", {})
FAILED = EnvironmentItem(EnvironmentState.FAILED, "It took too long", "install_timeout", {})


class Server:
    """Returns the next of ``answers``, the last one again and again; raises an exception."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.client = self
        self.out = Output(False, io.StringIO(), io.StringIO())
        self.time = 0.0

    def environment(self, slug: str, version: str) -> EnvironmentItem | None:
        assert (slug, version) == ("W", "v1.0.1")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def watch(*answers: Any) -> tuple[EnvironmentWatch, Server]:
    server: Any = Server(*answers)
    clock = lambda: server.time  # noqa: E731
    return EnvironmentWatch(server, "W", "v1.0.1", sleep=server.sleep, clock=clock), server


@pytest.mark.parametrize("last", [READY, FAILED, None])
def test_it_waits_until_the_result_is_known(last: EnvironmentItem | None) -> None:
    waiting, server = watch(*[PREPARING] * 10, last)
    assert waiting.until_prepared(None) is last
    assert 5 < server.time < 10


def test_it_waits_no_longer_than_the_limit() -> None:
    waiting, server = watch(PREPARING)
    assert waiting.until_prepared(7) is PREPARING
    assert 5 < server.time <= 7


@pytest.mark.parametrize("seconds", [None, 1000])
def test_after_a_fault_of_the_platform_it_waits_two_minutes(seconds: float | None) -> None:
    waiting, server = watch(*[PREPARING] * 20, AWAY)
    assert waiting.until_prepared(seconds) is AWAY
    assert 130 < server.time < 140
    assert watch(AWAY, AWAY, READY)[0].until_prepared(seconds) is READY


@pytest.mark.parametrize(
    ("environment", "code", "text"),
    [
        (FAILED, Exit.FAILED, "v1.0.1 was published, but is not ready: It took too long"),
        (PREPARING, Exit.TIMEOUT, "not ready yet; fyke worker show"),
        (AWAY, Exit.TIMEOUT, "not ready yet: It was away. It is tried again; fyke worker show"),
    ],
)
def test_the_exit_status_says_whether_it_is_ready(
    environment: EnvironmentItem, code: Exit, text: str
) -> None:
    waiting, _ = watch()
    with pytest.raises(CommandFailed, match=text) as caught:
        waiting.require_ready(environment)
    assert caught.value.code is code


def test_a_version_that_is_ready_or_that_runs_prepare_is_not_a_failure() -> None:
    waiting, _ = watch()
    for environment in (READY, None):
        assert waiting.require_ready(environment) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("status", [403, 404])
def test_a_key_that_may_only_publish_says_nothing(status: int) -> None:
    refused = ApiError(status, 4010, "no", "")
    assert watch(refused)[0].now() is None
    with pytest.raises(ApiError):
        watch(ApiError(500, 5000, "broken", ""))[0].now()


def test_the_line_of_a_version_says_whether_it_is_ready() -> None:
    assert environment_fields(None) == []
    assert environment_fields(READY) == [("ready", "yes")]
    assert environment_fields(PREPARING)[0][1].startswith("not yet")
    assert environment_fields(AWAY) == [("ready", "not yet, it is tried again: It was away")]
    assert environment_fields(FAILED) == [("ready", "no: It took too long")]
