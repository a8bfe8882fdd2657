"""A Worker gets a browser of its own by connecting: rows of a page that needs scripts, through the
metered proxy, on the bill, and gone with the run.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from support.booted import Booted, booted, descendants
from support.browser_site import ROWS, BrowserSite, site_in_thread
from support.projects import python_project

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
RUNNING, SUCCEEDED, FAILED, ABORTED = 2, 3, 4, 5
# A client of the DevTools protocol: libraries are installed by the tests of libraries.
CLIENT = '''
import base64
import json
import os
import socket
import struct


def request(address, path, lines=""):
    host, _, port = address.partition(":")
    connection = socket.create_connection((host, int(port or 80)), 120)
    head = f"GET {path} HTTP/1.1\\r\\nHost: {address}\\r\\n{lines}\\r\\n"
    connection.sendall(head.encode())
    data = b""
    while not data.endswith(b"\\r\\n\\r\\n"):
        part = connection.recv(1)
        if not part:
            raise ConnectionError("no answer")
        data += part
    return connection, int(data.split()[1])


def http(address, path):
    connection, status = request(address, path, "Connection: close\\r\\n")
    with connection:
        body = b""
        while part := connection.recv(65536):
            body += part
    return status, body.decode()


class Devtools:
    def __init__(self, address=None, path="/"):
        address = address or os.environ["ChromeWs"]
        word = base64.b64encode(os.environ["PROXY_AUTH"].encode()).decode()
        self.connection, status = request(address, path, (
            "Upgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Version: 13\\r\\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nAuthorization: Basic {word}\\r\\n"))
        if status != 101:
            raise ConnectionError(status, self.connection.recv(65536).decode().strip())
        self.number = 0

    def ask(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode()
        self.connection.sendall(struct.pack("!BBH", 0x81, 0xFE, len(data)) + bytes(4) + data)
        while True:
            answer = json.loads(self.receive())
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(answer["error"]["message"])
                return answer["result"]

    def receive(self):
        _, size = self.exactly(2)
        if size == 126:
            [size] = struct.unpack("!H", self.exactly(2))
        elif size == 127:
            [size] = struct.unpack("!Q", self.exactly(8))
        return self.exactly(size)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.connection.recv(count - len(data))
            if not part:
                raise ConnectionError("the browser has gone")
            data += part
        return data

    def page(self, url):
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        failed = self.ask("Page.navigate", session, url=url).get("errorText")
        if failed:
            raise RuntimeError(failed)
        return session

    def value(self, session, expression):
        result = self.ask("Runtime.evaluate", session, expression=expression,
                          returnByValue=True, awaitPromise=True)["result"]
        return result.get("value")


ITEMS = """new Promise((resolve, reject) => {
  setTimeout(reject, 10000);
  const read = () => {
    const items = [...document.querySelectorAll(".item")];
    if (!items.length) return setTimeout(read, 20);
    resolve(items.map((item) => ({name: item.textContent, price: +item.dataset.price})));
  };
  read();
})"""
'''
ROWS_WORKER = """
from client import ITEMS, Devtools
from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
browser = Devtools(given.get("address"), given.get("path", "/"))
page = browser.page(given["url"])
for row in browser.value(page, ITEMS):
    CoreSDK.Result.push_data(row)
"""
WAITING_WORKER = """
import time
from client import Devtools
from sdk import CoreSDK

browser = Devtools()
CoreSDK.Result.push_data({"version": browser.ask("Browser.getVersion")["product"]})
while True:
    time.sleep(1)
"""
CLOSING_WORKER = """
from client import Devtools
from sdk import CoreSDK

for number in range(3):
    browser = Devtools()
    product = browser.ask("Browser.getVersion")["product"]
    CoreSDK.Result.push_data({"number": number, "product": product})
    browser.ask("Browser.close")
