"""Measures how long a Worker waits for its browser: from the connection to the first loaded page.

    python bench/browser.py [--times 20] [--at-once 6] [--program chromium]

Each run has one Worker with a small client of the DevTools protocol. It connects to ChromeWs and
opens a page of a local site: first in a browser that this connection starts, then again in the same
browser. At last several runs do it at once. The times are measured in the Worker. Prints p50, p90
and p99 in ms; the page is part of them.
"""

from __future__ import annotations

import sys
from typing import Any

from common import arguments, head, platform_up, times

from support.javascript_site import javascript_site
from support.projects import python_project

WORKER = '''
import base64
import json
import os
import socket
import time

from sdk import CoreSDK


class Browser:
    """A client of the DevTools protocol over one WebSocket."""

    def __init__(self):
        host, _, port = os.environ["ChromeWs"].partition(":")
        self.socket = socket.create_connection((host, int(port or 80)))
        self.file = self.socket.makefile("rb")
        login = base64.b64encode(os.environ["PROXY_AUTH"].encode()).decode()
        self.socket.sendall(
            f"GET / HTTP/1.1\\r\\nHost: {host}\\r\\nAuthorization: Basic {login}\\r\\n"
            "Upgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Version: 13\\r\\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n".encode()
        )
        status = self.file.readline()
        if b" 101 " not in status:
            raise SystemExit(status.decode())
        while self.file.readline() != b"\\r\\n":
            pass
        self.number = 0

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode()
        size = b"\\xfe" + len(data).to_bytes(2, "big")  # also right for short messages
        self.socket.sendall(b"\\x81" + size + bytes(4) + data)
        return self.until(lambda answer: answer.get("id") == self.number)["result"]

    def until(self, matches):
        while True:
            size = self.file.read(2)[1] & 0x7F
            if size > 125:
                size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
            message = json.loads(self.file.read(size))
            if matches(message):
                return message

    def open(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable", session)
        self.call("Page.navigate", session, url=url)
        self.until(lambda message: message.get("method") == "Page.loadEventFired")


url = CoreSDK.Parameter.get_input_json_dict()["url"]
row = {}
began = time.perf_counter()
browser = Browser()
row["connected"] = (time.perf_counter() - began) * 1000
browser.open(url)
row["first"] = (time.perf_counter() - began) * 1000
began = time.perf_counter()
browser.open(url)
row["next"] = (time.perf_counter() - began) * 1000
CoreSDK.Result.push_data(row)
'''
NAMES = {
    "connected": "connection, which starts the browser",
    "first": "connection to first page",
    "next": "next page in the same browser",
}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument("--program", default="headless-shell", help="or chromium")
    options = parser.parse_args()
    head(f"Browsers, {options.program}")
    settings = {"browser_program": options.program, "runner_memory_mb": "4096"}
    with javascript_site() as site, platform_up(**settings) as (running, api):
        worker = running.push(python_project(WORKER), "bench-browser")

        def start() -> str:
            started = api.start(worker, {"url": site.url}, egress_allow=[site.target])
            return str(started["run_slug"])

        def row_of(run: str) -> dict[str, Any]:
            api.ended(run)
            return api.rows(run)[0]

        row_of(start())  # programs and libraries are in the page cache now
        rows = [row_of(start()) for _ in range(options.times)]
        for name, text in NAMES.items():
            times(text, [row[name] for row in rows])
        runs = [start() for _ in range(options.at_once)]
        rows = [row_of(run) for run in runs]
        times(f"{options.at_once} runs at once: {NAMES['first']}", [row["first"] for row in rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
