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
    variables: Mapping[str, str] = MappingProxyType({})  # of the machine

    def environment(self) -> dict[str, str]:
        found = super().environment()
        # the server's part of the range has the users of its own sandboxes
        base = int(found["FYKE_ATTEMPT_UID_BASE"]) + 2048
        return {
            **found,
            "FYKE_ATTEMPT_UID_BASE": str(base),
            "FYKE_ATTEMPT_UIDS": "2048",
            **self.variables,
        }

    def join(self, server: Booted, name: str) -> dict[str, Any]:
        """Join as soon as the gateway listens; return what the command prints."""
        made = Cli(server).json("node", "token")
        command = ("node", "join", made["gateway"], "--name", name, "--json")

        def joined() -> Any:
            done = subprocess.run(
                [*FYKE, *command],
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
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*FYKE, "node", "up", *arguments], env=self.environment(), cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.wait_for(lambda: "link_connected" in self.log.read_text(), "the connection", 30)
        # before its first report, the server takes large runs itself
        self.wait_for(self._has_reported, "the first report", 30)
        return self

    def _has_reported(self) -> bool:
        runners = self.server.read("/api/fyke/runners")["list"]
        return self.name in [runner["node"] for runner in runners]

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