"""


def project(main: str) -> bytes:
    return python_project(main, **{"client.py": CLIENT})


def own_browsers() -> list[int]:
    """The processes of Chromium in sandboxes, those with our profile. Not those of platforms that
    other tests have started at the same time.
    """
    mine = descendants(os.getpid())
    return [pid for pid, command in mine.items() if "--user-data-dir=/work/p" in " ".join(command)]


@pytest.fixture(scope="module")
def platform() -> Iterator[Booted]:
    with booted() as running:
        yield running


@pytest.fixture(scope="module")
def rows_worker(platform: Booted) -> str:
    return platform.push(project(ROWS_WORKER), "browser-rows")


@pytest.fixture(scope="module")
def waiting_worker(platform: Booted) -> str:
    return platform.push(project(WAITING_WORKER), "browser-waiting")


@pytest.fixture
def site() -> Iterator[BrowserSite]:
    with site_in_thread() as running:
        yield running


def run_rows(
    platform: Booted, slug: str, site: BrowserSite, **custom: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    target = f"127.0.0.1:{site.port}"
    given = {"url": f"http://{target}/items", **custom}
    run = platform.start_run(slug, given, egress_allow=[target])
    return platform.ended(run, 200), platform.rows(run)


@pytest.mark.parametrize(
    "custom",
    [
        {},
        {"address": "chrome-ws-inner.coreclaw.com"},
        {"address": "chrome-ws-inner.cafescraper.com", "path": "/devtools/browser/new"},
    ],
    ids=["ChromeWs", "hard-coded", "lightpanda"],
)
def test_a_page_that_needs_scripts_gives_its_rows(
    platform: Booted, rows_worker: str, site: BrowserSite, custom: dict[str, str]
) -> None:
    detail, rows = run_rows(platform, rows_worker, site, **custom)
    assert (detail["status"], rows) == (SUCCEEDED, ROWS), detail
    assert [line.split(" ")[1] for line in site.requests] == ["/items", "/items.json"]
    assert detail["traffic"] > 1000
    platform.wait_for(lambda: not own_browsers(), "the end of the browser", 10)


def test_only_declared_and_public_sites_are_reached(
    platform: Booted, rows_worker: str, site: BrowserSite
) -> None:
    given = {"url": f"http://127.0.0.1:{site.port}/items"}
    run = platform.start_run(rows_worker, given)
    assert platform.ended(run, 200)["status"] == FAILED
    assert site.requests == []


def test_a_closed_browser_is_replaced_by_the_next_connection(platform: Booted) -> None:
    slug = platform.push(project(CLOSING_WORKER), "browser-closing")
    run = platform.start_run(slug)
    detail = platform.ended(run, 250)
    assert detail["status"] == SUCCEEDED, detail
    assert [row["number"] for row in platform.rows(run)] == [0, 1, 2]


def waiting(platform: Booted, slug: str) -> str:
    """A run whose Worker has a browser and waits."""
    run = platform.start_run(slug)
    platform.wait_for(lambda: platform.rows(run), "a browser", 200)
    assert own_browsers()
    return run


def ending(platform: Booted, run: str) -> tuple[int, str]:
    """Status and reason of a run, when it has ended."""
    return platform.ended(run, 100)["status"], platform.summary(run)["reason_code"]


def test_an_aborted_run_takes_its_browser_along(platform: Booted, waiting_worker: str) -> None:
    run = waiting(platform, waiting_worker)
    platform.call("/api/v1/scraper/abort", {"run_slug": run})
    platform.wait_for(lambda: not own_browsers(), "the end of the browser", 20)
    assert ending(platform, run) == (ABORTED, "aborted")


@pytest.mark.parametrize("role", ["browser", "runner"])
def test_a_killed_role_leaves_no_browser(platform: Booted, waiting_worker: str, role: str) -> None:
    run = waiting(platform, waiting_worker)
    platform.kill_role(role)
    platform.wait_for(lambda: not own_browsers(), "the end of the browser", 20)
    if role == "browser":
        assert platform.detail(run)["status"] == RUNNING  # its Worker goes on
        platform.call("/api/v1/scraper/abort", {"run_slug": run})
        assert ending(platform, run) == (ABORTED, "aborted")
    else:
        assert ending(platform, run) == (FAILED, "runner_lost")
    assert len(platform.rows(run)) == 1


def test_a_killed_egress_keeps_the_browser(
    platform: Booted, rows_worker: str, waiting_worker: str, site: BrowserSite
) -> None:
    run = waiting(platform, waiting_worker)
    platform.kill_role("egress", signal.SIGKILL)
    assert platform.role("egress")
    assert own_browsers()
    platform.call("/api/v1/scraper/abort", {"run_slug": run})
    platform.ended(run)
    detail, rows = run_rows(platform, rows_worker, site)
    assert (detail["status"], rows) == (SUCCEEDED, ROWS)
