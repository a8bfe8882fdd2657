"""The clients of the official SDK, each in a process, across restarts of the server and of the
client: a run goes on by its id, its rows by the cursor, and a start with the same ``once`` is that
of the first time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fyke.api.app import add_agents
from fyke.app.agents import LazyAgents
from fyke.model.runner import Lease
from support.served import Served, served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
HERE = Path(__file__).parent
FYKE_MCP = (sys.executable, "-m", "fyke.cli.entry", "mcp")
NPM = [pytest.mark.needs("node", "npm"), pytest.mark.long]
START = {"worker": "owner/reader", "input": {"urls": ["https://a.example"]}, "once": "tea"}
SECONDS = 240  # longer than what a test waits for takes on a slow machine


class AgentProcess:
    """A process with a client of an SDK."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def send(self, tool: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        print(json.dumps({"tool": tool, "arguments": arguments}), file=self._process.stdin)
        self._process.stdin.flush()

    def receive(self) -> Any:
        """The next answer: its texts, or None if the client got none."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the agent ended with {self._process.wait(SECONDS)}"
        answer = json.loads(line)
        if "lost" in answer:
            return None
        assert not answer["refused"], answer["texts"]
        return answer["texts"]

    def call(self, tool: str, **arguments: Any) -> Any:
        """The first text of an answer, decoded."""
        self.send(tool, **arguments)
        return json.loads(self.receive()[0])

    def rows(self, run: str, cursor: str = "") -> tuple[list[int], str]:
        """The rows after ``cursor``, and the cursor after them."""
        self.send("read_rows", run=run, cursor=cursor)
        about, *enclosed = self.receive()
        lines = enclosed[0].splitlines()[2:-1] if enclosed else []
        return [json.loads(line)["n"] for line in lines], json.loads(about)["cursor"]


@contextmanager
def agent_process(*command: str, **settings: str) -> Iterator[AgentProcess]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield AgentProcess(process)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()


class Restarted:
    """A server that can be stopped, and started again on the same data and port."""

    def __init__(self, folder: Path, templates: Path) -> None:
        self._folder = folder
        self._templates: Path | None = templates
        self._open = ExitStack()
        self._port = 0
        self._waits = threading.Event()
        self.server: Served

    def start(self) -> None:
        self._waits = threading.Event()
        opened = served(self._folder, self._templates, around=self._with_agents, port=self._port)
        self.server = self._open.enter_context(opened)
        self._templates = None
        self._port = urlsplit(self.server.base_url).port or 0

    def stop(self) -> None:
        self._open.close()

    def is_asked(self) -> bool:
        """Whether a request that waits for a run arrives at the server as it was started last."""
        return self._waits.wait(SECONDS)

    def _with_agents(self, app: Any) -> Any:
        async def noting(scope: Any, receive: Any, send: Any) -> None:
            if b"wait=" in scope.get("query_string", b""):
                self._waits.set()
            await app(scope, receive, send)

        add_agents(app, LazyAgents(noting))  # so that the requests of /mcp are noted, too
        return noting

    # --- the run ------------------------------------------------------------------------------

    def begin(self) -> Lease:
        [lease] = self.server.do(self.server.app.begin())
        return lease

    def push(self, lease: Lease, *numbers: int) -> None:
        self.server.do(self.server.app.push(lease, [{"n": number} for number in numbers]))

    def end(self, lease: Lease) -> None:
        self.server.do(self.server.app.end(lease))


@pytest.fixture
def place(tmp_path: Path, templates: Path) -> Iterator[Restarted]:
    server = Restarted(tmp_path, templates)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["python", pytest.param("javascript", marks=NPM)])
def program(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The command of an agent with an SDK."""
    if request.param == "python":
        return sys.executable, str(HERE / "agent.py")
    programs: Path = request.getfixturevalue("programs")
    return "node", str(shutil.copy(HERE / "npm" / "agent.mjs", programs.parent))


@pytest.mark.parametrize(
    "command",
    [pytest.param((), id="http"), pytest.param(FYKE_MCP, id="stdio", marks=pytest.mark.long)],
)
def test_a_run_goes_on_after_restarts(
    place: Restarted, program: tuple[str, ...], command: tuple[str, ...]
) -> None:
    place.server.do(place.server.app.publish())
    settings = {"FYKE_URL": place.server.base_url, "FYKE_KEY": place.server.app.owner_key}
    with agent_process(*program, *command, **settings) as first:
        run = first.call("start_run", **START)["run"]
        lease = place.begin()
        place.push(lease, 0, 1, 2)
        seen, cursor = first.rows(run)
        assert seen == [0, 1, 2]
        first.send("wait_for_run", run=run, seconds=SECONDS)
        assert place.is_asked()
        place.stop()
        place.start()
        if not command:  # the connection of /mcp was that of the call; fyke mcp asks again itself
            assert first.receive() is None
            first.send("wait_for_run", run=run, seconds=SECONDS)
        assert place.is_asked()
        place.push(lease, 3, 4)
        place.end(lease)
        ended = json.loads(first.receive()[0])
        assert (ended["state"], ended["rows"]) == ("succeeded", 5)
        assert first.rows(run, cursor)[0] == [3, 4]
        assert first.call("start_run", **START)["run"] == run
    with agent_process(*program, *command, **settings) as second:
        assert second.call("start_run", **START)["run"] == run
        assert second.call("wait_for_run", run=run)["ended"] is True
        assert second.rows(run, cursor)[0] == [3, 4]
        assert [each["slug"] for each in second.call("list_worker_runs")["list"]] == [run]
