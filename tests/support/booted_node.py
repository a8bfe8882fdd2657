"""A node for end-to-end tests: another machine, but for its network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from support.booted import FYKE, Booted
from support.commands import Cli


class BootedNode(Booted):
    """``fyke node up`` in a separate folder, after ``fyke node join``."""

    name = ""
    server: Booted
    users = range(2048, 4096)  # of its sandboxes, in the range of Booted.environment
    variables: Mapping[str, str] = MappingProxyType({})  # of the machine
    _earlier: frozenset[str] | set[str] = frozenset()
    _log_begin = 0

    def environment(self) -> dict[str, str]:
        found = super().environment()
        # the other parts of the range have the users of other machines
        base = int(found["FYKE_ATTEMPT_UID_BASE"]) + self.users.start
        return {
            **found,
            "FYKE_ATTEMPT_UID_BASE": str(base),
            "FYKE_ATTEMPT_UIDS": str(len(self.users)),
            **self.variables,
        }

    def join(self, server: Booted, name: str, gateway: str = "") -> dict[str, Any]:
        """Join as soon as the gateway listens; return what the command prints."""
        cli = Cli(server)
        # with a wrapper the server may have another program than this process
        made = (cli.process_json if server.wrapper else cli.json)("node", "token")
        command = ("node", "join", gateway or made["gateway"], "--name", name, "--json")

        def joined() -> Any:
            done = subprocess.run(
                [*self.wrapper, *FYKE, *command],
                env=self.environment() | {"FYKE_NODE_TOKEN": made["token"]},
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode == 6:  # nothing listens yet
                return None
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        found: dict[str, Any] = server.wait_for(joined, "the gateway", 30)
        self.name, self.server = found["name"], server
        return found

    def start(self, *arguments: str) -> BootedNode:
        self.launch(*arguments)
        return self.wait_until_ready()

    def launch(self, *arguments: str) -> None:
        self._earlier = self._runners()
        with self.log.open("ab") as log:
            self._log_begin = log.tell()
            self.process = subprocess.Popen(
                [*self.wrapper, *FYKE, "node", "up", *arguments], env=self.environment(), cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def wait_until_ready(self) -> BootedNode:
        """Wait until it has connected since ``launch``, and takes attempts."""
        self.wait_for(self._has_connected, "the connection", 30)
        # before its first report, the server takes large runs itself
        self.wait_for(lambda: self._runners() - self._earlier, "the first report", 30)
        return self

    def _has_connected(self) -> bool:
        return b"link_connected" in self.log.read_bytes()[self._log_begin :]

    def _runners(self) -> set[str]:
        """The ids of its runners, the one before too until it was silent for long."""
        runners = self.server.read("/api/fyke/runners")["list"]
        return {runner["id"] for runner in runners if runner["node"] == self.name}

    def wait(self, seconds: float) -> int:
        """Wait until it ends by itself; return its exit status."""
        process, self.process = self.process, None
        assert process is not None
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f"the node did not end:\n{self.tail()}") from None
