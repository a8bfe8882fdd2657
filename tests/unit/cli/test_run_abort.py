"""Many runs are aborted, whatever happens to one of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.run_abort import abort_all
from fyke_client.errors import ApiError, Unreachable
from support.scripted import ScriptedServer, Turns

RUNS = ["R1", "R2", "R3"]
ENDED = ApiError(400, 70002, "Run abort failed")
FORBIDDEN = ApiError(403, 4030, "No access")
AWAY = Unreachable("no server answers")


def server_of(*answers: Any, as_json: bool = False) -> ScriptedServer:
    return ScriptedServer(as_json, abort=Turns(answers))


def asked(server: ScriptedServer) -> list[str]:
    return [run for _, run in server.client.calls]


def test_a_run_that_has_just_ended_does_not_stop_the_rest() -> None:
    server = server_of(None, ENDED, None)
    abort_all(server, RUNS)
    assert asked(server) == RUNS
    assert server.messages.splitlines() == ["Aborting 2 runs.", "1 run had ended already."]
    server = server_of(None, ENDED, None, as_json=True)
    abort_all(server, RUNS)
    assert json.loads(server.data) == {"aborted": ["R1", "R3"], "ended": ["R2"], "failed": []}


def test_a_failure_is_the_end_of_the_command_once_all_were_tried() -> None:
    server = server_of(FORBIDDEN, ENDED, None, as_json=True)
    with pytest.raises(CommandFailed, match="1 run could not be aborted: No access") as failed:
        abort_all(server, RUNS)
    assert failed.value.code is Exit.AUTH and asked(server) == RUNS
    assert json.loads(server.data) == {
        "aborted": ["R3"], "ended": ["R2"], "failed": [{"run": "R1", "reason": "No access"}],
    }  # fmt: skip


def test_a_server_that_is_away_is_not_asked_for_each_run() -> None:
    server = server_of(None, AWAY)
    with pytest.raises(CommandFailed, match="2 runs could not be aborted: no server") as failed:
        abort_all(server, RUNS)
    assert failed.value.code is Exit.UNREACHABLE and asked(server) == RUNS[:2]
    assert "Aborting 1 run." in server.messages


def test_an_unknown_error_is_not_hidden() -> None:
    with pytest.raises(RuntimeError):
        abort_all(server_of(RuntimeError()), RUNS)
