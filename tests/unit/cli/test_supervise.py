"""Parts of the supervisor's program; the e2e tests run all of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import pytest

from fyke.cli import supervise


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_second_signal_stops_at_once(number: signal.Signals) -> None:
    async def work() -> None:
        stop, stop_now = supervise._on_signals()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 10)
        assert not stop_now.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop_now.wait(), 10)

    asyncio.run(work())


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_the_base_url_is_that_of_the_listening_socket(host: str, shown: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        base = supervise._base_url(listener.fileno())
        assert base == f"http://{shown}:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [(0, 0, ""), (3, 3, ""), (-9, 137, "fyke: A step was ended by SIGKILL; the platform stops\n")],
)
def test_the_exit_status_of_a_signal_is_that_of_shells(
    code: int, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supervise._exit_status(code, "A step") == status
    assert capsys.readouterr().err == message
